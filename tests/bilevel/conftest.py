"""Fixtures of the training tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from processes import UNEVEN, kill_in_the_bilevel_stage, launch, run_all

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


@pytest.fixture(scope="session")
def two_processes(tmp_path_factory) -> Path:
    """The folder of all of them. Processes take longer to start than to train, so they are started once; but ``killed`` was
    trained before by others, which were killed in the bi-level stage, and goes on here."""
    folder = tmp_path_factory.mktemp("two-processes")
    kill_in_the_bilevel_stage(launch(folder / "killed", processes=2, shard=True, sleep=0.05), folder / "killed")
    run_all(folder, TOGETHER)
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in the worker: the number of threads changes the order of float additions."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
