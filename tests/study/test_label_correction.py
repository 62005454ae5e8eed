"""The study at a size of seconds: every arm runs, it goes on after a kill, and its tables say what the rows say."""

from __future__ import annotations

import json
import subprocess

import label_correction
import pytest

from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import read_rows
from dreamprm_code.settings import settings_from
from dreamprm_code.study.arms import ARMS, BEST_ARM, CONTROLS, SWEEP_ARMS
from dreamprm_code.study.tables import Study, StudyRow, estimate, mean_of

SMALL = """--seeds 0 --sweep-rates 0.0 --sweep-meta-programs 8 --noise-kinds independent --train-problems 6 --meta-problems 3
    --held-out-problems 2 --meta-programs 40 --inner-only-steps 50 --bilevel-steps 150 --held-out-programs 16
    --outer-lr 0.06 --agreement 0.1 --processes 1"""


@pytest.fixture(scope="module")
def finished(root, python, tmp_path_factory):
    out = tmp_path_factory.mktemp("study")
    command = [python, "src/studies/label_correction.py", "--config", "configs/study.yaml", "--out-dir", str(out)]
    done = subprocess.run([*command, *SMALL.split()], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def rows(finished):
    return read_rows(finished / "study_runs.jsonl", StudyRow)


def test_every_arm_runs_where_the_protocol_says(rows):
    def arms(meta: str, rate: float = 0.3, meta_programs: int = 40) -> set[str]:
        return {row.arm for row in rows if (row.meta, row.rate, row.meta_programs) == (meta, rate, meta_programs)}

    assert arms("same") == {*ARMS, *CONTROLS}
    assert arms("disjoint") == arms("own") == {*ARMS, *CONTROLS} - {"released"}
    assert arms("same", rate=0.0) == arms("same", meta_programs=8) == set(SWEEP_ARMS)


def test_correction_lowers_the_error_of_labels_and_arms_without_it_leave_them_alone(rows):
    found = {row.arm: row.metrics for row in rows if (row.meta, row.rate, row.meta_programs) == ("same", 0.3, 40)}
    for arm in ("labels + agreement", BEST_ARM):
        assert found[arm]["label_mae"] < 0.8 * found[arm]["mc_mae"]
    for arm in ("none", "released", "weights", "GCE"):
        assert found[arm]["label_mae"] == found[arm]["mc_mae"]


def test_the_likelihood_of_a_policy_that_knows_what_is_right_tells_right_from_wrong(rows):
    found = [row.metrics["programs_auroc"] for row in rows if row.arm == "log-likelihood" and row.meta == "same"]
    assert min(found) > 0.9


def test_files_agree_with_the_rows(finished, rows):
    arms = Study(rows, 0.3, 40).headline("independent", "same")
    mean = estimate(row.metrics["label_mae"] for row in arms["labels"].values()).mean
    text = (finished / "study.md").read_text()
    assert mean_of(arms["labels"], "label_mae").mean == mean and f"| labels | {mean:.3f} |" in text
    for name in ("rates", "meta_programs"):
        assert (finished / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def settings(root, finished, monkeypatch):
    """Those of the finished study."""
    monkeypatch.chdir(root)
    manifest = json.loads((finished / "study_runs.jsonl.meta.json").read_text())
    return settings_from(label_correction.Settings, manifest["config"] | {"out_dir": finished}, "the test")


def test_a_killed_study_does_only_what_is_missing(finished, settings):
    path = finished / "study_runs.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-2]) + lines[-2][:40])
    label_correction.main(settings)
    again = path.read_bytes().splitlines(keepends=True)
    timeless = [{**json.loads(line), "cpu_seconds": 0} for line in lines]
    assert [{**json.loads(line), "cpu_seconds": 0} for line in again] == timeless


@pytest.mark.parametrize(("changes", "message"), [({"agreement": 0.2}, "agreement"), ({"arms": ["magic"]}, "no arm 'magic'")])
def test_mistakes_are_refused(settings, changes, message):
    with pytest.raises(UserError, match=message):
        label_correction.main(settings.with_changes(**changes))


def test_paired_differences_by_hand():
    """Differences 0.2, 0.3, 0.4: mean 0.3, sd 0.1, t(0.975, 2) = 4.303: half width 4.303 * 0.1 / sqrt(3) = 0.248."""

    def row(seed: int, arm: str, value: float) -> StudyRow:
        condition = {"noise": "independent", "rate": 0.3, "meta": "same", "meta_programs": 9}
        metrics = {"label_mae": value, "mc_mae": 0.5, "programs_random": 0.5, "programs_oracle": 1.0}
        metrics |= {"problems_random": 0.5, "problems_oracle": 1.0}
        return StudyRow(**condition, seed=seed, arm=arm, cpu_seconds=1.0, metrics=metrics)

    values = [(0, 0.6, 0.8), (1, 0.6, 0.9), (2, 0.5, 0.9)]
    rows = [row(seed, arm, value) for seed, *pair in values for arm, value in zip(("pool", "labels"), pair, strict=True)]
    assert "| labels | 0.300 [0.052, 0.548] |" in Study(rows, 0.3, 9).markdown()
    assert "| labels | 0.250 |" in Study(rows[:4], 0.3, 9).markdown()  # two seeds: a mean without an interval
