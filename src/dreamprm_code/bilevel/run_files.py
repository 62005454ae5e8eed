"""From the files of a run to a training's rows, and from its result to files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dreamprm_code.bilevel.trainer import TrainResult
from dreamprm_code.bilevel.units import TrainingData
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import read_rows, write_rows
from dreamprm_code.manifest import write_manifest
from dreamprm_code.problems.splits import Split
from dreamprm_code.records import Problem, Rollout, Solution, StepLabel

LABELS_NAME = "corrected_labels.jsonl"
INPUT_NAMES = ("step_labels.jsonl", "meta_solutions.jsonl")
ROLLOUTS_NAME = "rollouts.jsonl"

DROPPED = (
    "train_programs_incomplete",
    "train_programs_too_long",
    "train_programs_without_use",
    "meta_programs_not_graded",
    "meta_programs_without_code",
    "meta_programs_too_long",
    "rollouts_too_long",
    "statements_shortened",
)


class Inputs(NamedTuple):
    """Problems of both sides, step labels of the training problems, programs of the meta problems; the labels' rollouts, if
    they are read."""

    problems: list[Problem]
    labels: list[StepLabel]
    solutions: list[Solution]
    rollouts: list[Rollout]


def read_inputs(split: Split, data_dir: Path, with_rollouts: bool = False) -> Inputs:
    """The rows of a run's folder, each on its side of the split.

    Raises:
        UserError: a file is missing, empty or damaged, or a row is of a problem of another side.
    """
    sides = {side: split.require(side) for side in ("train", "meta")}
    labels_path, meta_path = (data_dir / name for name in INPUT_NAMES)
    labels, solutions = read_rows(labels_path, StepLabel), read_rows(meta_path, Solution)
    for path, rows, side in ((labels_path, labels, "train"), (meta_path, solutions, "meta")):
        if not rows:
            raise UserError(f"{path}: holds no row; run the stage before this one")
        if outside := sorted({row.question_id for row in rows} - {problem.question_id for problem in sides[side]}):
            where = split.place_of(outside[0])
            raise UserError(f"{path}: problem {outside[0]} is {where}, not in the part '{side}' ({len(outside)} such problems)")
    rollouts = read_rows(data_dir / ROLLOUTS_NAME, Rollout) if with_rollouts else []
    return Inputs([*sides["train"], *sides["meta"]], labels, solutions, rollouts)


def write_labels(
    out_dir: Path,
    data_dir: Path,
    data: TrainingData,
    result: TrainResult,
    config: Mapping[str, Any],
    identity: Mapping[str, Any],
) -> str:
    """Write the labels as the training left them, with their manifest; returns what became of the rows, in one line."""
    path = out_dir / LABELS_NAME
    write_rows(path, data.corrected(result.labels, result.weights))
    moved = sum(abs(label - mc_value) for label, mc_value in zip(result.labels, data.mc_value, strict=True))
    movement = moved / max(1, len(data.mc_value))
    counts = {
        **data.counts,
        "steps": result.steps,
        "best_step": result.best_step,
        **{f"held_out_{name}": value for name, value in result.best.items()},
        "mean_label_movement": movement,
    }
    names = (*INPUT_NAMES, ROLLOUTS_NAME) if data.counts["inner_rollout_outcomes"] else INPUT_NAMES
    inputs = [data_dir / name for name in names]
    write_manifest(path, stage="train_prm", config=config, identity=identity, inputs=inputs, counts=counts)
    dropped = ", ".join(f"{count} {name}" for name, count in data.counts.items() if count and name in DROPPED)
    held_out = ", ".join(f"{name} {value:.4f}" for name, value in result.best.items()) or "none"
    return (
        f"{rows_used(data.counts)}; {result.steps} steps, best step {result.best_step} (held-out: {held_out}); "
        f"mean label movement {movement:.4f}; left out: {dropped or 'nothing'}"
    )


def rows_used(counts: Mapping[str, int]) -> str:
    """How many labels and programs with outcomes were used on each side."""
    train, meta, rollouts = (counts[f"inner_{kind}_outcomes"] for kind in ("train", "meta", "rollout"))
    inner = f"{counts['inner_labels']} step labels"
    if train + meta:
        everywhere = " at every prefix" if counts["inner_outcome_terms"] > train + meta + rollouts else ""
        inner += f", {train} + {meta} outcomes (train + meta){everywhere}"
    if rollouts:
        inner += f", {rollouts} rollouts"
    train, meta = counts["outer_train_outcomes"], counts["outer_meta_outcomes"]
    outer = f"{train} + {meta} outcomes (train + meta)" if train else f"{meta} meta outcomes"
    return f"inner: {inner}; outer: {outer}; validation: {counts['validation_outcomes']} meta outcomes"
