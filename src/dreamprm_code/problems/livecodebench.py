"""LiveCodeBench's results file: programs per problem, with or without verdicts.

Its evaluation writes a JSON list (``*_eval_all.json``), one object per problem: the problem's fields, ``output_list``,
``code_list``, ``graded_list``, ``pass@1`` and ``metadata`` (one JSON string per program, with ``error_code`` on failure). Its
custom evaluator reads a JSON list of ``{question_id, code_list}``. Both are read here, as a list or as one object per line.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dreamprm_code.errors import UserError
from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.jsonl import read_dicts
from dreamprm_code.records import Problem, RecordError, Solution, Verdict

VERDICT_OF_ERROR_CODE = {
    -1: Verdict.TIME_LIMIT,
    -2: Verdict.WRONG_ANSWER,
    -3: Verdict.TIME_LIMIT,
    -4: Verdict.RUNTIME_ERROR,
    -5: Verdict.HARNESS_ERROR,
}
"""Codes of LiveCodeBench's grader: -1 time limit over all tests, -3 over one; -5 its own runner failed."""

ERROR_CODE_OF_VERDICT = {
    Verdict.WRONG_ANSWER: -2,
    Verdict.TIME_LIMIT: -3,
    Verdict.HARNESS_ERROR: -5,
}
"""Every other failure is -4, as there: its grader knows no memory or output limit and compiles where it runs."""

PROBLEM_FIELDS = (
    "question_title",
    "question_content",
    "platform",
    "question_id",
    "contest_id",
    "contest_date",
    "starter_code",
    "difficulty",
)
"""What the results file repeats of a problem; its tests are not among it."""


class ResultsError(UserError):
    """A results file that is not what LiveCodeBench writes; the message names file and entry."""


def read_livecodebench_results(path: str | Path) -> list[Solution]:
    """The programs of a results file (see :func:`solutions_of_entry`).

    Raises:
        ResultsError: an entry lacks question_id or code_list, lists differ in length, or a question_id occurs twice.
    """
    solutions: list[Solution] = []
    seen: dict[str, str] = {}
    for where, entry in iter_entries(Path(path)):
        found = solutions_of_entry(entry, where)
        first = seen.setdefault(entry["question_id"], where)
        if first != where:
            raise ResultsError(f"{where}: question_id {entry['question_id']!r} is already at {first}")
        solutions += found
    return solutions


def solutions_of_entry(entry: dict[str, Any], where: str) -> list[Solution]:
    """The programs of one entry: ungraded where it has no ``graded_list``, else with its verdicts.

    A failure without an ``error_code`` is recorded as a wrong answer, and its ``reason`` says so; -5 (their runner failed) and
    a null in ``graded_list`` mean that the program could not be graded.

    Raises:
        ResultsError: it lacks question_id or code_list, or lists differ in length.
    """
    question_id = entry.get("question_id")
    if not isinstance(question_id, str) or not question_id:
        raise ResultsError(f"{where}: field 'question_id' is missing or not a string")
    codes = _string_list(entry, "code_list", where)
    outputs = _string_list(entry, "output_list", where) if "output_list" in entry else [""] * len(codes)
    graded = entry.get("graded_list")
    if graded is not None and not (isinstance(graded, list) and all(item in (True, False, None) for item in graded)):
        raise ResultsError(f"{where}: field 'graded_list' is not a list of true, false and null")
    for name, values in (("output_list", outputs), ("graded_list", graded)):
        if values is not None and len(values) != len(codes):
            raise ResultsError(f"{where}: {len(values)} entries in '{name}', {len(codes)} in 'code_list'")
    reports = entry.get("metadata")
    solutions = []
    for index, (code, output) in enumerate(zip(codes, outputs, strict=True)):
        verdict, reason = None, ""
        if graded is not None:
            report = reports[index] if isinstance(reports, list) and index < len(reports) else None
            verdict, reason = _verdict(graded[index], report)
        row = {
            "question_id": question_id,
            "solution_idx": index,
            "output": output,
            "code": code,
            "finish_reason": "unknown",
            "passed": None if verdict is None else verdict.passed,
            "verdict": verdict,
            "reason": reason,
        }
        try:
            solutions.append(Solution.from_dict(row))
        except RecordError as error:  # text that is no text: half of a surrogate pair
            raise ResultsError(f"{where}: program {index}: {error}") from None
    return solutions


def read_livecodebench_problem_fields(path: str | Path) -> dict[str, dict[str, str]]:
    """What a results file repeats of its problems (those of :data:`PROBLEM_FIELDS` that it holds), by question_id.

    Raises:
        ResultsError: the file cannot be read.
    """
    return {
        str(entry.get("question_id")): {name: str(entry[name]) for name in PROBLEM_FIELDS if entry.get(name) is not None}
        for _, entry in iter_entries(Path(path))
    }


