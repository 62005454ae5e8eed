"""Stage 5: choose among the test candidates with a PRM; tables by difficulty, figures and an HTML report.

    python src/evaluate_prm.py --config configs/demo.yaml
    python src/evaluate_prm.py --config configs/paper.yaml --checkpoint reward_model_step_10000.pt --solutions
    o4_mini_eval_all.json

The checkpoint is a folder of train_prm or export_prm, or the released .pt file. Candidates are rows of gen_sol or grade.py, or
LiveCodeBench's results file (code_list with graded_list); no program is run unless --run-public-tests asks for it. Writes
test_scores.jsonl (resumed after an interruption), selections.jsonl, table.jsonl and report/ with table.md, table.json,
table.tex, figures and report.html.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from cli import run_stage
from dreamprm_code.errors import UserError
from dreamprm_code.grading.public_tests import run_public_tests
from dreamprm_code.grading.settings import GradingSettings
from dreamprm_code.jsonl import write_rows
from dreamprm_code.labels import split_settings_of
from dreamprm_code.manifest import git_commit, write_manifest
from dreamprm_code.prm.settings import OpeningSettings
from dreamprm_code.problems.settings import RunSettings
from dreamprm_code.report.evaluation_report import EvaluationReport, headline, write_evaluation_report
from dreamprm_code.report.tables import to_markdown
from dreamprm_code.report.training_part import read_training_part
from dreamprm_code.sampling.file import what_is_missing
from dreamprm_code.selection.aggregation import DEFAULT_AGGREGATION, AggregationName
from dreamprm_code.selection.candidates import candidate_sets
from dreamprm_code.selection.evaluation import DEFAULT_SWEEP, evaluate
from dreamprm_code.selection.pool import read_pool
from dreamprm_code.selection.scoring import Scorer
from dreamprm_code.steps import split_program


class Settings(RunSettings, GradingSettings, OpeningSettings):
    needs_split: ClassVar[bool] = False  # without one, all problems are test problems

    problems: str | None = Field(  # type: ignore[assignment]
        None, description="problems as for the other stages (default: those that a results file given as --solutions repeats)"
    )
    out_dir: Path | None = Field(
        None, description="where the results go (default: data_dir for its own checkpoint, eval/NAME in it for another one)"
    )
    checkpoint: Path | None = Field(None, description="PRM folder or released .pt file (default: prm/ in out_dir or data_dir)")
    solutions: Path | None = Field(
        None, description="candidates: .jsonl of gen_sol or LiveCodeBench results (default: test_solutions.jsonl)"
    )
    aggregation: AggregationName = Field(DEFAULT_AGGREGATION, description="from step scores to a program's score")
    sweep: list[int] = Field(list(DEFAULT_SWEEP), description="numbers of candidates to report")
    run_public_tests: bool = Field(
        False, description="run candidates on public tests where their rows do not say what they do there (for the baselines)"
    )
    grade_workers: int = Field(2, ge=1, description="programs graded at once")
    train_programs: int = Field(24, ge=0, description="labelled training programs to score for calibration and the explorer")


def results_folder(settings: Settings) -> Path:
    """Results of several checkpoints on the same candidates stand side by side."""
    if settings.out_dir is not None:
        return settings.out_dir
    if settings.checkpoint is None or settings.checkpoint.resolve() == (settings.data_dir / "prm").resolve():
        return settings.data_dir
    return settings.data_dir / "eval" / settings.checkpoint.resolve().name.removesuffix(".pt")


def main(settings: Settings) -> None:
    if any(size < 1 for size in settings.sweep):
        raise UserError(f"sweep {settings.sweep}: numbers of candidates start at 1")
    out_dir = results_folder(settings)
    checkpoint = settings.checkpoint or out_dir / "prm"
    solutions_path = settings.solutions or settings.data_dir / "test_solutions.jsonl"
    scorer = Scorer(checkpoint, settings.open_prm)
    if missing := what_is_missing(solutions_path):
        print(f"evaluate_prm: warning: {missing}")
    training = read_training_part(settings.data_dir, out_dir, settings.train_programs)
    pool = read_pool(settings, solutions_path, {row.question_id for row in training.solutions})
    problems, candidates = pool.problems, pool.candidates
    training = training.among(pool.train_problems)
    made_by: dict[str, Any] = {"stage": "evaluate_prm", "config": settings.model_dump()}
    scores, counts = scorer.score(problems, candidates, out_dir / "test_scores.jsonl", solutions_path, **made_by)
    if settings.run_public_tests:
        graders = settings.grader_settings(settings.grade_workers)
        candidates, ran = run_public_tests(problems, candidates, graders, say=lambda text: print(text, file=sys.stderr))
        counts.update({f"public_tests_{name}": number for name, number in ran.items()})
    sets = candidate_sets(problems, candidates, scores)
    evaluation = evaluate(sets, settings.aggregation, settings.sweep, settings.seed)
    counts.update(
        problems=len(sets),
        candidates=len(candidates),
        candidates_outside_the_test_window=pool.num_outside,
        candidates_of_unknown_problems=pool.num_unknown,
        candidates_not_graded=evaluation.pool.num_ungraded,
        problems_with_fewer_candidates=evaluation.pool.num_fewer,
        unparsable=sum(
            split_program(row.code, language=row.language).fallback is not None for row in candidates if row.code.strip()
        ),
    )
    for name, rows in (("selections.jsonl", evaluation.chosen), ("table.jsonl", evaluation.all_rows)):
        write_rows(out_dir / name, rows)
        inputs = [out_dir / "test_scores.jsonl", solutions_path]
        write_manifest(out_dir / name, **made_by, identity={}, inputs=inputs, counts=counts)

    if training.step_labels and split_settings_of(training.step_labels) != scorer.steps():
        print(f"evaluate_prm: the step labels of {settings.data_dir} are of another split than the checkpoint's: not shown")
        training = replace(training, step_labels=(), solutions=(), problems=())
    if training.solutions:
        where = out_dir / "train_scores.jsonl", settings.data_dir / "cof_solutions.jsonl"
        training = replace(training, scores=scorer.score(pool.train_problems, training.solutions, *where, **made_by)[0])
    details = {"checkpoint": str(checkpoint), "candidates": str(solutions_path)}
    details |= {"problems": settings.problems or str(solutions_path)}
    details |= {"aggregation": settings.aggregation, "seed": str(settings.seed), "commit": git_commit() or "unknown"}
    report = EvaluationReport(
        evaluation=evaluation, sets=sets, problems=problems, solutions=candidates, scores=scores,
        aggregation=settings.aggregation, steps=scorer.steps(), training=training, counts=counts, details=details,
    )  # fmt: skip
    tables, page = write_evaluation_report(out_dir / "report", report)
    print("\n".join(to_markdown(table, for_terminal=True) for table in tables))
    print("\n".join(headline(evaluation)))
    print(
        f"evaluate_prm: {len(candidates)} candidates of {len(sets)} problems; "
        f"{pool.num_outside} outside the test window, {pool.num_unknown} of unknown problems, "
        f"{counts['no_code']} without a program, {counts['too_long']} too long for the PRM, "
        f"{evaluation.pool.num_ungraded} not graded; {page}"
    )
    if num_untested := sum(row.public_passed is None and row.passed is not None for row in candidates):
        print(f"evaluate_prm: {num_untested} candidates lack their result on the public tests; --run-public-tests finds it out")


if __name__ == "__main__":
    run_stage(Settings, "evaluate_prm", __doc__, main)
