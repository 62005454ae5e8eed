"""Betty as host: its ``darts``, ``neumann`` and ``cg`` in the place of equations 4 to 6 of :mod:`dreamprm_code.bilevel.method`.

The two levels are Betty problems; Betty's engine takes the steps. Gradients, losses and the end of an outer step are those of
method.py. Betty keeps ``cur_batch``, the last batch of a problem, for the hypergradient; the problem cuts it into
micro-batches itself and hands Betty the sum of their gradients through :class:`_Carrier`. So every row of the batch is in
``cur_batch``.

This module alone imports Betty. Its hypergradients know one process and leave out clipping and the optimizer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dreamprm_code.bilevel.batches import Batch
from dreamprm_code.bilevel.levels import InnerLevel, OuterLevel
from dreamprm_code.bilevel.method import inner_gradient, outer_gradient, settle
from dreamprm_code.bilevel.passes import BeforePass, differentiable_attention
from dreamprm_code.errors import UserError

try:
    from betty.configs import Config as BettyConfig
    from betty.configs import EngineConfig
    from betty.engine import Engine
    from betty.logging.logger_base import get_logger
    from betty.problems import ImplicitProblem
except ImportError as error:
    raise UserError(
        f"this hypergradient is Betty's, which cannot be imported ({error}); install it by requirements-betty.txt, "
        "or use --hypergradient exact"
    ) from None


class _Carrier(torch.autograd.Function):
    """A scalar whose gradient with respect to some parameters was computed before."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, grads: Sequence[Tensor], *params: Tensor) -> Tensor:
        ctx.grads = grads
        return value.clone()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        return (None, None, *(grad * grad_output for grad in ctx.grads))


def carry(value: Tensor, params: Sequence[Tensor], grads: Sequence[Tensor]) -> Tensor:
    """``value`` as a loss of ``params`` with gradients ``grads``."""
    return _Carrier.apply(value.detach(), tuple(grads), *params)


class PRMProblem(ImplicitProblem):
    """Inner level."""

    def __init__(self, config: BettyConfig, inner: InnerLevel, next_batch: Callable[[], Batch], before: BeforePass | None):
        super().__init__("prm", config, module=inner.passes.model, optimizer=inner.optimizer)
        self.inner, self.next_batch, self.before = inner, next_batch, before
        self._descending = False

    def trainable_parameters(self) -> list[nn.Parameter]:
        return self.inner.passes.params

    def parameters(self) -> list[nn.Parameter]:
        """Betty's ``cg`` differentiates with respect to these; the frozen backbone is none of them."""
        return self.trainable_parameters()

    def get_batch(self) -> Batch:
        return self.next_batch()

    def one_step_descent(self, batch: Batch | None = None) -> dict[str, Any]:
        self._descending = True
        try:
            return super().one_step_descent(batch)
        finally:
            self._descending = False

    def training_step(self, batch: Batch) -> dict[str, Tensor] | Tensor:
        """The batch's loss. Inside a descent its gradient is precomputed; Betty's hypergradients get the plain graph."""
        if not self._descending:
            parts = [self._plain_loss_sum(units, model_batch) for units, model_batch in self.inner.passes.cut(batch.units)]
            return torch.stack(parts).sum() / batch.num_steps
        value, grads = inner_gradient(self.inner, batch, before=self.before)
        self.inner.last_loss = value.item()
        return {"loss": carry(value, self.trainable_parameters(), grads)}

    def _plain_loss_sum(self, units: Sequence[Any], model_batch: Any) -> Tensor:
        """``darts`` differentiates with respect to the table alone, the others twice with respect to the parameters."""
        passes = self.inner.passes
        if self.config.type == "darts":
            return self.inner.loss_sum(units, passes.logits(model_batch).detach())
        with differentiable_attention(passes.model):
            return self.inner.loss_sum(units, passes.logits(model_batch))


class TableProblem(ImplicitProblem):
    """Outer level. Betty differentiates :meth:`training_step` with respect to the PRM's parameters."""

    def __init__(self, inner: InnerLevel, outer: OuterLevel, next_batch: Callable[[], Batch]):
        super().__init__("table", BettyConfig(), module=inner.table, optimizer=outer.optimizer)
        self.inner, self.outer, self.next_batch = inner, outer, next_batch

    def trainable_parameters(self) -> list[nn.Parameter]:
        return [self.module.value_R]

    def get_batch(self) -> Batch:
        return self.next_batch()

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        value, grads = outer_gradient(self.inner, self.outer, batch)
        self.outer.last_loss = value.item()
        return {"loss": carry(value, self.inner.passes.params, grads)}

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        self.outer.last_gradient_R = self.module.value_R.grad
        super().optimizer_step(*args, **kwargs)

    def param_callback(self) -> None:
        """Betty calls this after each optimizer step."""
        settle(self.inner, self.outer, self.prm.cur_batch)


class BettyHost:
    """Takes the trainer's steps by Betty's engine. Betty makes optimizers of its own: the levels get these."""

    def __init__(
        self,
        hypergradient: str,
        inner: InnerLevel,
        outer: OuterLevel,
        next_inner: Callable[[], Batch],
        next_outer: Callable[[], Batch],
        before: BeforePass | None,
        inner_only_steps: int,
        outer_every: int,
    ):
        get_logger().setLevel(logging.WARNING)  # Betty prints its set-up to standard output
        config = BettyConfig(
            type=hypergradient, gradient_clipping=inner.clip, unroll_steps=outer_every, warmup_steps=inner_only_steps
        )
        self.prm = PRMProblem(config, inner, next_inner, before)
        self.table = TableProblem(inner, outer, next_outer)
        dependencies = {"u2l": {self.table: [self.prm]}, "l2u": {self.prm: [self.table]}}
        strategy = "cpu" if inner.passes.device.type == "cpu" else "default"
        self._engine = Engine([self.prm, self.table], EngineConfig(strategy=strategy), dependencies)
        inner.optimizer, outer.optimizer = self.prm.optimizer, self.table.optimizer

    def take_step(self, step: int) -> None:
        """Inner step number ``step`` and, if one is due, the outer step after it."""
        self.prm._count = step - 1
        self._engine.global_step = step
        self._engine.train_step()
