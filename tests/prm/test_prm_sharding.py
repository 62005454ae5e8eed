"""A PRM whose backbone is spread over two processes: scores, and what is saved, are those of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import torch
from sharding_worker import PROGRAMS

from builders.models import tiny_prm
from builders.tokenizers import make_tokenizer
from dreamprm_code.prm import PRM

WORKER = Path(__file__).with_name("sharding_worker.py")


def test_scores_and_checkpoint_of_two_processes_are_those_of_one(tmp_path, problem):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(WORKER), str(tmp_path)]
    subprocess.run(
        command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}, check=True, timeout=240
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        expected = tiny_prm(make_tokenizer()).score(problem, PROGRAMS)
        loaded = PRM.from_pretrained(tmp_path / "prm", device="cpu", dtype=torch.float32).score(problem, PROGRAMS)
    finally:
        torch.set_num_threads(threads)
    for rank in (0, 1):
        assert json.loads((tmp_path / f"scores-{rank}.json").read_text()) == expected
    assert loaded == expected
