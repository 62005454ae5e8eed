"""The cost study: one pass over the bundled data in each mode, a fit that finds linear growth, missing data said at once."""

from __future__ import annotations

from pathlib import Path

import overhead
import pytest

from byte_tokenizer import byte_tokenizer
from dreamprm_code.errors import UserError


@pytest.fixture
def config(root: Path, tmp_path: Path) -> overhead.Config:
    byte_tokenizer({"eos_token": "<eos>", "step": "<step>"}).save_pretrained(tmp_path / "tokenizer")
    return overhead.Config(
        problems=str(root / "data/demo/problems.jsonl"),
        data_dir=root / "data/demo/sampled",
        out_dir=tmp_path,
        tokenizer=str(tmp_path / "tokenizer"),
        programs=[4, 8],
        backbones=["32x2"],
        batch_programs=4,
    )


def test_every_mode_passes_once_over_the_same_data(config):
    rows = {mode: overhead.measure(config, "32x2", 8, mode) for mode in overhead.MODES}
    assert {row["steps"] for row in rows.values()} == {2} and len({row["labels"] for row in rows.values()}) == 1
    assert all(row["seconds"] > 0 and row["peak_mib"] > 100 for row in rows.values())
    text = overhead.table(list(rows.values()), {})
    assert "| random 32x2 |" in text and text.count("| 1.00 |") >= 1


def test_linear_growth_is_found():
    fit = overhead.linear_fit([8, 16, 32], [1.5, 2.5, 4.5])
    assert fit["slope"] == pytest.approx(0.125) and fit["start"] == pytest.approx(0.5) and fit["r_squared"] == pytest.approx(1)


def test_too_few_programs_are_said_before_anything_runs(config):
    with pytest.raises(UserError, match="programs have a middle step; 400 are asked for"):
        overhead.training_labels(config.data_dir / "step_labels.jsonl", 400)
