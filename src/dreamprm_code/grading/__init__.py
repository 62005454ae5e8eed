"""Grading untrusted programs by unit tests: isolated, limited by CPU time, compared outside the program.

>>> with Grader(GraderConfig(workers=2)) as grader:
...     results = list(grader.grade([GradeRequest("a", problem, code)]))
"""

from dreamprm_code.grading.config import GraderConfig, GradingError
from dreamprm_code.grading.grader import Grader, GradeRequest, GradeResult

__all__ = ["GradeRequest", "GradeResult", "Grader", "GraderConfig", "GradingError"]
