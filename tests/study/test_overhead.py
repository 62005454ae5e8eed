"""The cost study: one pass over the bundled data in each mode, a fit that finds linear growth, missing data said at once."""

from __future__ import annotations

from pathlib import Path

import overhead
import pytest

from builders.tokenizers import byte_tokenizer
from dreamprm_code import bilevel
from dreamprm_code.errors import UserError


@pytest.fixture
def config(root: Path, tmp_path: Path) -> overhead.Settings:
    byte_tokenizer({"eos_token": "<eos>", "step": "<step>"}).save_pretrained(tmp_path / "tokenizer")
    return overhead.Settings(
        problems=str(root / "data/demo/problems.jsonl"),
        data_dir=root / "data/demo/sampled",
        out_dir=tmp_path,
        tokenizer=str(tmp_path / "tokenizer"),
        programs=[4, 8],
        backbones=["32x2"],
        batch_programs=4,
    )


def test_each_mode_is_what_its_name_says_over_the_same_data(config, monkeypatch):
    """`none` corrects nothing, both others correct every label, each in its own way; only one of them asks Betty."""
    trainings = {}

    def train(settings, *arguments):
        trainings[mode] = settings.hypergradient, bilevel.train(settings, *arguments)
        return trainings[mode][1]

    monkeypatch.setattr(overhead, "train", train)
    rows = {}
    for mode in overhead.MODES:
        rows[mode] = overhead.measure(config, "32x2", 8, mode)
    labels = {mode: result.labels for mode, (_, result) in trainings.items()}
    start = labels.pop("none")
    assert all(sum(one != other for one, other in zip(found, start, strict=True)) > 4 for found in labels.values())
    assert labels["labels, exact"] != labels["labels, Betty darts"]
    assert [trainings[mode][0] for mode in labels] == ["exact", "darts"]
    assert {row["steps"] for row in rows.values()} == {2} and {row["labels"] for row in rows.values()} == {len(start)}
    assert all(row["seconds"] > 0 and row["peak_mib"] > 100 for row in rows.values())


def test_ratios_are_to_the_training_without_correction():
    row = {"backbone": "b", "parameters": 1, "programs": 8, "labels": 9, "tokens": 7, "steps": 2, "peak_mib": 1.0}
    seconds = {"none": 2.0, "labels, exact": 5.0}
    text = overhead.table([{**row, "mode": mode, "seconds": s, "seconds_per_step": s / 2} for mode, s in seconds.items()], {})
    assert "| none | 2 | 2.000 | 1.000 | 1.000 | 1.00 |" in text
    assert "| labels, exact | 2 | 5.000 | 2.500 | 1.000 | 2.50 |" in text


def test_linear_growth_is_found():
    fit = overhead.linear_fit([8, 16, 32], [1.5, 2.5, 4.5])
    assert fit["slope"] == pytest.approx(0.125) and fit["start"] == pytest.approx(0.5) and fit["r_squared"] == pytest.approx(1)


def test_too_few_programs_are_said_before_anything_runs(config):
    with pytest.raises(UserError, match="programs have a middle step; 400 are asked for"):
        overhead.training_labels(config.data_dir / "step_labels.jsonl", 400)
