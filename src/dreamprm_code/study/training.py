"""Trainings whose result is a head and nothing else."""

from __future__ import annotations

from typing import Any

from dreamprm_code.bilevel import TrainSettings


def bare_training(**settings: Any) -> TrainSettings:
    """On the CPU, without validation, resume checkpoints, logs and bar.

    Raises:
        UserError: settings that contradict each other.
    """
    bare: dict[str, Any] = {"eval_every": 0, "checkpoint_every": 0, "progress": False, "log_to": [], "device": "cpu"}
    return TrainSettings(**(bare | settings))
