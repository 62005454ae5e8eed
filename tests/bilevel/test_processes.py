"""Trainings as processes: killed and resumed, two equal one, a frozen backbone spread over two takes half the memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import train_worker
from processes import UNEVEN, assert_same_result, kill_in_the_bilevel_stage, result_of, run_all

from dreamprm_code.bilevel.progress import read_log
from dreamprm_code.errors import UserError
from dreamprm_code.prm.model import build_model
from dreamprm_code.prm.sharding import shard_backbone

TOGETHER: dict[str, dict] = {
    "whole": UNEVEN,
    "sharded": {**UNEVEN, "shard": True},
    "whole-checkpointing": {**UNEVEN, "checkpointing": True, "dropout": 0.1},
    "sharded-checkpointing": {**UNEVEN, "checkpointing": True, "dropout": 0.1, "shard": True},
    "straight": {"shard": True},
    "killed": {"shard": True},
    "float32": {},
    "float64": {"dtype": "float64"},
}
"""Trainings of two processes, by the folder of their results."""


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory) -> Path:
    """The folder of all of them. They are trained in the same two processes; but ``killed`` was trained before by others, which
    were killed in the bi-level stage, and goes on here."""
    folder = tmp_path_factory.mktemp("two-processes")
    kill_in_the_bilevel_stage(folder / "killed", processes=2, shard=True)
    run_all(folder, TOGETHER)
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in the worker: the number of threads changes the order of float additions."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_killed_and_resumed_equals_uninterrupted_bit_for_bit(tmp_path):
    """kill -9 in the middle of the bi-level stage; final weights, labels and log are those of a run without the kill."""
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    train_worker.run(out=str(straight), dropout=0.1)
    kill_in_the_bilevel_stage(killed, dropout=0.1)
    train_worker.run(out=str(killed), dropout=0.1)
    assert_same_result(straight, killed)

    def rows(out: Path) -> list[dict]:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in read_log(out)]

    assert rows(straight) == rows(killed)


@pytest.mark.usefixtures("one_thread")
def test_two_processes_equal_one(two_processes, tmp_path):
    """The same global batches: float64 parameters and labels agree to 1e-9 after ten steps of Adam.

    Sums are taken in another order, and Adam divides small gradients by themselves: in float32 it is 1e-4.
    """
    for dtype, tolerance in (("float32", 1e-4), ("float64", 1e-9)):
        train_worker.run(out=str(tmp_path / dtype), dtype=dtype)
        one, other = result_of(tmp_path / dtype), result_of(two_processes / dtype)
        assert one.keys() == other.keys()
        for name in one:
            assert torch.allclose(one[name], other[name], rtol=0, atol=tolerance), (dtype, name)


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
