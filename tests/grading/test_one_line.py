"""The grader as a person uses it: one line, a problem from its tests, and the truth about the isolation reached."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dreamprm_code.grading import GraderSettings, grade, open_grader
from dreamprm_code.grading.grader_settings import describe_isolation
from dreamprm_code.grading.sandbox.levels import LEVELS
from dreamprm_code.jsonl import write_rows
from dreamprm_code.problems import load_problems
from dreamprm_code.records import Problem, RecordError, Verdict


def test_one_line_gives_a_verdict():
    problem = Problem.from_tests([("3", "6"), ("10", "20")])
    assert grade(problem, "print(2 * int(input()))").passed
    result = grade(problem, "print(6)")
    assert (result.verdict, result.failed_test, result.num_tests) == (Verdict.WRONG_ANSWER, 1, 2)


def test_one_line_for_functions():
    problem = Problem.from_tests([(([1, 2], "a"), "a:3"), (([], "b"), "b:0")], func_name="solve")
    assert grade(problem, "def solve(numbers, name): return f'{name}:{sum(numbers)}'").passed
    assert grade(problem, "class Solution:\n    def solve(self, numbers, name): return name").verdict == "wrong_answer"


@pytest.mark.parametrize(
    ("tests", "func_name"),
    [([], None), ([(3, "6")], None), ([("3", 6)], None), ([("3", "6")], "solve"), ([((3,), {1})], "solve")],
)
def test_what_is_not_a_test_is_refused(tests, func_name):
    with pytest.raises(RecordError, match="test"):
        Problem.from_tests(tests, func_name)


def test_a_problem_of_your_own_is_a_row_that_every_stage_reads(tmp_path):
    tests = {"tests": [("3", "6")], "private_tests": [("5", "10")]}
    problem = Problem.from_tests(**tests, question_id="mine_1", question_title="Double", question_content="Read n, print 2n.")
    write_rows(tmp_path / "problems.jsonl", [problem])
    [found] = load_problems(tmp_path / "problems.jsonl")
    assert found == problem and (found.question_title, found.difficulty) == ("Double", "")
    verdicts = [grade(found, f"print({what})").failed_test for what in ("6", "2 * int(input())")]
    assert verdicts == [1, None]  # the hidden test counts, too
    with pytest.raises(RecordError, match="'titel' is unknown"):
        Problem.from_tests(**tests, titel="Double")


def test_the_level_reached_is_said():
    said: list[str] = []
    with open_grader(GraderSettings(), say=said.append) as grader:
        assert said == [grader.describe_isolation()]
        assert said[0].startswith(f"isolation {grader.isolation}")
    assert "may read, write and delete whatever this user may" in describe_isolation("rlimits", {})


def test_auto_never_falls_back_to_rlimits(root, python):
    """Where the kernel refuses user namespaces and landlock (gVisor, old kernels): one line, and no program is run."""
    assert GraderSettings().levels() == LEVELS[:2]
    assert GraderSettings(isolation="required:rlimits").levels() == LEVELS
    code = (
        "from builders.grading import PROBLEMS\nfrom dreamprm_code.grading import grade\n"
        "print(grade(PROBLEMS['double'], 'print(2 * int(input()))'))"
    )
    here = Path(__file__).parent
    done = subprocess.run(
        [python, str(here / "without_calls.py"), "unshare,landlock_create_ruleset", python, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 1 and not done.stdout
    assert re.search(r"cannot be isolated.*user\.max_user_namespaces.*rlimits", done.stderr.splitlines()[-1])


def test_without_user_namespaces_the_level_is_landlock_and_says_so(root, python):
    code = (
        "from builders.grading import PROBLEMS\nfrom dreamprm_code.grading import Grader, GradeRequest\n"
        "with Grader() as grader:\n"
        "    print(grader.submit(GradeRequest(0, PROBLEMS['double'], 'print(2 * int(input()))')).result().verdict)\n"
        "    print(grader.describe_isolation())"
    )
    here = Path(__file__).parent
    done = subprocess.run(
        [python, str(here / "without_calls.py"), "unshare", python, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    if "landlock" in done.stderr:
        pytest.skip("no landlock here")
    verdict, level = done.stdout.splitlines()
    assert verdict == "passed"
    assert level.startswith("isolation landlock; namespaces is not to be had here (")
