"""Rows for training: problems, graded programs of three functions, their step labels."""

from __future__ import annotations

from dreamprm_code.records import Problem, Solution, StepLabel, Verdict
from dreamprm_code.steps import split_program

PROGRAM = "def main():\n    print(add(1, {n}))\n\n\ndef add(a, b):\n    return a + b\n\n\ndef last(a):\n    return {n}\n"


def problem(question_id: str, date: str) -> Problem:
    text = {"question_title": "Sum", "question_content": f"Print {question_id}.", "platform": "atcoder", "contest_id": "a"}
    tests = {"public_test_cases": "[]", "private_test_cases": "[]", "metadata": "{}", "starter_code": ""}
    return Problem(question_id=question_id, contest_date=date, difficulty="easy", **text, **tests)


def solution(question_id: str, index: int, passed: bool | None) -> Solution:
    verdict = {True: Verdict.PASSED, False: Verdict.WRONG_ANSWER, None: Verdict.HARNESS_ERROR}[passed]
    code = PROGRAM.format(n=index)
    common = {"output": code, "code": code, "finish_reason": "stop", "passed": passed, "verdict": verdict}
    return Solution(question_id=question_id, solution_idx=index, **common)


def labels(question_id: str, index: int) -> list[StepLabel]:
    steps = split_program(PROGRAM.format(n=index)).steps
    rows = []
    for step_idx, step in enumerate(steps):
        last = step_idx == len(steps) - 1
        rows.append(
            StepLabel(
                question_id=question_id,
                solution_idx=index,
                step_idx=step_idx,
                num_steps=len(steps),
                name=step.name,
                prefix=step.prefix,
                num_rollouts=1 if last else 4,
                num_correct=index % 2 if last else (index + step_idx) % 5,
                max_functions=10,
                granularity="function",
            )
        )
    return rows
