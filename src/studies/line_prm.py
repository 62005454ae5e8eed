"""Does a line PRM, trained on line labels by bisection, tell held-out lines before the transition from those after it?

    bash gen_cof_label.sh --granularity line --search binary --max-functions 200 --data-dir data/lines
    python src/studies/line_prm.py --config configs/demo.yaml --data-dir data/lines --function-dir data/demo/sampled

A head on the frozen backbone, cross-validated: each problem's lines are scored by a head that was trained on the other folds'
problems. Beside it stand the line's place in its program, and a function PRM: a head of the same kind, trained on the function
labels of the same problems, whose score of a function is that of its lines. What the backbone gives is computed once and kept
(features/ in data_dir). Writes line_scores.jsonl (no texts) and table.md under out_dir.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import from_clone  # noqa: F401
import torch
from pydantic import Field
from torch import Tensor

from cli import run_stage
from dreamprm_code.bilevel.units import Unit
from dreamprm_code.errors import UserError
from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.jsonl import read_rows, write_rows
from dreamprm_code.labels import split_settings_of
from dreamprm_code.manifest import write_manifest
from dreamprm_code.prm.readout import READOUTS, FeatureScale
from dreamprm_code.problems.settings import RunSettings
from dreamprm_code.record_base import Record
from dreamprm_code.records import Problem, Solution, StepLabel
from dreamprm_code.settings import OneOf
from dreamprm_code.study.measures import grouped_auroc
from dreamprm_code.study.step_features import StepFeatures
from dreamprm_code.study.training import bare_training, train_head

Programs = Mapping[tuple, Sequence[StepLabel]]  # (question_id, solution_idx) -> its steps in order


class Settings(RunSettings):
    function_dir: Path = Field(description="folder of step_labels.jsonl by function, of the same programs")
    out_dir: Path = Field(Path("data/demo/study/lines"), description="where rows and table go")
    backbone: str = Field(description="a Hugging Face name or folder, or a GGUF file; frozen")
    layers: int = Field(14, ge=1, description="the backbone is cut after so many layers")
    readout: Annotated[str, OneOf(READOUTS)] = Field("mean", description="what the heads read of a step")
    dtype: Annotated[str, OneOf(("float32", "bfloat16"))] = Field("bfloat16", description="precision of the backbone")
    folds: int = Field(5, ge=2, description="of the problems")
    steps: int = Field(400, ge=1, description="training steps of a head")
    batch_programs: int = Field(64, ge=1, description="programs per step")
    lr: float = Field(1e-2, gt=0, description="learning rate of the head, falling linearly to 0")
    weight_decay: float = Field(0.04, ge=0, description="of the head, inside Adam")


class LineScore(Record):
    """A held-out line: whether it stands before the transition (``holds``), and its scores by method."""

    key_fields: ClassVar[tuple[str, ...]] = ("question_id", "solution_idx", "step_idx")

    question_id: str
    solution_idx: int
    step_idx: int
    num_steps: int
    passed: bool
    holds: bool
    scores: dict[str, float]


def labelled_programs(path: Path, problems: Mapping[str, Problem]) -> dict[tuple, list[StepLabel]]:
    """Programs of these problems with a label at every step; those that bisection left out have one at the last alone."""
    programs: dict[tuple, list[StepLabel]] = defaultdict(list)
    for row in read_rows(path, StepLabel):
        if row.question_id in problems:
            programs[row.key[:2]].append(row)
    return {key: rows for key, rows in programs.items() if all(row.num_rollouts for row in rows)}


def read_features(settings: Settings, problems: Mapping[str, Problem], programs: Programs) -> dict[tuple, Tensor]:
    """feature_SH of each program's steps."""
    steps = split_settings_of(row for rows in programs.values() for row in rows)
    name = f"{Path(settings.backbone).stem}-{settings.layers}-{settings.dtype}-{steps.granularity}"
    folder, dtype = settings.data_dir / "features" / name, getattr(torch, settings.dtype)
    states = StepFeatures(settings.backbone, settings.layers, READOUTS, folder, dtype, steps)
    states.prepare(problems, ((key[0], rows[-1].prefix) for key, rows in programs.items()))
    found = {key: states.of((key[0], rows[-1].prefix), settings.readout) for key, rows in programs.items()}
    return {key: feature_SH for key, feature_SH in found.items() if feature_SH is not None}


