"""The searches against closed forms, and everything that may happen in a round."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from math import comb

import pytest

from builders.typist import Marks, Typist, problem_policy
from dreamprm_code.errors import UserError
from dreamprm_code.policies import Failure, FailureState
from dreamprm_code.search.methods import METHODS, Beam, Found, Recipe, value
from dreamprm_code.search.policy import Unobtained
from dreamprm_code.steps import DEFAULT_STEPS

SUCCESS = (0.35, 0.6, 0.5)  # probability that each of three functions is written right
TRIALS = 500
BAND = 3.3 * (0.25 / TRIALS) ** 0.5  # 99.9% of binomial errors, whatever the rate


class Simulated:
    """Writes function k right with probability SUCCESS[k], each text once; a program is right if all its functions are."""

    def __init__(self, seed: int):
        self.seed = seed

    async def extend(self, parent: Beam, path: tuple[int, ...], max_tokens: int, to_end: bool) -> Beam:
        depth = len(parent.path) - 1
        is_right = random.Random(f"{self.seed} {path}").random() < SUCCESS[depth]
        name = "_".join(map(str, path))
        prefix = f"{parent.prefix}def f_{name}(): return {is_right}\n"
        return Beam(path, prefix, prefix, "stop" if depth == len(SUCCESS) - 1 else None, parent.num_tokens + 10)

    async def write(self, path: tuple[int, ...], max_tokens: int | None) -> Beam:
        beam = Beam((path[-1],))
        while beam.finish_reason is None:
            beam = await self.extend(beam, (*beam.path, 0), 10, False)
        return beam


class Truth:
    """1 for a prefix without a wrong function, else 0; or by chance alone."""

    steps = DEFAULT_STEPS

    def __init__(self, seed: int | None = None):
        self.chance = None if seed is None else random.Random(seed)
        self.counts: Counter[str] = Counter()

    def score(self, programs):
        if self.chance is not None:
            return [tuple(self.chance.random() for _ in range(text.count("def"))) for text in programs]
        return [tuple(float("False" not in part) for part in itertools.accumulate(text.splitlines(True))) for text in programs]


def search(policy, scorer, **recipe) -> Found:
    made = Recipe(**recipe)
    return asyncio.run(METHODS[made.method](policy, scorer, made))


def chosen(found: Found, aggregation: str = "last") -> Beam:
    return max(found.beams, key=lambda beam: value(beam, aggregation))


def pass_rate(scorer_of, **settings) -> float:
    recipe = Recipe(aggregation="last", **settings)

    async def run() -> list[Found]:
        return [await METHODS[recipe.method](Simulated(seed), scorer_of(seed), recipe) for seed in range(TRIALS)]

    best = [chosen(found) for found in asyncio.run(run())]
    assert all(len(beam.path) == 1 + len(SUCCESS) for beam in best)
    return sum("False" not in beam.prefix for beam in best) / TRIALS


def binomial(n: int, p: float) -> list[float]:
    return [comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


def beam_pass_rate(n: int, m: int) -> float:
    """Markov chain of how many right prefixes are kept: at most n / m of Binomial(draws from right ones, q)."""
    kept = {0: 0.0, n // m: 1.0}
    for depth, q in enumerate(SUCCESS):
        after: Counter[int] = Counter()
        for right, share in kept.items():
            for count, chance in enumerate(binomial(n if depth == 0 else right * m, q)):
                after[min(count, n // m)] += share * chance
        kept = dict(after)
    return 1 - kept[0]


def dvts_pass_rate(n: int, m: int) -> float:
    tree = 1.0
    for q in SUCCESS:
        tree *= 1 - (1 - q) ** m
    return 1 - (1 - tree) ** (n // m)


ONE = SUCCESS[0] * SUCCESS[1] * SUCCESS[2]


@pytest.mark.parametrize(
    ("method", "n", "m", "expected"),
    [
        ("best_of_n", 4, 1, 1 - (1 - ONE) ** 4),
        ("beam_search", 4, 2, beam_pass_rate(4, 2)),
        ("beam_search", 6, 3, beam_pass_rate(6, 3)),
        ("dvts", 4, 2, dvts_pass_rate(4, 2)),
    ],
)
def test_with_a_scorer_that_knows_the_truth_the_pass_rate_is_the_closed_form(method, n, m, expected):
    """0.36, 0.65, 0.88 and 0.60."""
    assert pass_rate(lambda seed: Truth(), method=method, n=n, m=m) == pytest.approx(expected, abs=BAND)


@pytest.mark.parametrize("method", METHODS)
def test_a_random_scorer_gives_what_one_sample_gives(method):
    assert pass_rate(Truth, method=method, n=4, m=2) == pytest.approx(ONE, abs=BAND)


def test_the_beam_that_is_kept_is_worked_out_by_hand():
    """Marks 10, 90, 50, 30: with n = 4 and m = 2 the programs of 90 and 50 go on, each in two ways, and 50 wins in the end."""
    marks, ends = {10: (99, 99), 90: (20, 10), 50: (80, 70), 30: (99, 99)}, ("a", "b")
    programs = [
        f"def f():\n    return {mark}\n\n\ndef g{end}():\n    return {marks[mark][ends.index(end)]}\n```"
        for end in ends
        for mark in marks
    ]
    found = search(problem_policy(Typist(*programs)), Marks(), method="beam_search", n=4, m=2, aggregation="mean")
    assert [beam.path for beam in found.beams] == [(0, 1, 0), (0, 1, 1), (0, 2, 0), (0, 2, 1)]
    assert chosen(found, "mean").step_scores == (0.5, 0.8)
    assert (found.counts["rounds"], found.counts["tied_rounds"], found.counts["duplicates"]) == (2, 0, 0)
    assert found.counts["generated_tokens"] > sum(beam.num_tokens for beam in found.beams) / 2


def test_finished_programs_hold_their_place_and_end_the_search():
    """Two short programs are the best after one round: nothing more is written."""
    short = [f"def f():\n    return {mark}\n```" for mark in (90, 80)]
    long = [f"def f():\n    return {mark}\n\n\ndef g():\n    return 99\n```" for mark in (20, 10)]
    policy = problem_policy(Typist(*short, *long))
    found = search(policy, Marks(), method="beam_search", n=4, m=2)
    assert [beam.prefix[-2:] for beam in found.beams] == ["90", "80"] and found.counts["rounds"] == 1


def test_equal_scores_keep_the_first_and_are_counted():
    programs = [
        f"def f{name}():\n    return 50\n\n\ndef g():\n    return {mark}\n```"
        for name, mark in zip("abcd", (1, 2, 3, 4), strict=True)
    ]
    found = search(problem_policy(Typist(*programs)), Marks(), method="beam_search", n=4, m=2)
    assert {beam.path[:2] for beam in found.beams} == {(0, 0), (0, 1)}
    assert found.counts["tied_rounds"] == 1


def test_duplicates_are_sampled_again_once_and_then_merged():
    """Four draws of two programs: 0 and 1 differ, 2 and 3 repeat them, and so do their second draws 6 and 7."""
    programs = ["def f():\n    return 1\n```", "def f():\n    return 2\n```"]
    typist = Typist(*programs)
    found = search(problem_policy(typist), Marks(), method="beam_search", n=4, m=2)
    assert (found.counts["duplicates"], found.counts["merged"], len(found.beams)) == (2, 2, 2)
    assert [request.indices for request in typist.asked] == [(0,), (1,), (2,), (3,), (6,), (7,)]
    typist = Typist(*programs, *(f"def f():\n    return {mark}\n```" for mark in (1, 2, 2, 3, 4)))
    found = search(problem_policy(typist), Marks(), method="beam_search", n=4, m=2)
    assert (found.counts["duplicates"], found.counts["merged"], len(found.beams)) == (2, 1, 3)
    assert found.counts["generated_tokens"] == 6 * len(programs[0])


def test_programs_that_cannot_be_read_rank_last_but_stay():
    programs = ["def f():  # unreadable\n    return 1\n```", *(f"def f():\n    return {mark}\n```" for mark in (2, 3, 4))]
    found = search(problem_policy(Typist(*programs)), Marks(), method="dvts", n=2, m=2)
    assert [beam.step_scores for beam in found.beams] == [None, (0.02,)]
    assert chosen(found).prefix.endswith("2")


def test_a_failure_for_good_loses_its_draw_and_another_stops_the_problem():
    def fail(state):
        return lambda request: Failure(request.indices[0], state, "no") if request.indices == (1,) else None

    programs = [f"def f():\n    return {mark}\n```" for mark in range(4)]
    for method in METHODS:
        lost = search(problem_policy(Typist(*programs, fail=fail(FailureState.CONTENT_FILTER))), Marks(), method=method)
        assert lost.counts["lost"] == (2 if method == "dvts" else 1)
        kept = []
        policy = problem_policy(Typist(*programs, fail=fail(FailureState.TIMEOUT)), keep=kept.append)
        with pytest.raises(Unobtained, match="no"):
            search(policy, Marks(), method=method)
        assert len(kept) == (2 if method == "dvts" else 3), "what was paid for is in the journal"


def test_all_draws_lost_is_no_candidate():
    typist = Typist("def f(): pass", fail=lambda request: Failure(request.indices[0], FailureState.REFUSED, "no"))
    assert search(problem_policy(typist), Marks(), method="beam_search").beams == ()


@pytest.mark.parametrize("method", METHODS)
def test_the_budget_is_never_exceeded_and_what_it_cuts_is_named(method):
    programs = [
        f"def f():\n    return {mark}\n\n\ndef g():\n    return {mark + 1}\n\n\nprint({mark})\n```" for mark in range(20, 28)
    ]
    whole = search(problem_policy(Typist(*programs)), Marks(), method=method)
    for budget in range(1, whole.counts["generated_tokens"] + 20, 7):
        found = search(problem_policy(Typist(*programs)), Marks(), method=method, budget=budget)
        assert found.counts["generated_tokens"] <= max(budget, 4)
        assert len(found.beams) > 0
    assert {beam.finish_reason for beam in found.beams} == {"stop"}, "with the whole budget nothing is cut"
    cut = search(problem_policy(Typist(*programs)), Marks(), method="beam_search", budget=120)
    assert {beam.finish_reason for beam in cut.beams} == {"budget"}
    assert all(beam.prefix in ("", *(beam.output.removeprefix("```python\n").rstrip(),)) for beam in cut.beams)


def test_an_impossible_recipe_is_refused():
    with pytest.raises(UserError, match="n=5 is no multiple of m=2: dvts keeps n / m programs"):
        Recipe(method="dvts", n=5, m=2)
