"""The published table of DreamPRM-Code, as reference rows.

Shares are the paper's; the solved counts are those that reproduce every cell of it to the printed digit. DeepSeek-R1's row is
a mean over samples and has no counts.
"""

from __future__ import annotations

from typing import NamedTuple

from dreamprm_code.report.tables import Cell, TableLine, cells_of
from dreamprm_code.selection.evaluation import OVERALL, table_row

SOURCE = "published, arXiv 2512.15000 (LiveCodeBench problems from 2025-02-01 on: 31 easy, 39 medium, 61 hard)"
NUM_PROBLEMS = {"easy": 31, "medium": 39, "hard": 61}


class PublishedRow(NamedTuple):
    """Solved problems per stratum, or the shares alone (easy, medium, hard, overall; in percent)."""

    method: str
    solved: tuple[int, int, int] | None
    shares: tuple[float, float, float, float]


PUBLISHED_ROWS = (
    PublishedRow("Gemini-2.5", (31, 32, 32), (100, 82.1, 52.5, 72.5)),
    PublishedRow("O3", (31, 28, 35), (100, 71.8, 57.4, 71.8)),
    PublishedRow("DeepSeek-R1", None, (99.7, 77.7, 47.2, 68.7)),
    PublishedRow("O4-mini-high", (31, 35, 35), (100, 89.7, 57.4, 77.1)),
    PublishedRow("ORM (O4-mini-high)", (31, 35, 38), (100, 89.7, 62.3, 79.4)),
    PublishedRow("PRM-CoF (O4-mini-high)", (31, 36, 38), (100, 92.3, 62.3, 80.2)),
    PublishedRow("DreamPRM-Code (O4-mini-high)", (31, 36, 39), (100, 92.3, 63.9, 80.9)),
)


def published_lines(seed: int = 0) -> list[TableLine]:
    """The published rows; where counts are known, with the interval that they imply."""
    lines = []
    for row in PUBLISHED_ROWS:
        cells: dict[str, Cell | None] = {}
        if row.solved is None:
            cells |= {name: Cell(share / 100) for name, share in zip((*NUM_PROBLEMS, OVERALL), row.shares, strict=True)}
        else:
            outcomes = {
                name: [1.0] * solved + [0.0] * (total - solved)
                for (name, total), solved in zip(NUM_PROBLEMS.items(), row.solved, strict=True)
            }
            outcomes[OVERALL] = [value for part in outcomes.values() for value in part]
            cells |= cells_of([table_row(row.method, 1, name, values, seed) for name, values in outcomes.items()])[row.method]
        lines.append(TableLine(f"{row.method}, published", cells, source=SOURCE))
    return lines
