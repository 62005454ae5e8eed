"""The exact hypergradient of one inner step, for every row of the window, registered with Betty as type ``exact``.

One inner step is theta' = theta - U(G), with G = (1/N) sum_i w_i l'(z_i, y_i) grad z_i the window's gradient at theta and U
what clipping and the optimizer make of it. With g = grad of the outer loss at theta' and d = J^T g, J the Jacobian of U with
respect to G, the chain rule gives for any value x_i of row i (its label or its weight)

    d outer / d x_i = - (1/N) d2(w_i l_i) / (dz dx_i) * <grad z_i(theta), d> .

So two things are needed: d, in closed form from the optimizer's state (:func:`pull_back`), and the derivative of each row's
logit along d (:func:`logit_tangents`): one forward-mode pass over the same token trees gives it for all rows. Nothing is
approximated. What the released code does instead (Betty's ``darts``) leaves out J, evaluates at theta', takes finite
differences, and sees only the last micro-batch.

A cold Adam is a fact of the method and not of this module: in its first step the update is nearly sign(G), whose derivative is
nearly zero; the trainer therefore keeps the warm-up's moments.
"""

# N = rows of a window, S = rows of one micro-batch

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from betty.hypergradient import jvp_fn_mapping
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call

from dreamprm_code.errors import UserError

HYPERGRADIENTS = ("exact", "darts", "neumann", "cg")
_CLIP_EPS = 1e-6  # torch.nn.utils.clip_grad_norm_ divides by norm + 1e-6


class InnerStep(NamedTuple):
    """What the inner step started from: parameters and raw gradient (before clipping), in the optimizer's order."""

    theta: list[Tensor]
    gradient: list[Tensor]
    max_norm: float  # 0 = no clipping


def record_step(params: Sequence[nn.Parameter], max_norm: float) -> InnerStep:
    """Copy what :func:`pull_back` needs; call it before clipping and the optimizer's step."""
    theta = [param.detach().clone() for param in params]
    gradient = [torch.zeros_like(param) if param.grad is None else param.grad.detach().clone() for param in params]
    return InnerStep(theta, gradient, max_norm)


def _through_adam(group: Mapping[str, Any], state: Mapping[str, Any], seen: Tensor, vector: Tensor) -> Tensor:
    """lr * (du/dGt) * vector for Adam's update lr * u, u = mhat / (sqrt(vhat) + eps), with the moments after the step.

    mhat = m / b1 and vhat = v / b2 hold Gt with the factors (1 - beta1) / b1 and (1 - beta2) / b2, hence with r = sqrt(vhat)

        du/dGt = (1 - beta1) / b1 / (r + eps)  -  mhat (1 - beta2) Gt / b2 / (r (r + eps)^2) .

    Where v = 0, Gt and m are 0 too and the second term vanishes.
    """
    beta1, beta2 = group["betas"]
    step = float(state["step"])
    bias1, bias2 = 1.0 - beta1**step, 1.0 - beta2**step
    root = (state["exp_avg_sq"] / bias2).sqrt()
    floored = root + group["eps"]
    second = (state["exp_avg"] / bias1) * (1.0 - beta2) * seen / bias2 / (root * floored.square())
    derivative = (1.0 - beta1) / bias1 / floored - torch.where(root > 0, second, torch.zeros_like(second))
    return group["lr"] * derivative * vector


@torch.no_grad()
def pull_back(
    optimizer: torch.optim.Optimizer, params: Sequence[nn.Parameter], step: InnerStep, vector: Sequence[Tensor]
) -> list[Tensor]:
    """d = J^T vector, J = dU/dG of ``clip_grad_norm_`` followed by the optimizer's step that was just taken.

    Supports torch's SGD without momentum, Adam and AdamW, one group of parameters.

    Raises:
        UserError: another optimizer or an option whose derivative is not written here.
    """
    (group,) = optimizer.param_groups
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(grad) for grad in step.gradient]))
    clip = min(1.0, step.max_norm / (norm.item() + _CLIP_EPS)) if step.max_norm > 0.0 else 1.0
    if isinstance(optimizer, torch.optim.Adam):
        if group["amsgrad"] or group["maximize"]:
            raise UserError("the exact hypergradient knows Adam without amsgrad and maximize")
        coupled = 0.0 if group.get("decoupled_weight_decay") else group["weight_decay"]
        pulled = [
            _through_adam(group, optimizer.state[param], clip * grad + coupled * theta, part)
            for param, theta, grad, part in zip(params, step.theta, step.gradient, vector, strict=True)
        ]
    elif isinstance(optimizer, torch.optim.SGD) and not group["momentum"] and not group["maximize"]:
        pulled = [group["lr"] * part for part in vector]
    else:
        raise UserError(f"no exact hypergradient through {type(optimizer).__name__}; use adam, adamw or sgd without momentum")
    if clip < 1.0:
        # clipped G = c G with c = max_norm / (n + eps): its Jacobian is c (I - G G^T / (n (n + eps)))
        along = sum((grad * part).sum() for grad, part in zip(step.gradient, pulled, strict=True))
        factor = along / (norm * (norm + _CLIP_EPS))
        pulled = [clip * (part - factor * grad) for grad, part in zip(step.gradient, pulled, strict=True)]
    return pulled


@contextmanager
def differentiable_attention(model: nn.Module) -> Iterator[None]:
    """Token trees: the attention that has forward-mode and second derivatives. Other modules are left as they are."""
    before = getattr(model, "attention", None)
    if isinstance(before, str):
        model.attention = "math"
    try:
        yield
    finally:
        if isinstance(before, str):
            model.attention = before


def logit_tangents(
    model: nn.Module, batch: Any, theta: Mapping[str, Tensor], direction: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """``(logit_S, <grad logit_S, direction>)`` at the parameters ``theta`` by one forward-mode pass.

    ``theta`` and ``direction`` map names of trainable parameters; the model's own values of these are not read.
    """
    with torch.no_grad(), differentiable_attention(model), forward_ad.dual_level():
        duals = {name: forward_ad.make_dual(value, direction[name].to(value.dtype)) for name, value in theta.items()}
        logit_S, tangent_S = forward_ad.unpack_dual(functional_call(model, duals, (batch,)))
        return logit_S, torch.zeros_like(logit_S) if tangent_S is None else tangent_S


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


def exact(vector: Sequence[Tensor], curr: Any, prev: Any, sync: bool) -> list[Tensor] | None:
    """Betty's interface of a hypergradient: ``vector`` = d outer / d theta', ``curr`` the inner problem, ``prev`` the outer.

    ``curr`` offers ``table_hypergradient(vector)``: the gradient for the whole table (zero outside the window). With ``sync``
    Betty expects it in ``.grad``, else as the returned value.
    """
    params = prev.trainable_parameters()
    grads = curr.table_hypergradient(vector)
    if sync:
        prev.set_grads(params, grads)
        return None
    return grads


def register() -> None:
    """Make ``exact`` known to Betty beside darts, neumann, cg and its others; may be called any number of times."""
    jvp_fn_mapping["exact"] = exact
