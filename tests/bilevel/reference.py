"""The hypergradient by double backward: slow, memory-hungry, a transcript of the definition; what others are compared with.

The whole inner step (loss, clipping, optimizer) is written as a differentiable function of the table; autograd does the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from dreamprm_code.bilevel.batches import Batch
from dreamprm_code.bilevel.losses import step_losses
from dreamprm_code.bilevel.passes import Passes
from dreamprm_code.bilevel.settings import TrainSettings
from dreamprm_code.bilevel.units import Unit


def clipped(grads: list[Tensor], max_norm: float) -> list[Tensor]:
    """``torch.nn.utils.clip_grad_norm_`` as a function; 0 = no clipping."""
    if max_norm <= 0.0:
        return grads
    norm = torch.sqrt(sum(grad.square().sum() for grad in grads))
    scale = torch.clamp(max_norm / (norm + 1e-6), max=1.0)
    return [scale * grad for grad in grads]


def stepped(theta: Tensor, grad: Tensor, group: Mapping[str, Any], state: Mapping[str, Any] | None, kind: str) -> Tensor:
    """One step of torch's SGD, Adam or AdamW as a function of the (clipped) gradient; ``state`` as before the step."""
    if kind == "adamw":
        theta = theta * (1.0 - group["lr"] * group["weight_decay"])
    else:
        grad = grad + group["weight_decay"] * theta
    if kind == "sgd":
        return theta - group["lr"] * grad
    beta1, beta2 = group["betas"]
    before = state or {"step": 0.0, "exp_avg": torch.zeros_like(theta), "exp_avg_sq": torch.zeros_like(theta)}
    step = float(before["step"]) + 1.0
    mean = (beta1 * before["exp_avg"] + (1.0 - beta1) * grad) / (1.0 - beta1**step)
    square = (beta2 * before["exp_avg_sq"] + (1.0 - beta2) * grad.square()) / (1.0 - beta2**step)
    return theta - group["lr"] * mean / (square.sqrt() + group["eps"])


def double_backward(
    config: TrainSettings,
    passes: Passes,
    optimizer: torch.optim.Optimizer,
    inner: Batch,
    outer: Batch,
    label_R: Tensor,
    weight_R: Tensor,
) -> tuple[Tensor, Tensor]:
    """d outer / d labels and d outer / d weights [R] for the inner step that ``optimizer`` would take next on ``inner``.

    The model needs operations with a second derivative (for token trees the "math" attention) and no dropout.
    """
    label_R = label_R.detach().clone().requires_grad_()
    weight_R = weight_R.detach().clone().requires_grad_()
    model, names, params = passes.model, passes.names, passes.params

    def loss(values: list[Tensor], batch: Batch, is_inner: bool) -> Tensor:
        total = torch.zeros((), dtype=torch.float64)
        for units, model_batch in passes.cut(batch.units):
            logit_S = functional_call(model, dict(zip(names, values, strict=True)), (model_batch,))
            for unit in units:
                own, logit_S = logit_S[: unit.num_logits], logit_S[unit.num_logits :]
                total = total + (inner_terms(unit, own) if is_inner else outcome_losses(unit, own).sum()) / batch.num_steps
        return total

    def inner_terms(unit: Unit, own: Tensor) -> Tensor:
        rows = passes.rows([unit])
        label_losses = step_losses(own[: len(rows)], label_R[rows], config.loss, config.label_smoothing, config.flip_rate)
        whole = own[len(rows) : unit.num_steps]
        pairs = [
            torch.log1p(torch.exp(failed - passed))
            for passed, one in zip(whole, unit.outcomes, strict=True)
            for failed, other in zip(whole, unit.outcomes, strict=True)
            if one > other
        ]
        ranking = config.pair_weight * len(whole) * sum(pairs) / max(1, len(pairs))
        return (weight_R[rows] * label_losses).sum() + config.outcome_weight * outcome_losses(unit, whole).sum() + ranking

    def outcome_losses(unit: Unit, logit_M: Tensor) -> Tensor:
        return step_losses(logit_M, torch.tensor(unit.outcomes, dtype=torch.float64), config.loss)

    theta = [param.detach().clone().requires_grad_() for param in params]
    grads = torch.autograd.grad(loss(theta, inner, True), theta, create_graph=True, allow_unused=True)
    grads = [torch.zeros_like(value) if grad is None else grad for value, grad in zip(theta, grads, strict=True)]
    (group,) = optimizer.param_groups
    moved = [
        stepped(value, grad, group, optimizer.state.get(param), config.optimizer)
        for value, grad, param in zip(theta, clipped(grads, config.clip), params, strict=True)
    ]
    by_label, by_weight = torch.autograd.grad(loss(moved, outer, False), [label_R, weight_R])
    return by_label, by_weight


def logit_tangents_by_rows(
    model: nn.Module, batch: Any, theta: Mapping[str, Tensor], direction: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """The same by one backward pass per row: the reference, and the way for modules without a forward-mode derivative."""
    leaves = {name: value.detach().requires_grad_() for name, value in theta.items()}
    with torch.enable_grad():
        logit_S = functional_call(model, leaves, (batch,))
    tangents = []
    for row, logit in enumerate(logit_S):
        grads = torch.autograd.grad(logit, list(leaves.values()), retain_graph=row + 1 < len(logit_S), allow_unused=True)
        parts = [(grad * direction[name]).sum() for name, grad in zip(leaves, grads, strict=True) if grad is not None]
        tangents.append(torch.stack(parts).sum())
    return logit_S.detach(), torch.stack(tangents)
