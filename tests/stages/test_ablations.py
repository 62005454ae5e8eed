"""One command, one table: the ablations on toy files with a tiny backbone."""

from __future__ import annotations

import json
import subprocess

import ablations
import pytest
import yaml

import train_prm
from builders.training import WINDOWS, solution, write_training_files
from cli import parse_settings
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import write_rows
from dreamprm_code.selection.aggregation import AGGREGATIONS


@pytest.fixture
def run(tmp_path, backbone):
    """Two test problems with four candidates each, of which the first passes; the last does not parse."""
    ids = {"train": ["t0", "t1", "t2", "t3"], "meta": ["m0", "m1"], "test": ["e0", "e1"]}
    data_dir = write_training_files(tmp_path, **ids)
    candidates = [solution(name, i, i == 0) for name in ids["test"] for i in range(3)]
    candidates += [solution(name, 3, False).model_copy(update={"code": "def main(:\n"}) for name in ids["test"]]
    write_rows(data_dir / "test_solutions.jsonl", candidates)
    training = {"backbone": f"random:{backbone}", "dtype": "float32", "device": "cpu", "log_to": [], "progress": False}
    training |= {"inner_only_steps": 2, "bilevel_steps": 2, "batch_programs": 2, "outer_programs": 2, "checkpoint_every": 2}
    shared = {"problems": str(tmp_path / "problems.jsonl"), "data_dir": str(data_dir), "windows": WINDOWS, "seed": 1}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"shared": shared, "train_prm": training}))
    return tmp_path


@pytest.fixture
def one_process_for_one_training(monkeypatch):
    """The first training runs as it does for users, the others here: a process takes longer to start than to train."""
    run_process, seen = subprocess.run, []

    def run(command, **more):
        if not command[1].endswith("train_prm.py"):
            return run_process(command, **more)
        seen.append(command)
        if len(seen) == 1:
            return run_process(command, **more)
        train_prm.main(parse_settings(train_prm.Settings, "train_prm", "", command[2:]))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return seen


def test_every_ablation_has_its_lines_and_counts_are_right(run, root, monkeypatch, one_process_for_one_training):
    monkeypatch.chdir(root)
    flags = ["--config", str(run / "config.yaml"), "--train-config", str(run / "config.yaml")]
    flags += ["--plain-solutions", str(run / "run" / "test_solutions.jsonl")]
    ablations.main(parse_settings(ablations.Settings, "ablations", "", flags))
    assert len(one_process_for_one_training) == 3
    rows = json.loads((run / "run" / "ablations" / "ablations.json").read_text())
    variants = {}
    for row in rows:
        variants.setdefault(row["ablation"], {})[row["variant"]] = row
    assert set(variants["label correction"]) == {"none", "weights", "labels"}
    assert set(variants["aggregation"]) == set(AGGREGATIONS)
    assert set(variants["step granularity"]) == {"function", "line", "program"}
    assert set(variants["N"]) == {"1", "2", "4"}
    assert set(variants["prompt"]) == {"Chain-of-Function", "plain"}
    assert variants["bounds"]["oracle"]["num_solved"] == 2.0
    assert variants["bounds"]["random"]["num_solved"] == pytest.approx(0.5)  # one of four, twice
    assert variants["N"]["1"]["num_solved"] == pytest.approx(0.5)  # one candidate drawn at random is a random choice
    assert variants["splitter"]["do not parse (2 programs)"]["num_solved"] == 0.0
    base = variants["label correction"]["labels"]["num_solved"]
    assert base == variants["aggregation"]["mean"]["num_solved"] == variants["step granularity"]["function"]["num_solved"]
    assert base == variants["prompt"]["plain"]["num_solved"] == variants["N"]["4"]["num_solved"]
    text = (run / "run" / "ablations" / "ablations.md").read_text()
    assert len([line for line in text.splitlines() if line.startswith("| ")]) == len(rows) + 1


def test_no_candidates_is_one_clear_error(run):
    flags = ["--config", str(run / "config.yaml"), "--solutions", str(run / "nothing.jsonl")]
    settings = parse_settings(ablations.Settings, "ablations", "", flags)
    with pytest.raises(UserError, match=r"nothing\.jsonl"):
        ablations.main(settings)
