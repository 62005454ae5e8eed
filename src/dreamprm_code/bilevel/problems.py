"""The two levels as Betty problems.

    inner  "prm"     theta*(Y) = argmin over LoRA and head of the training loss with labels Y (or weights)
    outer  "table"   Y = argmin of the loss of theta*(Y) on whole programs with unit-test outcomes

Betty keeps ``cur_batch``, the last batch of a problem, for the hypergradient. One Betty batch is therefore a whole
accumulation window: it is cut into micro-batches inside ``training_step``, which sums their gradients itself and hands them
to Betty through :class:`_Carrier`. So memory is that of one micro-batch, and every row of the window is in ``cur_batch``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from betty.configs import Config as BettyConfig
from betty.problems import ImplicitProblem
from torch import Tensor, nn

from dreamprm_code.bilevel.activations import FrozenOutputs
from dreamprm_code.bilevel.data import TrainingData, Unit, Window, Windows, micro_batches
from dreamprm_code.bilevel.distributed import Processes
from dreamprm_code.bilevel.hypergradients import InnerStep, differentiable_attention, logit_tangents, pull_back, record_step
from dreamprm_code.bilevel.losses import mixed_derivatives, step_losses
from dreamprm_code.bilevel.tables import Table
from dreamprm_code.prm.sharding import is_sharded


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


class Reader:
    """How both levels, and validation, run the model over units: micro-batches, device, precision."""

    def __init__(self, data: TrainingData, device: torch.device, micro_tokens: int, autocast: torch.dtype | None):
        self.data, self.device, self.micro_tokens, self.autocast = data, device, micro_tokens, autocast

    def batches(self, units: Sequence[Unit], max_tokens: int | None = None) -> Iterator[tuple[Sequence[Unit], Any]]:
        """``(units, batch on the device)`` of each micro-batch; ``max_tokens`` defaults to the setting."""
        for group in micro_batches(units, self.micro_tokens if max_tokens is None else max_tokens):
            yield group, self.data.collate([unit.item for unit in group]).to(self.device)

    def passes(
        self, model: nn.Module, units: Sequence[Unit], processes: Processes, max_tokens: int | None = None
    ) -> Iterator[tuple[Sequence[Unit], Any]]:
        """The micro-batches of this process's share of ``units``.

        Passes through a sharded backbone are collective. A process whose share takes fewer than another's repeats the smallest
        unit, with no units beside the batch: what such a pass gives counts for nothing.
        """
        limit = self.micro_tokens if max_tokens is None else max_tokens
        yield from self.batches(processes.share(units), limit)
        if is_sharded(model):
            counts = [
                sum(1 for _ in micro_batches(processes.share(units, rank), limit)) for rank in range(processes.world_size)
            ]
            smallest = min(units, key=lambda unit: unit.num_tokens)
            for _ in range(max(counts) - counts[processes.rank]):
                yield (), self.data.collate([smallest.item]).to(self.device)

    def precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=self.autocast, enabled=self.autocast is not None)

    def logits(self, model: nn.Module, batch: Any) -> Tensor:
        """logit_S, at least float32."""
        with self.precision():
            logit_S = model(batch)
        return logit_S if logit_S.dtype == torch.float64 else logit_S.float()

    def rows(self, units: Sequence[Unit]) -> Tensor:
        return torch.tensor([row for unit in units for row in unit.rows], dtype=torch.long, device=self.device)

    def outcomes(self, units: Sequence[Unit]) -> Tensor:
        return torch.tensor([value for unit in units for value in unit.outcomes], dtype=torch.float64, device=self.device)


def _gradients(
    reader: Reader,
    model: nn.Module,
    params: Sequence[nn.Parameter],
    window: Window,
    processes: Processes,
    loss_of: Callable[[Sequence[Unit], Tensor], Tensor],
    before_batch: Callable[[Sequence[Unit]], None] | None = None,
    kept: FrozenOutputs | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Sum over the window, on all processes, of ``loss_of(units, logits) / num_steps``: its value and gradient."""
    value = torch.zeros((), dtype=torch.float64, device=reader.device)
    grads = [torch.zeros_like(param) for param in params]
    for units, batch in reader.passes(model, window.units, processes):
        if not units:
            torch.autograd.grad(reader.logits(model, batch).sum(), params, allow_unused=True)
            continue
        if before_batch is not None:
            before_batch(units)
        with nullcontext() if kept is None else kept.recording():
            logit_S = reader.logits(model, batch)
        loss = loss_of(units, logit_S) / window.num_steps
        for total, grad in zip(grads, torch.autograd.grad(loss, params, allow_unused=True), strict=True):
            if grad is not None:
                total += grad
        value += loss.detach()
    processes.sum_([value, *grads])
    return value, grads


