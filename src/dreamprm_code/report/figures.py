"""The four figures of an evaluation, each with its words and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dreamprm_code.records import CorrectedLabel, SolutionScores, StepLabel, TableRow
from dreamprm_code.report.page import ReportFigure
from dreamprm_code.report.plots import Series, calibration_figure, label_figure, line_figure, n_sweep_figure
from dreamprm_code.report.tables import percent
from dreamprm_code.selection.aggregation import aggregate
from dreamprm_code.selection.baselines import Method
from dreamprm_code.selection.candidates import CandidateSet
from dreamprm_code.selection.evaluation import OVERALL
from dreamprm_code.selection.metrics import auroc, brier_score, calibration_bins, expected_calibration_error


def sweep_figure(rows: Sequence[TableRow], methods: Sequence[Method], main: str) -> ReportFigure:
    """pass@1 against the number of candidates."""
    titles = {method.name: method.title for method in methods if any(row.method == method.name for row in rows)}
    overall = [row for row in rows if row.difficulty == OVERALL]
    sizes = sorted({row.num_candidates for row in overall})
    numbers = [["method", *(f"N = {size}" for size in sizes)]]
    for name, title in titles.items():
        by_size = {row.num_candidates: row for row in overall if row.method == name}
        numbers.append([title, *(percent(by_size[size].pass_at_1) if size in by_size else "-" for size in sizes)])
    best = {row.num_candidates: row.pass_at_1 for row in overall if row.method == main}
    words = f"{titles.get(main, main)} solves {percent(best.get(sizes[0]))}% with {sizes[0]} candidate(s) and "
    words += f"{percent(best.get(sizes[-1]))}% with {sizes[-1]}; its band is the 95% interval over problems."
    figure = n_sweep_figure(rows, titles, banded=(main,))
    return ReportFigure("n-sweep", "Candidates per problem", figure, words, numbers)


def labels_figure(labels: Sequence[CorrectedLabel]) -> ReportFigure:
    """Monte-Carlo against corrected labels."""
    shift = sum(abs(row.corrected_value - row.mc_value) for row in labels) / len(labels)
    raised = sum(row.corrected_value > row.mc_value for row in labels)
    lowered = sum(row.corrected_value < row.mc_value for row in labels)
    words = (
        f"Labels of {len(labels)} training steps before and after correction: {raised} raised, {lowered} lowered, "
        f"mean shift {shift:.3f}."
    )
    if any(row.weight != 1.0 for row in labels):
        words += f" Loss weights range from {min(row.weight for row in labels):.2f} to {max(row.weight for row in labels):.2f}."
    return ReportFigure("labels", "Monte-Carlo and corrected labels", label_figure(labels), words)


def calibration_report(
    sets: Sequence[CandidateSet],
    aggregation: str,
    step_labels: Sequence[StepLabel] = (),
    train_scores: Mapping[tuple[str, int], SolutionScores] | None = None,
) -> ReportFigure:
    """Are scores probabilities? Last step and aggregate against passing (test candidates), and steps against labels
    (training). Candidates that the PRM has not read are left out."""
    candidates = [candidate for item in sets for candidate in item.candidates if candidate.passed is not None]
    readings = [candidate.step_scores for candidate in candidates if candidate.step_scores is not None]
    passed = [float(candidate.passed is True) for candidate in candidates if candidate.step_scores is not None]
    groups: dict[str, tuple[list[float], list[float], str]] = {
        "last step": ([step_scores[-1] for step_scores in readings], passed, "share of programs that pass"),
    }
    if aggregation not in ("last", "log_odds"):
        aggregated = [aggregate(step_scores, aggregation) for step_scores in readings]
        groups[f"{aggregation} of steps"] = (aggregated, passed, "share of programs that pass")
    pairs: list[tuple[float, float]] = []
    for label in step_labels:
        found = (train_scores or {}).get((label.question_id, label.solution_idx))
        if found is not None and not label.is_last:
            score, mc_value = found.step_scores[label.step_idx], label.mc_value
            if score is not None and mc_value is not None:
                pairs.append((score, mc_value))
    if pairs:
        scores, values = map(list, zip(*pairs, strict=True))
        groups["training steps"] = (scores, values, "Monte-Carlo label")
    bins = {title: calibration_bins(scores, targets) for title, (scores, targets, _) in groups.items()}
    numbers = [["scores", "number", "calibration error", "Brier score", "AUROC"]]
    for title, (scores, targets, _) in groups.items():
        area = auroc(scores, [target > 0.5 for target in targets])
        error, brier = expected_calibration_error(bins[title]), brier_score(scores, targets)
        shown = ["-" if value is None else f"{value:.3f}" for value in (error, brier, area)]
        numbers.append([title, str(len(scores)), *shown])
    words = "Mean score of a bin against what came true, with 95% intervals and the number of scores; scores on the dotted "
    words += "line are probabilities. "
    words += "; ".join(f"{row[0]}: calibration error {row[2]}, AUROC {row[4]}" for row in numbers[1:]) + "."
    figure = calibration_figure(bins, {title: y_label for title, (_, _, y_label) in groups.items()})
    return ReportFigure("calibration", "Calibration", figure, words, numbers)


LOG_PANELS = {
    "training loss": ("loss",),
    "meta loss (outer level)": ("outer_loss",),
    "held-out loss": (),
    "label movement": ("mean_movement",),
}


def training_report(log: Sequence[Mapping[str, Any]], best_step: int | None = None) -> ReportFigure | None:
    """Curves of a training log: rows with ``phase``, ``step`` and numbers. None if there is nothing to draw.

    ``best_step`` is marked: the checkpoint that was kept.
    """
    panels: dict[str, dict[str, Series]] = {}
    for title, names in LOG_PANELS.items():
        series: dict[str, tuple[list[float], list[float]]] = {}
        for row in log:
            held_out = row.get("phase") == "validation"
            name = next((name for name in (("loss",) if title == "held-out loss" else names) if name in row), None)
            if name is None or held_out != (title == "held-out loss") or not isinstance(row[name], (int, float)):
                continue
            x, y = series.setdefault(str(row.get("phase", "training")), ([], []))
            x.append(row["step"])
            y.append(row[name])
        if series:
            panels[title] = {name: Series(*_smoothed(x, y)) for name, (x, y) in series.items()}
    if not panels:
        return None
    last = {title: next(reversed(series.values())).y[-1] for title, series in panels.items()}
    words = "Means over neighbouring steps. At the end: "
    words += ", ".join(f"{title} {value:.4f}" for title, value in last.items()) + "."
    if best_step is not None:
        words += f" The dotted line marks step {best_step}, whose checkpoint was kept."
    return ReportFigure("training", "Training", line_figure(panels, "step", markers=False, marked=best_step), words)


def _smoothed(x: Sequence[float], y: Sequence[float], num_points: int = 100) -> tuple[list[float], list[float]]:
    """Means of consecutive groups, so that at most ``num_points`` remain."""
    size = max(1, -(-len(x) // num_points))
    starts = range(0, len(x), size)
    return (
        [sum(x[start : start + size]) / len(x[start : start + size]) for start in starts],
        [sum(y[start : start + size]) / len(y[start : start + size]) for start in starts],
    )
