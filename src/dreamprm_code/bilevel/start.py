"""What the labels of a training start from, if not from their Monte-Carlo values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from dreamprm_code.bilevel.data import all_prefixes
from dreamprm_code.bilevel.noise import mixed_labels
from dreamprm_code.bilevel.units import DataError, RowKey, TrainingData
from dreamprm_code.jsonl import read_rows
from dreamprm_code.labels import split_settings_of
from dreamprm_code.prm.encoding import EncodingError
from dreamprm_code.prm.scoring import PRM
from dreamprm_code.records import CorrectedLabel, Problem, StepLabel


def earlier_labels(data: TrainingData, path: Path) -> TrainingData:
    """The corrected labels of an earlier training on the same rows (a second round).

    Raises:
        DataError: a label of the data is not in the file.
    """
    found = {row.key: row.corrected_value for row in read_rows(path, CorrectedLabel)}
    if missing := [key for key in data.keys if key not in found]:
        raise DataError(
            f"{path}: has no label of {missing[0]} ({len(missing)} such steps): use the labels of a run on this data"
        )
    return data.with_labels([found[key] for key in data.keys])


def mixed_with_scores(data: TrainingData, scores: dict[RowKey, float]) -> TrainingData:
    """One-shot mixing: each Monte-Carlo value and another PRM's score of the step, weighed by :func:`mixed_labels`.

    Raises:
        DataError: a step has no score.
    """
    if missing := [key for key in data.keys if key not in scores]:
        raise DataError(f"the PRM to mix with cannot read {missing[0]} ({len(missing)} such steps); raise its max_length")
    labels = mixed_labels(data.mc_value, data.num_rollouts, [scores[key] for key in data.keys])
    return data.with_labels(labels)


def step_scores(prm: PRM, problems: Iterable[Problem], step_labels: Sequence[StepLabel]) -> dict[RowKey, float]:
    """The PRM's score of every step of the labelled programs; programs that do not fit its input are left out.

    Raises:
        DataError: the PRM splits programs in another way than the labels.
    """
    if prm.steps != (steps := split_settings_of(step_labels)):
        raise DataError(f"the PRM to mix with reads programs split with {prm.steps}, the step labels were made with {steps}")
    known = {problem.question_id: problem for problem in problems}
    by_program: dict[tuple[str, int], list[StepLabel]] = defaultdict(list)
    for label in step_labels:
        by_program[label.question_id, label.solution_idx].append(label)
    scores: dict[RowKey, float] = {}
    for (question_id, solution_idx), labels in by_program.items():
        prefixes = all_prefixes(labels)
        try:
            (found,) = prm.score_prefixes(known[question_id], [prefixes]) if prefixes else ([],)
        except EncodingError:
            continue
        scores |= {(question_id, solution_idx, step_idx): score for step_idx, score in enumerate(found)}
    return scores
