"""Monte-Carlo labels: the share of a prefix's completions that pass all unit tests (paper, section 3.2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dreamprm_code.errors import UserError
from dreamprm_code.records import Rollout, Solution, Step, StepLabel
from dreamprm_code.steps import DEFAULT_STEPS, StepSettings, split_program


class LabelError(UserError):
    """Rollouts or labels that do not belong together; the message names the row."""


def steps_of(solution: Solution, settings: StepSettings = DEFAULT_STEPS) -> list[Step]:
    """The steps of a solution's program; none if it has no program."""
    if not solution.code.strip():
        return []
    parts = split_program(solution.code, settings.max_functions, settings.granularity, solution.language).steps
    return [
        Step(
            question_id=solution.question_id,
            solution_idx=solution.solution_idx,
            step_idx=index,
            num_steps=len(parts),
            name=part.name,
            prefix=part.prefix,
            language=solution.language,
        )
        for index, part in enumerate(parts)
    ]


def counts_for_label(rollout: Rollout) -> bool:
    """Whether a rollout says something about its prefix: it kept the prefix and could be graded."""
    return rollout.keeps_prefix and rollout.passed is not None


def check_rollout(rollout: Rollout, step: Step | None) -> None:
    """Refuse a rollout that is not of this step, the one with its key.

    Raises:
        LabelError: it is of an unknown or a last step, or says that it keeps the prefix and does not.
    """
    if step is None or step.is_last:
        raise LabelError(f"rollout {rollout.key} belongs to no step that takes rollouts: it was made from other solutions")
    if rollout.keeps_prefix and not rollout.code.startswith(step.prefix):
        raise LabelError(f"rollout {rollout.key} does not begin with its step's prefix: it was made from other solutions")


def step_labels(
    steps: Iterable[Step], rollouts: Iterable[Rollout], solutions: Iterable[Solution], settings: StepSettings = DEFAULT_STEPS
) -> list[StepLabel]:
    """Count for each step, in the order of ``steps``, which were split with these settings.

    The last step of a program is the program: its label is its own unit-test outcome, 1 of 1 or 0 of 1, and takes no rollouts.
    Any other step counts its rollouts that kept the prefix and could be graded. What cannot be labelled has counts of 0.

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
        check_rollout(rollout, step)
        assert step is not None
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
        split: dict[str, Any] = {"max_functions": settings.max_functions, "granularity": settings.granularity}
        labels.append(StepLabel(**step.to_dict(), num_rollouts=total, num_correct=correct, **split))
    return labels


def split_settings_of(labels: Iterable[StepLabel]) -> StepSettings:
    """How the programs of a file of step labels were split: every reader of the labels splits alike.

    Raises:
        LabelError: there are no labels, or two of them were made with different settings.
    """
    found: StepSettings | None = None
    for label in labels:
        settings = StepSettings(label.max_functions, label.granularity)
        if found is not None and settings != found:
            raise LabelError(
                f"step label {label.key} was split with {settings}, the first one with {found}; make all labels with one"
            )
        found = settings
    if found is None:
        raise LabelError("there are no step labels; make them with gen_cof_label.py")
    return found
