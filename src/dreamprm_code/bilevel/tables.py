"""The outer variables: one learnable label, or one learnable loss weight, per training row.

R = rows of the table. Both tables hold their values in float64 (an untouched label stays its Monte-Carlo value to the last
bit) and stay in their range by projection after every outer step. The parameter is the value itself and not its logit:
a label that starts at 0 or 1 has a finite parameter and can move. There is no weight decay: a row without evidence keeps
its value (with the released decay an untouched weight falls from 1 to 0.06 within the schedule).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dreamprm_code.bilevel.noise import binomial_sd, posterior_value

LEARNABLE = ("labels", "weights", "none")


class Table(nn.Module):
    """Labels and loss weights of all training rows; at most one of the two is learned.

    ``labels(rows)`` lies in [0, 1] at every step. ``weights(rows)`` is the row's constant ``base_weight_R`` (default 1) times,
    where weights are learned, a factor in [0, 2] (the released code's clamp). Labels start at ``start_label_R``, by default the
    Monte-Carlo values.
    """

    low, high = 0.0, 1.0
    learns = "none"
    mc_value_R: Tensor
    sd_R: Tensor
    start_label_R: Tensor
    base_weight_R: Tensor

    def __init__(
        self,
        mc_value_R: Tensor,
        num_rollouts_R: Tensor,
        start_label_R: Tensor | None = None,
        base_weight_R: Tensor | None = None,
    ):
        super().__init__()
        mc_value_R = torch.as_tensor(mc_value_R, dtype=torch.float64).detach().clone()
        if mc_value_R.numel() and (mc_value_R.min() < 0.0 or mc_value_R.max() > 1.0):
            raise ValueError("a Monte-Carlo value is a share: it lies in [0, 1]")
        self.register_buffer("mc_value_R", mc_value_R)
        num_rollouts_R = torch.as_tensor(num_rollouts_R, dtype=torch.float64)
        self.register_buffer("sd_R", binomial_sd(mc_value_R, num_rollouts_R))
        start_label_R = mc_value_R if start_label_R is None else start_label_R
        base_weight_R = torch.ones_like(mc_value_R) if base_weight_R is None else base_weight_R
        self.register_buffer("start_label_R", start_label_R.to(torch.float64).clone())
        self.register_buffer("base_weight_R", base_weight_R.to(torch.float64).clone())

    def labels(self, rows: Tensor) -> Tensor:
        return self.start_label_R[rows]

    def weights(self, rows: Tensor) -> Tensor:
        return self.base_weight_R[rows]

    @property
    def value_R(self) -> nn.Parameter | None:
        """The learned parameter, or None."""
        return None

    @property
    def start_R(self) -> Tensor:
        """Where the learned values started, and where the prior pulls them to."""
        return self.start_label_R

    @torch.no_grad()
    def project(self) -> None:
        """Back into the range; called after every outer step."""
        if self.value_R is not None:
            self.value_R.clamp_(self.low, self.high)

    @torch.no_grad()
    def pull_to_prior(self, rows: Tensor, rate: float) -> None:
        """Move the batch's values towards where they started by ``rate`` of their distance in standard deviations.

        A decoupled step (like AdamW's decay, but towards the Monte-Carlo value): against an optimizer that pushes by at most
        its learning rate, ``rate = strength * learning rate`` lets a label settle at most sd / strength away.
        """
        if self.value_R is not None and rate > 0.0:
            rows = rows.unique()
            factor = (1.0 - rate / self.sd_R[rows]).clamp(min=0.0)
            self.value_R[rows] = self.start_R[rows] + factor * (self.value_R[rows] - self.start_R[rows])

    def pull_to_posterior(self, rows: Tensor, score_N: Tensor, share: float, score_sd: float) -> None:
        """Labels only: the batch's labels move ``share`` of the way to what Monte-Carlo value and PRM together say.

        ``score_sd`` is what :func:`posterior_value` takes the error of the scores to be.
        """

    @torch.no_grad()
    def movement(self) -> dict[str, float]:
        """Mean and largest distance from the start over all rows."""
        if self.value_R is None or not self.value_R.numel():
            return {"mean_movement": 0.0, "max_movement": 0.0}
        distance_R = (self.value_R - self.start_R).abs()
        return {"mean_movement": distance_R.mean().item(), "max_movement": distance_R.max().item()}

    def all_labels(self) -> list[float]:
        return self.labels(torch.arange(len(self.mc_value_R), device=self.mc_value_R.device)).detach().cpu().tolist()

    def all_weights(self) -> list[float]:
        return self.weights(torch.arange(len(self.mc_value_R), device=self.mc_value_R.device)).detach().cpu().tolist()


class LabelTable(Table):
    """Outer level ``labels`` (the paper): y starts at the Monte-Carlo value (or at the labels given), to the last bit."""

    learns = "labels"

    def __init__(self, *of_table: Any):
        super().__init__(*of_table)
        self.label_R = nn.Parameter(self.start_label_R.clone())

    @property
    def value_R(self) -> nn.Parameter:
        return self.label_R

    def labels(self, rows: Tensor) -> Tensor:
        return self.label_R[rows]

    @torch.no_grad()
    def pull_to_posterior(self, rows: Tensor, score_N: Tensor, share: float, score_sd: float) -> None:
        target_N = posterior_value(self.mc_value_R[rows], self.sd_R[rows], score_N.to(self.mc_value_R.dtype), score_sd)
        self.label_R[rows] = torch.lerp(self.label_R[rows], target_N, share)


class WeightTable(Table):
    """Outer level ``weights`` (the released code): w starts at 1; labels stay what they are."""

    low, high = 0.0, 2.0
    learns = "weights"

    def __init__(self, *of_table: Any):
        super().__init__(*of_table)
        self.weight_R = nn.Parameter(torch.ones_like(self.mc_value_R))

    @property
    def value_R(self) -> nn.Parameter:
        return self.weight_R

    @property
    def start_R(self) -> Tensor:
        return torch.ones_like(self.mc_value_R)

    def weights(self, rows: Tensor) -> Tensor:
        return self.base_weight_R[rows] * self.weight_R[rows]


def make_table(
    learn: str,
    mc_value_R: Tensor,
    num_rollouts_R: Tensor,
    start_label_R: Tensor | None = None,
    base_weight_R: Tensor | None = None,
) -> Table:
    """The table for an outer level: labels | weights | none."""
    kinds = {"labels": LabelTable, "weights": WeightTable, "none": Table}
    if learn not in kinds:
        raise ValueError(f"unknown outer level {learn!r}; choose from {', '.join(LEARNABLE)}")
    return kinds[learn](mc_value_R, num_rollouts_R, start_label_R, base_weight_R)
