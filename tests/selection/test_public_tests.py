"""Results and outputs on the public tests: read from the verdict where it says them, else from a real run on these alone."""

from __future__ import annotations

import json

import pytest

from dreamprm_code.grading import GraderConfig
from dreamprm_code.problems import test_cases as decode
from dreamprm_code.records import Problem, Solution, Verdict
from dreamprm_code.selection import available_methods, candidate_sets
from dreamprm_code.selection.public_tests import known_outputs, known_result, public_only, public_results

SETTINGS = GraderConfig(workers=2, cpu_limit_s=1.0, sleep_limit_s=1.5, memory_limit_mb=1024, output_limit_mb=1)

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


def problem_with(public: list[tuple[str, str]], func_name: str | None = None) -> Problem:
    kind = "functional" if func_name else "stdin"
    tests = [{"input": given, "output": wanted, "testtype": kind} for given, wanted in public]
    metadata = json.dumps({"func_name": func_name} if func_name else {})
    return PROBLEM.model_copy(update={"public_test_cases": json.dumps(tests), "private_test_cases": "[]", "metadata": metadata})


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
    ("verdict", "failed_test", "passes", "outputs"),
    [
        (Verdict.PASSED, None, True, ("passed", "passed")),
        (Verdict.WRONG_ANSWER, 2, True, ("passed", "passed")),  # the private test fails: the public ones have passed
        (Verdict.WRONG_ANSWER, 0, False, None),  # what it prints is not known
        (Verdict.RUNTIME_ERROR, 1, False, None),  # here the rest is known, too, but a run tells as much
        (Verdict.TIME_LIMIT, 0, False, ("time_limit", "time_limit")),
        (Verdict.MEMORY_LIMIT, 1, False, ("passed", "memory_limit")),
        (Verdict.TIME_LIMIT, 2, True, ("passed", "passed")),
        (Verdict.WRONG_ANSWER, None, None, None),  # no test is named
        (Verdict.HARNESS_ERROR, 0, None, None),
        (Verdict.HARNESS_ERROR, 2, True, ("passed", "passed")),
    ],
)
def test_what_a_verdict_says_about_two_public_tests(verdict: Verdict, failed_test: int | None, passes, outputs) -> None:
    solution = make(0, "print()", verdict, failed_test, "why")
    assert known_result(solution, num_public=2) is passes
    assert known_outputs(solution, num_public=2) == outputs


def test_an_answer_without_a_program_fails_and_is_in_no_cluster() -> None:
    assert known_result(make(0, "", Verdict.NO_CODE), num_public=1) is False
    found = public_results([PROBLEM], [make(0, "", Verdict.NO_CODE), make(1, " ", Verdict.NO_CODE)], SETTINGS)
    assert (set(found.passed.values()), found.clusters, found.counts["run"]) == ({False}, {}, 0)


def test_public_only_takes_the_private_tests_away() -> None:
    assert [test.input for test in decode(public_only(PROBLEM)).all] == ["1"]


def test_a_cluster_has_equal_outputs_on_all_public_inputs() -> None:
    """Two public inputs, 1 and 4; the same first failure is not enough, and the spelling of a number does not matter."""
    two = problem_with([("1", "2"), ("4", "8")])
    programs = {
        "print(2 * int(input()))": "right",
        "print(float(input()) * 2)": "right",  # not run: its verdict says that it passes
        "print(int(input()))": "echo",
        "x = input()\nprint(x, '  ')": "echo",
        "print(1)": "one",  # its first failure is that of echo, with the same message
        "print(1.0, end='')": "one",
        "n = int(input())\nprint(2 if n == 1 else 1)": "right, then one",
        "raise KeyError": "crash",
        "print(1)\nint('x')": "crash",  # after an output that does not count
        "n = int(input())\nprint(1 if n == 1 else 1 // 0)": "one, then crash",
        "while True: pass": "slow",
        "import time; time.sleep(99)": "slow",  # not run again: its verdict names a limit
        "print(": "no Python",
        "print('x' * (2 << 20))": "endless output",
    }
    solutions = [make(index, code, Verdict.WRONG_ANSWER, 0) for index, code in enumerate(programs)]
    solutions[1] = make(1, solutions[1].code, Verdict.PASSED)
    solutions[11] = make(11, solutions[11].code, Verdict.TIME_LIMIT, 0)
    found = public_results([two], solutions, SETTINGS)
    names = dict(zip((found.clusters["double", index] for index in range(len(programs))), programs.values(), strict=True))
    assert [names[found.clusters["double", index]] for index in range(len(programs))] == list(programs.values())
    assert len(names) == len(set(programs.values()))
    assert found.counts == {"known": 14, "run": 12, "unknown": 0, "outputs_unknown": 0}


def test_functions_are_clustered_by_the_data_that_they_return() -> None:
    problem = problem_with([("1", "[2]"), ("4", "[8]")], func_name="solve")
    codes = ["return [2 * n]", "return (2.0 * n,)", "return [n]", "return (n,)", "return n", "return str(n)"]
    solutions = [make(i, f"def solve(n):\n    {code}", Verdict.WRONG_ANSWER) for i, code in enumerate(codes)]
    found = public_results([problem], solutions, SETTINGS)
    assert [found.clusters["double", index] for index in range(6)] == [0, 0, 1, 1, 2, 3]
    assert [found.passed["double", index] for index in range(6)] == [True, True, False, False, False, False]


def test_outputs_that_a_stated_tolerance_accepts_are_equal() -> None:
    statement = "The absolute or relative error from the true value is at most 10^{-6}."
    problem = problem_with([("1", "0.3333333333")]).model_copy(update={"question_content": statement})
    codes = ["print(1 / 3)", "print(0.33333333)", "print(0.34)", "print(0.340)"]
    found = public_results([problem], [make(i, code, Verdict.WRONG_ANSWER) for i, code in enumerate(codes)], SETTINGS)
    assert [found.clusters["double", index] for index in range(4)] == [0, 0, 1, 1]


def test_only_the_public_tests_are_run_and_unknown_results_become_known() -> None:
    codes = ["print(2)", "print(2 * int(input()))", "print(3)"]
    found = public_results([PROBLEM], [make(i, code, Verdict.WRONG_ANSWER) for i, code in enumerate(codes)], SETTINGS)
    assert [found.passed["double", index] for index in range(3)] == [True, True, False]
    assert [found.clusters["double", index] for index in range(3)] == [0, 0, 1]
    assert found.counts == {"known": 0, "run": 3, "unknown": 0, "outputs_unknown": 0}


def test_without_a_grader_clusters_are_unknown_and_their_methods_left_out() -> None:
    solutions = [make(0, "print(2)", Verdict.WRONG_ANSWER), make(1, "print(2 * int(input()))", Verdict.PASSED)]
    found = public_results([PROBLEM], solutions, None)
    assert (found.passed, found.clusters) == ({("double", 0): None, ("double", 1): True}, {})
    assert found.counts == {"known": 1, "run": 0, "unknown": 1, "outputs_unknown": 0}
    scores = {solution.key: [0.5] for solution in solutions}
    names = [m.name for m in available_methods(candidate_sets([PROBLEM], solutions, scores, found.passed, found.clusters))]
    assert "public" in names and "cluster" not in names and "cluster_prm" not in names
