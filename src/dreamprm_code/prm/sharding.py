"""A frozen backbone spread over the devices of several processes, for backbones that one GPU cannot hold.

FSDP2 (``torch.distributed.fsdp.fully_shard``): of W processes each keeps 1/W of every frozen weight. A decoder layer's weights
are gathered just before the layer computes, in forward, backward and forward-mode passes alike, and dropped right after it;
the embedding and the last norm likewise. A device then holds its share and about two whole layers (the next one is fetched
while one computes) or the embedding. Numbers are copied and never summed, so results are those of a replicated backbone to
the last bit.

LoRA and head are ignored by the sharding: every process holds them, and their gradients are summed as always
(:mod:`dreamprm_code.bilevel.distributed`).

Gathering is collective: **all processes must run the same passes in the same order**. A forward pass with backward is one kind
of pass, a forward pass alone another; what is in the batch does not matter.

Loading: each process reads the backbone into host memory (all of it, so host memory must hold one copy per process of the
machine). :func:`shard_backbone` then moves one layer at a time to the device, keeps this process's share and drops the rest,
so a device never holds more than the shares made so far and one layer.
"""

from __future__ import annotations

import gc

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from dreamprm_code.errors import UserError
from dreamprm_code.prm.model import PRMModel


def shard_backbone(model: PRMModel, device: torch.device) -> None:
    """Spread the frozen weights of ``model`` (on the CPU until now) over all processes; LoRA and head go to ``device`` whole.

    Call it in every process, after the process group was joined and after gradient checkpointing was switched on.

    Raises:
        UserError: torchrun started a single process.
    """
    if not dist.is_initialized() or dist.get_world_size() == 1:
        raise UserError("a backbone is sharded over the processes of torchrun, and there is only one; leave shard_backbone out")
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    whole = {param for name, param in model.named_parameters() if param.requires_grad or "lora_" in name}
    decoder = model.decoder
    for module in (decoder.get_input_embeddings(), *decoder.get_submodule("layers").children(), decoder):
        fully_shard(module, mesh=mesh, reshard_after_forward=True, ignored_params=whole)
    model.to(device)


def is_sharded(module: nn.Module) -> bool:
    """Whether passes through this module are collective."""
    return any(isinstance(part, FSDPModule) for part in module.modules())


def writes_files(module: nn.Module) -> bool:
    """False in all but the first process of a sharded module, which every process saves together."""
    return not is_sharded(module) or dist.get_rank() == 0


def forget_meshes() -> None:
    """Before a process group is left: drop what still refers to it once sharded models are gone.

    Their modules refer to themselves, and torch remembers how it handled their tensors; both keep the group's threads alive,
    which may abort the process if the interpreter ends first.
    """
    from torch.distributed.tensor.debug import _clear_sharding_prop_cache  # torch has no public name for it

    gc.collect()
    _clear_sharding_prop_cache()
