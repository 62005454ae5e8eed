"""What a report shows of the training run: its labels, its log, and some of its programs with the PRM's scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dreamprm_code.jsonl import iter_rows, read_dicts, read_rows
from dreamprm_code.manifest import read_manifest
from dreamprm_code.records import CorrectedLabel, Problem, Solution, SolutionScores, StepLabel


@dataclass(frozen=True)
class TrainingPart:
    """As much as there is of the training run; ``scores`` are the PRM's of ``solutions``, ``best_step`` is that of the
    checkpoint that was kept."""

    corrected: Sequence[CorrectedLabel] = ()
    log: Sequence[Mapping[str, Any]] = ()
    step_labels: Sequence[StepLabel] = ()
    problems: Sequence[Problem] = ()
    solutions: Sequence[Solution] = ()
    scores: Mapping[tuple[str, int], SolutionScores] = field(default_factory=dict)
    best_step: int | None = None

    def among(self, problems: Iterable[Problem]) -> TrainingPart:
        """With the programs of these problems alone."""
        known = {problem.question_id: problem for problem in problems}
        solutions = [row for row in self.solutions if row.question_id in known]
        shown = dict.fromkeys(row.question_id for row in solutions)
        return replace(self, solutions=solutions, problems=[known[question_id] for question_id in shown])


def read_training_part(data_dir: Path, out_dir: Path, num_programs: int) -> TrainingPart:
    """Labels, corrected labels and log, and the first so many programs that have a label of a middle step."""
    labels_path, programs_path = data_dir / "step_labels.jsonl", data_dir / "cof_solutions.jsonl"
    corrected_path, log_path = out_dir / "corrected_labels.jsonl", out_dir / "training_log.jsonl"
    labels = read_rows(labels_path, StepLabel) if labels_path.exists() else []
    labelled = {row.key[:2] for row in labels if row.num_rollouts and not row.is_last}
    programs = iter_rows(programs_path, Solution) if labelled and programs_path.exists() else ()
    return TrainingPart(
        corrected=read_rows(corrected_path, CorrectedLabel) if corrected_path.exists() else [],
        log=[row for _, row in read_dicts(log_path)] if log_path.exists() else [],
        step_labels=labels,
        best_step=(read_manifest(corrected_path) or {"counts": {}})["counts"].get("best_step"),
        solutions=[row for row in programs if row.key in labelled][:num_programs],
    )
