"""Between policy and file: tasks run side by side within a bound."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from dreamprm_code.policies import BudgetReached
from dreamprm_code.sampling.sampler import run_bounded


def test_no_more_than_the_limit_run_at_once_and_all_run():
    running, most, done = 0, 0, []

    async def task(number: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        done.append(number)

    assert asyncio.run(run_bounded((partial(task, number) for number in range(50)), 7)) is None
    assert sorted(done) == list(range(50)) and most == 7


def test_a_spent_budget_starts_nothing_more_and_awaits_what_runs():
    started, done = [], []

    async def task(number: int) -> None:
        started.append(number)
        if number == 5:
            raise BudgetReached("spent")
        await asyncio.sleep(0.01)
        done.append(number)

    assert asyncio.run(run_bounded((partial(task, number) for number in range(100)), 10)) == "spent"
    assert done == [number for number in started if number != 5] and len(started) <= 10


def test_an_error_cancels_the_others_and_is_raised_as_it_is():
    cancelled = []

    async def task(number: int) -> None:
        if number == 3:
            raise RuntimeError("broken")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(number)
            raise

    with pytest.raises(RuntimeError, match="broken"):
        asyncio.run(run_bounded((partial(task, number) for number in range(100)), 10))
    assert set(cancelled) >= {0, 1, 2} and len(cancelled) <= 10
