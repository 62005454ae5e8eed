"""From requests to graded rows: programs are graded while others are sampled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, NamedTuple

from tqdm import tqdm

from dreamprm_code.grading import Grader, GradeRequest, GradeResult, open_grader
from dreamprm_code.policies import open_policy
from dreamprm_code.policies.base import BudgetReached, Completion, CompletionRequest, Failure, Policy
from dreamprm_code.policies.continuation import keep_prefix, program_of
from dreamprm_code.progress import progress_bar
from dreamprm_code.records import Problem, Rollout, Solution
from dreamprm_code.sampling.file import SampledFile
from dreamprm_code.sampling.settings import SamplingSettings
from dreamprm_code.steps import extract_code

SHOW_EVERY_S = 0.25


class Sampled(NamedTuple):
    """A graded completion, before it becomes a row."""

    completion: Completion
    code: str
    keeps_prefix: bool
    grade: GradeResult
    language: str = "python"

    def fields(self) -> dict[str, Any]:
        """What a :class:`Solution` and a :class:`Rollout` say alike."""
        completion = self.completion
        return {
            "output": completion.output,
            "code": self.code,
            "finish_reason": completion.finish_reason,
            "prompt_tokens": completion.prompt_tokens,
            "completion_tokens": completion.completion_tokens,
            "verdict": self.grade.verdict,
            "passed": self.grade.verdict.passed,
        }


class Sampler:
    """Asks the policy, grades, writes. ``max_requests`` of the policy bounds what is in flight."""

    def __init__(self, policy: Policy, grader: Grader, file: SampledFile, bar: tqdm | None = None, language: str = "python"):
        self.policy, self.grader, self.file, self.bar, self.language = policy, grader, file, bar, language
        self._in_flight = asyncio.Semaphore(policy.max_requests)
        self._reading = asyncio.Lock()
        self._shown = time.monotonic()

    async def sample(
        self,
        request: CompletionRequest,
        problem: Problem,
        make_row: Callable[[Sampled], Solution | Rollout],
        improve: Callable[[Sampled], Awaitable[Sampled]] | None = None,
    ) -> list[Sampled]:
        """Obtain the completions of a request, grade them, write their rows; failures are noted.

        ``improve`` may put another completion in the place of one before it is written.
        """
        grading: list[asyncio.Task[Sampled]] = []
        try:
            async for result in self.ask(request):
                if isinstance(result, Failure):
                    self.file.fail((*request.key, result.index), result)
                    self._show(0)
                else:
                    grading.append(asyncio.create_task(self._grade_and_write(result, request, problem, make_row, improve)))
        finally:  # what was paid for is written, even when the budget ends in the middle
            done = await asyncio.gather(*grading)
        return done

    async def ask(self, request: CompletionRequest) -> AsyncIterator[Completion | Failure]:
        """The policy's answers, with no more requests in flight than it wants."""
        async with self._in_flight:
            async for result in self.policy.complete(request):
                yield result

    async def _grade_and_write(
        self,
        completion: Completion,
        request: CompletionRequest,
        problem: Problem,
        make_row: Callable[[Sampled], Any],
        improve: Callable[[Sampled], Awaitable[Sampled]] | None,
    ) -> Sampled:
        sampled = await self.graded(completion, request, problem)
        if improve is not None:
            sampled = await improve(sampled)
        self.file.add(make_row(sampled))
        self._show(1)
        return sampled

    async def graded(self, completion: Completion, request: CompletionRequest, problem: Problem) -> Sampled:
        """Take the program out of an answer and run its unit tests.

        One answer is read per turn of the event loop, so that of many replies that come at once none keeps the next requests
        waiting: a server's free places are filled first.
        """
        async with self._reading:
            await asyncio.sleep(0)
            read = partial(extract_code, language=self.language)
            code, kept = program_of(completion.output, request.prefix, read), True
            if request.prefix is not None:
                code, kept = keep_prefix(code, request.prefix)
        request_to_grade = GradeRequest((*request.key, completion.index), problem, code, self.language)
        grade = await asyncio.wrap_future(self.grader.submit(request_to_grade))
        return Sampled(completion, code, kept, grade, self.language)

    def _show(self, rows: int) -> None:
        account, now = self.file.account, time.monotonic()
        if self.bar is not None:
            self.bar.update(rows)
            if now - self._shown > SHOW_EVERY_S:
                self._shown = now
                counts = self.file.counts
                money = "" if account.cost is None else f" ${account.cost:.3f}"
                self.bar.set_postfix_str(
                    f"passed {counts['verdict_passed']}/{counts['rows']}, failed requests {len(self.file.failures.keys)}, "
                    f"tokens {account.prompt_tokens}+{account.completion_tokens}{money}",
                    refresh=False,
                )