class PRMProblem(ImplicitProblem):
    """Inner level. ``table`` gives labels and weights; with ``learn: none`` it is constant and there is no outer problem."""

    def __init__(
        self,
        config: BettyConfig,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        windows: Windows,
        table: Table,
        reader: Reader,
        processes: Processes,
        loss: str,
        smoothing: float,
        learning_rate: Callable[[int], float],
        before_batch: Callable[[int, Sequence[Unit]], None] | None = None,
        keep_bytes: float = 0.0,
    ):
        super().__init__("prm", config, module=module, optimizer=optimizer)
        self.windows, self.targets, self.reader, self.processes = windows, table, reader, processes
        self.loss_kind, self.smoothing, self.learning_rate, self.before_batch = loss, smoothing, learning_rate, before_batch
        self.last_step: InnerStep | None = None
        self.kept = FrozenOutputs(module, keep_bytes)
        self.last_loss = float("nan")
        self.last_score_R = torch.zeros_like(table.mc_value_R)  # the PRM's scores, as of each row's last window
        self._descending = False
        self.trainable_names = [name for name, param in module.named_parameters() if param.requires_grad]

    def trainable_parameters(self) -> list[nn.Parameter]:
        return [param for param in self.module.parameters() if param.requires_grad]

    def parameters(self) -> list[nn.Parameter]:
        """Betty's ``cg`` differentiates with respect to these; the frozen backbone is none of them."""
        return self.trainable_parameters()

    def get_batch(self) -> Window:
        return self.windows.next()

    def one_step_descent(self, batch: Window | None = None) -> dict[str, Any]:
        self._descending = True
        try:
            return super().one_step_descent(batch)
        finally:
            self._descending = False

    def _loss_sum(self, units: Sequence[Unit], logit_S: Tensor) -> Tensor:
        rows = self.reader.rows(units)
        if self._descending:
            self.last_score_R[rows] = torch.sigmoid(logit_S.detach()).to(self.last_score_R.dtype)
        losses = step_losses(logit_S, self.targets.labels(rows), self.loss_kind, self.smoothing)
        return (self.targets.weights(rows).to(losses.dtype) * losses).sum()

    def _plain_loss_sum(self, units: Sequence[Unit], batch: Any) -> Tensor:
        """With the graph that Betty's hypergradients ask for: ``darts`` differentiates with respect to the table alone."""
        if self.config.type == "darts":
            return self._loss_sum(units, self.reader.logits(self.module, batch).detach())
        with differentiable_attention(self.module):
            return self._loss_sum(units, self.reader.logits(self.module, batch))

    def training_step(self, batch: Window) -> dict[str, Tensor] | Tensor:
        """The window's loss. Inside a descent its gradient is precomputed; Betty's own hypergradients get the plain graph."""
        if not self._descending:
            parts = [self._plain_loss_sum(units, model_batch) for units, model_batch in self.reader.batches(batch.units)]
            return torch.stack(parts).sum() / batch.num_steps
        params = self.trainable_parameters()
        before = None if self.before_batch is None else lambda units: self.before_batch(self.count, units)
        self.kept.clear()
        kept = self.kept if self._hypergradient_follows else None
        value, grads = _gradients(self.reader, self.module, params, batch, self.processes, self._loss_sum, before, kept)
        self.last_loss = value.item()
        return {"loss": carry(value, params, grads)}

    @property
    def _hypergradient_follows(self) -> bool:
        """Whether the step being taken is one that the exact hypergradient reads (Betty's rule for calling the outer level)."""
        on_turn = self.count > self.warmup_steps and self.count % self.config.unroll_steps == 0
        return bool(self.parents) and self.config.type == "exact" and on_turn

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(self.count)
        if self._hypergradient_follows:
            self.last_step = record_step(self.trainable_parameters(), self.gradient_clipping)
        super().optimizer_step(*args, **kwargs)

    def table_hypergradient(self, vector: Sequence[Tensor]) -> list[Tensor]:
        """d outer / d table for every row of the last window (see :mod:`dreamprm_code.bilevel.hypergradients`)."""
        params = self.trainable_parameters()
        direction = pull_back(self.optimizer, params, self.last_step, vector)
        # The pass along the direction is linear in it: unit length keeps low precision in range.
        length = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(part) for part in direction]))
        result_R = torch.zeros_like(self.targets.value_R)
        if not length.isfinite() or length == 0.0:
            return [result_R]
        theta = dict(zip(self.trainable_names, self.last_step.theta, strict=True))
        along = {name: part / length for name, part in zip(self.trainable_names, direction, strict=True)}
        with torch.no_grad():
            for index, (units, batch) in enumerate(self.reader.passes(self.module, self.cur_batch.units, self.processes)):
                with self.reader.precision(), self.kept.replaying(index):
                    logit_S, tangent_S = logit_tangents(self.module, batch, theta, along)
                if not units:
                    continue
                rows = self.reader.rows(units)
                logit_S = logit_S.to(result_R.dtype)
                by_label, by_weight = mixed_derivatives(
                    logit_S, self.targets.labels(rows), self.targets.weights(rows), self.loss_kind, self.smoothing
                )
                mixed = by_label if self.targets.learns == "labels" else by_weight
                result_R.index_add_(0, rows, -mixed * tangent_S.to(result_R.dtype) * length.to(result_R.dtype))
        result_R /= self.cur_batch.num_steps
        self.processes.sum_([result_R])
        return [result_R]


