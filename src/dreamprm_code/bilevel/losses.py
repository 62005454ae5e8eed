"""Losses of rows and pairs, and the mixed derivatives that hypergradients need.

N = rows of a batch. z is a row's logit, y its label, w its loss weight. A labelled row's loss is w l(q(sigmoid(z)), ybar) with

    ybar = (1 - smoothing) y + smoothing / 2        labels are soft; smoothing pulls them towards 1/2
    q(p) = (1 - rho) p + rho (1 - p)                forward correction: what a label reads when a share rho of them is flipped

and l the binary cross-entropy or the squared error of q against ybar. Without correction rho = 0 and q = sigmoid(z).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LOSSES = ("bce", "mse")


def smooth(label_N: Tensor, smoothing: float) -> Tensor:
    """Pull labels in [0, 1] towards 1/2; ``smoothing`` is in [0, 1)."""
    return label_N * (1.0 - smoothing) + 0.5 * smoothing


def flipped(score_N: Tensor, flip_rate: float) -> Tensor:
    """q: the expected label of a step of that score, if labels are flipped at ``flip_rate`` in [0, 1/2)."""
    return score_N + flip_rate * (1.0 - 2.0 * score_N)


def step_losses(logit_N: Tensor, label_N: Tensor, kind: str, smoothing: float = 0.0, flip_rate: float = 0.0) -> Tensor:
    """l for each row; differentiable in logits and labels."""
    target_N = smooth(label_N.to(logit_N.dtype), smoothing)
    if kind == "bce":
        if flip_rate:
            return F.binary_cross_entropy(flipped(torch.sigmoid(logit_N), flip_rate), target_N, reduction="none")
        return F.binary_cross_entropy_with_logits(logit_N, target_N, reduction="none")
    if kind == "mse":
        return (flipped(torch.sigmoid(logit_N), flip_rate) - target_N).square()
    raise ValueError(f"unknown loss {kind!r}; choose from {', '.join(LOSSES)}")


def mixed_derivatives(
    logit_N: Tensor, label_N: Tensor, weight_N: Tensor, kind: str, smoothing: float = 0.0, flip_rate: float = 0.0
) -> tuple[Tensor, Tensor]:
    """``(d2(w l)/dz dy, d2(w l)/dz dw)`` for each row, in closed form: dl/dz = (q - ybar) slope, dybar/dy = 1 - smoothing.

    With q' = (1 - 2 rho) sigmoid'(z): slope = 2 q' for mse and q' / (q (1 - q)) for bce, which is 1 without correction.
    """
    score_N = torch.sigmoid(logit_N)
    expected_N = flipped(score_N, flip_rate)
    error_N = expected_N - smooth(label_N.to(logit_N.dtype), smoothing)
    if kind == "bce" and not flip_rate:
        slope_N = torch.ones_like(score_N)
    else:
        change_N = (1.0 - 2.0 * flip_rate) * score_N * (1.0 - score_N)
        slope_N = 2.0 * change_N if kind == "mse" else change_N / (expected_N * (1.0 - expected_N))
    return -(1.0 - smoothing) * weight_N.to(logit_N.dtype) * slope_N, error_N * slope_N


def pair_loss(logit_M: Tensor, outcome_M: Tensor) -> Tensor:
    """Mean of log(1 + exp(z_failed - z_passed)) over the pairs of a passed and a failed program; 0 without such a pair.

    The M programs are of one problem: what is learned is which of them to choose.
    """
    passed = outcome_M > 0.5
    difference = logit_M[passed][:, None] - logit_M[~passed][None, :]
    return F.softplus(-difference).mean() if difference.numel() else logit_M.new_zeros(())
