"""Small problems to grade on, and small limits."""

from __future__ import annotations

import os

from builders.rows import make_problem

LIMITS = {
    "cpu_limit_s": 1.0,
    "sleep_limit_s": 1.5,
    "memory_limit_mb": 1024,
    "isolation": os.environ.get("GRADING_LEVEL", "auto"),
}
"""Small enough that a program which runs into them does not hold up the suite; GRADING_LEVEL chooses the isolation level."""

PROBLEMS = {
    "double": make_problem("double", [("3\n", "6\n"), ("10\n", "20\n")]),
    "secret": make_problem("secret", [("1\n", "hidden-answer-739100-qzx\n"), ("2\n", "hidden-answer-284600-wvu\n")]),
    "double_function": make_problem("double_function", [("3", "6"), ("10", "20")], func_name="solve"),
    "secret_function": make_problem(
        "secret_function", [("1", '"hidden-answer-551200-kkq"'), ("2", '"hidden-answer-902700-rrz"')], func_name="solve"
    ),
}