def problems_of_results(path: str | Path) -> list[Problem]:
    """The problems of a results file, without tests (it does not repeat them): enough to score its programs.

    Raises:
        ResultsError: the file cannot be read, or does not hold a problem's statement.
    """
    problems = []
    for question_id, fields in read_livecodebench_problem_fields(path).items():
        if not fields.get("question_content"):
            raise ResultsError(f"{path}: lacks the statement of problem {question_id!r}; name the problems (--problems)")
        problems.append(Problem.from_text(**fields))
    return problems


def write_livecodebench_results(path: str | Path, problems: Iterable[Problem], solutions: Iterable[Solution]) -> None:
    """Write an ``*_eval_all.json``: one entry per problem that has solutions, in the problems' order.

    ``graded_list`` is left out of an entry whose programs have not been graded; a program that could not be graded is null in
    it and leaves ``pass@1``.

    Raises:
        ResultsError: a solution's problem is not given, or a problem's solution_idx are not 0, 1, 2 ... (a list cannot say so).
    """
    by_id = {problem.question_id: problem for problem in problems}
    grouped: dict[str, list[Solution]] = {}
    for solution in solutions:
        if solution.question_id not in by_id:
            raise ResultsError(f"{path}: solution of {solution.question_id!r}, which is not among the problems")
        grouped.setdefault(solution.question_id, []).append(solution)
    entries = []
    for question_id, problem in by_id.items():
        if question_id in grouped:
            entries.append(_entry(path, problem, sorted(grouped[question_id], key=lambda row: row.solution_idx)))
    write_bytes_atomic(path, [json.dumps(entries, ensure_ascii=False, indent=1).encode(), b"\n"])


def check_results_can_hold(keys: Iterable[tuple[str, int]], where: str | Path) -> None:
    """A results file numbers the programs of a problem 0, 1, 2 ...; ``keys`` are (question_id, solution_idx).

    Raises:
        ResultsError: names the problem whose programs cannot be written so.
    """
    indices: dict[str, set[int]] = {}
    for question_id, solution_idx in keys:
        indices.setdefault(question_id, set()).add(solution_idx)
    for question_id, found in indices.items():
        if max(found) != len(found) - 1:
            raise ResultsError(
                f"{where}: the programs of {question_id!r} are not numbered 0 to {len(found) - 1}, as a results file of "
                "LiveCodeBench needs them; number them so, or ask for none"
            )


def _entry(path: str | Path, problem: Problem, rows: list[Solution]) -> dict[str, Any]:
    if [row.solution_idx for row in rows] != list(range(len(rows))):
        raise ResultsError(f"{path}: the solutions of {problem.question_id!r} are not numbered 0 to {len(rows) - 1}")
    entry: dict[str, Any] = {name: getattr(problem, name) for name in PROBLEM_FIELDS}
    entry |= {"output_list": [row.output for row in rows], "code_list": [row.code for row in rows]}
    if all(row.verdict is None for row in rows):
        return entry
    graded = [row.passed for row in rows if row.passed is not None]
    entry["graded_list"] = [row.passed for row in rows]
    entry["pass@1"] = sum(graded) / len(graded) if graded else None
    entry["metadata"] = [json.dumps(_report(row)) for row in rows]
    return entry


def _report(row: Solution) -> dict[str, Any]:
    if row.verdict is None or row.verdict is Verdict.PASSED:
        return {}
    return {"error_code": ERROR_CODE_OF_VERDICT.get(row.verdict, -4), "error_message": row.reason or row.verdict.value}


def _verdict(passed: bool | None, report: Any) -> tuple[Verdict | None, str]:
    if passed:
        return Verdict.PASSED, ""
    if isinstance(report, str):
        try:
            report = json.loads(report)
        except (ValueError, RecursionError):
            report = None
    report = report if isinstance(report, dict) else {}
    code = report.get("error_code")
    message = str(report.get("error_message") or report.get("error") or "")
    if passed is None:
        return Verdict.HARNESS_ERROR, message
    if isinstance(code, int) and code in VERDICT_OF_ERROR_CODE:
        return VERDICT_OF_ERROR_CODE[code], message
    return Verdict.WRONG_ANSWER, message or "failed; the results file gives no error code"


def iter_entries(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSON list or of JSON lines, each with its place for messages."""
    try:
        with path.open("rb") as stream:
            start = stream.read(1024).removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read ({error.strerror})") from None
    if start != b"[":
        for line_number, row in read_dicts(path):
            yield f"{path}:{line_number}", row
        return
    try:
        items = json.loads(path.read_bytes().removeprefix(codecs.BOM_UTF8))
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{path}: not valid JSON ({error})") from None
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            raise ResultsError(f"{path}: entry {number} is not a JSON object")
        yield f"{path}: entry {number}", item


def _string_list(entry: dict[str, Any], name: str, where: str) -> list[str]:
    values = entry.get(name)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ResultsError(f"{where}: field '{name}' is missing or not a list of strings")
    return values
