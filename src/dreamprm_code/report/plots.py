"""Figures, drawn without a display: as PNG files, and as SVG that takes the colours of the page it stands in.

Every function returns a ``Figure``. Lines differ in colour, marker and dash, so that they are told apart in print and by
readers who do not see all colours (palette: Okabe and Ito).
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.records import CorrectedLabel, TableRow
from dreamprm_code.selection.evaluation import OVERALL
from dreamprm_code.selection.metrics import CalibrationBin, expected_calibration_error

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#B8A900")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":")
FOREGROUND = "#1f2328"
"""Text and axes; replaced by the page's own text colour in SVG."""

MAX_POINTS = 3000
"""A scatter of more points is drawn as a density."""

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.edgecolor": FOREGROUND,
    "axes.labelcolor": FOREGROUND,
    "text.color": FOREGROUND,
    "xtick.color": FOREGROUND,
    "ytick.color": FOREGROUND,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "dreamprm-code",
}


class Series(NamedTuple):
    """A line with an optional band around it; all of one length."""

    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


def new_figure(num_panels: int = 1, panel_width: float = 5.0, height: float = 3.6) -> tuple[Figure, list[Axes]]:
    """A figure with up to three panels side by side, more in rows of two, in the house style; sizes of a panel in inches."""
    columns = num_panels if num_panels <= 3 else 2
    rows = -(-num_panels // columns)
    with rc_context(STYLE):
        figure = Figure(figsize=(panel_width * columns, height * rows), layout="constrained")
        FigureCanvasAgg(figure)
        axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes[num_panels:]:
        axis.set_visible(False)
    return figure, axes[:num_panels]


def draw_lines(axis: Axes, series: Mapping[str, Series], markers: bool = True) -> None:
    """One line per series with its band, and a legend if there are several."""
    for index, (name, line) in enumerate(series.items()):
        color = PALETTE[index % len(PALETTE)]
        axis.plot(
            line.x,
            line.y,
            label=name,
            color=color,
            linestyle=DASHES[index % len(DASHES)],
            marker=MARKERS[index % len(MARKERS)] if markers else None,
            markersize=5,
        )
        if line.low is not None and line.high is not None:
            axis.fill_between(line.x, line.low, line.high, color=color, alpha=0.15, linewidth=0)
    if len(series) > 1:
        with rc_context(STYLE):
            axis.legend(fontsize="small")


def line_figure(
    panels: Mapping[str, Mapping[str, Series]], x_label: str, markers: bool = True, marked: float | None = None
) -> Figure:
    """One panel per title with its lines, and a dotted upright at ``marked``."""
    figure, axes = new_figure(max(1, len(panels)))
    for axis, (title, series) in zip(axes, panels.items(), strict=False):
        draw_lines(axis, series, markers)
        axis.set_title(title, loc="left", fontsize="medium")
        axis.set_xlabel(x_label)
        if marked is not None:
            axis.axvline(marked, color=PALETTE[6], linestyle=":", linewidth=1.2)
    return figure


def n_sweep_figure(rows: Sequence[TableRow], titles: Mapping[str, str], banded: Sequence[str] = ()) -> Figure:
    """pass@1 in percent against the number of candidates; methods in the order of ``titles``, bands for those in ``banded``."""
    series = {}
    for method, title in titles.items():
        points = sorted((row for row in rows if row.method == method and row.difficulty == OVERALL), key=_num_candidates)
        if points:
            low, high = [100 * row.low for row in points], [100 * row.high for row in points]
            x, y = [row.num_candidates for row in points], [100 * row.pass_at_1 for row in points]
            series[title] = Series(x, y, low, high) if method in banded else Series(x, y)
    figure, (axis,) = new_figure(panel_width=6.4, height=4.0)
    draw_lines(axis, series)
    ticks = sorted({row.num_candidates for row in rows})
    axis.set_xscale("log", base=2)
    axis.set_xticks(ticks)
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.minorticks_off()
    axis.set_xlabel("candidates per problem (expected over all subsets)")
    axis.set_ylabel("solved problems, %")
    return figure


def _num_candidates(row: TableRow) -> int:
    return row.num_candidates


def label_figure(labels: Sequence[CorrectedLabel]) -> Figure:
    """Monte-Carlo against corrected labels, and how both are distributed."""
    before = np.asarray([row.mc_value for row in labels])
    after = np.asarray([row.corrected_value for row in labels])
    figure, (scatter, histogram) = new_figure(2, panel_width=4.6, height=4.0)
    scatter.plot([0, 1], [0, 1], color=PALETTE[6], linestyle=":", linewidth=1)
    if len(labels) > MAX_POINTS:
        scatter.hexbin(before, after, gridsize=40, bins="log", cmap="Blues", mincnt=1, rasterized=True)
    else:
        scatter.scatter(before, after, s=16, alpha=0.8, color=PALETTE[5], edgecolors=PALETTE[0], linewidths=0.5)
    scatter.set(xlabel="Monte-Carlo label", ylabel="corrected label", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    shift = float(np.mean(np.abs(after - before))) if len(labels) else 0.0
    scatter.set_title(f"{len(labels)} training steps, mean shift {shift:.3f}", loc="left", fontsize="medium")
    bins = np.linspace(0, 1, 21)
    histogram.hist(before, bins=bins.tolist(), color=PALETTE[1], alpha=0.45, label="Monte-Carlo")
    histogram.hist(after, bins=bins.tolist(), histtype="step", color=PALETTE[0], linewidth=1.8, label="corrected")
    histogram.set(xlabel="label", ylabel="training steps")
    with rc_context(STYLE):
        histogram.legend(fontsize="small")
    return figure


def calibration_figure(groups: Mapping[str, Sequence[CalibrationBin]], y_labels: Mapping[str, str]) -> Figure:
    """Reliability diagrams, one panel per group: mean score of a bin against what came true, with 95% intervals and counts."""
    figure, axes = new_figure(max(1, len(groups)), panel_width=4.6, height=4.0)
    for axis, (title, bins) in zip(axes, groups.items(), strict=False):
        axis.plot([0, 1], [0, 1], color=PALETTE[6], linestyle=":", linewidth=1)
        x, y = [item.mean_score for item in bins], [item.mean_target for item in bins]
        errors = [
            [max(0.0, item.mean_target - item.target_low) for item in bins],
            [max(0.0, item.target_high - item.mean_target) for item in bins],
        ]
        axis.errorbar(x, y, yerr=errors, fmt="o-", color=PALETTE[0], capsize=3, markersize=5)
        for item in bins:
            axis.annotate(
                str(item.num_scores),
                (item.mean_score, item.mean_target),
                (5, 6),
                textcoords="offset points",
                fontsize=8,
                color=FOREGROUND,
            )
        error = expected_calibration_error(bins)
        axis.set_title(title if error is None else f"{title}: calibration error {error:.3f}", loc="left", fontsize="medium")
        axis.set(xlabel="score", ylabel=y_labels.get(title, ""), xlim=(-0.03, 1.03), ylim=(-0.03, 1.06))
    return figure


def save_png(figure: Figure, path: str | Path, dpi: int = 150) -> None:
    """Write a PNG with a white background, atomically."""
    buffer = io.BytesIO()
    with rc_context(STYLE):
        figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    write_bytes_atomic(path, [buffer.getvalue()])


def to_svg(figure: Figure, name: str) -> str:
    """An ``<svg>`` element for a page: transparent, in the page's text colour, ids prefixed by ``name``; holds no outside
    reference."""
    buffer = io.StringIO()
    with rc_context(STYLE):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = text.replace(FOREGROUND, "currentColor")
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'((?:xlink:)?href="#|url\(#)', rf"\g<1>{name}-", text)
    return text.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)
