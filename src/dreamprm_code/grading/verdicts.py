"""Programs and the verdicts that ``src/grade.py`` wrote about them, brought together again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from dreamprm_code.grading.config import GradingError
from dreamprm_code.jsonl import read_rows
from dreamprm_code.records import GradedProgram, Solution


def code_sha256(code: str) -> str:
    """Hex SHA-256 of a program; halves of surrogate pairs count as they are."""
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()


def with_verdict(solution: Solution, graded: GradedProgram) -> Solution:
    """The solution with the verdict of its row."""
    fields = ("passed", "verdict", "reason", "failed_test", "cpu_seconds")
    return solution.model_copy(update={name: getattr(graded, name) for name in fields})


def with_verdicts(solutions: Iterable[Solution], path: str | Path) -> list[Solution]:
    """Solutions with the verdicts of a file of GradedProgram rows, by (question_id, solution_idx).

    A solution without a row stays as it is.

    Raises:
        JsonlError: the file cannot be read or holds other rows.
        GradingError: a row's program is not among the solutions, or it was another program when it was graded.
    """
    graded = {row.key: row for row in read_rows(path, GradedProgram)}
    joined = []
    for solution in solutions:
        row = graded.pop(solution.key, None)
        if row is None:
            joined.append(solution)
            continue
        if row.code_sha256 != code_sha256(solution.code):
            raise GradingError(
                f"{path}: the verdict on {solution.key} is about another program than this candidate; grade it again"
            )
        joined.append(with_verdict(solution, row))
    if graded:
        raise GradingError(f"{path}: no candidate {next(iter(graded))} for this verdict ({len(graded)} such verdicts)")
    return joined
