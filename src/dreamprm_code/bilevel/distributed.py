"""Data parallel by torchrun: every process works on its trees of a batch, sums are taken over all processes.

The parameters that move are few (LoRA, head, table), so each process holds all of them and applies the same update; only
gradients (one flat vector per step), scores of a batch's rows and loss sums travel. The batch, its row count and the
data order are the same for any number of processes, therefore so are the results, up to the order of float additions.

Betty's own ``distributed`` strategy is not used: it needs CUDA, shards the data loader (which changes the data order) and
averages instead of summing. ``gloo`` serves CPUs, ``nccl`` GPUs. The frozen backbone is replicated, or spread over the
processes (:mod:`dreamprm_code.prm.sharding`); then all of them run as many passes as the one with the most trees.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Sequence
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from dreamprm_code.devices import find_device
from dreamprm_code.prm.sharding import forget_meshes

ItemT = TypeVar("ItemT")


class Processes:
    """This process among all; a single process when torchrun did not start us."""

    def __init__(self, rank: int = 0, world_size: int = 1):
        self.rank, self.world_size = rank, world_size

    @classmethod
    def from_environment(cls, device: torch.device) -> Processes:
        """Join torchrun's process group (idempotent), or stay alone."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        if not dist.is_initialized():
            dist.init_process_group(backend="nccl" if device.type == "cuda" else "gloo")
            atexit.register(_leave)  # its threads must end before the interpreter does
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def share(self, items: Sequence[ItemT], rank: int | None = None) -> list[ItemT]:
        """This process's part of a batch, or another's: items rank, rank + world_size, ..."""
        return list(items[self.rank if rank is None else rank :: self.world_size])

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes, in one message per dtype."""
        if self.world_size == 1:
            return
        for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):  # the order must be the same in every process
            group = [tensor for tensor in tensors if tensor.dtype == dtype]
            flat = torch.cat([tensor.reshape(-1) for tensor in group])
            dist.all_reduce(flat)
            for tensor, part in zip(group, flat.split([tensor.numel() for tensor in group]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def barrier(self) -> None:
        if self.world_size > 1:
            dist.barrier()


def _leave() -> None:
    if dist.is_initialized():
        forget_meshes()
        dist.destroy_process_group()


def training_device(name: str) -> torch.device:
    """``auto`` is this process's GPU where there is one, else the CPU.

    Raises:
        UserError: there is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":  # its own before anything touches a device: each process would take memory of the first GPU
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    device = find_device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device
