"""The published table's rows from result files: one row per file, pass@1 by difficulty, paired with a base row.

A results file with several programs per problem counts their share that passes (pass@1 as the mean over samples); a selection
counts its one program. Only problems that every row has are compared in the paired test; rows keep their own counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from dreamprm_code.errors import UserError
from dreamprm_code.problems import Window, read_livecodebench_results
from dreamprm_code.problems.livecodebench import read_livecodebench_problem_fields
from dreamprm_code.problems.windows import parse_date
from dreamprm_code.records import Problem, Selection, Solution
from dreamprm_code.report.published import published_lines
from dreamprm_code.report.tables import ResultTable, TableLine, cells_of
from dreamprm_code.selection.evaluation import OVERALL, strata, table_rows
from dreamprm_code.selection.metrics import paired_test

MCNEMAR_NOTE = (
    "Tests: two-sided, paired by problem; exact McNemar, or sign-flip permutation where a row is a mean over samples. "
    "95% intervals: bootstrap over problems (exact binomial where all or none are solved)."
)


class ProblemInfo(NamedTuple):
    contest_date: str
    difficulty: str


class ResultRow(NamedTuple):
    """A method's outcome per problem in [0, 1]; None where nothing could be graded."""

    name: str
    outcomes: dict[str, float | None]


def problem_infos(problems: Iterable[Problem], files: Iterable[str | Path]) -> dict[str, ProblemInfo]:
    """Date and difficulty of every problem, from problem rows and from what results files repeat of them.

    Raises:
        UserError: two sources contradict each other.
    """
    infos = {row.question_id: ProblemInfo(row.contest_date, row.difficulty) for row in problems}
    for path in files:
        for question_id, fields in read_livecodebench_problem_fields(path).items():
            if "contest_date" not in fields or "difficulty" not in fields:
                continue
            info = ProblemInfo(fields["contest_date"], fields["difficulty"])
            known = infos.setdefault(question_id, info)
            if known.difficulty != info.difficulty or _moment(known.contest_date) != _moment(info.contest_date):
                raise UserError(
                    f"{path}: problem {question_id} is {info}, elsewhere {known}; the files are of different releases"
                )
    return infos


def result_row(name: str, path: str | Path) -> ResultRow:
    """Share of each problem's graded programs that pass.

    Raises:
        UserError: the file has no verdicts.
    """
    grouped: dict[str, list[Solution]] = {}
    for solution in read_livecodebench_results(path):
        grouped.setdefault(solution.question_id, []).append(solution)
    outcomes: dict[str, float | None] = {}
    for question_id, solutions in grouped.items():
        graded = [solution.passed for solution in solutions if solution.passed is not None]
        outcomes[question_id] = sum(graded) / len(graded) if graded else None
    if not outcomes or all(value is None for value in outcomes.values()):
        raise UserError(f"{path}: holds no verdicts (graded_list); make it with src/grade.py --livecodebench-results")
    return ResultRow(name, outcomes)


def selection_rows(selections: Iterable[Selection], names: Mapping[str, str]) -> list[ResultRow]:
    """Rows for methods of a selections.jsonl, ``names`` from method to the row's title.

    Raises:
        UserError: a method is not in the file.
    """
    found: dict[str, dict[str, float | None]] = {}
    for row in selections:
        found.setdefault(row.method, {})[row.question_id] = None if row.passed is None else float(row.passed)
    missing = [method for method in names if method not in found]
    if missing:
        raise UserError(f"no selections of the method '{missing[0]}'; there are {', '.join(found)}")
    return [ResultRow(title, found[method]) for method, title in names.items()]


def paper_table(
    rows: Sequence[ResultRow],
    infos: Mapping[str, ProblemInfo],
    window: Window,
    base: str | None = None,
    published: bool = True,
    seed: int = 0,
) -> ResultTable:
    """The table over the problems of a half-open window; ``base`` (default: the first row) is what the others are tested
    against.

    Raises:
        UserError: a problem's date is unknown, the window holds no problem of a row, or there is no row of the name ``base``.
    """
    base = base or (rows[0].name if rows else None)
    if rows and base not in {row.name for row in rows}:
        raise UserError(f"no row is named '{base}'; there are {', '.join(row.name for row in rows)}")
    for row in rows:
        unknown = [question_id for question_id in row.outcomes if question_id not in infos]
        if unknown:
            raise UserError(
                f"row '{row.name}': date and difficulty of {unknown[0]} are not known; name its problems (--problems)"
            )
    everything = dict.fromkeys(question_id for row in rows for question_id in row.outcomes)
    inside = [question_id for question_id in everything if in_window(infos[question_id].contest_date, window)]
    difficulties = {question_id: infos[question_id].difficulty for question_id in inside}
    by_name = {row.name: row for row in rows}
    lines = published_lines(seed) if published else []
    notes = [MCNEMAR_NOTE]
    if rows:
        notes.append(f"Window {window}: {len(inside)} problems; {len(everything) - len(inside)} outside it.")
    for row in rows:
        own = [question_id for question_id in inside if question_id in row.outcomes]
        if not own:
            raise UserError(f"row '{row.name}': no problem has a contest date in {window}")
        values = [row.outcomes[question_id] for question_id in own]
        cells = cells_of(table_rows([difficulties[question_id] for question_id in own], {row.name: values}, 1, seed))
        test = None
        if row.name != base and base is not None:
            other = by_name[base].outcomes
            test = paired_test(values, [other.get(question_id) for question_id in own], seed)
            notes.append(f"{row.name} against {base}: {test.wins} problems won, {test.losses} lost ({test.test}).")
        ungraded = sum(value is None for value in values)
        if ungraded or len(own) < len(inside):
            notes.append(f"{row.name}: {ungraded} problems not graded, {len(inside) - len(own)} not in its file.")
        lines.append(TableLine(row.name, cells.get(row.name, {}), test=test, highlighted=row is rows[-1] and len(rows) > 1))
    columns = strata([*difficulties.values(), *(stratum for line in lines for stratum in line.cells if stratum != OVERALL)])
    compared = f"the row against {base}" if rows else ""
    return ResultTable("LiveCodeBench pass@1, %", columns, lines, compared, tuple(notes))


def in_window(contest_date: str, window: Window) -> bool:
    """Whether a date lies in [start, end); one that is none lies in the window without bounds alone."""
    if window == Window(None, None):
        return True
    date = _moment(contest_date)
    if not isinstance(date, datetime):
        return False
    return (window.start is None or date >= parse_date(window.start)) and (window.end is None or date < parse_date(window.end))


def _moment(contest_date: str) -> datetime | str:
    """What a date says, however it is written; a text that is none, as it is."""
    try:
        return parse_date(contest_date)
    except ValueError:
        return contest_date
