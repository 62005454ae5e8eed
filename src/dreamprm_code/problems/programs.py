"""Programs from a file of any kind that people have: our rows, rows of their own, or LiveCodeBench's results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dreamprm_code.problems.livecodebench import ResultsError, iter_entries, solutions_of_entry
from dreamprm_code.records import RecordError, Solution


def iter_programs(path: str | Path, language: str = "python") -> Iterator[Solution]:
    """Programs one by one, without holding the file (a JSON list, as LiveCodeBench writes it, is read whole).

    A row is a Solution, or ``{question_id, solution_idx, code}`` without a verdict (what else it holds is kept where a
    Solution has it, and ignored elsewhere), or ``{question_id, code_list}`` with or without ``graded_list``, whose programs
    get the indices 0, 1, 2 ... A row that does not say its ``language`` is in the one given.

    Raises:
        ResultsError: a row is none of these (names file and line), or two programs have one key.
    """
    seen: dict[tuple, str] = {}
    for where, row in iter_entries(Path(path)):
        of_entry = solutions_of_entry(row, where) if "code_list" in row else [_solution(row, where)]
        for found in of_entry:
            solution = found if "language" in row else found.model_copy(update={"language": language})
            first = seen.setdefault(solution.key, where)
            if first != where:
                raise ResultsError(f"{where}: program {solution.key} is already at {first}; delete one of them")
            yield solution


def _solution(row: dict[str, Any], where: str) -> Solution:
    if "verdict" not in row and "passed" not in row:
        known = {name: row[name] for name in Solution.model_fields if name in row}
        row = {"output": row.get("code", ""), "finish_reason": "unknown", "passed": None, "verdict": None} | known
    try:
        return Solution.from_dict(row)
    except RecordError as error:
        raise ResultsError(f"{where}: {error}") from None
