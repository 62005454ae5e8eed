"""Small problems to grade on, and small limits."""

from __future__ import annotations

import json

from dreamprm_code.records import Problem

LIMITS = {"cpu_limit_s": 1.0, "sleep_limit_s": 1.5, "memory_limit_mb": 1024}
"""Small enough that a program which runs into them does not hold up the suite."""


def make_problem(
    question_id: str, tests: list[tuple[str, str]], func_name: str | None = None, statement: str = "Do it."
) -> Problem:
    kind = "functional" if func_name else "stdin"
    return Problem(
        question_id=question_id,
        question_title=question_id,
        question_content=statement,
        platform="leetcode" if func_name else "atcoder",
        contest_id="",
        contest_date="2024-01-01",
        starter_code="",
        difficulty="easy",
        public_test_cases=json.dumps([{"input": given, "output": wanted, "testtype": kind} for given, wanted in tests]),
        private_test_cases="[]",
        metadata=json.dumps({"func_name": func_name} if func_name else {}),
    )


PROBLEMS = {
    "double": make_problem("double", [("3\n", "6\n"), ("10\n", "20\n")]),
    "secret": make_problem("secret", [("1\n", "hidden-answer-739100-qzx\n"), ("2\n", "hidden-answer-284600-wvu\n")]),
    "double_function": make_problem("double_function", [("3", "6"), ("10", "20")], "solve"),
    "secret_function": make_problem(
        "secret_function", [("1", '"hidden-answer-551200-kkq"'), ("2", '"hidden-answer-902700-rrz"')], "solve"
    ),
}
