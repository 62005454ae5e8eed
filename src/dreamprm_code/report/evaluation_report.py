"""The report of an evaluation: its tables, figures, explorer and files.

tables, page = write_evaluation_report(folder, EvaluationReport(evaluation=evaluate(sets), sets=sets, ...))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.prm import StepSettings
from dreamprm_code.records import CorrectedLabel, Problem, Selection, Solution, SolutionScores, StepLabel, TableRow
from dreamprm_code.report.explorer import ExplorerData, pack, problem_entry
from dreamprm_code.report.page import ReportFigure, render_page
from dreamprm_code.report.plots import Series, calibration_figure, label_figure, line_figure, n_sweep_figure, save_png
from dreamprm_code.report.tables import ResultTable, TableLine, cells_of, percent, to_json, to_latex, to_markdown
from dreamprm_code.report.training_part import TrainingPart
from dreamprm_code.selection.aggregation import aggregate
from dreamprm_code.selection.baselines import Method
from dreamprm_code.selection.candidates import CandidateSet
from dreamprm_code.selection.evaluation import OVERALL, Evaluation, PoolCounts, strata
from dreamprm_code.selection.metrics import PairedTest, auroc, brier_score, calibration_bins, expected_calibration_error

TIE_NOTE = (
    "Ties are counted in expectation (a uniform choice among the tied), so counts can be fractions; 'ties' = "
    "problems with a tie at the top. selections.jsonl breaks them towards the lowest index."
)
INTERVAL_NOTE = (
    "95% intervals: bootstrap over problems (exact binomial where all or none are solved). Tests: two-sided, paired by "
    "problem; exact McNemar where both choose one program, sign-flip permutation where one is an expected value. "
    "gap = (method - random) / (oracle - random)."
)
CLUSTER_NOTE = (
    "Clusters: programs with equal outputs on all public inputs (two outputs that the test accepts are equal; a program that "
    "crashes on an input has that as its output, one that runs into a limit on this input and the later ones)."
)


def method_table(
    title: str,
    rows: Sequence[TableRow],
    methods: Sequence[Method],
    main: str,
    tests: Mapping[str, PairedTest],
    gaps: Mapping[str, float | None] | None = None,
    ties: Mapping[str, int] | None = None,
    notes: Sequence[str] = (),
) -> ResultTable:
    """One line per method; the p-value of a line compares ``main`` with it."""
    cells = cells_of(rows)
    lines = [
        TableLine(
            title=method.title,
            cells=cells.get(method.name, {}),
            test=tests.get(method.name) if method.name != "oracle" else None,
            gap=(gaps or {}).get(method.name),
            num_tied=(ties or {}).get(method.name),
            highlighted=method.name == main,
        )
        for method in methods
    ]
    main_title = next((method.title for method in methods if method.name == main), main)
    columns = strata(row.difficulty for row in rows if row.difficulty != OVERALL)
    return ResultTable(title, columns, lines, f"{main_title} against the row's method", tuple(notes))


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
    graded = [candidate for candidate in candidates if candidate.step_scores is not None]
    passed = [float(candidate.passed is True) for candidate in graded]
    groups: dict[str, tuple[list[float], list[float], str]] = {
        "last step": ([c.step_scores[-1] for c in graded], passed, "share of programs that pass"),
    }
    if aggregation not in ("last", "log_odds"):
        aggregated = [aggregate(candidate.step_scores, aggregation) for candidate in graded]
        groups[f"{aggregation} of steps"] = (aggregated, passed, "share of programs that pass")
    pairs = []
    for label in step_labels:
        found = (train_scores or {}).get((label.question_id, label.solution_idx))
        if found is not None and found.unread is None and label.num_rollouts and not label.is_last:
            pairs.append((found.step_scores[label.step_idx], label.mc_value))
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
    "training loss": ("loss", "inner_loss", "train_loss"),
    "meta loss (outer level)": ("outer_loss", "outer_loss"),
    "held-out loss": (),
    "label movement": ("mean_movement",),
}


def training_report(log: Sequence[Mapping[str, Any]]) -> ReportFigure | None:
    """Curves of a training log: rows with ``phase``, ``step`` and numbers. None if there is nothing to draw."""
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
    return ReportFigure("training", "Training", line_figure(panels, "step", markers=False), words)


def _smoothed(x: Sequence[float], y: Sequence[float], num_points: int = 100) -> tuple[list[float], list[float]]:
    """Means of consecutive groups, so that at most ``num_points`` remain."""
    size = max(1, -(-len(x) // num_points))
    starts = range(0, len(x), size)
    return (
        [sum(x[start : start + size]) / len(x[start : start + size]) for start in starts],
        [sum(y[start : start + size]) / len(y[start : start + size]) for start in starts],
    )


@dataclass(frozen=True, kw_only=True)
class EvaluationReport:
    """Everything that the report shows; ``details`` say where all came from."""

    evaluation: Evaluation
    sets: Sequence[CandidateSet]
    problems: Sequence[Problem]
    solutions: Sequence[Solution]
    scores: Mapping[tuple[str, int], SolutionScores]
    aggregation: str
    steps: StepSettings
    training: TrainingPart
    counts: Mapping[str, int]
    details: Mapping[str, str]


def tables_of(report: EvaluationReport) -> list[ResultTable]:
    """The result table, and the PRM under every aggregation."""
    found = report.evaluation
    clustered = any(method.reads == "public_outputs" for method in found.methods)
    notes = [INTERVAL_NOTE, TIE_NOTE, *([CLUSTER_NOTE] if clustered else []), *count_notes(report.counts, found.pool)]
    title = f"Best of {found.pool.num_candidates}: solved problems, %"
    main = method_table(title, found.rows, found.methods, found.main, found.tests, found.gaps, found.ties, notes)
    rows = [row for row in found.rows if row.method in {method.name for method in found.aggregations}]
    ways_title = "Aggregations of step scores"
    ways = method_table(ways_title, rows, found.aggregations, found.main, found.tests, found.gaps, found.ties)
    return [main, ways]


def count_notes(counts: Mapping[str, int], pool: PoolCounts) -> list[str]:
    """What was lost or treated specially, in words; nothing that is zero."""
    texts = {
        "no_code": "answers without a program: not read, chosen last",
        "too_long": "programs longer than the PRM's input: not read, chosen last",
        "unparsable": "programs do not parse and were scored as one step",
        "statements_shortened": "programs read with a shortened problem statement",
        "public_tests_unknown": "candidates whose public tests could not be run (counted as failing them)",
    }
    notes = [f"{counts[name]} {text}." for name, text in texts.items() if counts.get(name)]
    if pool.num_ungraded:
        notes.append(f"{pool.num_ungraded} candidates could not be graded; a problem whose choice is one of them is left out.")
    if pool.num_fewer:
        notes.append(f"{pool.num_fewer} problems have fewer than {pool.num_candidates} candidates; they use all they have.")
    return notes


def figures_of(report: EvaluationReport) -> list[ReportFigure]:
    """The figures that there is data for."""
    found, training = report.evaluation, report.training
    figures = [
        sweep_figure(found.sweep, found.methods, found.main),
        calibration_report(report.sets, report.aggregation, training.step_labels, training.scores),
    ]
    if training.corrected:
        figures.append(labels_figure(training.corrected))
    curves = training_report(training.log)
    return [*figures, curves] if curves else figures


def explorer_of(report: EvaluationReport) -> ExplorerData:
    """Test problems with who selected what, then training problems with their labels."""
    found, training = report.evaluation, report.training
    step_labels = {row.key: row for row in training.step_labels}
    corrected = {row.key: row for row in training.corrected}
    chosen: dict[str, list[Selection]] = {}
    for row in found.chosen:
        chosen.setdefault(row.question_id, []).append(row)
    entries = []
    parts = (("test", report.problems, report.solutions, report.scores),
             ("train", training.problems, training.solutions, training.scores))  # fmt: skip
    for split, problems, solutions, scores in parts:
        grouped: dict[str, list[Solution]] = {}
        for solution in solutions:
            grouped.setdefault(solution.question_id, []).append(solution)
        for problem in problems:
            entries.append(
                problem_entry(
                    problem, split, grouped.get(problem.question_id, []), scores, report.aggregation, step_labels, corrected,
                    chosen.get(problem.question_id, ()) if split == "test" else (),
                    report.steps.max_functions, report.steps.granularity,
                )
            )  # fmt: skip
    titles = {method.name: method.title for method in [*found.methods, *found.aggregations] if method.name != "random"}
    return pack(entries, titles, found.main)


def write_evaluation_report(folder: str | Path, report: EvaluationReport) -> tuple[list[ResultTable], Path]:
    """Write all files of the report; returns its tables and the page's path."""
    found = report.evaluation
    by_name = {method.name: method.title for method in found.methods}
    words = []
    for name in (found.main, "first", "random", "oracle"):
        row = found.solved(name)
        words.append(f"{by_name[name]} {row.num_solved:.4g} of {row.num_problems} ({percent(row.pass_at_1)}%)")
    summary = [f"Problems solved, choosing among {found.pool.num_candidates} candidates: " + "; ".join(words) + "."]
    tables = tables_of(report)
    title = "DreamPRM-Code: best-of-N selection with a process reward model"
    page = write_report(folder, title, summary, tables, figures_of(report), explorer_of(report), report.details)
    return tables, page


def write_report(
    folder: str | Path,
    title: str,
    summary: Sequence[str],
    tables: Sequence[ResultTable],
    figures: Sequence[ReportFigure],
    explorer: ExplorerData | None = None,
    details: Mapping[str, str] | None = None,
) -> Path:
    """Write table.md, table.json, table.tex, a PNG per figure and report.html; returns the page's path."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes_atomic(folder / "table.md", ["\n".join(map(to_markdown, tables)).encode()])
    write_bytes_atomic(folder / "table.json", [to_json(tables).encode()])
    write_bytes_atomic(folder / "table.tex", ["\n".join(map(to_latex, tables)).encode()])
    for item in figures:
        save_png(item.figure, folder / f"{item.name.replace('-', '_')}.png")
    page = folder / "report.html"
    write_bytes_atomic(page, [render_page(title, summary, tables, figures, explorer, details).encode("utf-8", "replace")])
    return page
