"""What training reads: units (steps that one forward reads together) of the inner level, the outer level and validation.

R = rows of the table = steps with a Monte-Carlo label. A unit holds some programs of one problem; its ``item`` is whatever
``TrainingData.collate`` turns into the model's batch: a token tree for the PRM, a row of features for a toy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
    """``rows`` index the table (inner units), ``outcomes`` are clean labels (outer, validation units): one per scored step."""

    item: Any
    rows: tuple[int, ...] = ()
    outcomes: tuple[float, ...] = ()
    num_programs: int = 1
    num_tokens: int = 1
    question_id: str = ""

    @property
    def num_steps(self) -> int:
        return len(self.rows) or len(self.outcomes)


@dataclass(frozen=True)
class TrainingData:
    """``keys``, ``mc_value``, ``num_rollouts`` describe the table's rows; ``counts`` says what was used and what dropped."""

    keys: tuple[RowKey, ...]
    mc_value: tuple[float, ...]
    num_rollouts: tuple[int, ...]
    inner: tuple[Unit, ...]
    outer: tuple[Unit, ...]
    validation: tuple[Unit, ...]
    collate: Callable[[Sequence[Any]], Any]
    counts: dict[str, int] = field(default_factory=dict)

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


def tensor_data(
    features_RF: Tensor,
    mc_value: Sequence[float],
    num_rollouts: Sequence[int],
    outer_features_MF: Tensor,
    outcomes: Sequence[float],
    validation_features_VF: Tensor | None = None,
    validation_outcomes: Sequence[float] = (),
) -> TrainingData:
    """One unit per row of features, for a model that maps [S, F] to logit_S: toys, and studies with known truth."""

    def clean(features: Tensor | None, values: Sequence[float]) -> tuple[Unit, ...]:
        if features is None:
            return ()
        return tuple(
            Unit(row[None], outcomes=(float(value),), question_id=f"q{index}")
            for index, (row, value) in enumerate(zip(features, values, strict=True))
        )

    return TrainingData(
        keys=tuple((f"row{index}", 0, 0) for index in range(len(features_RF))),
        mc_value=tuple(float(value) for value in mc_value),
        num_rollouts=tuple(int(count) for count in num_rollouts),
        inner=tuple(Unit(row[None], rows=(index,), question_id=f"row{index}") for index, row in enumerate(features_RF)),
        outer=clean(outer_features_MF, outcomes),
        validation=clean(validation_features_VF, validation_outcomes),
        collate=torch.cat,
    )
