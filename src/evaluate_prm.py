"""Stage 5: choose among the test candidates with a PRM; tables by difficulty, figures and an HTML report.

    python src/evaluate_prm.py --config configs/demo.yaml
    python src/evaluate_prm.py --config configs/paper.yaml --checkpoint reward_model_step_10000.pt --solutions
    o4_mini_eval_all.json

    python src/evaluate_prm.py --config configs/paper.yaml --solutions programs.jsonl --verdicts graded.jsonl

The checkpoint is a folder of train_prm or export_prm, or the released .pt file. Candidates are rows of gen_sol,
LiveCodeBench's results file (code_list with graded_list), or rows {question_id, solution_idx, code}; what has no verdicts is
graded by grade.py, and its output given as --verdicts. Writes test_scores.jsonl (resumed after an interruption),
selections.jsonl, table.jsonl and report/ with table.md, table.json, table.tex, figures and report.html.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field
from tqdm import tqdm

from cli import run_stage
from dreamprm_code.errors import UserError
from dreamprm_code.grading import GraderConfig
from dreamprm_code.grading.verdicts import with_verdicts
from dreamprm_code.jsonl import iter_rows, read_dicts, read_rows, write_rows
from dreamprm_code.manifest import check_resume, git_commit, read_manifest, sha256_of, write_manifest
from dreamprm_code.prm import PRM, StepSettings
from dreamprm_code.prm.folders import read_config
from dreamprm_code.problems import iter_problems, read_livecodebench_results
from dreamprm_code.problems.settings import RunSettings
from dreamprm_code.records import CorrectedLabel, Problem, RecordError, Solution, SolutionScores, StepLabel
from dreamprm_code.report import to_text
from dreamprm_code.report.evaluation_report import EvaluationReport, TrainingPart, write_evaluation_report
from dreamprm_code.selection import AGGREGATIONS, DEFAULT_AGGREGATION, DEFAULT_SWEEP, candidate_sets, evaluate
from dreamprm_code.selection.public_tests import public_results
from dreamprm_code.selection.scoring import score_solutions
from dreamprm_code.settings import OneOf
from dreamprm_code.steps import split_program

Scores = Mapping[tuple[str, int], SolutionScores]


class Config(RunSettings):
    needs_split: ClassVar[bool] = False  # without one, all problems are test problems

    out_dir: Path | None = Field(
        None, description="where the results go (default: data_dir for its own checkpoint, eval/NAME in it for another one)"
    )
    checkpoint: Path | None = Field(None, description="PRM folder or released .pt file (default: prm/ in out_dir or data_dir)")
    base_model: str | None = Field(None, description="the checkpoint's backbone, where it is not at the recorded place")
    gguf_file: str | None = Field(None, description="the GGUF file inside that backbone's folder or repository")
    device: str | None = Field(None, description="cpu, cuda, cuda:1 ... (default: the best at hand)")
    solutions: Path | None = Field(
        None, description="candidates: .jsonl of gen_sol or LiveCodeBench results (default: test_solutions.jsonl)"
    )
    verdicts: Path | None = Field(
        None, description="output of grade.py for these candidates, if they hold no verdicts themselves"
    )
    aggregation: Annotated[str, OneOf(tuple(AGGREGATIONS))] = Field(
        DEFAULT_AGGREGATION, description="from step scores to a program's score"
    )
    sweep: list[int] = Field(list(DEFAULT_SWEEP), description="numbers of candidates to report")
    run_public_tests: bool = Field(
        True,
        description="run candidates on public tests where their verdicts do not say what they do there (for the baselines)",
    )
    grade_workers: int = Field(2, ge=1, description="programs graded at once")
    train_programs: int = Field(24, ge=0, description="labelled training programs to score for calibration and the explorer")


def results_folder(config: Config) -> Path:
    """Results of several checkpoints on the same candidates stand side by side."""
    if config.out_dir is not None:
        return config.out_dir
    if config.checkpoint is None or config.checkpoint.resolve() == (config.data_dir / "prm").resolve():
        return config.data_dir
    return config.data_dir / "eval" / config.checkpoint.resolve().name.removesuffix(".pt")


def main(config: Config) -> None:
    if any(size < 1 for size in config.sweep):
        raise UserError(f"sweep {config.sweep}: numbers of candidates start at 1")
    out_dir = results_folder(config)
    checkpoint = config.checkpoint or out_dir / "prm"
    solutions_path = config.solutions or config.data_dir / "test_solutions.jsonl"
    if not checkpoint.exists():
        raise UserError(f"{checkpoint}: no such checkpoint; run train_prm.py first or name one with --checkpoint")
    solutions = read_solutions(solutions_path)
    if config.verdicts is not None:
        solutions = with_verdicts(solutions, config.verdicts)
    labelled = labelled_programs(config)
    wanted = {solution.question_id for solution in (*solutions, *labelled)}
    problems, train_problems = split_problems(config, wanted)
    in_test = {problem.question_id for problem in problems}
    candidates = [solution for solution in solutions if solution.question_id in in_test]
    if not candidates:
        raise UserError(
            f"{solutions_path}: no candidate belongs to a problem of the test part; check problems and windows (or split_file)"
        )
    if all(solution.passed is None for solution in candidates):
        raise UserError(
            f"{solutions_path}: no candidate has a verdict; grade them with src/grade.py and give its output as --verdicts"
        )

    scorer = Scorer(config, checkpoint)
    scores, counts = scorer.score(problems, candidates, out_dir / "test_scores.jsonl", solutions_path)
    grader = GraderConfig(workers=config.grade_workers) if config.run_public_tests else None
    public = public_results(problems, candidates, grader)
    sets = candidate_sets(problems, candidates, scores, public.passed, public.clusters)
    evaluation = evaluate(sets, config.aggregation, config.sweep, config.seed)

    write_rows(out_dir / "selections.jsonl", evaluation.chosen)
    write_rows(out_dir / "table.jsonl", evaluation.all_rows)
    dropped = {
        "problems": len(sets),
        "candidates": len(candidates),
        "candidates_outside_the_test_window": len(solutions) - len(candidates),
        "candidates_not_graded": evaluation.pool.num_ungraded,
        "problems_with_fewer_candidates": evaluation.pool.num_fewer,
        "unparsable": sum(split_program(row.code).fallback is not None for row in candidates if row.code.strip()),
        **counts,
        **{f"public_tests_{name}": number for name, number in public.counts.items()},
    }
    for name in ("selections.jsonl", "table.jsonl"):
        inputs = [out_dir / "test_scores.jsonl", solutions_path, *filter(None, [config.verdicts])]
        write_manifest(
            out_dir / name, stage="evaluate_prm", config=config.model_dump(), identity={}, inputs=inputs, counts=dropped
        )

    training = training_part(config, out_dir, train_problems, labelled, scorer)
    report = EvaluationReport(
        evaluation=evaluation, sets=sets, problems=problems, solutions=candidates, scores=scores, public=public.passed,
        aggregation=config.aggregation, steps=scorer.steps(), training=training, counts=dropped,
        details={
            "checkpoint": str(checkpoint), "candidates": str(solutions_path), "problems": config.problems,
            **({"verdicts": str(config.verdicts)} if config.verdicts else {}),
            "aggregation": config.aggregation, "seed": str(config.seed), "commit": git_commit() or "unknown",
        },
    )  # fmt: skip
    tables, page = write_evaluation_report(out_dir / "report", report)
    print("\n".join(to_text(table) for table in tables))
    best = evaluation.solved(evaluation.main)
    print(
        f"evaluate_prm: {len(candidates)} candidates of {len(sets)} problems; "
        f"{dropped['candidates_outside_the_test_window']} outside the test window, {counts['no_code']} without a program, "
        f"{counts['too_long']} too long for the PRM, {evaluation.pool.num_ungraded} not graded; "
        f"the PRM's choice solves {best.num_solved:.6g} of {best.num_problems}; {page}"
    )


def read_solutions(path: Path) -> list[Solution]:
    """Candidates: LiveCodeBench's results file (a JSON list, or lines with a code_list), rows of gen_sol, or bare programs."""
    if path.suffix == ".json":
        return read_livecodebench_results(path)
    first = next(read_dicts(path), None)
    if first is None:
        raise UserError(f"{path}: holds no candidates; make them with gen_sol.py --split test")
    if "code_list" in first[1]:
        return read_livecodebench_results(path)
    if "code_sha256" in first[1]:
        raise UserError(
            f"{path}: holds verdicts of grade.py, not programs; give it as --verdicts and the programs as --solutions"
        )
    return read_programs(path)


