"""The outer level of the released code, through Betty as it comes: what the study compares with.

One learnable loss weight per row (start 1, clamped to [0, 2]), Betty's ``darts``, Adam with weight decay on the table, gradient
accumulation of which ``darts`` sees the last micro-batch only, and dropout in every pass. Only the study uses it; the
trainer proper is :mod:`dreamprm_code.bilevel.trainer`.
"""

# R = training rows, M = meta programs, F = features

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from betty.configs import Config as BettyConfig
from betty.configs import EngineConfig
from betty.engine import Engine
from betty.logging import get_logger
from betty.problems import ImplicitProblem
from torch import Tensor, nn

from dreamprm_code.bilevel.losses import step_losses


@dataclass(frozen=True)
class ReleasedSettings:
    """Published numbers; a step is ``accumulation`` micro-batches of ``micro_rows`` rows (published: 8 of 1)."""

    inner_only_steps: int
    bilevel_steps: int
    micro_rows: int
    accumulation: int = 8
    lr: float = 1e-4
    outer_lr: float = 1e-2
    table_decay: float = 0.002
    label_smoothing: float = 0.1
    loss: str = "mse"
    seed: int = 42


class _Rows:
    """Random batches of indices, each epoch in a new order."""

    def __init__(self, num_rows: int, size: int, seed: int):
        self.num_rows, self.size = num_rows, min(size, num_rows)
        self.generator = torch.Generator().manual_seed(seed)
        self.left = torch.empty(0, dtype=torch.long)

    def next(self) -> Tensor:
        if len(self.left) < self.size:
            self.left = torch.randperm(self.num_rows, generator=self.generator)
        taken, self.left = self.left[: self.size], self.left[self.size :]
        return taken


class _WeightTable(nn.Module):
    def __init__(self, num_rows: int):
        super().__init__()
        self.weight_R = nn.Parameter(torch.ones(num_rows))

    def forward(self, rows: Tensor) -> Tensor:
        return self.weight_R[rows]


class _Inner(ImplicitProblem):
    def prepare(self, settings: ReleasedSettings, feature_RF: Tensor, label_R: Tensor) -> _Inner:
        self.settings, self.feature_RF, self.label_R = settings, feature_RF, label_R
        self.rows = _Rows(len(feature_RF), settings.micro_rows, settings.seed)
        return self

    def get_batch(self) -> Tensor:
        return self.rows.next()

    def training_step(self, rows: Tensor) -> Tensor:
        losses = step_losses(
            self.module(self.feature_RF[rows]), self.label_R[rows], self.settings.loss, self.settings.label_smoothing
        )
        return (self.weights(rows) * losses).mean()


class _Outer(ImplicitProblem):
    def prepare(self, settings: ReleasedSettings, feature_MF: Tensor, outcome_M: Tensor) -> _Outer:
        self.settings, self.feature_MF, self.outcome_M = settings, feature_MF, outcome_M
        self.rows = _Rows(len(feature_MF), settings.micro_rows, settings.seed + 1)
        return self

    def get_batch(self) -> Tensor:
        return self.rows.next()

    def training_step(self, rows: Tensor) -> Tensor:
        return step_losses(self.prm.module(self.feature_MF[rows]), self.outcome_M[rows], self.settings.loss).mean()

    def param_callback(self) -> None:
        self.module.weight_R.data.clamp_(0.0, 2.0)


def train_as_released(
    model: nn.Module, feature_RF: Tensor, label_R: Tensor, feature_MF: Tensor, outcome_M: Tensor, settings: ReleasedSettings
) -> list[float]:
    """Train ``model`` (features to logits, with its dropout on) in place; returns the learned weights."""
    get_logger().setLevel(logging.WARNING)
    torch.manual_seed(settings.seed)
    model.train()
    micro_steps = settings.accumulation * (settings.inner_only_steps + settings.bilevel_steps)
    inner = _Inner(
        "prm",
        BettyConfig(
            type="darts",
            gradient_accumulation=settings.accumulation,
            unroll_steps=1,
            warmup_steps=settings.accumulation * settings.inner_only_steps,
        ),
        module=model,
        optimizer=torch.optim.Adam(model.parameters(), lr=settings.lr),
    ).prepare(settings, feature_RF, label_R)
    table = _WeightTable(len(feature_RF))
    outer = _Outer(
        "weights",
        BettyConfig(),
        module=table,
        optimizer=torch.optim.Adam(table.parameters(), lr=settings.outer_lr, weight_decay=settings.table_decay),
    ).prepare(settings, feature_MF, outcome_M)
    engine = Engine(
        problems=[inner, outer],
        config=EngineConfig(train_iters=micro_steps, valid_step=micro_steps + 1, strategy="cpu"),
        dependencies={"u2l": {outer: [inner]}, "l2u": {inner: [outer]}},
    )
    engine.run()
    model.eval()
    return table.weight_R.detach().tolist()
