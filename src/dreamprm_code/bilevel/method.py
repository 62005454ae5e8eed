"""The method: one step of label correction by bi-level optimization (DreamPRM-Code, section 3.3), top to bottom.

theta are the parameters that move (LoRA and head), Y the table of labels that are learned. z_i(theta) is the logit of row i.

    inner level   theta*(Y) = argmin L(theta, Y),   L = (1/N) sum_i w_i l(z_i(theta), y_i)     prefixes with noisy labels y_i
    outer level   Y = argmin M(theta*(Y)),          M = (1/K) sum_j l(z_j(theta), o_j)         whole programs with outcomes o_j

Beside the paper, L may hold outcomes: a l(z_j, o_j) for each program (or for each prefix j of it, with its outcome), and
b log(1 + e^(z_f - z_p)) for pairs of a failed and a passed program of a problem (levels.py). N counts these terms, pairs apart.
They are constants: only labelled rows are corrected.

theta*(Y) is unrolled by one optimizer step on one batch of N rows. :func:`bilevel_step` takes it, then corrects the batch:

    1   G = dL/dtheta (theta, Y)                                       inner gradient
    2   theta' = theta - U(G)                                          U: clipping, then SGD, Adam or AdamW
    3   g = dM/dtheta (theta')                                         outer gradient, at the stepped parameters
    4   d = J^T g,   J = dU/dG                                         pulled back through optimizer and clipping
    5   t_i = <dz_i/dtheta (theta), d>                                 all rows at once by forward-mode passes
    6   dM/dx_i = -(1/N) d2(w_i l_i)/(dz dx_i) t_i                     x = y (labels, the paper) or x = w (loss weights)
    7   x <- project(x - optimizer(dM/dx))                             and the pulls of the table (see tables.py)

Nothing is approximated. What the released code does instead (Betty's ``darts``) leaves out J, evaluates at theta', takes finite
differences, and sees only the last micro-batch. A cold Adam is a fact of the method and not of this module: in its first step
the update is nearly sign(G), whose derivative is nearly zero; the trainer therefore keeps the moments of the inner-only steps.

How a batch runs through the model (micro-batches, precision, several processes, a sharded backbone) is the business of
:class:`~dreamprm_code.bilevel.passes.Passes`; what is kept of a pass for step 5 that of
:class:`~dreamprm_code.bilevel.activations.FrozenOutputs`.
"""

# R = rows of the table, N = rows of a batch, S = rows of one micro-batch

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call

from dreamprm_code.bilevel.batches import Batch
from dreamprm_code.bilevel.levels import InnerLevel, OuterLevel
from dreamprm_code.bilevel.losses import mixed_derivatives, step_losses
from dreamprm_code.bilevel.passes import BeforePass, differentiable_attention
from dreamprm_code.errors import UserError

HYPERGRADIENTS = ("exact", "darts", "neumann", "cg")  # this module's, and Betty's
_CLIP_EPS = 1e-6  # torch.nn.utils.clip_grad_norm_ divides by norm + 1e-6


@dataclass(frozen=True)
class Start:
    """What an inner step started from: batch, parameters and raw gradient (before clipping), in the optimizer's order."""

    batch: Batch
    theta: list[Tensor]
    gradient: list[Tensor]


def bilevel_step(
    inner: InnerLevel,
    inner_batch: Batch,
    outer: OuterLevel | None = None,
    outer_batch: Batch | None = None,
    before: BeforePass | None = None,
) -> None:
    """Equations 1 to 7: moves the model's parameters and the labels (or weights) of ``inner_batch``.

    Without ``outer`` and its batch the step ends after equation 2. ``before`` is called before each pass of equation 1.
    """
    params = inner.passes.params
    value, gradient = inner_gradient(inner, inner_batch, keep=outer is not None, before=before)  # 1
    inner.last_loss = value.item()
    if outer is not None:
        start = Start(inner_batch, [param.detach().clone() for param in params], [grad.clone() for grad in gradient])
    for param, grad in zip(params, gradient, strict=True):
        param.grad = grad
    if inner.clip > 0.0:
        nn.utils.clip_grad_norm_(params, inner.clip)
    inner.optimizer.step()  # 2
    inner.optimizer.zero_grad()
    if outer is None or outer_batch is None:
        return
    value, vector = outer_gradient(inner, outer, outer_batch)  # 3
    outer.last_loss = value.item()
    direction = pull_back(inner.optimizer, params, start, inner.clip, vector)  # 4
    learned_R = inner.table.value_R
    assert learned_R is not None, "an outer level learns a table"
    outer.last_gradient_R = learned_R.grad = hypergradient(inner, start, direction)  # 5, 6
    outer.optimizer.step()  # 7
    outer.optimizer.zero_grad()
    settle(inner, outer, inner_batch)


def inner_gradient(
    inner: InnerLevel, batch: Batch, keep: bool = False, before: BeforePass | None = None
) -> tuple[Tensor, list[Tensor]]:
    """Equation 1: L and G. ``keep`` what the frozen matrices gave, for the forward-mode passes over the same batch."""

    inner.kept.clear()
    return inner.passes.gradient(batch, inner.remembered_loss_sum, before, inner.kept if keep else None)


