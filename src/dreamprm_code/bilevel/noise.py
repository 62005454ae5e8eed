"""What is known about the noise of Monte-Carlo labels: their sampling error, what another opinion adds.

R, N = rows of the table, of a batch. Values are shares in [0, 1]; ``num_rollouts`` is the n of each label's n rollouts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def binomial_sd(mc_value_R: Tensor, num_rollouts_R: Tensor) -> Tensor:
    """Standard deviation of a Monte-Carlo value, from the shrunk share (k + 1) / (n + 2), so that 0 of n is not certain."""
    share_R = (mc_value_R * num_rollouts_R + 1.0) / (num_rollouts_R + 2.0)
    return (share_R * (1.0 - share_R) / num_rollouts_R).sqrt()


def precision_weights(mc_value_R: Tensor, num_rollouts_R: Tensor) -> Tensor:
    """Loss weights in proportion to 1 / sd^2 of each label, with mean 1: a label of 16 rollouts says more than one of 4."""
    precision_R = binomial_sd(mc_value_R, num_rollouts_R).square().reciprocal()
    return precision_R / precision_R.mean()


def posterior_value(
    mc_value_N: Tensor, sd_N: Tensor, score_N: Tensor, score_sd: float = 0.2, noise_share: float = 0.3
) -> Tensor:
    """A step's value, given its Monte-Carlo value and a PRM's score of it: the mean under a two-part model.

    With probability 1 - noise_share the Monte-Carlo value is the true value plus its binomial error; then the two figures are
    averaged by their precisions (the score's error has standard deviation ``score_sd``). With probability noise_share it says
    nothing (uniform on [0, 1]) and the score stands. Which of the two holds is weighed by how far they lie apart.
    """
    variance_N = sd_N.square() + score_sd**2
    density_N = torch.exp(-0.5 * (mc_value_N - score_N).square() / variance_N) / (2.0 * math.pi * variance_N).sqrt()
    sound_N = (1.0 - noise_share) * density_N / ((1.0 - noise_share) * density_N + noise_share)
    average_N = (mc_value_N * score_sd**2 + score_N * sd_N.square()) / variance_N
    return sound_N * average_N + (1.0 - sound_N) * score_N


def mixed_labels(mc_value: Sequence[float], num_rollouts: Sequence[int], scores: Sequence[float]) -> list[float]:
    """One-shot mixing: each label replaced by :func:`posterior_value` of it and another PRM's score."""
    mc_value_R, count_R = (torch.tensor(values, dtype=torch.float64) for values in (mc_value, num_rollouts))
    score_R = torch.tensor(scores, dtype=torch.float64)
    return posterior_value(mc_value_R, binomial_sd(mc_value_R, count_R), score_R).tolist()
