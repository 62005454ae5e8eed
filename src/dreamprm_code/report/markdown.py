"""Plain Markdown tables, for pages that a study or a benchmark writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table_lines(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table and the empty one that ends it; cells stand as they are."""
    return [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *(f"| {' | '.join(row)} |" for row in rows), ""]
