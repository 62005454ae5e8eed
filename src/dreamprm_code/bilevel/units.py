"""What training reads: units (steps that one forward reads together) of the inner level, the outer level and validation.

R = rows of the table = steps with a Monte-Carlo label. There are two kinds of scored step: *labelled* ones, with a noisy label
of the table, and whole programs with their unit-test *outcome*. A unit holds some programs of one problem; its ``item`` is
whatever ``TrainingData.collate`` turns into the model's batch: a token tree for the PRM, rows of features for a toy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

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


@dataclass(frozen=True)
class Outcomes:
    """Whole programs as rows of features, with their outcomes (1.0 or 0.0) and, where it matters, the problem of each."""

    features_MF: Tensor
    outcomes: Sequence[float]
    question_ids: Sequence[str] = ()

    def units(self, name: str, folds: Mapping[str, int], programs_per_unit: int = 1) -> tuple[Unit, ...]:
        """``programs_per_unit`` neighbours of one problem share a unit."""
        ids = list(self.question_ids) or [f"{name}{index}" for index in range(len(self.outcomes))]
        places: dict[str, list[int]] = {}
        for place, question_id in enumerate(ids):
            places.setdefault(question_id, []).append(place)
        groups = [
            own[start : start + programs_per_unit] for own in places.values() for start in range(0, len(own), programs_per_unit)
        ]
        if programs_per_unit == 1:
            groups = [[place] for place in range(len(ids))]
        return tuple(
            Unit(
                self.features_MF[group],
                outcomes=tuple(float(self.outcomes[place]) for place in group),
                num_programs=len(group),
                num_tokens=len(group),
                question_id=ids[group[0]],
                fold=folds.get(ids[group[0]], -1),
            )
            for group in groups
        )


def tensor_data(
    features_RF: Tensor,
    mc_value: Sequence[float],
    num_rollouts: Sequence[int],
    outer: Outcomes | None = None,
    *,
    inner: Outcomes | None = None,
    validation: Outcomes | None = None,
    folds: int = 1,
    both_levels: bool = False,
    programs_per_unit: int = 1,
) -> TrainingData:
    """Data for a model that maps [S, F] to logit_S: toys, and studies with known truth.

    One unit per labelled row (there may be none) and per program. ``inner`` are outcomes that the inner level reads beside the
    labels, in units of ``programs_per_unit`` programs of one problem (pairs are formed within a unit). They may be those of
    ``outer`` with ``both_levels``, or with ``folds`` > 1: then the problems of ``outer`` are dealt to that many folds.

    Raises:
        DataError: a fold would be empty, or without folds a problem stands on both sides.
    """
    outer_ids = list(outer.question_ids) if outer else []
    dealt = fold_of_each(outer_ids, folds) if folds > 1 else {}
    if folds == 1 and not both_levels and inner is not None and (both := sorted(set(inner.question_ids) & set(outer_ids))):
        raise DataError(
            f"outcomes of problem {both[0]} stand in both levels ({len(both)} such problems): use both_levels or folds"
        )
    return TrainingData(
        keys=tuple((f"row{index}", 0, 0) for index in range(len(features_RF))),
        mc_value=tuple(float(value) for value in mc_value),
        num_rollouts=tuple(int(count) for count in num_rollouts),
        inner=(
            *(Unit(row[None], rows=(index,), question_id=f"row{index}") for index, row in enumerate(features_RF)),
            *(inner.units("inner", dealt, programs_per_unit) if inner else ()),
        ),
        outer=outer.units("q", dealt) if outer else (),
        validation=validation.units("q", {}) if validation else (),
        collate=torch.cat,
    )


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
