"""Outputs of the frozen matrices, kept from the training pass for the forward-mode pass over the same batch.

The hypergradient reads the derivative of every logit along a direction at the parameters from which the inner step started:
those of the training pass. What the frozen matrices gave there is what they would give again, so the forward-mode pass needs
them for the derivative alone: it computes W dx and takes W x from here. That is about half of its products.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad


class FrozenOutputs:
    """One entry per micro-batch, in the order of the passes; None where ``max_bytes`` were used up (it is computed again)."""

    def __init__(self, model: nn.Module, max_bytes: float):
        checkpointing = any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
        self.modules = [
            module
            for module in model.modules()
            if type(module) is nn.Linear and not any(param.requires_grad for param in module.parameters()) and not checkpointing
        ]
        self.max_bytes = max_bytes
        self.clear()

    def clear(self) -> None:
        self.batches: list[dict[nn.Module, Tensor] | None] = []
        self._bytes = 0

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Keep what the frozen matrices give in one forward pass."""
        outputs: dict[nn.Module, Tensor] = {}
        size = 0

        def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
            nonlocal size
            size += output.numel() * output.element_size()
            if self._bytes + size <= self.max_bytes:
                outputs[module] = output.detach()
            else:
                outputs.clear()

        hooks = [module.register_forward_hook(keep) for module in self.modules]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
        self._bytes += size if outputs else 0  # none at all where they did not fit
        self.batches.append(outputs or None)

    @contextmanager
    def replaying(self, batch: int) -> Iterator[None]:
        """Inside a forward-mode pass over that micro-batch: values from here, derivatives computed. Forgets the entry."""
        outputs = self.batches[batch] if batch < len(self.batches) else None
        if outputs is None:
            yield
            return
        self.batches[batch] = None

        def forward_of(module: Any) -> Any:
            def forward(inputs: Tensor) -> Tensor:
                output = outputs.pop(module)
                tangent = forward_ad.unpack_dual(inputs).tangent
                if tangent is None:
                    return output
                return forward_ad.make_dual(output, F.linear(tangent, module.weight).to(output.dtype))

            return forward

        modules = list(outputs)  # those that ran: layers below the trained ones may be known (prm/trunk.py)
        for module in modules:
            module.forward = forward_of(module)
        try:
            yield
        finally:
            for module in modules:
                del module.forward
