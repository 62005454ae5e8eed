"""One small problem, to be varied."""

from __future__ import annotations

import json

import pytest

from dreamprm_code.records import Problem


@pytest.fixture
def make_problem():
    def make(question_id: str = "q", date: str = "2024-05-01", **fields: str) -> Problem:
        row = {
            "question_id": question_id,
            "question_title": "Double",
            "question_content": "Read N, print 2N.",
            "platform": "demo",
            "contest_id": "c",
            "contest_date": date,
            "starter_code": "",
            "difficulty": "easy",
            "public_test_cases": json.dumps([{"input": "1\n", "output": "2\n", "testtype": "stdin"}]),
            "private_test_cases": "[]",
            "metadata": "{}",
        }
        return Problem.from_dict(row | fields)

    return make