def fitted_head(settings: Settings, programs: Programs, features: Mapping[tuple, Tensor]) -> Callable[[Tensor], list[float]]:
    """A head fitted to the labels of these programs, as a function from features of steps to probabilities."""
    used = [(features[key], rows) for key, rows in programs.items() if key in features]
    scale = FeatureScale(used[0][0].shape[1], torch.float32)
    scale.fit([feature_SH for feature_SH, _ in used])
    labels = [label for _, rows in used for label in rows]
    units, start = [], 0
    for feature_SH, rows in used:
        index = tuple(range(start, start + len(rows)))
        units.append(Unit(scale(feature_SH), rows=index, question_id=rows[0].question_id))
        start += len(rows)
    training = bare_training(
        learn="none", loss="mse", inner_only_steps=0, bilevel_steps=settings.steps, batch_programs=settings.batch_programs,
        lr=settings.lr, weight_decay=settings.weight_decay, schedule="linear", clip=0.0, seed=settings.seed,
    )  # fmt: skip
    model = train_head(training, labels, units)

    @torch.no_grad()
    def scores(feature_SH: Tensor) -> list[float]:
        return torch.sigmoid(model(scale(feature_SH))).tolist()

    return scores


def cross_validated(
    settings: Settings, programs: Programs, features: Mapping[tuple, Tensor], fold: Mapping[str, int]
) -> dict[tuple, list[float]]:
    """Step scores of each program by the head that has not seen its problem."""
    found: dict[tuple, list[float]] = {}
    for held_out in range(settings.folds):
        head = fitted_head(settings, {key: rows for key, rows in programs.items() if fold[key[0]] != held_out}, features)
        found |= {key: head(feature_SH) for key, feature_SH in features.items() if fold[key[0]] == held_out}
    return found


def main(settings: Settings) -> None:
    problems = {problem.question_id: problem for problem in settings.window_split().require("train")}
    paths = [settings.data_dir / "step_labels.jsonl", settings.function_dir / "step_labels.jsonl"]
    lines = labelled_programs(paths[0], problems)
    solutions = {row.key: row for row in read_rows(settings.data_dir / "cof_solutions.jsonl", Solution)}
    if not any(not row.num_correct for rows in lines.values() for row in rows):
        raise UserError(f"{paths[0]}: no program is labelled that is lost at some line; label more of them")
    names = sorted({key[0] for key in lines})
    problems = {name: problems[name] for name in names}
    functions = labelled_programs(paths[1], problems)
    random.Random(settings.seed).shuffle(names)
    fold = {name: place % settings.folds for place, name in enumerate(names)}
    torch.set_num_threads(1)
    torch.manual_seed(settings.seed)
    by_line = cross_validated(settings, lines, read_features(settings, problems, lines), fold)
    by_function = cross_validated(settings, functions, read_features(settings, problems, functions), fold)
    rows = []
    for key, steps in lines.items():
        if key not in by_line or key not in by_function:
            continue
        own = [(len(step.prefix), score) for step, score in zip(functions[key], by_function[key], strict=True)]
        for step, score in zip(steps, by_line[key], strict=True):
            rows.append(
                LineScore(
                    question_id=step.question_id, solution_idx=step.solution_idx, step_idx=step.step_idx,
                    num_steps=step.num_steps, passed=bool(solutions[key].passed), holds=bool(step.num_correct),
                    scores={
                        "line PRM": round(score, 4),
                        "function PRM": round(next(value for end, value in own if end >= len(step.prefix)), 4),
                    },
                )
            )  # fmt: skip
    write_rows(settings.out_dir / "line_scores.jsonl", rows)
    write_manifest(
        settings.out_dir / "line_scores.jsonl",
        stage="line_prm", config=settings.model_dump(mode="json"), identity={}, inputs=paths, counts=Counter(lines=len(rows)),
    )  # fmt: skip
    text = table(rows, settings.seed)
    write_bytes_atomic(settings.out_dir / "table.md", [text.encode()])
    print(text)


def table(rows: Sequence[LineScore], seed: int) -> str:
    """AUROC of each method with an interval over problems: of all lines, and of those of failing programs alone."""
    methods: dict[str, Callable[[LineScore], float]] = {
        "line PRM": lambda row: row.scores["line PRM"],
        "function PRM": lambda row: row.scores["function PRM"],
        "place: lines before it": lambda row: -float(row.step_idx),
        "place: share of the program's lines": lambda row: -(row.step_idx + 1) / row.num_steps,
        "lines of the program": lambda row: -float(row.num_steps),
    }
    failing = [row for row in rows if not row.passed]
    programs = {row.key[:2]: row.passed for row in rows}
    num_problems, num_lost = len({row.question_id for row in rows}), sum(not row.holds for row in rows)
    text = [
        f"{len(rows)} lines of {len(programs)} programs ({sum(programs.values())} pass) of {num_problems} problems, {num_lost} "
        "of them from the transition on. AUROC, 95% bootstrap over problems.",
        "",
        f"| score of a line | all {len(rows)} lines | the {len(failing)} of failing programs |",
        "|---|---|---|",
    ]
    for name, score in methods.items():
        cells = []
        for chosen in (rows, failing):
            groups: dict[str, list[tuple[float, bool]]] = defaultdict(list)
            for row in chosen:
                groups[row.question_id].append((score(row), row.holds))
            cells.append("{:.3f} [{:.3f}, {:.3f}]".format(*grouped_auroc(list(groups.values()), seed)))
        text.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    run_stage(Settings, "line_prm", __doc__, main)
