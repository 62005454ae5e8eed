"""The first step at which a failing program is lost, found by bisection (PSGPO, arXiv 2410.17621).

A prefix *holds* if any of up to K completions of it passes. Bisection takes for granted that what is lost stays lost: if a
prefix does not hold, no longer one does. The empty prefix is taken to hold and the failed program does not, so at most
ceil(log2(steps)) prefixes are probed. The *transition* is the first step whose prefix does not hold; steps before it are
labelled 1, it and those after it 0. Transition 0 says that no prefix held: the first line is lost, or the problem is too hard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from dreamprm_code.labels.monte_carlo import counts_for_label
from dreamprm_code.records import Rollout, Solution, Step, StepLabel
from dreamprm_code.steps import StepSettings


class Tally(NamedTuple):
    """Rollouts of one step: all that were ``sampled``, those that ``counted`` for its label, and of these the ``correct``."""

    sampled: int = 0
    counted: int = 0
    correct: int = 0

    def plus(self, row: Rollout) -> Tally:
        counts = counts_for_label(row)
        return Tally(self.sampled + 1, self.counted + counts, self.correct + (counts and bool(row.passed)))


class Bisected(NamedTuple):
    """How far a search has come. One of ``transition`` and ``probe`` (the step to sample now) is None; both are where a probe
    could not be decided, because all of its K rollouts rewrote the prefix or could not be graded."""

    transition: int | None
    probe: int | None
    num_probes: int


def bisect(num_steps: int, tallies: Mapping[int, Tally], max_rollouts: int) -> Bisected:
    """The state of the search in a failed program, from the rollouts so far by step; ``max_rollouts`` is K."""
    holds, lost, num_probes = -1, num_steps - 1, 0
    while lost - holds > 1:
        middle = (holds + lost) // 2
        tally = tallies.get(middle, Tally())
        num_probes += 1
        if tally.correct:
            holds = middle
        elif tally.sampled < max_rollouts:
            return Bisected(None, middle, num_probes)
        elif not tally.counted:
            return Bisected(None, None, num_probes)
        else:
            lost = middle
    return Bisected(lost, None, num_probes)


def transition_labels(
    steps: Iterable[Step],
    rollouts: Iterable[Rollout],
    solutions: Iterable[Solution],
    max_rollouts: int,
    settings: StepSettings,
    select: str = "revised",
) -> tuple[list[StepLabel], dict[str, int]]:
    """A row for every step, and counts of the programs by what became of them.

    Programs that pass are labelled 1 throughout. Of those that fail, ``select`` "revised" labels the ones with a prefix that
    held; "all" also labels the rest, 0 throughout. Whole programs keep their outcome in any case; other steps of what is not
    labelled have counts of 0.
    """
    outcomes = {solution.key: solution.passed for solution in solutions}
    tallies = tallies_of(rollouts)
    labels: list[StepLabel] = []
    names = ("passed", "revised", "without_passing_prefix", "undecided", "ungraded")
    counts = {f"programs_{name}": 0 for name in names} | {"probes": 0}
    for key, group in groupby(steps, key=lambda step: step.key[:2]):
        program = list(group)
        outcome = outcomes.get(key)
        first_lost: int | None = None  # None: no label
        if outcome is None:
            kind = "ungraded"
        elif outcome:
            kind, first_lost = "passed", len(program)
        else:
            found = bisect(len(program), tallies.get(key, {}), max_rollouts)
            counts["probes"] += found.num_probes
            if found.transition is None:
                kind = "undecided"
            elif found.transition == 0:
                kind, first_lost = "without_passing_prefix", 0 if select == "all" else None
            else:
                kind, first_lost = "revised", found.transition
        counts[f"programs_{kind}"] += 1
        for step in program:
            total, correct = int(first_lost is not None), int(first_lost is not None and step.step_idx < first_lost)
            if step.is_last:
                total, correct = int(outcome is not None), int(bool(outcome))
            labels.append(
                StepLabel(
                    **step.to_dict(),
                    num_rollouts=total,
                    num_correct=correct,
                    max_functions=settings.max_functions,
                    granularity=settings.granularity,
                    inferred=True,
                )
            )
    return labels, counts


def tallies_of(rollouts: Iterable[Rollout]) -> dict[tuple, dict[int, Tally]]:
    """Tallies by program (question_id, solution_idx) and step."""
    tallies: dict[tuple, dict[int, Tally]] = {}
    for row in rollouts:
        program = tallies.setdefault(row.key[:2], {})
        program[row.step_idx] = program.get(row.step_idx, Tally()).plus(row)
    return tallies


def regained(tallies: Mapping[int, Tally]) -> int:
    """How often "lost stays lost" fails in one program: probed prefixes that hold although a shorter probed one does not."""
    decided: Sequence[tuple[int, Tally]] = sorted((step, tally) for step, tally in tallies.items() if tally.counted)
    first_lost = next((step for step, tally in decided if not tally.correct), None)
    return sum(first_lost is not None and step > first_lost and tally.correct > 0 for step, tally in decided)
