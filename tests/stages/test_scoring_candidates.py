"""Scoring candidates with a tiny PRM: resumable, in agreement with scoring one by one, and None for what cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders.evaluation_run import BAD, GOOD, make_prm, plus_one
from builders.rows import make_solution
from dreamprm_code.jsonl import read_rows, write_rows
from dreamprm_code.prm import PRM
from dreamprm_code.records import SolutionScores
from dreamprm_code.selection.scoring import score_solutions

PROBLEMS = [plus_one(0, "2024-09-01", "easy"), plus_one(2, "2024-09-01", "easy")]
LONG = "text = '" + "x" * 4000 + "'\n"  # above the tiny PRM's 2000 tokens; code is never cut
CODES = [GOOD, BAD, "", LONG]
SOLUTIONS = [make_solution(problem.question_id, index, code, False) for problem in PROBLEMS for index, code in enumerate(CODES)]


@pytest.fixture(scope="module")
def prm() -> PRM:
    return make_prm()


def test_scores_are_the_prms_own_and_none_for_what_it_cannot_read(prm: PRM, tmp_path: Path) -> None:
    rows, counts = score_solutions(lambda: prm, PROBLEMS, SOLUTIONS, tmp_path / "scores.jsonl")
    for problem in PROBLEMS:
        expected = prm.score(problem, [GOOD, BAD])
        assert rows[problem.question_id, 0].step_scores == pytest.approx(expected[0], abs=1e-6)
        assert rows[problem.question_id, 1].step_scores == pytest.approx(expected[1], abs=1e-6)
        assert rows[problem.question_id, 2].step_scores == rows[problem.question_id, 3].step_scores == [None]
        assert [rows[problem.question_id, index].unread for index in range(4)] == [None, None, "no_code", "too_long"]
    assert counts == {"scored": 4, "no_code": 2, "too_long": 2, "statements_shortened": 0, "resumed": 0}


def test_a_killed_run_goes_on_where_it_stopped(prm: PRM, tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    whole, _ = score_solutions(lambda: prm, PROBLEMS, SOLUTIONS, path)
    rows = read_rows(path, SolutionScores)
    write_rows(path, rows[:3])
    seen = []
    again, counts = score_solutions(lambda: prm, PROBLEMS, SOLUTIONS, path, lambda done, missing: seen.append((done, missing)))
    assert counts["resumed"] == 3
    assert seen[-1] == (5, 5)
    assert again.keys() == whole.keys()
    for key, row in again.items():
        assert row.step_scores == pytest.approx(whole[key].step_scores, abs=1e-6)
    assert len(read_rows(path, SolutionScores)) == len(SOLUTIONS)


def test_nothing_missing_means_that_no_model_is_opened(prm: PRM, tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    score_solutions(lambda: prm, PROBLEMS, SOLUTIONS, path)

    def refuse() -> PRM:
        raise AssertionError("the model was opened")

    _, counts = score_solutions(refuse, PROBLEMS, SOLUTIONS, path)
    assert counts["resumed"] == len(SOLUTIONS)
