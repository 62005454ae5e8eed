"""Monte-Carlo labels: the share of a prefix's completions that pass all unit tests (paper, section 3.2)."""

from __future__ import annotations

from collections.abc import Iterable

from dreamprm_code.errors import UserError
from dreamprm_code.records import Rollout, Solution, Step, StepLabel
from dreamprm_code.steps import split_program


class LabelError(UserError):
    """Rollouts that do not belong to these steps; the message names the row."""


def steps_of(solution: Solution, max_functions: int = 10, granularity: str = "function") -> list[Step]:
    """The steps of a solution's program; none if it has no program."""
    if not solution.code.strip():
        return []
    parts = split_program(solution.code, max_functions, granularity).steps
    return [
        Step(
            question_id=solution.question_id,
            solution_idx=solution.solution_idx,
            step_idx=index,
            num_steps=len(parts),
            name=part.name,
            prefix=part.prefix,
        )
        for index, part in enumerate(parts)
    ]


def counts_for_label(rollout: Rollout) -> bool:
    """Whether a rollout says something about its prefix: it kept the prefix and could be graded."""
    return rollout.keeps_prefix and rollout.passed is not None


def step_labels(steps: Iterable[Step], rollouts: Iterable[Rollout], solutions: Iterable[Solution]) -> list[StepLabel]:
    """Label each step that can be labelled, in the order of ``steps``.

    The last step of a program is the program: its label is its own unit-test outcome, 1 of 1 or 0 of 1, and takes no rollouts.
    Any other step counts its rollouts that kept the prefix and could be graded; a step without any gets no label.

    Raises:
        LabelError: a rollout of an unknown or a last step, or one that says that it keeps a prefix and does not.
    """
    steps = list(steps)
    by_key = {step.key: step for step in steps}
    outcomes = {solution.key: solution.passed for solution in solutions}
    num_rollouts: dict[tuple, int] = {}
    num_correct: dict[tuple, int] = {}
    for rollout in rollouts:
        step = by_key.get(rollout.key[:3])
        if step is None or step.is_last:
            raise LabelError(f"rollout {rollout.key} belongs to no step that takes rollouts: it was made from other solutions")
        if rollout.keeps_prefix and not rollout.code.startswith(step.prefix):
            raise LabelError(f"rollout {rollout.key} does not begin with its step's prefix: it was made from other solutions")
        if counts_for_label(rollout):
            num_rollouts[step.key] = num_rollouts.get(step.key, 0) + 1
            num_correct[step.key] = num_correct.get(step.key, 0) + bool(rollout.passed)
    labels = []
    for step in steps:
        if step.is_last:
            outcome = outcomes.get(step.key[:2])
            total, correct = (0, 0) if outcome is None else (1, int(outcome))
        else:
            total, correct = num_rollouts.get(step.key, 0), num_correct.get(step.key, 0)
        if total:
            labels.append(StepLabel(**step.to_dict(), num_rollouts=total, num_correct=correct))
    return labels
