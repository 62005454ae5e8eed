"""The arms of the study on real problems: heads on a frozen backbone, by what each level of the training reads."""

# R = labelled steps, M = programs with outcomes, S = steps of a program, F = features, H = hidden size

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from dreamprm_code.bilevel import TrainSettings
from dreamprm_code.bilevel.units import Unit
from dreamprm_code.prm.readout import FeatureScale
from dreamprm_code.records import Problem, Solution, StepLabel
from dreamprm_code.study.ngrams import LinearPRM, NgramEncoder
from dreamprm_code.study.step_features import StepFeatures
from dreamprm_code.study.training import train_head


class Arm(NamedTuple):
    """What the inner level reads (Monte-Carlo labels, whole programs with outcomes), what the outer level learns, and the
    readout of the head (None: the run's). ``reader`` is the backbone or n-grams of the program."""

    step_labels: bool = True
    outcomes: bool = True
    learn: str = "none"
    readout: str | None = None
    reader: Literal["backbone", "ngrams"] = "backbone"
    hypergradient: str = "exact"


ARMS = {
    "none": Arm(outcomes=False),
    "outcomes": Arm(step_labels=False),
    "none + outcomes": Arm(),
    "labels": Arm(outcomes=False, learn="labels"),
    "labels + outcomes": Arm(learn="labels"),
    "weights": Arm(outcomes=False, learn="weights"),
    "weights, darts": Arm(outcomes=False, learn="weights", hypergradient="darts"),
    "outcomes, last token": Arm(step_labels=False, readout="last"),
    "none + outcomes, last token": Arm(readout="last"),
    "outcomes, n-grams": Arm(step_labels=False, reader="ngrams"),
}


class Rows(NamedTuple):
    """What the arms read, by kind: texts as (question_id, code), and for step labels the index of the step."""

    problems: dict[str, Problem]
    labels: list[StepLabel]
    programs: dict[tuple[str, int], str]  # code of the labelled programs
    outcomes: list[Solution]
    candidates: list[Solution]
    train_ids: frozenset[str]

    def texts(self) -> list[tuple[str, str]]:
        written = [(question_id, code) for (question_id, _), code in self.programs.items()]
        return written + [(row.question_id, row.code) for row in (*self.outcomes, *self.candidates)]


class Encoded(NamedTuple):
    """Features [R, F] of labelled steps and of whole programs, and of every step of the candidates; how states were scaled."""

    labels_RF: Tensor
    outcomes_MF: Tensor
    candidates: list[Tensor]
    scale: FeatureScale | None


def encode(arm: Arm, rows: Rows, states: StepFeatures, readout: str) -> Encoded:
    """``readout`` is the run's. Scaled by what the training side looks like, without its labels."""
    if arm.reader == "ngrams":
        train = [("", row.code) for row in rows.outcomes]
        encoder = NgramEncoder(train)
        return Encoded(
            encoder.encode([("", row.prefix) for row in rows.labels]),
            encoder.encode(train),
            [encoder.encode([("", row.code)]) for row in rows.candidates],
            None,
        )
    readout = arm.readout or readout

    def of(question_id: str, code: str) -> Tensor:
        found = states.of((question_id, code), readout)
        assert found is not None, "programs beyond the backbone's length are longer than any answer asked for"
        return found

    labels_RH = torch.stack([of(row.question_id, rows.programs[row.key[:2]])[row.step_idx] for row in rows.labels])
    outcomes_MH = torch.stack([of(row.question_id, row.code)[-1] for row in rows.outcomes])
    scale = FeatureScale(outcomes_MH.shape[1], torch.float32)
    scale.fit([labels_RH, outcomes_MH])
    candidates = [scale(of(row.question_id, row.code)) for row in rows.candidates]
    return Encoded(scale(labels_RH), scale(outcomes_MH), candidates, scale)


def levels_of(arm: Arm, rows: Rows, encoded: Encoded) -> tuple[list[Unit], list[Unit]]:
    """Units of the inner and of the outer level: where both read outcomes, training problems are fitted, the others judge."""
    outcomes = [float(bool(row.passed)) for row in rows.outcomes]
    questions = [row.question_id for row in rows.outcomes]
    inner = []
    if arm.step_labels:
        inner += [
            Unit(feature_F[None], rows=(index,), question_id=row.question_id)
            for index, (feature_F, row) in enumerate(zip(encoded.labels_RF, rows.labels, strict=True))
        ]
    whole = [
        Unit(feature_F[None], outcomes=(outcome,), question_id=question_id)
        for feature_F, outcome, question_id in zip(encoded.outcomes_MF, outcomes, questions, strict=True)
    ]
    outer = whole
    if arm.outcomes and arm.learn != "none":  # no outcome judges a level that has fitted it
        outer = [unit for unit in whole if unit.question_id not in rows.train_ids]
        whole = [unit for unit in whole if unit.question_id in rows.train_ids]
    if arm.outcomes:
        inner += whole
    return inner, outer


def train_arm(arm: Arm, rows: Rows, encoded: Encoded, training: TrainSettings) -> LinearPRM:
    """The arm's head after one training; what is learned and how its gradient is had are the arm's."""
    own = training.with_changes(learn=arm.learn, hypergradient=arm.hypergradient)
    return train_head(own, rows.labels if arm.step_labels else [], *levels_of(arm, rows, encoded))
