"""Grading untrusted programs by unit tests: isolated, limited by CPU time, compared outside the program.

>>> with Grader(GraderConfig(workers=2)) as grader:
...     results = list(grader.grade([GradeRequest("a", problem, code)]))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dreamprm_code.grading.config import GraderConfig, GradingError
from dreamprm_code.grading.grader import Grader, GradeRequest, GradeResult

if TYPE_CHECKING:
    from dreamprm_code.grading.ray_engine import RayGrader


def open_grader(config: GraderConfig, engine: str = "local") -> Grader | RayGrader:
    """A grader with worker processes here, or with workers on a Ray cluster.

    Raises:
        GradingError: the engine is "ray" and the package is not installed.
    """
    if engine == "local":
        return Grader(config)
    from dreamprm_code.grading.ray_engine import RayGrader

    return RayGrader(config)


__all__ = ["GradeRequest", "GradeResult", "Grader", "GraderConfig", "GradingError", "open_grader"]
