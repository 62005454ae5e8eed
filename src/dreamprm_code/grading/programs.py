"""Programs to grade, from a file: one row per program, or LiveCodeBench's list of programs per problem."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dreamprm_code.grading.config import GradingError
from dreamprm_code.jsonl import read_dicts


class Program(NamedTuple):
    question_id: str
    solution_idx: int
    code: str

    @property
    def key(self) -> tuple[str, int]:
        return self.question_id, self.solution_idx


def iter_programs(path: str | Path) -> Iterator[Program]:
    """Programs one by one, without holding the file (a JSON list, as LiveCodeBench writes it, is read whole).

    Rows are ``{question_id, solution_idx, code}`` (other fields are ignored, so a file of Solution rows will do) or
    ``{question_id, code_list}``, whose programs get the indices 0, 1, 2 ...

    Raises:
        GradingError: a row is neither (names file and line), or two programs have one key.
    """
    seen: dict[tuple[str, int], str] = {}
    for where, row in _rows(Path(path)):
        for program in _programs(row, where):
            first = seen.setdefault(program.key, where)
            if first != where:
                raise GradingError(f"{where}: program {program.key} is already at {first}; delete one of them")
            yield program


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        with path.open("rb") as stream:
            is_list = stream.read(1024).lstrip()[:1] == b"["
    except OSError as error:
        raise GradingError(f"{path}: cannot be read ({error.strerror}); give the programs with --solutions") from None
    if not is_list:
        for line_number, row in read_dicts(path):
            yield f"{path}:{line_number}", row
        return
    try:
        rows = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise GradingError(f"{path}: not valid JSON ({error})") from None
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise GradingError(f"{path}: entry {number} is not a JSON object")
        yield f"{path}: entry {number}", row


def _programs(row: dict[str, Any], where: str) -> Iterator[Program]:
    question_id = row.get("question_id")
    if not isinstance(question_id, str) or not question_id:
        raise GradingError(f"{where}: field 'question_id' is missing or not a string")
    if "code_list" in row:
        codes = row["code_list"]
        if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
            raise GradingError(f"{where}: field 'code_list' is not a list of strings")
        for index, code in enumerate(codes):
            yield Program(question_id, index, code)
        return
    index, code = row.get("solution_idx"), row.get("code")
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise GradingError(f"{where}: field 'solution_idx' is missing or not a whole number (or give 'code_list')")
    if not isinstance(code, str):
        raise GradingError(f"{where}: field 'code' is missing or not a string (or give 'code_list')")
    yield Program(question_id, index, code)
