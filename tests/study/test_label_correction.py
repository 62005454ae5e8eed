"""The study at a size of seconds: it corrects labels, goes on after a kill, and its tables say what the rows say."""

from __future__ import annotations

import json
import subprocess

import pytest

from dreamprm_code.jsonl import read_rows
from dreamprm_code.study.tables import StudyRow, estimate, markdown

SMALL = """--seeds 0 1 --sweep-rates --noise-kinds independent --train-problems 6 --held-out-problems 2 --meta-programs 60
    --inner-only-steps 80 --bilevel-steps 250 --held-out-programs 16 --outer-lr 0.06 --agreement 0.1 --processes 1"""


def study(root, python, out, *flags):
    command = [python, "src/studies/label_correction.py", "--config", "configs/study.yaml", "--out-dir", str(out)]
    command += [*SMALL.split(), *flags]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


@pytest.fixture(scope="module")
def finished(root, python, tmp_path_factory):
    out = tmp_path_factory.mktemp("study")
    done = study(root, python, out)
    assert done.returncode == 0, done.stderr
    return out


def test_correction_lowers_the_error_of_labels_and_raises_their_auroc(finished):
    rows = {(row.seed, row.arm): row.metrics for row in read_rows(finished / "study_runs.jsonl", StudyRow)}
    for seed in (0, 1):
        corrected = rows[seed, "labels + agreement"]
        assert corrected["label_mae"] < 0.8 * corrected["label_before_mae"]
        assert corrected["label_auroc"] > corrected["label_before_auroc"]
        assert rows[seed, "none"]["label_mae"] == rows[seed, "none"]["label_before_mae"]
        assert rows[seed, "released"]["label_mae"] == rows[seed, "none"]["label_mae"]


def test_files_agree_with_the_rows(finished):
    rows = read_rows(finished / "study_runs.jsonl", StudyRow)
    mean = estimate(row.metrics["label_mae"] for row in rows if row.arm == "labels + agreement").mean
    entry = next(item for item in json.loads((finished / "study.json").read_text()) if item["arm"] == "labels + agreement")
    assert entry["metrics"]["label_mae"]["mean"] == pytest.approx(mean, abs=1e-5)
    assert f"| labels + agreement | {mean:.3f} |" in (finished / "study.md").read_text()
    assert (finished / "study.png").read_bytes().startswith(b"\x89PNG")


def test_a_killed_study_does_only_what_is_missing(root, python, finished):
    path = finished / "study_runs.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-2]) + lines[-2][:40])
    assert study(root, python, finished).returncode == 0
    again = path.read_bytes().splitlines(keepends=True)
    timeless = [{**json.loads(line), "cpu_seconds": 0} for line in lines]
    assert [{**json.loads(line), "cpu_seconds": 0} for line in again] == timeless


def test_other_settings_in_the_same_folder_are_refused(root, python, finished):
    refused = study(root, python, finished, "--agreement", "0.2")
    assert refused.returncode == 2 and "agreement" in refused.stderr and "Traceback" not in refused.stderr


def test_paired_differences_by_hand():
    """Differences 0.2, 0.3, 0.4: mean 0.3, sd 0.1, t(0.975, 2) = 4.303: half width 4.303 * 0.1 / sqrt(3) = 0.248."""

    def row(seed: int, arm: str, value: float) -> StudyRow:
        metrics = {"label_mae": value, "label_before_mae": 0.5, "label_before_auroc": 0.5, "label_before_ece": 0.1}
        return StudyRow(
            noise="independent", rate=0.3, seed=seed, arm=arm, cpu_seconds=1.0, num_labels=1, num_features=1, metrics=metrics
        )

    values = [(0, 0.6, 0.8), (1, 0.6, 0.9), (2, 0.5, 0.9)]
    rows = [row(seed, arm, value) for seed, *pair in values for arm, value in zip(("none", "labels"), pair, strict=True)]
    assert "| labels | 0.300 [0.052, 0.548] |" in markdown(rows, 0.3)
    assert "| labels | 0.250 |" in markdown(rows[:4], 0.3)  # two seeds: a mean without an interval
