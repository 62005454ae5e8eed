"""How the model runs over a batch: micro-batches on a device in a precision, shared among processes.

All passes of both levels and of validation go through here, so memory is that of one micro-batch, and results depend neither on
its size nor on the number of processes (up to the order of float additions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from dreamprm_code.bilevel.activations import FrozenOutputs
from dreamprm_code.bilevel.batches import Batch, micro_batches
from dreamprm_code.bilevel.distributed import Processes
from dreamprm_code.bilevel.units import Unit
from dreamprm_code.errors import UserError
from dreamprm_code.prm.sharding import is_sharded

BeforePass = Callable[[Sequence[Unit]], None]


class Passes:
    """``params`` are the model's trainable parameters and ``names`` theirs; ``collate`` is the data's."""

    def __init__(
        self,
        model: nn.Module,
        collate: Callable[[list[Any]], Any],
        device: torch.device,
        processes: Processes,
        micro_tokens: int,
        autocast: torch.dtype | None = None,
    ):
        self.model, self.collate, self.device, self.processes = model, collate, device, processes
        self.micro_tokens, self.autocast = micro_tokens, autocast
        self.names = [name for name, param in model.named_parameters() if param.requires_grad]
        self.params = [param for param in model.parameters() if param.requires_grad]
        if not self.params:
            raise UserError("the model has no trainable parameter")

    def cut(self, units: Sequence[Unit], max_tokens: int | None = None) -> Iterator[tuple[Sequence[Unit], Any]]:
        """``(units, model's batch on the device)`` of each micro-batch; ``max_tokens`` defaults to the setting."""
        for group in micro_batches(units, self.micro_tokens if max_tokens is None else max_tokens):
            yield group, self.collate([unit.item for unit in group]).to(self.device)

    def over(self, units: Sequence[Unit], max_tokens: int | None = None) -> Iterator[tuple[Sequence[Unit], Any]]:
        """The micro-batches of this process's share of ``units``.

        Passes through a sharded backbone are collective. A process whose share takes fewer than another's repeats the smallest
        unit, with no units beside the batch: what such a pass gives counts for nothing.
        """
        limit = self.micro_tokens if max_tokens is None else max_tokens
        yield from self.cut(self.processes.share(units), limit)
        if units and is_sharded(self.model):
            ranks = range(self.processes.world_size)
            counts = [sum(1 for _ in micro_batches(self.processes.share(units, rank), limit)) for rank in ranks]
            smallest = min(units, key=lambda unit: unit.num_tokens)
            for _ in range(max(counts) - counts[self.processes.rank]):
                yield (), self.collate([smallest.item]).to(self.device)

    def precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=self.autocast, enabled=self.autocast is not None)

    def logits(self, model_batch: Any) -> Tensor:
        """logit_S, at least float32."""
        with self.precision():
            logit_S = self.model(model_batch)
        return logit_S if logit_S.dtype == torch.float64 else logit_S.float()

    def gradient(
        self,
        batch: Batch,
        loss_sum: Callable[[Sequence[Unit], Tensor], Tensor],
        before: BeforePass | None = None,
        kept: FrozenOutputs | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Value and gradient of the sum over the batch, on all processes, of ``loss_sum(units, logit_S) / batch.num_steps``.

        ``before`` is called before each pass; ``kept`` records what the frozen matrices gave.
        """
        value = torch.zeros((), dtype=torch.float64, device=self.device)
        grads = [torch.zeros_like(param) for param in self.params]
        labelled = ((kept, *run) for run in self.over(batch.labelled))  # what is kept is read for labelled rows alone
        unlabelled = ((None, *run) for run in self.over(batch.unlabelled))
        for keeps, units, model_batch in chain(labelled, unlabelled):
            if not units:
                torch.autograd.grad(self.logits(model_batch).sum(), self.params, allow_unused=True)
                continue
            if before is not None:
                before(units)
            with nullcontext() if keeps is None else keeps.recording():
                logit_S = self.logits(model_batch)
            loss = loss_sum(units, logit_S) / batch.num_steps
            for total, grad in zip(grads, torch.autograd.grad(loss, self.params, allow_unused=True), strict=True):
                if grad is not None:
                    total += grad
            value += loss.detach()
        self.processes.sum_([value, *grads])
        return value, grads

    def rows(self, units: Sequence[Unit]) -> Tensor:
        """Where the labelled steps stand in the table."""
        return torch.tensor([row for unit in units for row in unit.rows], dtype=torch.long, device=self.device)

    def outcomes(self, units: Sequence[Unit]) -> Tensor:
        return torch.tensor([value for unit in units for value in unit.outcomes], dtype=torch.float64, device=self.device)

    def split(self, units: Sequence[Unit], logit_S: Tensor) -> tuple[Tensor, Tensor]:
        """The logits of all ``rows``, and those of all ``outcomes``."""
        if all(unit.num_logits == len(unit.rows) for unit in units):
            return logit_S, logit_S[:0]
        sizes = [(len(unit.rows), len(unit.outcomes), unit.num_unread) for unit in units]
        kinds = [kind for unit_sizes in sizes for kind, size in enumerate(unit_sizes) for _ in range(size)]
        kind_S = torch.tensor(kinds, device=self.device)
        return logit_S[kind_S == 0], logit_S[kind_S == 1]


@contextmanager
def differentiable_attention(model: nn.Module) -> Iterator[None]:
    """Token trees: the attention that has forward-mode and second derivatives. Other modules are left as they are."""
    reader: Any = model
    before = getattr(reader, "attention", None)
    if isinstance(before, str):
        reader.attention = "math"
    try:
        yield
    finally:
        if isinstance(before, str):
            reader.attention = before
