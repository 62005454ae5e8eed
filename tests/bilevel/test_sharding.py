"""A frozen backbone spread over two processes: half the memory, the same bits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import train_worker
from processes import UNEVEN, assert_same_result, result_of, run_all

from dreamprm_code.errors import UserError
from dreamprm_code.prm.model import build_model
from dreamprm_code.prm.sharding import shard_backbone


def memory_of(out: Path) -> list[dict[str, int]]:
    return [json.loads((out / f"memory-{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.usefixtures("one_thread")
def test_a_sharded_backbone_takes_half_the_memory_and_changes_no_bit(two_processes, tmp_path):
    """Against a replicated backbone in two processes: equal. Against one process: as near as two processes always are."""
    assert_same_result(two_processes / "whole", two_processes / "sharded")
    assert_same_result(two_processes / "whole-checkpointing", two_processes / "sharded-checkpointing")
    train_worker.run(out=str(tmp_path / "one"), **UNEVEN)
    one, two = result_of(tmp_path / "one"), result_of(two_processes / "sharded")
    assert all(torch.allclose(one[name], two[name], rtol=0, atol=1e-4) for name in one)

    whole, sharded = memory_of(two_processes / "whole"), memory_of(two_processes / "sharded")
    assert whole[0]["passes"] > whole[1]["passes"]  # shares were uneven
    assert sharded[0]["passes"] == sharded[1]["passes"] == whole[0]["passes"]
    embedding = 512 * 64 * 4
    for plain, shared in zip(whole, sharded, strict=True):
        assert shared["between_passes"] == plain["between_passes"] / 2
        assert plain["largest"] == embedding and shared["largest"] == embedding / 2  # no whole matrix is left anywhere


def test_a_killed_sharded_run_resumes_to_the_same_bits(two_processes):
    assert_same_result(two_processes / "straight", two_processes / "killed")


def test_one_process_has_nothing_to_share():
    with pytest.raises(UserError, match="only one"):
        shard_backbone(build_model("random:tiny"), torch.device("cpu"))


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA GPUs")
def test_two_gpus_share_a_backbone(tmp_path):
    on_gpus = {"device": "cuda", **UNEVEN}
    run_all(tmp_path, {"whole": on_gpus, "sharded": {**on_gpus, "shard": True}})
    whole, sharded = (result_of(tmp_path / name) for name in ("whole", "sharded"))
    assert all(torch.allclose(whole[name], sharded[name], rtol=0, atol=1e-3) for name in whole)
    plain, shared = memory_of(tmp_path / "whole"), memory_of(tmp_path / "sharded")
    assert shared[0]["between_passes"] == plain[0]["between_passes"] / 2
