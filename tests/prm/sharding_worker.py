"""Score and save with a sharded backbone, started by torchrun. Argument: a folder for the scores and the checkpoint."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from prm_samples import OTHER_END, TWO_STEPS, make_problem, make_tokenizer, tiny_prm

from dreamprm_code.prm import PRM
from dreamprm_code.prm.sharding import forget_meshes

PROGRAMS = [TWO_STEPS, OTHER_END]


def main(out: Path) -> None:
    problem = make_problem()
    prm = tiny_prm(make_tokenizer())
    prm.shard_backbone("cpu")
    scores = prm.score(problem, PROGRAMS)
    for found, expected in zip(
        prm.score_problems([(problem, PROGRAMS), (problem, PROGRAMS[:1])]), (scores, scores[:1]), strict=True
    ):
        torch.testing.assert_close([score for row in found for score in row], [score for row in expected for score in row])
    loss = prm.model.train()(prm_batch(prm)).sum()  # training after scoring: nothing of the inference pass is left behind
    assert all(grad.isfinite().all() for grad in torch.autograd.grad(loss, prm.model.trainable_parameters()))
    prm.save_pretrained(out / "prm")
    dist.barrier()

    again = PRM.from_pretrained(out / "prm", device="cpu", dtype=torch.float32)
    again.shard_backbone("cpu")
    assert again.score(problem, PROGRAMS) == scores
    (out / f"scores-{dist.get_rank()}.json").write_text(json.dumps(scores))


def prm_batch(prm: PRM):
    from dreamprm_code.prm.input_text import program_prefixes
    from dreamprm_code.prm.trees import build_tree, collate

    return collate([build_tree(prm.encoder.encode_prefixes(make_problem(), program_prefixes(TWO_STEPS)))])


if __name__ == "__main__":
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    main(Path(sys.argv[1]))
    forget_meshes()
    dist.destroy_process_group()
