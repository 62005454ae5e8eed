"""Rows of every file: problems, programs with a verdict, step labels."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from dreamprm_code.records import Problem, Solution, StepLabel, Verdict
from dreamprm_code.steps import split_program

VERDICTS = {True: Verdict.PASSED, False: Verdict.WRONG_ANSWER, None: Verdict.HARNESS_ERROR}


def make_problem(
    question_id: str = "q",
    tests: Iterable[tuple[str, str]] = (("1\n", "2\n"),),
    *,
    private: Iterable[tuple[str, str]] = (),
    func_name: str | None = None,
    **fields: str,
) -> Problem:
    """To double a number. A test is (input, expected output); ``tests`` are public; ``fields`` replace any field of the row."""
    kind = "functional" if func_name else "stdin"

    def packed(cases: Iterable[tuple[str, str]]) -> str:
        return json.dumps([{"input": given, "output": wanted, "testtype": kind} for given, wanted in cases])

    row = {
        "question_id": question_id,
        "question_title": "Double",
        "question_content": "Read N, print 2N.",
        "platform": "leetcode" if func_name else "atcoder",
        "contest_id": "c",
        "contest_date": "2024-05-01",
        "starter_code": "",
        "difficulty": "easy",
        "public_test_cases": packed(tests),
        "private_test_cases": packed(private),
        "metadata": json.dumps({"func_name": func_name} if func_name else {}),
    }
    return Problem.from_dict(row | fields)


def make_solution(
    question_id: str = "q", solution_idx: int = 0, code: str = "print(1)", passed: bool | None = True, **fields: Any
) -> Solution:
    """A graded program; None: it could not be graded. A ``verdict`` among the fields says more, or (None) that nobody tried."""
    row = {"output": code, "finish_reason": "stop", "verdict": VERDICTS[passed]} | fields
    verdict = row["verdict"]
    passed = None if verdict is None else verdict.passed
    return Solution(question_id=question_id, solution_idx=solution_idx, code=code, passed=passed, **row)


def make_labels(
    question_id: str, solution_idx: int, code: str, num_correct: Sequence[int], num_rollouts: int = 4
) -> list[StepLabel]:
    """The steps of a program with these counts; the last is its own outcome, 1 of 1 or 0 of 1."""
    steps = split_program(code).steps
    return [
        StepLabel(
            question_id=question_id,
            solution_idx=solution_idx,
            step_idx=index,
            num_steps=len(steps),
            name=step.name,
            prefix=step.prefix,
            num_rollouts=1 if index == len(steps) - 1 else num_rollouts,
            num_correct=correct,
            max_functions=10,
            granularity="function",
        )
        for index, (step, correct) in enumerate(zip(steps, num_correct, strict=True))
    ]