def read_programs(path: Path) -> list[Solution]:
    """Solution rows; one with none of their fields but question_id, solution_idx and code is an ungraded program."""
    solutions: dict[tuple, Solution] = {}
    bare = ("question_id", "solution_idx", "code")
    for line_number, row in read_dicts(path):
        if row.keys().isdisjoint(Solution.model_fields.keys() - set(bare)):
            row = {name: row[name] for name in bare if name in row}
            row |= {"output": row.get("code", ""), "finish_reason": "unknown", "passed": None, "verdict": None}
        try:
            solution = Solution.from_dict(row)
        except RecordError as error:
            raise UserError(f"{path}:{line_number}: {error}") from None
        if solution.key in solutions:
            raise UserError(f"{path}:{line_number}: this row repeats the key {solution.key}; delete one of them")
        solutions[solution.key] = solution
    return list(solutions.values())


def split_problems(config: Config, wanted: set[str]) -> tuple[list[Problem], list[Problem]]:
    """The wanted test and training problems; without a split every problem is a test problem. Other problems are not held."""
    if not config.windows and config.split_file is None:
        return [row for row in iter_problems(config.problems, config.release) if row.question_id in wanted], []
    split = config.window_split(wanted)
    return split.require("test"), split.get("train", [])


def labelled_programs(config: Config) -> list[Solution]:
    """The training programs to show: the first ones with labels of middle steps."""
    labels_path, programs_path = config.data_dir / "step_labels.jsonl", config.data_dir / "cof_solutions.jsonl"
    if not labels_path.exists() or not programs_path.exists():
        return []
    labelled = {(row.question_id, row.solution_idx) for row in iter_rows(labels_path, StepLabel) if row.num_steps > 1}
    return [row for row in iter_rows(programs_path, Solution) if row.key in labelled][: config.train_programs]


