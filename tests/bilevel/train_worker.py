"""Train a tiny PRM; in a process of its own to be killed, in several to be compared (processes.py)."""

from __future__ import annotations

import gc
import json
import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from builders.token_trees import tree_data
from dreamprm_code.bilevel import TrainSettings, train
from dreamprm_code.bilevel.distributed import Processes, training_device
from dreamprm_code.prm.model import LoraSettings, build_model
from dreamprm_code.prm.sharding import shard_backbone


def frozen_bytes(model: nn.Module) -> int:
    """Memory of the frozen backbone that this process holds now."""
    frozen = [param for name, param in model.named_parameters() if "lora_" not in name and "head." not in name]
    parts = [param.to_local() if isinstance(param, DTensor) else param for param in frozen]
    return sum(part.untyped_storage().nbytes() for part in parts)


def largest_live_tensor() -> int:
    """Bytes of the largest storage that any tensor of this process keeps alive, whoever holds it."""
    gc.collect()
    alive = [thing for thing in gc.get_objects() if issubclass(type(thing), torch.Tensor) and not isinstance(thing, DTensor)]
    return max(tensor.untyped_storage().nbytes() for tensor in alive)


def run(
    out: str,
    dtype: str = "float32",
    dropout: float = 0.0,
    sleep: float = 0.0,
    shard: bool = False,
    checkpointing: bool = False,
    **settings: Any,
) -> None:
    """Ten steps; ``out/result.pt`` holds the final parameters and labels. ``sleep`` seconds before each forward pass."""
    model = build_model("random:tiny", LoraSettings(dropout=dropout), dtype=getattr(torch, dtype))
    if checkpointing:
        model.enable_gradient_checkpointing()
    if shard:
        device = training_device(settings.get("device", "cpu"))
        Processes.from_environment(device)
        shard_backbone(model, device)
    between = []
    model.register_forward_pre_hook(lambda *_: between.append(frozen_bytes(model)))
    if sleep:
        model.register_forward_pre_hook(lambda *_: time.sleep(sleep))
    defaults = dict(
        inner_only_steps=4,
        bilevel_steps=6,
        batch_programs=6,
        outer_programs=6,
        eval_every=4,
        checkpoint_every=3,
        lr=1e-3,
        device="cpu",
        progress=False,
        log_to=[],
    )
    result = train(TrainSettings(**(defaults | settings)), tree_data(), out, model)
    rank = os.environ.get("RANK", "0")
    memory = {"between_passes": max(between), "largest": largest_live_tensor(), "passes": len(between)}
    (Path(out) / f"memory-{rank}.json").write_text(json.dumps(memory))
    if result.is_first_process:
        state = {name: param.detach().cpu() for name, param in model.named_parameters() if param.requires_grad}
        labels = torch.tensor(result.labels, dtype=torch.float64)
        torch.save(state | {"labels": labels, "best_step": torch.tensor(result.best_step)}, Path(out) / "result.pt")
