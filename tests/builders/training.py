"""To train on: rows of programs of three functions, and a run of the trainer without its noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from builders.rows import make_labels, make_problem, make_solution
from dreamprm_code.bilevel import TrainingData, TrainSettings
from dreamprm_code.bilevel.batches import Batch, Batches
from dreamprm_code.bilevel.trainer import BiLevelRun, set_dropout
from dreamprm_code.jsonl import write_rows
from dreamprm_code.records import Solution, StepLabel

PROGRAM = "def main():\n    print(add(1, {n}))\n\n\ndef add(a, b):\n    return a + b\n\n\ndef last(a):\n    return {n}\n"
DATES = {"train": "2024-01-05", "meta": "2024-06-05", "test": "2024-09-05"}
WINDOWS = {"train": ["2024-01-01", "2024-05-01"], "meta": ["2024-05-01", "2024-08-01"], "test": ["2024-08-01", None]}


def solution(question_id: str, index: int, passed: bool | None) -> Solution:
    return make_solution(question_id, index, PROGRAM.format(n=index), passed)


def labels(question_id: str, index: int) -> list[StepLabel]:
    """Counts that differ between programs and steps; every second program passes."""
    return make_labels(question_id, index, PROGRAM.format(n=index), [index % 5, (index + 1) % 5, index % 2])


def write_training_files(folder: Path, **ids: list[str]) -> Path:
    """``folder/problems.jsonl``, and the labels and meta programs of a run in the folder that is returned.

    ``ids`` are question_ids by split (train, meta, test) in WINDOWS; a training problem has one program, a meta problem two.
    """
    problems = [make_problem(name, contest_date=DATES[split]) for split, names in ids.items() for name in names]
    write_rows(folder / "problems.jsonl", problems)
    data_dir = folder / "run"
    write_rows(data_dir / "step_labels.jsonl", [row for i, name in enumerate(ids["train"]) for row in labels(name, i)])
    write_rows(data_dir / "meta_solutions.jsonl", [solution(name, i, i == 0) for name in ids["meta"] for i in range(2)])
    return data_dir


def quiet(**settings: Any) -> TrainSettings:
    return TrainSettings(**({"progress": False, "log_to": [], "device": "cpu"} | settings))


def run_of(tmp_path: Path, data: TrainingData, model: nn.Module, **settings: Any) -> BiLevelRun:
    return BiLevelRun(quiet(**({"checkpoint_every": 0, "eval_every": 0} | settings)), data, tmp_path, model, {})


def take_steps(run: BiLevelRun, count: int = 1) -> None:
    """Steps of a run, without dropout."""
    set_dropout(run.model, False)
    for _ in range(count):
        run.take_step()


def next_batches(run: BiLevelRun) -> tuple[Batch, Batch]:
    """What the run's next step will read."""
    inner = Batches(run.data.inner, run.settings.batch_programs, run.settings.seed)
    inner.skip_to(run.inner_batches.taken, run.inner_batches.position)
    outer = Batches(run.data.outer, run.settings.outer_programs, run.settings.seed + 1)
    outer.skip_to(run.outer_batches[0].taken, run.outer_batches[0].position)
    return inner.next(), outer.next()


class OneWeight(nn.Module):
    """z = a x with a = 0 at first."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, x_S1: torch.Tensor) -> torch.Tensor:
        return self.a * x_S1[:, 0]
