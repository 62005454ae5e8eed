"""A frozen backbone spread over two processes: half the memory, the same bits."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import torch
import train_worker
from processes import assert_same_result, environment, kill_in_the_bilevel_stage, launch, result_of

from dreamprm_code.errors import UserError
from dreamprm_code.prm.model import build_model
from dreamprm_code.prm.sharding import shard_backbone

# Each unit a pass of its own, batches of three to five units: the first process has one pass more than the second. Kept
# outputs end in the middle of a batch, at another place in each process.
UNEVEN = {"micro_tokens": 1, "batch_programs": 5, "outer_programs": 5, "keep_gib": 1e-4}


def memory_of(out: Path) -> list[dict[str, int]]:
    return [json.loads((out / f"memory-{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.usefixtures("one_thread")
def test_a_sharded_backbone_takes_half_the_memory_and_changes_no_bit(tmp_path):
    """Against a replicated backbone in two processes: equal. Against one process: as near as two processes always are."""
    variants = {
        "whole": {},
        "sharded": {"shard": True},
        "whole-checkpointing": {"checkpointing": True, "dropout": 0.1},
        "sharded-checkpointing": {"checkpointing": True, "dropout": 0.1, "shard": True},
    }
    command = launch(tmp_path, processes=2)
    command[-1] = json.dumps([{"out": str(tmp_path / name), **UNEVEN, **more} for name, more in variants.items()])
    subprocess.run(command, env=environment(), check=True, timeout=240)
    assert_same_result(tmp_path / "whole", tmp_path / "sharded")
    assert_same_result(tmp_path / "whole-checkpointing", tmp_path / "sharded-checkpointing")
    train_worker.run(out=str(tmp_path / "one"), **UNEVEN)
    one, two = result_of(tmp_path / "one"), result_of(tmp_path / "sharded")
    assert all(torch.allclose(one[name], two[name], rtol=0, atol=1e-4) for name in one)

    whole, sharded = memory_of(tmp_path / "whole"), memory_of(tmp_path / "sharded")
    assert whole[0]["passes"] > whole[1]["passes"]  # shares were uneven
    assert sharded[0]["passes"] == sharded[1]["passes"] == whole[0]["passes"]
    embedding = 512 * 64 * 4
    for plain, shared in zip(whole, sharded, strict=True):
        assert shared["between_passes"] == plain["between_passes"] / 2
        assert plain["largest"] == embedding and shared["largest"] == embedding / 2  # no whole matrix is left anywhere


@pytest.mark.usefixtures("one_thread")
def test_a_killed_sharded_run_resumes_to_the_same_bits(tmp_path):
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    kill_in_the_bilevel_stage(launch(killed, processes=2, shard=True, sleep=0.05), killed)
    command = launch(tmp_path, processes=2)
    command[-1] = json.dumps([{"out": str(out), "shard": True} for out in (killed, straight)])
    subprocess.run(command, env=environment(), check=True, timeout=240)
    assert_same_result(straight, killed)


def test_one_process_has_nothing_to_share():
    with pytest.raises(UserError, match="only one"):
        shard_backbone(build_model("random:tiny"), torch.device("cpu"))


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA GPUs")
def test_two_gpus_share_a_backbone(tmp_path):
    command = launch(tmp_path, processes=2)
    variants = {"whole": {}, "sharded": {"shard": True}}
    runs = [{"out": str(tmp_path / name), "device": "cuda", **UNEVEN, **more} for name, more in variants.items()]
    command[-1] = json.dumps(runs)
    subprocess.run(command, env=environment(), check=True, timeout=240)
    whole, sharded = (result_of(tmp_path / name) for name in variants)
    assert all(torch.allclose(whole[name], sharded[name], rtol=0, atol=1e-3) for name in whole)
    plain, shared = memory_of(tmp_path / "whole"), memory_of(tmp_path / "sharded")
    assert shared[0]["between_passes"] == plain[0]["between_passes"] / 2
