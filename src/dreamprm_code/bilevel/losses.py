"""Per-step losses and the mixed derivatives that hypergradients need.

N = rows of a batch. z is a step's logit, y its label, w its loss weight. The batch's loss is

    L = (1/N) sum_i w_i l(z_i, ybar_i),   ybar = (1 - smoothing) y + smoothing / 2

with l the binary cross-entropy of sigmoid(z) against ybar, or the squared error (sigmoid(z) - ybar)^2. Labels are soft.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LOSSES = ("bce", "mse")


def smooth(label_N: Tensor, smoothing: float) -> Tensor:
    """Pull labels in [0, 1] towards 1/2; ``smoothing`` is in [0, 1)."""
    return label_N * (1.0 - smoothing) + 0.5 * smoothing


def step_losses(logit_N: Tensor, label_N: Tensor, kind: str, smoothing: float = 0.0) -> Tensor:
    """l(z_i, ybar_i) for each row; differentiable in logits and labels."""
    target_N = smooth(label_N.to(logit_N.dtype), smoothing)
    if kind == "bce":
        return F.binary_cross_entropy_with_logits(logit_N, target_N, reduction="none")
    if kind == "mse":
        return (torch.sigmoid(logit_N) - target_N).square()
    raise ValueError(f"unknown loss {kind!r}; choose from {', '.join(LOSSES)}")


def mixed_derivatives(
    logit_N: Tensor, label_N: Tensor, weight_N: Tensor, kind: str, smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    """``(d2(w l)/dz dy, d2(w l)/dz dw)`` for each row, in closed form.

    bce: dl/dz = sigmoid(z) - ybar. mse: dl/dz = 2 (sigmoid(z) - ybar) sigmoid'(z).
    """
    score_N = torch.sigmoid(logit_N)
    error_N = score_N - smooth(label_N.to(logit_N.dtype), smoothing)
    slope_N = torch.ones_like(score_N) if kind == "bce" else 2.0 * score_N * (1.0 - score_N)
    return -(1.0 - smoothing) * weight_N.to(logit_N.dtype) * slope_N, error_N * slope_N
