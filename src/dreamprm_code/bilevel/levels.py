"""What the two levels consist of: the models' losses, optimizers, and what a step leaves behind."""

# R = rows of the table, N = labelled rows and M = outcomes of one micro-batch, S = both

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dreamprm_code.bilevel.activations import FrozenOutputs
from dreamprm_code.bilevel.batches import Batch
from dreamprm_code.bilevel.losses import pair_loss, step_losses
from dreamprm_code.bilevel.passes import Passes
from dreamprm_code.bilevel.tables import Table
from dreamprm_code.bilevel.units import Unit


@dataclass
class InnerLevel:
    """The PRM fits the table, and outcomes where the batch has any; gradients are clipped to norm ``clip`` (0 = not)."""

    passes: Passes
    table: Table
    optimizer: torch.optim.Optimizer
    kept: FrozenOutputs
    loss: str = "bce"
    smoothing: float = 0.0
    flip_rate: float = 0.0
    outcome_weight: float = 1.0
    pair_weight: float = 0.0
    clip: float = 0.0
    last_loss: float = float("nan")

    def __post_init__(self) -> None:
        self.last_score_R = torch.zeros_like(self.table.mc_value_R)  # the PRM's scores, as of each row's last batch

    def loss_sum(self, units: Sequence[Unit], logit_S: Tensor) -> Tensor:
        """N L of the units: sum_i w_i l(z_i, y_i) over labelled rows, and the terms of outcomes (and of their pairs)."""
        rows = self.passes.rows(units)
        logit_N, logit_M = self.passes.split(units, logit_S)
        losses = step_losses(logit_N, self.table.labels(rows), self.loss, self.smoothing, self.flip_rate)
        total = (self.table.weights(rows).to(losses.dtype) * losses).sum()
        if len(logit_M):
            outcome_M = self.passes.outcomes(units)
            total = total + self.outcome_weight * step_losses(logit_M, outcome_M, self.loss).sum()
            if self.pair_weight > 0.0:
                sizes = [len(unit.outcomes) for unit in units]
                pairs = zip(logit_M.split(sizes), outcome_M.split(sizes), strict=True)
                total = total + self.pair_weight * sum(len(outcome) * pair_loss(logit, outcome) for logit, outcome in pairs)
        return total

    def remembered_loss_sum(self, units: Sequence[Unit], logit_S: Tensor) -> Tensor:
        """The same; what the PRM scores the rows is kept for :meth:`scores_of`."""
        logit_N, _ = self.passes.split(units, logit_S.detach())
        self.last_score_R[self.passes.rows(units)] = torch.sigmoid(logit_N).to(self.last_score_R.dtype)
        return self.loss_sum(units, logit_S)

    def scores_of(self, batch: Batch) -> Tensor:
        """score_R of the last batch's rows, 0 elsewhere; each process has those of its own share."""
        score_R = torch.zeros_like(self.last_score_R)
        own = self.passes.rows(self.passes.processes.share(batch.labelled))
        score_R[own] = self.last_score_R[own]
        self.passes.processes.sum_([score_R])
        return score_R


@dataclass
class OuterLevel:
    """``optimizer`` moves the table's learned values; ``prior_strength`` and ``agreement`` pull them (see tables.py).

    ``score_sd`` is what ``agreement`` takes the error of the PRM's scores to be.
    """

    optimizer: torch.optim.Optimizer
    loss: str = "bce"
    prior_strength: float = 0.0
    agreement: float = 0.0
    score_sd: float = 0.2
    last_loss: float = float("nan")
    last_gradient_R: Tensor | None = None
