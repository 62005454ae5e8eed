"""Baselines of robust learning, and estimates of how noisy labels are, for the study on known truth.

s = a head's score in [0, 1], y = a label in [0, 1], z = the score's logit; ds/dz = s (1 - s).
"""

from __future__ import annotations

import numpy as np
import torch

from dreamprm_code.bilevel.noise import binomial_sd
from dreamprm_code.study.linear import Array, Slope


def generalized_cross_entropy(power: float) -> Slope:
    """Zhang and Sabuncu (2018): l = y (1 - s^q) / q + (1 - y) (1 - (1 - s)^q) / q; q = 0 is cross-entropy, q = 1 MAE."""

    def slope(score_N: Array, label_N: Array) -> Array:
        other_N = 1.0 - score_N
        return (1.0 - label_N) * other_N**power * score_N - label_N * score_N**power * other_N

    return slope


def forward_correction(flip_share: float) -> Slope:
    """Patrini et al. (2017): cross-entropy of the label against the flipped score p = s + r (1 - 2 s), r = ``flip_share``."""

    def slope(score_N: Array, label_N: Array) -> Array:
        seen_N = np.clip(score_N + flip_share * (1.0 - 2.0 * score_N), 1e-6, 1.0 - 1e-6)
        by_seen = (seen_N - label_N) / (seen_N * (1.0 - seen_N))
        return by_seen * (1.0 - 2.0 * flip_share) * score_N * (1.0 - score_N)

    return slope


def flip_share(mc_value_R: Array, score_R: Array, high: float = 0.45) -> float:
    """The share r of flipped labels that fits mc = s + r (1 - 2 s) best, s being scores of a head that read outcomes only."""
    contrast_R = 1.0 - 2.0 * score_R
    return float(np.clip(contrast_R @ (mc_value_R - score_R) / (contrast_R @ contrast_R), 0.0, high))


def variance_weights(mc_value_R: Array, num_rollouts: int, floor: float) -> Array:
    """Weights with mean 1, in proportion to 1 / (binomial variance + floor^2): the floor stands for noise beyond sampling."""
    sd_R = binomial_sd(torch.from_numpy(mc_value_R), torch.full((len(mc_value_R),), num_rollouts)).numpy()
    weight_R = 1.0 / (sd_R**2 + floor**2)
    return weight_R / weight_R.mean()
