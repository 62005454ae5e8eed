"""Fixtures of the grading tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from builders.grading import LIMITS, PROBLEMS
from dreamprm_code.grading import Grader, GradeRequest, GradeResult, GraderSettings


@pytest.fixture(scope="session")
def grader() -> Iterator[Grader]:
    with Grader(GraderSettings(workers=2, **LIMITS)) as opened:
        yield opened


@pytest.fixture
def grade(grader: Grader) -> Callable[[str, str], GradeResult]:
    """Grade one program on one of PROBLEMS."""
    return lambda problem, code: grader.submit(GradeRequest(None, PROBLEMS[problem], code)).result(timeout=120)
