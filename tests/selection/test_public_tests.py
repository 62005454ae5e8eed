"""Results on the public tests: read from the verdict where it says so, else from a real run on the public tests alone."""

from __future__ import annotations

import json

import pytest

from dreamprm_code.grading import Grader, GraderConfig
from dreamprm_code.problems import test_cases as decode
from dreamprm_code.records import Problem, Solution, Verdict
from dreamprm_code.selection.public_tests import ALL_PASS, known_result, public_only, public_results

PROBLEM = Problem(
    question_id="double",
    question_title="Double",
    question_content="Print twice the number.",
    platform="demo",
    contest_id="c",
    contest_date="2024-01-01",
    starter_code="",
    difficulty="easy",
    public_test_cases=json.dumps([{"input": "1", "output": "2", "testtype": "stdin"}]),
    private_test_cases=json.dumps([{"input": "3", "output": "6", "testtype": "stdin"}]),
    metadata="{}",
)


def make(index: int, code: str, verdict: Verdict, failed_test: int | None = None, reason: str = "") -> Solution:
    return Solution(
        question_id="double",
        solution_idx=index,
        output=code,
        code=code,
        finish_reason="stop",
        passed=verdict.passed,
        verdict=verdict,
        failed_test=failed_test,
        reason=reason,
    )


@pytest.mark.parametrize(
    ("verdict", "failed_test", "expected"),
    [
        (Verdict.PASSED, None, ALL_PASS),
        (Verdict.WRONG_ANSWER, 1, ALL_PASS),  # the private test fails: the public one has passed
        (Verdict.WRONG_ANSWER, 0, (0, Verdict.WRONG_ANSWER, "why")),
        (Verdict.WRONG_ANSWER, None, None),  # no test is named
        (Verdict.HARNESS_ERROR, 0, None),
        (Verdict.HARNESS_ERROR, 1, ALL_PASS),
    ],
)
def test_what_a_verdict_says_about_the_one_public_test(verdict: Verdict, failed_test: int | None, expected) -> None:
    assert known_result(make(0, "print()", verdict, failed_test, "why"), num_public=1) == expected


def test_an_answer_without_a_program_fails() -> None:
    assert known_result(make(0, "", Verdict.NO_CODE), num_public=1) == (0, Verdict.NO_CODE, "")


def test_public_only_takes_the_private_tests_away() -> None:
    assert [test.input for test in decode(public_only(PROBLEM)).all] == ["1"]


def test_programs_with_unknown_results_are_run_and_grouped_by_behaviour() -> None:
    codes = ["print(2 * int(input()))", "print(2)", "print(int(input()))", "x = input()\nprint(x)", "print(9)"]
    solutions = [make(index, code, Verdict.WRONG_ANSWER) for index, code in enumerate(codes)]
    found = public_results([PROBLEM], solutions, lambda: Grader(GraderConfig(workers=1)))
    assert [found.passed["double", index] for index in range(5)] == [True, True, False, False, False]
    groups = [found.clusters["double", index] for index in range(5)]
    assert groups[0] == groups[1] and groups[2] == groups[3]
    assert len(set(groups)) == 3
    assert found.counts == {"known": 0, "run": 5, "unknown": 0}


def test_without_a_grader_unknown_results_stay_unknown() -> None:
    found = public_results([PROBLEM], [make(0, "print(2)", Verdict.WRONG_ANSWER)], None)
    assert (found.passed, found.clusters) == ({("double", 0): None}, {})
