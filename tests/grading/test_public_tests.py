"""Programs whose rows do not say it are run on the public tests, and on these alone."""

from __future__ import annotations

from builders.grading import LIMITS
from builders.rows import make_problem, make_solution
from dreamprm_code.grading import GraderSettings
from dreamprm_code.grading.public_tests import public_only, run_public_tests
from dreamprm_code.problems import test_cases as decode
from dreamprm_code.records import Solution, Verdict

SETTINGS = GraderSettings(workers=2, **LIMITS)
PROBLEM = make_problem("double", [("1", "2")], private=[("3", "6")])


def solution(index: int, code: str, verdict: Verdict = Verdict.WRONG_ANSWER, **fields) -> Solution:
    return make_solution("double", index, code, verdict=verdict, **fields)


def test_only_the_public_tests_are_run_and_unknown_results_become_known() -> None:
    assert [test.input for test in decode(public_only(PROBLEM)).all] == ["1"]
    codes = ["print(2)", "print(2 * int(input()))", "print(3)"]
    found, counts = run_public_tests([PROBLEM], [solution(i, code) for i, code in enumerate(codes)], SETTINGS)
    assert [row.public_passed for row in found] == [True, True, False]
    assert found[0].public_outputs == found[1].public_outputs != found[2].public_outputs
    assert (counts["run"], counts["unknown"]) == (3, 0)
    assert [row.code for row in found] == codes and not any(row.passed for row in found)  # the verdicts stay


def test_what_is_known_or_is_no_program_is_not_run() -> None:
    """The first row would be found out to fail if it were run."""
    known = solution(0, "print(3)", public_passed=True, public_outputs="as it was")
    empty = solution(1, " ", Verdict.NO_CODE)
    found, counts = run_public_tests([PROBLEM], [known, empty], SETTINGS)
    assert counts["run"] == 0
    assert found[0] == known and (found[1].public_passed, found[1].public_outputs) == (False, None)


def test_a_problem_without_public_tests_has_no_results() -> None:
    private = PROBLEM.model_copy(update={"public_test_cases": "[]"})
    found, counts = run_public_tests([private], [solution(0, "print(2)")], SETTINGS)
    assert (found[0].public_passed, found[0].public_outputs, counts["run"]) == (None, None, 0)
