"""Does the PRM choose better programs on unseen real problems? Every arm and control on one table.

    python src/studies/real.py --config configs/real.yaml --evaluate validation      choose settings here
    python src/studies/real.py --config configs/real.yaml --evaluate test            once, when they are chosen

Reads what stages 1 to 3 wrote under the data directory: cof_solutions.jsonl, step_labels.jsonl, meta_solutions.jsonl and
validation_solutions.jsonl or test_solutions.jsonl. The backbone is frozen; what it gives at every step is computed once and
kept (features/), and the arms are heads on it. Writes candidates.jsonl and scores.jsonl (no texts) and table.md
under out_dir; run again, it does only what is missing. The protocol stands in docs/studies.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import from_clone  # noqa: F401
import torch
from pydantic import Field

from cli import run_stage
from dreamprm_code.bilevel import TrainSettings
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import RowAppender, read_rows, sort_file, write_rows
from dreamprm_code.manifest import check_resume, sha256_of, write_manifest
from dreamprm_code.prm.readout import READOUTS, Reading
from dreamprm_code.prm.scoring import PRM
from dreamprm_code.problems.settings import RunSettings
from dreamprm_code.progress import progress_bar
from dreamprm_code.records import Solution, StepLabel
from dreamprm_code.selection.aggregation import aggregate
from dreamprm_code.settings import OneOf
from dreamprm_code.study.ngrams import LinearPRM
from dreamprm_code.study.real_arms import ARMS, Encoded, Rows, encode, train_arm
from dreamprm_code.study.real_tables import ArmScores, CandidateFacts, score_rows, write_table
from dreamprm_code.study.step_features import StepFeatures
from dreamprm_code.study.training import bare_training

DTYPES = ("float32", "bfloat16")


class Settings(RunSettings):
    out_dir: Path = Field(description="where rows and table go")
    evaluate: Literal["validation", "test"] = Field(description="whose candidates are scored")
    backbone: str = Field(description="a Hugging Face name or folder, or a GGUF file; frozen")
    layers: int = Field(14, ge=1, description="the backbone is cut after so many layers")
    readout: Annotated[str, OneOf(READOUTS)] = Field("mean", description="what the head reads of a step")
    dtype: Annotated[str, OneOf(DTYPES)] = Field("float32", description="precision of the backbone")
    arms: list[str] = Field(list(ARMS), description="arms to train")
    seeds: list[int] = Field([1, 2, 3], description="of head and batches")
    train_problems: int | None = Field(None, ge=1, description="learning curve: so many of the training problems")
    steps: int = Field(400, ge=1, description="inner steps of every arm")
    inner_only_steps: int = Field(100, ge=0, description="of these, before the outer level starts")
    batch_programs: int = Field(64, ge=1, description="programs per inner step")
    outer_programs: int = Field(64, ge=1, description="programs per outer step")
    lr: float = Field(1e-2, gt=0, description="learning rate of the head, falling linearly to 0")
    weight_decay: float = Field(5e-5, ge=0, description="of the head, inside Adam")
    outer_lr: float = Field(2e-2, gt=0, description="of labels and weights")
    aggregation: Literal["mean", "last"] = Field("mean", description="from step scores to a program's score")
    save: str | None = Field(None, description="an arm whose head, of the first seed, becomes a PRM folder: out_dir/prm")


def read_inputs(settings: Settings) -> Rows:
    """Programs with text and verdict; each side from its own problems."""
    split = settings.window_split()
    folder = settings.data_dir

    def programs(name: str, part: str) -> list[Solution]:
        known = {problem.question_id for problem in split.require(part)}
        rows = read_rows(folder / name, Solution)
        return [row for row in rows if row.question_id in known and row.code.strip() and row.passed is not None]

    used = split.require("train")[: settings.train_problems]
    in_use = {problem.question_id for problem in used}
    training = [row for row in programs("cof_solutions.jsonl", "train") if row.question_id in in_use]
    texts = {row.key: row.code for row in training}
    labels = [
        row
        for row in read_rows(folder / "step_labels.jsonl", StepLabel)
        if not row.is_last and row.mc_value is not None and row.key[:2] in texts
    ]
    problems = {
        problem.question_id: problem for part in ("train", "meta", settings.evaluate) for problem in split.require(part)
    }
    return Rows(
        problems,
        labels,
        texts,
        [*training, *programs("meta_solutions.jsonl", "meta")],
        programs(f"{settings.evaluate}_solutions.jsonl", settings.evaluate),
        frozenset(in_use),
    )


def features(settings: Settings, rows: Rows) -> StepFeatures:
    folder = settings.data_dir / "features" / f"{Path(settings.backbone).stem}-{settings.layers}-{settings.dtype}"
    states = StepFeatures(settings.backbone, settings.layers, READOUTS, folder, getattr(torch, settings.dtype))
    states.prepare(rows.problems, rows.texts())
    return states


def training_of(settings: Settings, seed: int) -> TrainSettings:
    return bare_training(
        inner_only_steps=settings.inner_only_steps,
        bilevel_steps=settings.steps - settings.inner_only_steps,
        batch_programs=settings.batch_programs,
        outer_programs=settings.outer_programs,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        optimizer="adam",
        schedule="linear",
        clip=0.0,
        outer_lr=settings.outer_lr,
        seed=seed,
    )


def candidate_scores(settings: Settings, model: LinearPRM, encoded: Encoded) -> list[float]:
    """One score per candidate: its step scores, aggregated."""
    with torch.no_grad():
        steps = [torch.sigmoid(model(steps_SF)).tolist() for steps_SF in encoded.candidates]
    return [aggregate(own, settings.aggregation) for own in steps]


def save_prm(settings: Settings, model: LinearPRM, encoded: Encoded, readout: str) -> None:
    """The head with its backbone's name as a checkpoint folder that ``PRM.from_pretrained`` loads."""
    assert encoded.scale is not None
    reading = Reading(readout, layers=settings.layers, final_norm=False, scaled=True)
    prm = PRM.create(settings.backbone, lora=None, reading=reading, dtype=getattr(torch, settings.dtype), head_bias=True)
    prm.model.head.load_state_dict(model.head.state_dict())
    assert prm.model.scale is not None
    prm.model.scale.load_state_dict(encoded.scale.state_dict())
    prm.save_pretrained(settings.out_dir / "prm")


