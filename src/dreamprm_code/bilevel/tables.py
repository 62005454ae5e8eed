"""The outer variables: one learnable label, or one learnable loss weight, per training row.

R = rows of the table. Both tables hold their values in float64 (an untouched label stays its Monte-Carlo value to the last
bit) and stay in their range by projection after every outer step. The parameter is the value itself and not its logit:
a label that starts at 0 or 1 has a finite parameter and can move. There is no weight decay: a row without evidence keeps
its value (with the released decay an untouched weight falls from 1 to 0.06 within the schedule).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

LEARNABLE = ("labels", "weights", "none")


def binomial_sd(mc_value_R: Tensor, num_rollouts_R: Tensor) -> Tensor:
    """Standard deviation of a Monte-Carlo value, from the shrunk share (k + 1) / (n + 2), so that 0 of n is not certain."""
    share_R = (mc_value_R * num_rollouts_R + 1.0) / (num_rollouts_R + 2.0)
    return (share_R * (1.0 - share_R) / num_rollouts_R).sqrt()


def posterior_value(
    mc_value_N: Tensor, sd_N: Tensor, score_N: Tensor, score_sd: float = 0.2, noise_share: float = 0.3
) -> Tensor:
    """A step's value, given its Monte-Carlo value and the PRM's score of it: the mean under a two-part model.

    With probability 1 - noise_share the Monte-Carlo value is the true value plus its binomial error; then the two figures are
    averaged by their precisions (the score's error has standard deviation ``score_sd``). With probability noise_share it says
    nothing (uniform on [0, 1]) and the score stands. Which of the two holds is weighed by how far they lie apart.
    """
    variance_N = sd_N.square() + score_sd**2
    density_N = torch.exp(-0.5 * (mc_value_N - score_N).square() / variance_N) / (2.0 * math.pi * variance_N).sqrt()
    sound_N = (1.0 - noise_share) * density_N / ((1.0 - noise_share) * density_N + noise_share)
    average_N = (mc_value_N * score_sd**2 + score_N * sd_N.square()) / variance_N
    return sound_N * average_N + (1.0 - sound_N) * score_N


class Table(nn.Module):
    """Labels and loss weights of all training rows; at most one of the two is learned.

    ``labels(rows)`` lies in [0, 1] and ``weights(rows)`` in [0, 2] (the released code's clamp) at every step.
    """

    low, high = 0.0, 1.0
    learns = "none"

    def __init__(self, mc_value_R: Tensor, num_rollouts_R: Tensor):
        super().__init__()
        mc_value_R = torch.as_tensor(mc_value_R, dtype=torch.float64).detach().clone()
        if mc_value_R.numel() and (mc_value_R.min() < 0.0 or mc_value_R.max() > 1.0):
            raise ValueError("a Monte-Carlo value is a share: it lies in [0, 1]")
        self.register_buffer("mc_value_R", mc_value_R)
        num_rollouts_R = torch.as_tensor(num_rollouts_R, dtype=torch.float64)
        self.register_buffer("sd_R", binomial_sd(mc_value_R, num_rollouts_R))

    def labels(self, rows: Tensor) -> Tensor:
        return self.mc_value_R[rows]

    def weights(self, rows: Tensor) -> Tensor:
        return torch.ones_like(self.mc_value_R[rows])

    @property
    def value_R(self) -> Tensor | None:
        """The learned parameter, or None."""
        return None

    @property
    def start_R(self) -> Tensor:
        """Where the learned values started, and where the prior pulls them to."""
        return self.mc_value_R

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

    def pull_to_posterior(self, rows: Tensor, score_N: Tensor, share: float) -> None:
        """Labels only: the batch's labels move ``share`` of the way to what Monte-Carlo value and PRM together say."""

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
    """Outer level ``labels`` (the paper): y starts exactly at the Monte-Carlo value."""

    learns = "labels"

    def __init__(self, mc_value_R: Tensor, num_rollouts_R: Tensor):
        super().__init__(mc_value_R, num_rollouts_R)
        self.label_R = nn.Parameter(self.mc_value_R.clone())

    @property
    def value_R(self) -> Tensor:
        return self.label_R

    def labels(self, rows: Tensor) -> Tensor:
        return self.label_R[rows]

    @torch.no_grad()
    def pull_to_posterior(self, rows: Tensor, score_N: Tensor, share: float) -> None:
        target_N = posterior_value(self.mc_value_R[rows], self.sd_R[rows], score_N.to(self.mc_value_R.dtype))
        self.label_R[rows] = torch.lerp(self.label_R[rows], target_N, share)


class WeightTable(Table):
    """Outer level ``weights`` (the released code): w starts at 1; labels stay Monte-Carlo values."""

    low, high = 0.0, 2.0
    learns = "weights"

    def __init__(self, mc_value_R: Tensor, num_rollouts_R: Tensor):
        super().__init__(mc_value_R, num_rollouts_R)
        self.weight_R = nn.Parameter(torch.ones_like(self.mc_value_R))

    @property
    def value_R(self) -> Tensor:
        return self.weight_R

    @property
    def start_R(self) -> Tensor:
        return torch.ones_like(self.mc_value_R)

    def weights(self, rows: Tensor) -> Tensor:
        return self.weight_R[rows]


def make_table(learn: str, mc_value_R: Tensor, num_rollouts_R: Tensor) -> Table:
    """The table for an outer level: labels | weights | none."""
    kinds = {"labels": LabelTable, "weights": WeightTable, "none": Table}
    if learn not in kinds:
        raise ValueError(f"unknown outer level {learn!r}; choose from {', '.join(LEARNABLE)}")
    return kinds[learn](mc_value_R, num_rollouts_R)