Tasks = Callable[[Sampler], Iterable[Callable[[], Awaitable[Any]]]]
"""What a stage wants done with a sampler; each is started in turn."""


async def run_bounded(tasks: Iterable[Callable[[], Awaitable[Any]]], limit: int) -> str | None:
    """Run tasks in order, ``limit`` at a time; memory does not grow with their number.

    When the budget is reached no task is started any more and those that run are awaited; returns the reason, else None. Any
    other error cancels all and is raised.
    """
    free = asyncio.Semaphore(limit)
    reason: str | None = None

    async def run(task: Callable[[], Awaitable[Any]]) -> None:
        nonlocal reason
        try:
            await task()
        except BudgetReached as reached:
            reason = str(reached)
        finally:
            free.release()

    try:
        async with asyncio.TaskGroup() as group:
            for task in tasks:
                await free.acquire()
                if reason is not None:
                    break
                group.create_task(run(task))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return reason


def sample_and_grade(
    settings: SamplingSettings,
    file: SampledFile,
    tasks: Tasks,
    num_rows: int,
    say: Callable[[str], None] | None = None,
    keep_outputs: bool = False,
    num_left: Callable[[], int] | None = None,
) -> dict[str, Any]:
    """:func:`run_sampling` with the policy and the grader of the settings; ``say`` is told the isolation level and what is
    likely to go wrong."""
    if say is not None and num_rows:
        for line in settings.warnings():
            say(f"warning: {line}")
    graders = settings.grader_settings(settings.grade_workers, keep_outputs=keep_outputs, languages=(settings.language,))
    state_path = file.path.with_suffix(".batches.json")
    openers = partial(open_policy, settings, file.account, state_path), partial(open_grader, graders, say=say)
    counts = run_sampling(*openers, file, tasks, num_rows, settings.language, num_left)
    return counts | {"spent": file.account.summary()}


def run_sampling(
    open_policy: Callable[[], Policy],
    open_grader: Callable[[], AbstractContextManager[Any]],
    file: SampledFile,
    tasks: Tasks,
    num_rows: int,
    language: str = "python",
    num_left: Callable[[], int] | None = None,
) -> dict[str, Any]:
    """Sample until nothing is missing or the budget is reached, then close the file; returns the counts of its manifest.

    At most ``num_rows`` are to come; ``num_left`` tells afterwards how many did not, where that is not the difference. Policy
    and grader are opened first, if there is anything to do: where they cannot be, nothing is written.
    """

    async def run() -> tuple[str | None, dict[str, str]]:
        policy = open_policy()
        try:
            with open_grader() as grader:
                file.start()
                with progress_bar(total=num_rows, desc=file.path.name, unit="row") as bar:
                    sampler = Sampler(policy, grader, file, bar, language)
                    reason = await run_bounded(tasks(sampler), 2 * policy.max_requests + 64)
                return reason, {"policy_kind": policy.kind, "isolation": grader.isolation}
        finally:
            await policy.aclose()

    try:
        if num_rows:
            reason, facts = asyncio.run(run())
        else:
            file.start()
            reason, facts = None, {}
    except BaseException:
        file.abandon()
        raise
    num_added = file.counts["rows"] - file.counts["rows_before"]
    counts = file.close(max(0, num_rows - num_added) if num_left is None else num_left(), facts)
    if reason is not None:
        counts["stopped"] = reason
    return counts


def solution_row(question_id: str, sampled: Sampled) -> Solution:
    """The row of a sampled program."""
    return Solution(
        question_id=question_id,
        solution_idx=sampled.completion.index,
        language=sampled.language,
        mean_logprob=sampled.completion.mean_logprob,
        **(sampled.fields() | sampled.grade.solution_fields()),
    )
