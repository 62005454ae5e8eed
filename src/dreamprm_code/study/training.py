"""Trainings whose result is a head and nothing else."""

# S = steps of a unit, F = features

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import torch

from dreamprm_code.bilevel import TrainingData, TrainSettings, train
from dreamprm_code.bilevel.units import Unit
from dreamprm_code.records import StepLabel
from dreamprm_code.study.ngrams import LinearPRM


def bare_training(**settings: Any) -> TrainSettings:
    """On the CPU, without validation, resume checkpoints, logs and bar.

    Raises:
        UserError: settings that contradict each other.
    """
    bare: dict[str, Any] = {"eval_every": 0, "checkpoint_every": 0, "progress": False, "log_to": [], "device": "cpu"}
    return TrainSettings(**(bare | settings))


def train_head(
    training: TrainSettings, labels: Sequence[StepLabel], inner: Sequence[Unit], outer: Sequence[Unit] = ()
) -> LinearPRM:
    """A linear head on features: the items of the units are feature_SF, their rows are places in ``labels``."""
    data = TrainingData(
        keys=tuple(row.key for row in labels),
        mc_value=tuple(row.mc_value or 0.0 for row in labels),
        num_rollouts=tuple(row.num_rollouts for row in labels),
        inner=tuple(inner), outer=tuple(outer), validation=(), collate=lambda parts: torch.cat(list(parts)),
    )  # fmt: skip
    torch.manual_seed(training.seed)
    model = LinearPRM(inner[0].item.shape[1])
    with tempfile.TemporaryDirectory() as folder:
        train(training, data, folder, model)
    return model