class TableProblem(ImplicitProblem):
    """Outer level: the loss of the stepped PRM on clean outcomes, as a function of the table.

    Betty differentiates :meth:`training_step` with respect to the PRM's parameters and turns that into the table's gradient.
    """

    def __init__(
        self,
        config: BettyConfig,
        module: Table,
        optimizer: torch.optim.Optimizer,
        windows: Windows,
        reader: Reader,
        processes: Processes,
        loss: str,
        learning_rate: Callable[[int], float],
        prior_strength: float,
        agreement: float = 0.0,
    ):
        super().__init__("table", config, module=module, optimizer=optimizer)
        self.windows, self.reader, self.processes, self.loss_kind = windows, reader, processes, loss
        self.learning_rate, self.prior_strength, self.agreement = learning_rate, prior_strength, agreement
        self.last_loss = float("nan")
        self.last_gradient_R: Tensor | None = None

    def trainable_parameters(self) -> list[nn.Parameter]:
        return [self.module.value_R]

    def get_batch(self) -> Window:
        return self.windows.next()

    def training_step(self, batch: Window) -> dict[str, Tensor]:
        def loss_of(units: Sequence[Unit], logit_S: Tensor) -> Tensor:
            return step_losses(logit_S, self.reader.outcomes(units), self.loss_kind).sum()

        params = self.prm.trainable_parameters()
        value, grads = _gradients(self.reader, self.prm.module, params, batch, self.processes, loss_of)
        self.last_loss = value.item()
        return {"loss": carry(value, params, grads)}

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(self.count)
        (self.last_gradient_R,) = (param.grad for param in self.trainable_parameters())
        super().optimizer_step(*args, **kwargs)

    def param_callback(self) -> None:
        """Betty calls this after each optimizer step: pull the window's rows to where they belong, then project."""
        rate = self.prior_strength * self.optimizer.param_groups[0]["lr"]
        rows = self.prm.reader.rows(self.prm.cur_batch.units)
        self.module.pull_to_prior(rows, rate)
        if self.agreement > 0.0:
            self.module.pull_to_posterior(rows, self._window_scores(rows), self.agreement)
        self.module.project()

    def _window_scores(self, rows: Tensor) -> Tensor:
        """The PRM's scores of the window's rows from the inner pass, which each process has for its own share only."""
        mine = torch.zeros_like(self.prm.last_score_R)
        own = self.prm.reader.rows(self.processes.share(self.prm.cur_batch.units))
        mine[own] = self.prm.last_score_R[own]
        self.processes.sum_([mine])
        return mine[rows]
