"""One program and its tests from files, for a person who wants a verdict on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dreamprm_code.grading.grader_settings import GradingError
from dreamprm_code.records import Problem, RecordError


def read_text(path: Path, what: str) -> str:
    """A program's or a problem's text.

    Raises:
        GradingError: the file cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise GradingError(f"{path}: the {what} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise GradingError(f"{path}: the {what} is not text in UTF-8 (byte {error.start})") from None


def read_tests(path: Path, func_name: str | None = None) -> Problem:
    """The problem that a JSON file of tests makes: a list of ``[input, output]`` pairs or ``{"input", "output"}`` objects.

    Without ``func_name`` both are texts. With it, the input is the list of arguments; texts of JSON as LiveCodeBench has them
    are taken as they are.

    Raises:
        GradingError: names the file and what is wrong with it.
    """
    try:
        rows = json.loads(read_text(path, "list of tests"))
    except ValueError as error:
        raise GradingError(f"{path}: not JSON ({error})") from None
    if not isinstance(rows, list):
        raise GradingError(f"{path}: expected a list of tests, [[input, output], ...]")
    try:
        return Problem.from_tests([_pair(row, number, path) for number, row in enumerate(rows)], func_name)
    except RecordError as error:
        raise GradingError(f"{path}: {error}") from None


def _pair(row: Any, number: int, path: Path) -> tuple[Any, Any]:
    if isinstance(row, dict) and {"input", "output"} <= row.keys():
        return row["input"], row["output"]
    if isinstance(row, list) and len(row) == 2:
        return row[0], row[1]
    raise GradingError(f'{path}: test {number} is neither [input, output] nor {{"input": ..., "output": ...}}')
