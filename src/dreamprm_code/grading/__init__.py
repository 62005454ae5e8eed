"""Grading untrusted programs by unit tests: isolated, limited by CPU time, compared outside the program.

>>> grade(problem, "print(2 * int(input()))").verdict
<Verdict.PASSED: 'passed'>

and for many programs

>>> with open_grader(GraderSettings(workers=2), say=print) as grader:
...     results = list(grader.grade(GradeRequest(n, problem, code) for n, code in enumerate(codes)))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from dreamprm_code.grading.grader import Grader, GradeRequest, GradeResult
from dreamprm_code.grading.grader_settings import GraderSettings, GradingError
from dreamprm_code.records import Problem

if TYPE_CHECKING:
    from dreamprm_code.grading.ray_engine import RayGrader


@contextmanager
def open_grader(
    settings: GraderSettings, engine: str = "local", say: Callable[[str], None] | None = None
) -> Iterator[Grader | RayGrader]:
    """A grader with worker processes here, or with workers on a Ray cluster; ``say`` is told the isolation level reached.

    Raises:
        GradingError: the isolation asked for is not to be had, or the engine is "ray" and the package is not installed.
    """
    if engine == "local":
        grader: Grader | RayGrader = Grader(settings)
    else:
        from dreamprm_code.grading.ray_engine import RayGrader

        grader = RayGrader(settings)
    with grader:
        if say is not None:
            say(grader.describe_isolation())
        yield grader


def grade(problem: Problem, code: str, settings: GraderSettings | None = None, language: str = "python") -> GradeResult:
    """The verdict on one program; starts a worker for it (0.1 s), so use a :class:`Grader` for many.

    Raises:
        TestCaseError: the problem's tests cannot be decoded.
        GradingError: programs cannot be isolated here, or the language's compiler is missing.
    """
    with Grader(replace(settings or GraderSettings(), languages=(language,))) as grader:
        return grader.submit(GradeRequest(problem.question_id, problem, code, language)).result()


__all__ = ["GradeRequest", "GradeResult", "Grader", "GraderSettings", "GradingError", "grade", "open_grader"]
