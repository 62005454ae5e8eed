"""Train a tiny PRM as a process of its own, to be killed and to be started by torchrun. Argument: a JSON list of runs."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from synthetic import tree_data

from dreamprm_code.bilevel import TrainConfig, train
from dreamprm_code.prm.model import LoraSettings, build_model


def run(out: str, dtype: str = "float32", dropout: float = 0.0, sleep: float = 0.0) -> None:
    """Ten steps; ``out/result.pt`` holds the final parameters and labels. ``sleep`` seconds before each forward pass."""
    model = build_model("random:tiny", LoraSettings(dropout=dropout), dtype=getattr(torch, dtype))
    if sleep:
        model.register_forward_pre_hook(lambda *_: time.sleep(sleep))
    config = TrainConfig(
        warmup_steps=4,
        bilevel_steps=6,
        window_programs=6,
        meta_programs=6,
        eval_every=4,
        checkpoint_every=3,
        lr=1e-3,
        device="cpu",
        progress=False,
        tensorboard=False,
    )
    result = train(config, tree_data(), out, model)
    if result.is_first_process:
        state = {name: param.detach() for name, param in model.named_parameters() if param.requires_grad}
        labels = torch.tensor(result.labels, dtype=torch.float64)
        torch.save(state | {"labels": labels, "best_step": torch.tensor(result.best_step)}, Path(out) / "result.pt")


if __name__ == "__main__":
    for arguments in json.loads(sys.argv[1]):
        run(**arguments)
