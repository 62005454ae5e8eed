"""What people look at: result tables, figures and the HTML report."""

from dreamprm_code.report.page import ReportFigure, render_page
from dreamprm_code.report.tables import Cell, ResultTable, TableLine, cells_of, to_json, to_latex, to_markdown, to_text

__all__ = [
    "Cell",
    "ReportFigure",
    "ResultTable",
    "TableLine",
    "cells_of",
    "render_page",
    "to_json",
    "to_latex",
    "to_markdown",
    "to_text",
]
