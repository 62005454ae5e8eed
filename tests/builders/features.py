"""Training data of features: for a model that maps rows of them to logits, to check the method where everything is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dreamprm_code.bilevel import TrainingData, Unit
from dreamprm_code.bilevel.units import DataError, fold_of_each


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
    """Data for a model that maps [S, F] to logit_S: toys.

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
