"""What training reads: units (steps that one forward reads together) of the inner level, the outer level and validation.

R = rows of the table = steps with a Monte-Carlo label. There are two kinds of scored step: *labelled* ones, with a noisy label
of the table, and whole programs with their unit-test *outcome*. A unit holds some programs of one problem; its ``item`` is
whatever ``TrainingData.collate`` turns into the model's batch: a token tree for the PRM.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dreamprm_code.errors import UserError
from dreamprm_code.records import CorrectedLabel

RowKey = tuple[str, int, int]  # question_id, solution_idx, step_idx


class DataError(UserError):
    """Rows from which nothing can be learned; the message says what is missing."""


@dataclass(frozen=True)
class Unit:
    """Scored steps of one problem. The model gives a logit for each of ``rows``, then ``outcomes``, then ``num_unread`` more.

    ``rows`` index the table; ``outcomes`` are 1.0 (passed) or 0.0. ``fold`` is that of the problem's outcomes (-1: of none).
    """

    item: Any
    rows: tuple[int, ...] = ()
    outcomes: tuple[float, ...] = ()
    num_unread: int = 0
    num_programs: int = 1
    num_tokens: int = 1
    question_id: str = ""
    fold: int = -1

    @property
    def num_steps(self) -> int:
        return len(self.rows) + len(self.outcomes)

    @property
    def num_logits(self) -> int:
        return self.num_steps + self.num_unread

    def without_outcomes(self) -> Unit:
        """The same text; its outcomes are not read."""
        return replace(self, outcomes=(), num_unread=self.num_unread + len(self.outcomes))


@dataclass(frozen=True)
class TrainingData:
    """``keys``, ``mc_value``, ``num_rollouts`` describe the table's rows; ``counts`` says what was used and what dropped.

    ``start_labels`` are what the table holds at first, if not the Monte-Carlo values.
    """

    keys: tuple[RowKey, ...]
    mc_value: tuple[float, ...]
    num_rollouts: tuple[int, ...]
    inner: tuple[Unit, ...]
    outer: tuple[Unit, ...]
    validation: tuple[Unit, ...]
    collate: Callable[[list[Any]], Any]
    counts: dict[str, int] = field(default_factory=dict)
    start_labels: tuple[float, ...] | None = None

    @property
    def num_folds(self) -> int:
        """Folds of the outer level's outcomes; 1 if they serve that level alone."""
        return 1 + max((unit.fold for unit in self.outer), default=-1) or 1

    def with_labels(self, labels: Sequence[float]) -> TrainingData:
        """The same data with other labels at the start: mixed ones, or the corrected ones of an earlier training.

        Raises:
            ValueError: not one label in [0, 1] for each row.
        """
        if len(labels) != len(self.mc_value) or not all(0.0 <= label <= 1.0 for label in labels):
            raise ValueError(f"{len(labels)} labels for {len(self.mc_value)} rows, or one outside [0, 1]")
        return replace(self, start_labels=tuple(labels))

    def corrected(self, labels: Sequence[float], weights: Sequence[float]) -> list[CorrectedLabel]:
        """The rows of ``corrected_labels.jsonl``, in the table's order."""
        return [
            CorrectedLabel(
                question_id=key[0],
                solution_idx=key[1],
                step_idx=key[2],
                mc_value=mc_value,
                corrected_value=label,
                weight=weight,
            )
            for key, mc_value, label, weight in zip(self.keys, self.mc_value, labels, weights, strict=True)
        ]


def fold_of_each(question_ids: Iterable[str], folds: int, seed: int = 0) -> dict[str, int]:
    """Problems dealt to ``folds`` folds of equal size, in an order that follows from their names and the seed.

    Raises:
        DataError: fewer problems than folds.
    """
    ids = sorted(set(question_ids), key=lambda question_id: coin(question_id, seed))
    if len(ids) < folds:
        raise DataError(f"{folds} folds need as many problems with outcomes in the outer level, found {len(ids)}")
    return {question_id: index % folds for index, question_id in enumerate(ids)}


def coin(question_id: str, seed: int) -> float:
    """A stable number in [0, 1) for each problem: adding problems moves none of the others."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{question_id}".encode()).digest()[:8], "big") / 2**64
