"""Result tables as Markdown, LaTeX and JSON: shares in percent with the counts behind them.

A table has one line per method and one column per stratum. Shares are of graded problems; ``solved`` shows the counts that the
shares come from, stratum by stratum; the 95% interval is of the overall share; ``p`` is a paired test's two-sided value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dreamprm_code.records import TableRow
from dreamprm_code.selection.evaluation import OVERALL
from dreamprm_code.selection.metrics import PairedTest


class Cell(NamedTuple):
    """A share in [0, 1] with its counts and interval; counts are None where a source gives the share alone."""

    share: float
    num_solved: float | None = None
    num_problems: int | None = None
    low: float | None = None
    high: float | None = None
    num_ungraded: int = 0


@dataclass(frozen=True)
class TableLine:
    """A method in all strata. ``test`` compares it with the reference method; ``gap`` is the share of random-to-oracle
    recovered."""

    title: str
    cells: Mapping[str, Cell | None]
    test: PairedTest | None = None
    gap: float | None = None
    num_tied: int | None = None
    source: str | None = None
    highlighted: bool = False


@dataclass(frozen=True)
class ResultTable:
    """Lines over strata (``overall`` last). ``compared`` says what the p-values compare; ``notes`` stand below the table."""

    title: str
    strata: Sequence[str]
    lines: Sequence[TableLine]
    compared: str = ""
    notes: Sequence[str] = field(default_factory=tuple)


def cells_of(rows: Sequence[TableRow]) -> dict[str, dict[str, Cell]]:
    """Table rows as cells: method -> stratum -> cell; a stratum without graded problems has no cell."""
    cells: dict[str, dict[str, Cell]] = {}
    for row in rows:
        columns = cells.setdefault(row.method, {})
        if row.num_problems:
            columns[row.difficulty] = Cell(row.pass_at_1, row.num_solved, row.num_problems, row.low, row.high, row.num_ungraded)
    return cells


def notes_of(table: ResultTable) -> list[str]:
    """All notes below a table: what p compares, its own notes, and where rows that are not ours come from."""
    by_source: dict[str, list[str]] = {}
    for line in table.lines:
        if line.source:
            by_source.setdefault(line.source, []).append(line.title)
    sources = [f"{', '.join(titles)}: {source}" for source, titles in by_source.items()]
    return [*([f"p: {table.compared}."] if table.compared else []), *table.notes, *sources]


def percent(share: float | None) -> str:
    """A share in [0, 1] as a percentage with one decimal, ``100`` without; ``-`` for none."""
    if share is None:
        return "-"
    text = f"{100 * share:.1f}"
    return "100" if text == "100.0" else text


def count(value: float) -> str:
    """A whole count, or one decimal for an expected value."""
    return str(round(value)) if abs(value - round(value)) < 1e-9 else f"{value:.1f}"


def solved_counts(line: TableLine, strata: Sequence[str]) -> str:
    """``31+35+35 = 101``: the counts of the strata and their sum."""
    overall = line.cells.get(OVERALL)
    if overall is None or overall.num_solved is None:
        return "-"
    parts = [line.cells.get(stratum) for stratum in strata if stratum != OVERALL]
    if len(parts) < 2:
        return count(overall.num_solved)
    shown = "+".join("-" if part is None or part.num_solved is None else count(part.num_solved) for part in parts)
    return f"{shown} = {count(overall.num_solved)}"


def interval_text(cell: Cell | None) -> str:
    if cell is None or cell.low is None or cell.high is None:
        return "-"
    return f"[{percent(cell.low)}, {percent(cell.high)}]"


def p_text(test: PairedTest | None) -> str:
    if test is None:
        return "-"
    return "<0.001" if test.p_value < 0.001 else f"{test.p_value:.3f}"


def header(table: ResultTable) -> list[str]:
    """Column titles; optional columns appear only if a line has them."""
    titles = ["method"]
    for stratum in table.strata:
        sizes = {
            cell.num_problems for line in table.lines if (cell := line.cells.get(stratum)) is not None and cell.num_problems
        }
        titles.append(f"{stratum} ({max(sizes)})" if sizes else stratum)
    titles += ["solved", "95% interval"]
    if any(line.gap is not None for line in table.lines):
        titles.append("gap")
    if any(line.num_tied is not None for line in table.lines):
        titles.append("ties")
    return [*titles, "p"]


def body(table: ResultTable) -> list[list[str]]:
    """The cells as text, aligned with :func:`header`."""
    has_gap = any(line.gap is not None for line in table.lines)
    has_ties = any(line.num_tied is not None for line in table.lines)
    rows = []
    for line in table.lines:
        shares = [cell.share if (cell := line.cells.get(stratum)) is not None else None for stratum in table.strata]
        row = [line.title, *map(percent, shares), solved_counts(line, table.strata), interval_text(line.cells.get(OVERALL))]
        if has_gap:
            row.append("-" if line.gap is None else f"{line.gap:.2f}")
        if has_ties:
            row.append("-" if line.num_tied is None else str(line.num_tied))
        rows.append([*row, p_text(line.test)])
    return rows


def to_markdown(table: ResultTable, for_terminal: bool = False) -> str:
    """A GitHub table in aligned columns; the highlighted line is bold. For a terminal the same with nothing escaped."""
    rows = [[cell if for_terminal else _escape_markdown(cell) for cell in cells] for cells in (header(table), *body(table))]
    for line, cells in zip(table.lines, rows[1:], strict=True):
        if line.highlighted:
            cells[:] = [f"**{cell}**" for cell in cells]
    widths = [max(3, *(len(cells[column]) for cells in rows)) for column in range(len(rows[0]))]
    aligned = [
        "| " + " | ".join([cells[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))]) + " |"
        for cells in rows
    ]
    aligned.insert(1, "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|")
    notes = "".join(f"- {note}\n" for note in notes_of(table))
    return f"### {table.title}\n\n" + "\n".join(aligned) + "\n" + (f"\n{notes}" if notes else "")


def to_latex(table: ResultTable) -> str:
    """A booktabs table; notes are comments above it."""
    titles = header(table)
    lines = [f"% {note}" for note in notes_of(table)]
    lines += [r"\begin{tabular}{l" + "r" * (len(titles) - 1) + "}", r"\toprule"]
    lines += [" & ".join(map(_escape_latex, titles)) + r" \\", r"\midrule"]
    for line, cells in zip(table.lines, body(table), strict=True):
        texts = [rf"\textbf{{{_escape_latex(cell)}}}" if line.highlighted else _escape_latex(cell) for cell in cells]
        lines.append(" & ".join(texts) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def to_dict(table: ResultTable) -> dict[str, Any]:
    """Everything in numbers; shares and bounds in [0, 1]."""
    return {
        "title": table.title,
        "strata": list(table.strata),
        "p_compares": table.compared,
        "lines": [
            {
                "method": line.title,
                "cells": {stratum: cell._asdict() if cell else None for stratum, cell in line.cells.items()},
                "gap_recovered": line.gap,
                "num_tied": line.num_tied,
                "paired_test": line.test._asdict() if line.test else None,
                "source": line.source,
            }
            for line in table.lines
        ],
        "notes": notes_of(table),
    }


def to_json(tables: Sequence[ResultTable]) -> str:
    """Several tables as one JSON document."""
    return json.dumps([to_dict(table) for table in tables], indent=2, ensure_ascii=False) + "\n"


def _escape_markdown(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")
    return "".join("\\" + character if character in "\\|*_`[]" else character for character in text)


_LATEX = {
    "\\": r"\textbackslash{}", "<": r"\textless{}", ">": r"\textgreater{}", "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}", "\n": " ", **{character: "\\" + character for character in "&%$#_{}"},
}  # fmt: skip


def _escape_latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
