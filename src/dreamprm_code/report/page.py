"""The HTML report: one file that holds its style, script, figures and data, and asks the network for nothing.

A content security policy in the page enforces that: no source but the inline script with its hash, inline styles and
``data:`` images.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from dreamprm_code.report.explorer import ExplorerData
from dreamprm_code.report.plots import to_svg
from dreamprm_code.report.tables import ResultTable, body, header, notes_of

TEMPLATES = Path(__file__).parent / "templates"


class ReportFigure(NamedTuple):
    """A figure with what a reader who does not see it needs: ``summary`` says in words what it shows, ``rows`` (first row =
    header) hold its numbers."""

    name: str
    title: str
    figure: Figure
    summary: str
    rows: Sequence[Sequence[str]] = ()


def render_page(
    title: str,
    summary: Sequence[str],
    tables: Sequence[ResultTable],
    figures: Sequence[ReportFigure],
    explorer: ExplorerData | None = None,
    details: Mapping[str, str] | None = None,
) -> str:
    """The page as text. ``summary`` are sentences under the title; ``details`` name what the run was made from.

    Every text is escaped by the template; the figures' SVG is drawn here and is the only markup passed through.
    """
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8").strip()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("report.html.j2").render(
        title=title,
        summary=summary,
        tables=[
            {
                "title": table.title,
                "header": header(table),
                "body": list(zip(table.lines, body(table), strict=True)),
                "notes": notes_of(table),
            }
            for table in tables
        ],
        figures=[
            {
                "name": item.name,
                "title": item.title,
                "summary": item.summary,
                "rows": item.rows,
                "svg": Markup(to_svg(item.figure, item.name)),
            }
            for item in figures
        ],
        explorer=explorer,
        details=details or {},
        style=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=digest,
    )
