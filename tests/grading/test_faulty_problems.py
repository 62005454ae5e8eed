"""Tests that no program can be judged by are the problem's fault; a function without arguments is none."""

from __future__ import annotations

import json
import logging
import re
import subprocess

import pytest

from builders.grading import LIMITS
from builders.rows import make_problem
from dreamprm_code.grading import Grader, GradeRequest, GraderSettings
from dreamprm_code.records import Verdict

RIGHT = "def solve(*values):\n    return sum(values)\n"


@pytest.mark.parametrize(
    ("given", "wanted", "said"),
    [
        ("x = 3", "3", "the input of test 1 is not JSON values"),
        ("1\n(1, 2)", "3", "the input of test 1 is not JSON values"),
        ("3", "three", "the output of test 1 is not a JSON value"),
        ("3", "", "the output of test 1 is not a JSON value"),
        ("[" * 100_000, "3", "the input of test 1"),
    ],
)
def test_tests_that_are_not_json_give_no_verdict_and_are_named_once(grader, caplog, given, wanted, said):
    problem = make_problem(f"broken {given[:9]} {wanted}", [("1\n2", "3"), (given, wanted)], func_name="solve")
    with caplog.at_level(logging.WARNING):
        results = [grader.submit(GradeRequest(None, problem, code)).result(timeout=60) for code in (RIGHT, "def solve(): pass")]
    assert [(result.verdict, result.passed) for result in results] == [(Verdict.HARNESS_ERROR, None)] * 2
    assert said in results[0].reason
    assert [said in record.getMessage() and problem.question_id in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize("given", ["", "\n", " \n"])
def test_a_function_without_arguments_is_called_with_none(grader, given):
    problem = make_problem(f"no arguments {given!r}", [(given, "[]")], func_name="solve")
    assert grader.submit(GradeRequest(None, problem, "def solve():\n    return []\n")).result(timeout=60).passed is True
    assert grader.submit(GradeRequest(None, problem, "def solve():\n    return 0\n")).result(timeout=60).passed is False


def test_a_newline_at_the_end_of_the_arguments_is_no_further_argument(grader):
    problem = make_problem("newline at the end", [("1\n2\n", "3")], func_name="solve")
    assert grader.submit(GradeRequest(None, problem, RIGHT)).result(timeout=60).passed is True


def test_long_integers_are_json(grader):
    problem = make_problem("long", [("1" + "0" * 5000, "5001")], func_name="solve")
    code = "def solve(n):\n    return len(str(n))\n"
    assert grader.submit(GradeRequest(None, problem, code)).result(timeout=60).passed is True


def test_the_stage_counts_programs_of_faulty_problems(tmp_path, root, python):
    problems = [make_problem("good", [("1\n2", "3")], func_name="solve"), make_problem("bad", [("?", "3")], func_name="solve")]
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(problem.to_dict()) + "\n" for problem in problems))
    programs = [{"question_id": name, "solution_idx": index, "code": RIGHT} for name in ("good", "bad") for index in range(2)]
    (tmp_path / "programs.jsonl").write_text("".join(json.dumps(program) + "\n" for program in programs))
    files = {"problems": "problems.jsonl", "solutions": "programs.jsonl", "out": "out.jsonl"}
    flags = [word for flag, name in files.items() for word in (f"--{flag}", tmp_path / name)]
    done = subprocess.run([python, root / "src/grade.py", *flags], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert {"passed 2", "harness_error 2"} == set(re.search(r"\((.*?)\)", done.stdout)[1].split(", "))
    assert done.stderr.count("problem bad cannot be graded: the input of test 0 is not JSON values") == 1
    assert done.stderr.count("problem good") == 0
    verdicts = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {(row["question_id"], row["passed"]) for row in verdicts} == {("good", True), ("bad", None)}


def test_kept_results_are_what_the_function_returned():
    wanted = [[1, 2.5, None, {"a": "é"}], 10**5000, "x"]
    tests = [(str(index), "null") for index in range(5)]
    code = "def solve(n):\n    return [(1, 2.5, None, {'a': 'é'}), 10**5000, 'x', {1}][n]\n"
    with Grader(GraderSettings(all_tests=True, keep_results=True, **LIMITS)) as opened:
        result = opened.submit(GradeRequest(None, make_problem("results", tests, func_name="solve"), code)).result(timeout=60)
    assert result.outputs is not None
    assert result.outputs[0] == json.dumps(wanted[0])
    assert result.outputs[1:] == (None, '"x"', None, None)  # an integer that nobody reads back, a set, an exception
