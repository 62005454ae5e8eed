"""A grader without processes, for the tests of sampling."""

from __future__ import annotations

import concurrent.futures

from dreamprm_code.grading import GradeRequest, GradeResult
from dreamprm_code.records import Verdict


class TextGrader:
    """Passes a program that prints its problem's id, without running it."""

    isolation = "none"

    def __enter__(self) -> TextGrader:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass

    def submit(self, request: GradeRequest) -> concurrent.futures.Future[GradeResult]:
        if not request.code.strip():
            verdict = Verdict.NO_CODE
        else:
            good = f"print({request.problem.question_id!r})" in request.code
            verdict = Verdict.PASSED if good else Verdict.WRONG_ANSWER
        future: concurrent.futures.Future[GradeResult] = concurrent.futures.Future()
        future.set_result(GradeResult(request.key, verdict, "", None, 1, 0.01, 0.01))
        return future
