"""The bundled programs get the verdicts that were written beside them by hand."""

from __future__ import annotations

import json

import pytest

from dreamprm_code.grading import Grader, GradeRequest, GraderSettings
from dreamprm_code.problems import load_problems


@pytest.mark.parametrize("compat", ["none", "livecodebench"])
def test_bundled_programs(root, compat):
    folder = root / "data" / "grading"
    problems = {problem.question_id: problem for problem in load_problems(folder / "problems.jsonl")}
    rows = [json.loads(line) for line in (folder / "programs.jsonl").open()]
    assert len(rows) >= 39
    with Grader(GraderSettings(compat=compat)) as grader:
        requests = (GradeRequest(index, problems[row["question_id"]], row["code"]) for index, row in enumerate(rows))
        found = {result.key: result for result in grader.grade(requests)}
    wrong = [
        (row["note"], row["question_id"], str(found[index].verdict), found[index].reason)
        for index, row in enumerate(rows)
        if (found[index].verdict != row["verdict"] if compat == "none" else found[index].passed != row["official_passed"])
    ]
    assert not wrong
