"""Programs from a file of any kind that people have: our rows, rows of their own, or LiveCodeBench's results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dreamprm_code.jsonl import parse_line
from dreamprm_code.languages import LANGUAGES
from dreamprm_code.problems.livecodebench import ResultsError, iter_entries, solutions_of_entry
from dreamprm_code.records import Problem, RecordError, Solution


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


class Named(NamedTuple):
    """A program with a name for people."""

    name: str
    solution: Solution


def named_programs(paths: Iterable[Path], shared: Problem | None) -> Iterator[Named]:
    """Programs with different names: of program files (their suffix says the language, else it is Python), folders of .py
    files, and .jsonl files of rows.

    With a ``shared`` problem all are programs of it, numbered in order, and a row is ``{code}``; without, rows name theirs and
    are what :func:`iter_programs` reads.

    Raises:
        ResultsError: a row is no program, or does not name its problem; a program is not text in UTF-8.
    """
    count = 0
    languages = {language.suffix: language.name for language in LANGUAGES.values()}
    files = (file for path in paths for file in (_files_in(path) if path.is_dir() else [path]))
    for path in dict.fromkeys(files):
        if path.suffix not in (".jsonl", ".json"):
            try:
                code = path.read_bytes().decode()
            except UnicodeDecodeError as error:
                raise ResultsError(f"{path}: the program is not text in UTF-8 (byte {error.start})") from None
            row = {"code": code, "language": languages.get(path.suffix, "python")}
            yield _named(row, shared, count, str(path))
            count += 1
        elif shared is None:
            yield from (Named(f"{row.question_id}#{row.solution_idx}", row) for row in iter_programs(path))
        else:
            for where, row in iter_entries(path):
                program = _named(row, shared, count, where)
                yield program._replace(name=where.removeprefix(f"{path.parent}/"))
                count += 1


def _files_in(folder: Path) -> list[Path]:
    """Its .py files, without folders, pipes and links that lead nowhere."""
    return [path for path in sorted(folder.glob("*.py")) if path.is_file()]


def programs_in_text(text: str, where: str, shared: Problem | None) -> Iterator[Named]:
    """The one program that ``text`` is, or its rows ``{code}`` or ``{question_id, code}``, one a line; see
    :func:`named_programs`."""
    if text.lstrip()[:1] != "{":
        rows = [(where, {"code": text})] if text.strip() else []
    else:
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        rows = [(f"{where}:{number}", parse_line(line, where, number)) for number, line in lines]
    for count, (at, row) in enumerate(rows):
        yield _named(row, shared, count, at)


def _named(row: dict[str, Any], shared: Problem | None, number: int, where: str) -> Named:
    """A program of the shared problem, or of the one that its row names."""
    question_id = shared.question_id if shared else row.get("question_id")
    if not isinstance(row.get("code"), str) or not isinstance(question_id, str):
        lacks = "code" if not isinstance(row.get("code"), str) else "question_id (or give --statement or --problem)"
        raise ResultsError(f"{where}: has no {lacks}")
    language = {"language": row["language"]} if "language" in row else {}
    return Named(where, _solution({"question_id": question_id, "solution_idx": number, "code": row["code"], **language}, where))
