"""docs/formats.md: every row that it shows is one."""

from __future__ import annotations

import json
import re

import pytest

from dreamprm_code.interchange import read_step_row
from dreamprm_code.records import (
    CorrectedLabel,
    Problem,
    RankedProgram,
    Rollout,
    Selection,
    Solution,
    SolutionScores,
    StepLabel,
    TableRow,
)

RECORDS = {
    "problems.jsonl": Problem,
    "cof_solutions.jsonl": Solution,
    "rollouts.jsonl": Rollout,
    "step_labels.jsonl": StepLabel,
    "corrected_labels.jsonl": CorrectedLabel,
    "test_scores.jsonl": SolutionScores,
    "selections.jsonl": Selection,
    "table.jsonl": TableRow,
    "score.py --out": RankedProgram,
}


@pytest.fixture
def page(root):
    return (root / "docs" / "formats.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", RECORDS)
def test_the_row_of_each_file_is_one(page, name):
    row = re.search(rf"^(?:The file of )?`{re.escape(name)}[^\n]*:\n\n```json\n(.*)\n```$", page, re.M)
    assert row is not None
    assert RECORDS[name].from_dict(json.loads(row[1])).to_dict() == json.loads(row[1])


def test_the_rows_of_other_libraries_are_one_program(page):
    blocks = [json.loads(text) for text in re.findall(r"^```json\n(.*)\n```$", page, re.M)]
    steps = next(block for block in blocks if "completions" in block)
    text = next(block for block in blocks if "input" in block)
    first, second = read_step_row(steps), read_step_row(text)
    assert (first.prompt, first.completions) == (second.prompt, second.completions)
    assert [float(label > 0) for label in first.labels] == second.labels
