"""Trainings as processes of their own (train_worker.py): start, kill, compare."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import torch

WORKER = Path(__file__).with_name("train_worker.py")

# Each unit a pass of its own, batches of three to five units: the first process has one pass more than the second. Kept
# outputs end in the middle of a batch, at another place in each process.
UNEVEN = {"micro_tokens": 1, "batch_programs": 5, "outer_programs": 5, "keep_gib": 1e-4}


def launch(out: Path, *, processes: int = 1, **more) -> list[str]:
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [*command, str(WORKER), json.dumps([{"out": str(out), **more}])]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}


def run_all(folder: Path, trainings: dict[str, dict]) -> None:
    """One after the other in the same two processes, each into the folder of its name."""
    command = launch(folder, processes=2)
    command[-1] = json.dumps([{"out": str(folder / name), **settings} for name, settings in trainings.items()])
    subprocess.run(command, env=environment(), check=True, timeout=1200)


def result_of(out: Path) -> dict[str, torch.Tensor]:
    return torch.load(out / "result.pt", weights_only=True)


def kill_in_the_bilevel_stage(command: list[str], out: Path) -> None:
    """Start it, wait for three of six bi-level steps in the log, kill -9 every process of it."""
    process = subprocess.Popen(command, env=environment())
    log = out / "training_log.jsonl"
    deadline = time.monotonic() + 1200
    while (not log.exists() or log.read_bytes().count(b"bi-level") < 3) and time.monotonic() < deadline:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    for child in psutil.Process(process.pid).children(recursive=True):  # torchrun's workers
        child.kill()
    process.kill()
    process.wait()
    assert (out / "resume" / "state.pt").exists() and not (out / "result.pt").exists()


def assert_same_result(one: Path, other: Path) -> None:
    results = result_of(one), result_of(other)
    assert results[0].keys() == results[1].keys()
    for name in results[0]:
        assert torch.equal(results[0][name], results[1][name]), name
