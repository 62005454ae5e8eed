"""The report of an evaluation: its tables, figures, explorer and files.

tables, page = write_evaluation_report(folder, EvaluationReport(evaluation=evaluate(sets), sets=sets, ...))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.prm import StepSettings
from dreamprm_code.records import Problem, Selection, Solution, SolutionScores, TableRow
from dreamprm_code.report.explorer import ExplorerData, pack, problem_entry
from dreamprm_code.report.figures import calibration_report, labels_figure, sweep_figure, training_report
from dreamprm_code.report.page import ReportFigure, render_page
from dreamprm_code.report.plots import to_svg
from dreamprm_code.report.tables import ResultTable, TableLine, cells_of, percent, to_json, to_latex, to_markdown
from dreamprm_code.report.training_part import TrainingPart
from dreamprm_code.selection.baselines import Method
from dreamprm_code.selection.candidates import CandidateSet
from dreamprm_code.selection.evaluation import OVERALL, Evaluation, PoolCounts, strata
from dreamprm_code.selection.metrics import PairedTest

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
    curves = training_report(training.log, training.best_step)
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
                    report.steps,
                )
            )  # fmt: skip
    titles = {method.name: method.title for method in [*found.methods, *found.aggregations] if method.name != "random"}
    return pack(entries, titles, found.main)


def headline(found: Evaluation) -> list[str]:
    """What the result comes to, in sentences; the first says whether the choice differs from a random one."""
    test, main, random = found.tests["random"], found.solved(found.main), found.solved("random")
    differs = test.p_value < 0.05
    verb = "does not differ from a random choice by more than noise"
    if differs:
        verb = f"solves {'more' if test.difference > 0 else 'fewer'} problems than a random choice, by more than noise"
    sentences = [
        f"The PRM's choice {verb}: it solves {main.num_solved:.4g} of {main.num_problems} problems, a random choice "
        f"{random.num_solved:.4g} in expectation (difference {100 * test.difference:+.1f} points, 95% interval "
        f"{100 * test.low:+.1f} to {100 * test.high:+.1f}, p = {test.p_value:.3f})."
    ]
    order = found.ranking
    if order.auroc is not None and order.pair_accuracy is not None:
        sentences.append(
            f"Of {order.num_pairs} pairs of a passing and a failing program of one problem it ranks "
            f"{100 * order.pair_accuracy:.1f}% right (pair accuracy; 50% is chance); AUROC over all candidates "
            f"{order.auroc:.3f}."
        )
    titles = {method.name: method.title for method in found.methods}
    solved = {name: found.solved(name) for name in ("first", "oracle")}
    words = [f"{titles[name]} {row.num_solved:.4g} ({percent(row.pass_at_1)}%)" for name, row in solved.items()]
    return [*sentences, f"Solved beside it, with {found.pool.num_candidates} candidates: {'; '.join(words)}."]


def write_evaluation_report(folder: str | Path, report: EvaluationReport) -> tuple[list[ResultTable], Path]:
    """Write table.md, table.json, table.tex, an SVG per figure and report.html; returns the tables and the page's path."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tables, figures = tables_of(report), figures_of(report)
    write_bytes_atomic(folder / "table.md", ["\n".join(map(to_markdown, tables)).encode()])
    write_bytes_atomic(folder / "table.json", [to_json(tables).encode()])
    write_bytes_atomic(folder / "table.tex", ["\n".join(map(to_latex, tables)).encode()])
    for item in figures:
        write_bytes_atomic(folder / f"{item.name.replace('-', '_')}.svg", [to_svg(item.figure, item.name).encode()])
    title = "DreamPRM-Code: best-of-N selection with a process reward model"
    text = render_page(title, headline(report.evaluation), tables, figures, explorer_of(report), report.details)
    write_bytes_atomic(folder / "report.html", [text.encode("utf-8", "replace")])
    return tables, folder / "report.html"
