"""Score and save with a sharded backbone, started by torchrun. Argument: a folder for the scores and the checkpoint."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.autograd import forward_ad
from torch.distributed.tensor import DTensor

from builders.models import tiny_prm
from builders.programs import OTHER_END, SUM, TWO_STEPS
from builders.tokenizers import make_tokenizer
from dreamprm_code.prm import PRM
from dreamprm_code.prm.input_text import program_prefixes
from dreamprm_code.prm.sharding import forget_meshes
from dreamprm_code.prm.trees import build_tree, collate

PROGRAMS = [TWO_STEPS, OTHER_END]


def main(out: Path) -> None:
    problem = SUM
    prm = tiny_prm(make_tokenizer())
    prm.shard_backbone("cpu")
    scores = prm.score(problem, PROGRAMS)
    for found, expected in zip(
        prm.score_problems([(problem, PROGRAMS), (problem, PROGRAMS[:1])]), (scores, scores[:1]), strict=True
    ):
        torch.testing.assert_close([score for row in found for score in row], [score for row in expected for score in row])
    check_one_layer_is_whole_at_a_time(prm)
    prm.save_pretrained(out / "prm")
    dist.barrier()

    again = PRM.from_pretrained(out / "prm", device="cpu", dtype=torch.float32)
    again.shard_backbone("cpu")
    assert again.score(problem, PROGRAMS) == scores
    (out / f"scores-{dist.get_rank()}.json").write_text(json.dumps(scores))


def check_one_layer_is_whole_at_a_time(prm: PRM) -> None:
    """In forward, backward and forward-mode passes; after scoring, of which nothing may be left behind."""
    model = prm.model.train()
    layers = model.decoder.layers
    seen: list[list[int]] = []

    def whole() -> list[int]:
        return [index for index, layer in enumerate(layers) if not isinstance(layer.mlp.up_proj.weight, DTensor)]

    def note(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        seen.append(whole())
        if output.requires_grad:
            output.register_hook(lambda grad: seen.append(whole()))

    hooks = [layer.mlp.register_forward_hook(note) for layer in layers]
    batch = collate([build_tree(prm.encoder.encode_prefixes(SUM, program_prefixes(TWO_STEPS)))])
    loss = model(batch, "math").sum()
    seen.append(whole())
    assert all(grad.isfinite().all() for grad in torch.autograd.grad(loss, model.trainable_parameters()))
    seen.append(whole())
    theta = {name: param.detach() for name, param in model.named_parameters() if param.requires_grad}
    with torch.no_grad(), forward_ad.dual_level():
        duals = {name: forward_ad.make_dual(value, torch.ones_like(value)) for name, value in theta.items()}
        logits = torch.func.functional_call(model, duals, (batch, "math"))
        assert forward_ad.unpack_dual(logits).tangent.abs().max() > 0
    seen.append(whole())
    assert seen == [[0], [1], [], [1], [0], [], [0], [1], []], seen
    for hook in hooks:
        hook.remove()


if __name__ == "__main__":
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    main(Path(sys.argv[1]))
    forget_meshes()
    dist.destroy_process_group()