def main(settings: Settings) -> None:
    if unknown := sorted(set(settings.arms) - ARMS.keys()):
        raise UserError(f"setting 'arms': unknown arm {unknown[0]!r}; choose from {', '.join(ARMS)}")
    if settings.save is not None and (settings.save not in settings.arms or ARMS[settings.save].reader != "backbone"):
        raise UserError(f"setting 'save': {settings.save!r} is none of the arms to train that read the backbone")
    rows = read_inputs(settings)
    sources = [settings.data_dir / name for name in ("cof_solutions.jsonl", "step_labels.jsonl", "meta_solutions.jsonl")]
    sources.append(settings.data_dir / f"{settings.evaluate}_solutions.jsonl")
    identity: dict[str, Any] = settings.model_dump(
        mode="json", exclude={"problems", "data_dir", "out_dir", "arms", "seeds", "save"}
    )
    identity |= {path.name: sha256_of(path) for path in sources}
    path = settings.out_dir / "scores.jsonl"
    check_resume(path, identity)
    candidates = [CandidateFacts.of(row) for row in rows.candidates]
    write_rows(settings.out_dir / "candidates.jsonl", candidates)
    states = features(settings, rows)
    torch.set_num_threads(1)
    with (
        RowAppender(path, ArmScores) as appender,
        progress_bar(total=len(settings.arms) * len(settings.seeds), desc="arms", unit="training") as bar,
    ):
        write_manifest(
            path, stage="real", config=settings.model_dump(mode="json"), identity=identity, inputs=sources, counts={}
        )
        done = {key[:2] for key in appender.keys}
        for name in settings.arms:
            missing = [seed for seed in settings.seeds if (name, seed) not in done]
            bar.update(len(settings.seeds) - len(missing))
            if not missing:
                continue
            encoded = encode(ARMS[name], rows, states, settings.readout)
            for seed in missing:
                model = train_arm(ARMS[name], rows, encoded, training_of(settings, seed))
                scores = candidate_scores(settings, model, encoded)
                appender.append(
                    *score_rows(name, seed, {row.key: score for row, score in zip(rows.candidates, scores, strict=True)})
                )
                bar.update(1)
    if settings.save is not None:
        encoded = encode(ARMS[settings.save], rows, states, settings.readout)
        model = train_arm(ARMS[settings.save], rows, encoded, training_of(settings, settings.seeds[0]))
        save_prm(settings, model, encoded, ARMS[settings.save].readout or settings.readout)
    sort_file(path, ArmScores)
    text = write_table(settings.out_dir, candidates, read_rows(path, ArmScores), settings.seed)
    print(text)
    print(
        f"real: {len(rows.labels)} step labels, {len(rows.outcomes)} outcomes; {len(settings.arms)} arms, "
        f"{len(settings.seeds)} seeds, {len(candidates)} {settings.evaluate} candidates -> {settings.out_dir}/table.md"
    )


if __name__ == "__main__":
    run_stage(Settings, "real", __doc__, main)