def outer_gradient(inner: InnerLevel, outer: OuterLevel, batch: Batch) -> tuple[Tensor, list[Tensor]]:
    """Equation 3: M and g."""
    passes = inner.passes
    return passes.gradient(batch, lambda units, logit_S: step_losses(logit_S, passes.outcomes(units), outer.loss).sum())


@torch.no_grad()
def pull_back(
    optimizer: torch.optim.Optimizer, params: Sequence[nn.Parameter], start: Start, max_norm: float, vector: Sequence[Tensor]
) -> list[Tensor]:
    """Equation 4: d = J^T vector for ``clip_grad_norm_`` followed by the optimizer's step that was just taken.

    Supports torch's SGD without momentum, Adam and AdamW, one group of parameters.

    Raises:
        UserError: another optimizer or an option whose derivative is not written here.
    """
    (group,) = optimizer.param_groups
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(grad) for grad in start.gradient]))
    clip = min(1.0, max_norm / (norm.item() + _CLIP_EPS)) if max_norm > 0.0 else 1.0
    if isinstance(optimizer, torch.optim.Adam):
        if group["amsgrad"] or group["maximize"]:
            raise UserError("the exact hypergradient knows Adam without amsgrad and maximize")
        coupled = 0.0 if group.get("decoupled_weight_decay") else group["weight_decay"]
        pulled = [
            _through_adam(group, optimizer.state[param], clip * grad + coupled * theta, part)
            for param, theta, grad, part in zip(params, start.theta, start.gradient, vector, strict=True)
        ]
    elif isinstance(optimizer, torch.optim.SGD) and not group["momentum"] and not group["maximize"]:
        pulled = [group["lr"] * part for part in vector]
    else:
        raise UserError(f"no exact hypergradient through {type(optimizer).__name__}; use adam, adamw or sgd without momentum")
    if clip < 1.0:
        # clipped G = c G with c = max_norm / (n + eps): its Jacobian is c (I - G G^T / (n (n + eps)))
        along = sum((grad * part).sum() for grad, part in zip(start.gradient, pulled, strict=True))
        factor = along / (norm * (norm + _CLIP_EPS))
        pulled = [clip * (part - factor * grad) for grad, part in zip(start.gradient, pulled, strict=True)]
    return pulled


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
def hypergradient(inner: InnerLevel, start: Start, direction: Sequence[Tensor]) -> Tensor:
    """Equations 5 and 6: dM/dx for every row of the table, zero outside the batch; ``direction`` is d."""
    passes, table = inner.passes, inner.table
    # The pass along the direction is linear in it: unit length keeps low precision in range.
    length = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(part) for part in direction]))
    result_R = torch.zeros_like(table.mc_value_R)
    if not length.isfinite() or length == 0.0:
        return result_R
    theta = dict(zip(passes.names, start.theta, strict=True))
    along = {name: part / length for name, part in zip(passes.names, direction, strict=True)}
    for index, (units, model_batch) in enumerate(passes.over(start.batch.labelled)):
        with passes.precision(), inner.kept.replaying(index):
            logit_S, tangent_S = logit_tangents(passes.model, model_batch, theta, along)
        if not units:
            continue
        rows = passes.rows(units)
        (logit_N, _), (tangent_N, _) = passes.split(units, logit_S), passes.split(units, tangent_S)
        mixed_N = mixed_derivatives(
            logit_N.to(result_R.dtype), table.labels(rows), table.weights(rows), inner.loss, inner.smoothing, inner.flip_rate
        )[0 if table.learns == "labels" else 1]
        if table.learns == "weights":
            mixed_N = mixed_N * table.base_weight_R[rows]
        result_R.index_add_(0, rows, -mixed_N * tangent_N.to(result_R.dtype) * length.to(result_R.dtype))
    result_R /= start.batch.num_steps
    passes.processes.sum_([result_R])
    return result_R


def logit_tangents(
    model: nn.Module, batch: Any, theta: Mapping[str, Tensor], direction: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """Equation 5: ``(logit_S, <grad logit_S, direction>)`` at the parameters ``theta`` by one forward-mode pass.

    ``theta`` and ``direction`` map names of trainable parameters; the model's own values of these are not read.
    """
    with torch.no_grad(), differentiable_attention(model), forward_ad.dual_level():
        duals = {name: forward_ad.make_dual(value, direction[name].to(value.dtype)) for name, value in theta.items()}
        logit_S, tangent_S = forward_ad.unpack_dual(functional_call(model, duals, (batch,)))
        return logit_S, torch.zeros_like(logit_S) if tangent_S is None else tangent_S


@torch.no_grad()
def settle(inner: InnerLevel, outer: OuterLevel, batch: Batch) -> None:
    """The end of equation 7: pull the batch's values to where they belong, then back into their range."""
    rows = inner.passes.rows(batch.units)
    inner.table.pull_to_prior(rows, outer.prior_strength * outer.optimizer.param_groups[0]["lr"])
    if outer.agreement > 0.0:
        inner.table.pull_to_posterior(rows, inner.scores_of(batch)[rows], outer.agreement, outer.score_sd)
    inner.table.project()
