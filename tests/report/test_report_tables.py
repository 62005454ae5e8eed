"""Result tables: the same numbers in three formats, with what the reader must know below them."""

from __future__ import annotations

import json

import pytest

from dreamprm_code.report.published import NUM_PROBLEMS, PUBLISHED_ROWS, published_lines
from dreamprm_code.report.tables import (
    Cell,
    ResultTable,
    TableLine,
    body,
    cells_of,
    count,
    percent,
    to_json,
    to_latex,
    to_markdown,
)
from dreamprm_code.selection.evaluation import table_rows
from dreamprm_code.selection.metrics import paired_test

STRATA = ["easy", "hard", "overall"]


def make_table(title: str = "A", other: str = "B_1 & <b>|") -> ResultTable:
    difficulties = ["easy", "hard", "hard"]
    values = {"a": [1.0, 1.0, 0.0], "b": [1.0, 0.0, 0.5]}
    cells = cells_of(table_rows(difficulties, values, 2))
    test = paired_test(values["a"], values["b"])
    lines = [TableLine(title, cells["a"], highlighted=True), TableLine(other, cells["b"], test, gap=0.25, num_tied=1)]
    return ResultTable("Solved", STRATA, lines, "A against the row", ("A note.",))


def test_markdown_is_aligned_and_bolds_the_highlighted_line() -> None:
    text = to_markdown(make_table())
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in rows}) == 1
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
    assert cells[0] == [
        "method", "easy (1)", "hard (2)", "overall (3)", "solved", "95% interval", "gap", "ties", "p",
    ]  # fmt: skip
    assert cells[2][:5] == ["**A**", "**100**", "**50.0**", "**66.7**", "**1+1 = 2**"]
    assert cells[3][4] == "1+0.5 = 1.5" and cells[3][6] == "0.25"
    assert r"B\_1 &amp; &lt;b>\|" in text
    assert "| B_1 & <b>| " in to_markdown(make_table(), for_terminal=True)
    assert "- p: A against the row." in text and "- A note." in text


def test_latex_escapes_cells() -> None:
    text = to_latex(make_table())
    assert r"B\_1 \& \textless{}b\textgreater{}|" in text
    assert text.count(r"\\") == 3


def test_json_holds_every_number() -> None:
    line = json.loads(to_json([make_table()]))[0]["lines"][1]
    assert line["cells"]["hard"]["num_solved"] == 0.5
    assert line["paired_test"]["wins"] == 1
    assert line["gap_recovered"] == 0.25


@pytest.mark.parametrize(("share", "text"), [(1.0, "100"), (0.0, "0.0"), (106 / 131, "80.9"), (None, "-")])
def test_percent(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_counts_are_whole_unless_they_are_expected_values() -> None:
    assert (count(31.0), count(2.25)) == ("31", "2.2")


def test_the_published_counts_reproduce_every_published_cell() -> None:
    for row, line in zip(PUBLISHED_ROWS, published_lines(), strict=True):
        shown = [percent(line.cells[name].share) for name in (*NUM_PROBLEMS, "overall")]
        assert shown == [percent(share / 100) for share in row.shares]
        assert line.cells["overall"].num_solved == (None if row.solved is None else sum(row.solved))


def test_a_share_without_counts_has_no_interval() -> None:
    table = ResultTable("t", ["overall"], [TableLine("x", {"overall": Cell(0.5)})])
    assert body(table) == [["x", "50.0", "-", "-", "-"]]