class Scorer:
    """Opens the checkpoint at most once, and only if something has to be scored."""

    def __init__(self, config: Config, checkpoint: Path):
        self.config = config
        self.checkpoint = checkpoint
        self.sha256 = checkpoint_sha256(checkpoint)
        self.prm: PRM | None = None

    def open(self) -> PRM:
        if self.prm is None:
            config = self.config
            self.prm = PRM.from_pretrained(self.checkpoint, config.base_model, gguf_file=config.gguf_file, device=config.device)
        return self.prm

    def score(
        self, problems: Sequence[Problem], solutions: Sequence[Solution], path: Path, source: Path
    ) -> tuple[Scores, Mapping[str, int]]:
        """Scores of all solutions, from ``path`` where it has them; it must be of the same checkpoint and candidates."""
        identity = {"checkpoint": self.sha256, "solutions": sha256_of(source)}
        check_resume(path, identity)
        before = (read_manifest(path) or {"counts": {}})["counts"]
        settings: dict[str, Any] = {"stage": "evaluate_prm", "config": self.config.model_dump(), "identity": identity}
        write_manifest(path, **settings, inputs=[source], counts=before)
        with tqdm(total=len(solutions), desc=path.stem, unit="program", mininterval=1.0) as bar:

            def progress(done: int, missing: int) -> None:
                bar.update(len(solutions) - missing + done - bar.n)

            scores, counts = score_solutions(self.open, problems, solutions, path, progress)
            bar.update(len(solutions) - bar.n)
        for name in ("scored", "statements_shortened"):  # of earlier runs, too
            counts[name] += before.get(name, 0)
        write_manifest(path, **settings, inputs=[source], counts=counts)
        return scores, counts

    def steps(self) -> StepSettings:
        """How the checkpoint splits programs (a released one: the defaults), without opening it."""
        if self.prm is not None:
            return self.prm.steps
        if self.checkpoint.is_file():
            return StepSettings()
        return read_config(self.checkpoint).input.steps


def checkpoint_sha256(path: Path) -> str:
    """Hex SHA-256 of a checkpoint: of the file, or of the names and hashes of a folder's files."""
    if path.is_file():
        return sha256_of(path)
    digest = hashlib.sha256()
    for file in sorted(item for item in path.rglob("*") if item.is_file()):
        digest.update(f"{file.relative_to(path)} {sha256_of(file)}\n".encode())
    return digest.hexdigest()


def training_part(
    config: Config, out_dir: Path, problems: Sequence[Problem], programs: Sequence[Solution], scorer: Scorer
) -> TrainingPart:
    """Labels, corrected labels, log and some scored programs of the training run, as far as they are there."""
    corrected_path, log_path = out_dir / "corrected_labels.jsonl", out_dir / "training_log.jsonl"
    labels_path = config.data_dir / "step_labels.jsonl"
    part = TrainingPart(
        corrected=read_rows(corrected_path, CorrectedLabel) if corrected_path.exists() else [],
        log=[row for _, row in read_dicts(log_path)] if log_path.exists() else [],
        step_labels=read_rows(labels_path, StepLabel) if labels_path.exists() else [],
    )
    known = {problem.question_id for problem in problems}
    programs = [row for row in programs if row.question_id in known]
    if not programs:
        return part
    shown = {row.question_id for row in programs}
    problems = [problem for problem in problems if problem.question_id in shown]
    source = config.data_dir / "cof_solutions.jsonl"
    scores, _ = scorer.score(problems, programs, out_dir / "train_scores.jsonl", source)
    return replace(part, problems=problems, solutions=programs, scores=scores)


if __name__ == "__main__":
    run_stage(Config, "evaluate_prm", __doc__, main)
