"""Trainings as processes of their own (train_worker.py): start, kill, compare."""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import train_worker

# Each unit a pass of its own, batches of three to five units: the first process has one pass more than the second. Kept
# outputs end in the middle of a batch, at another place in each process.
UNEVEN = {"micro_tokens": 1, "batch_programs": 5, "outer_programs": 5, "keep_gib": 1e-4}


CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["train_worker"])  # a process takes longer to import torch than to train


def launch(runs: list[dict[str, Any]], processes: int = 1) -> list[multiprocessing.context.ForkServerProcess]:
    """Trainings one after the other, in one process or in several that torch.distributed connects as torchrun would."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    started = [CONTEXT.Process(target=_work, args=(runs, rank, processes, port)) for rank in range(processes)]
    of_the_server = {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}  # the first start begins it
    with mock.patch.dict(os.environ, of_the_server):
        for process in started:
            process.start()
    return started


def _work(runs: list[dict[str, Any]], rank: int, processes: int, port: int) -> None:
    if processes > 1:
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "MASTER_PORT": port}
        os.environ |= {"MASTER_ADDR": "127.0.0.1"} | {name: str(value) for name, value in place.items()}
    for arguments in runs:
        train_worker.run(**arguments)


def run_all(folder: Path, trainings: dict[str, dict]) -> None:
    """One after the other in the same two processes, each into the folder of its name."""
    started = launch([{"out": str(folder / name), **settings} for name, settings in trainings.items()], processes=2)
    for process in started:
        process.join(1200)
    assert [process.exitcode for process in started] == [0, 0]


def result_of(out: Path) -> dict[str, torch.Tensor]:
    return torch.load(out / "result.pt", weights_only=True)


def kill_in_the_bilevel_stage(out: Path, processes: int = 1, **settings: Any) -> None:
    """Start a training, wait for three of six bi-level steps in the log, kill -9 every process of it."""
    started = launch([{"out": str(out), "sleep": 0.05, **settings}], processes)
    log = out / "training_log.jsonl"
    deadline = time.monotonic() + 1200
    while (not log.exists() or log.read_bytes().count(b"bi-level") < 3) and time.monotonic() < deadline:
        assert all(process.is_alive() for process in started), "it ended before it could be killed"
        time.sleep(0.02)
    for process in started:
        process.kill()
        process.join()
    assert (out / "resume" / "state.pt").exists() and not (out / "result.pt").exists()


def assert_same_result(one: Path, other: Path) -> None:
    results = result_of(one), result_of(other)
    assert results[0].keys() == results[1].keys()
    for name in results[0]:
        assert torch.equal(results[0][name], results[1][name]), name
