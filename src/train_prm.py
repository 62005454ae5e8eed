"""Stage 4, first half: train the process reward model, correcting its noisy step labels on the way.

    python src/train_prm.py --config configs/demo.yaml
    python src/train_prm.py --config configs/demo.yaml --method none --out-dir data/uncorrected
    torchrun --nproc-per-node 8 src/train_prm.py --config configs/paper.yaml
    torchrun --nproc-per-node 8 src/train_prm.py --config configs/paper.yaml --backbone Qwen/Qwen2.5-Coder-32B --shard-backbone

Reads step_labels.jsonl (training problems) and meta_solutions.jsonl (clean outcomes); writes prm/ (the checkpoint with the
lowest held-out loss after the warm-up), corrected_labels.jsonl, training_log.jsonl, tensorboard/ and resume/. Run it again
after an interruption: it goes on from the last resume checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field

from cli import run_stage
from dreamprm_code.bilevel import MethodSettings, TrainSettings, build_training_data, train
from dreamprm_code.bilevel.distributed import Processes, training_device
from dreamprm_code.bilevel.start import earlier_labels, mixed_with_scores, step_scores
from dreamprm_code.bilevel.trainer import AUTOCAST
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import read_rows, write_rows
from dreamprm_code.manifest import check_resume, write_manifest
from dreamprm_code.prm import PRM, StepSettings
from dreamprm_code.prm.backbone import find_backbone, load_tokenizer
from dreamprm_code.prm.model import LoraSettings, freeze_lower_layers
from dreamprm_code.prm.readout import READOUTS, Reading
from dreamprm_code.prm.scoring import best_dtype
from dreamprm_code.prm.trunk import FrozenTrunk, available_bytes
from dreamprm_code.problems.settings import RunSettings
from dreamprm_code.records import Problem, Solution, StepLabel
from dreamprm_code.sampling.file import what_is_missing
from dreamprm_code.settings import OneOf

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Settings(RunSettings, MethodSettings):
    out_dir: Path | None = Field(None, description="where the results go (default: data_dir)")

    backbone: str = Field(description="a Hugging Face name or folder, a GGUF file, or random:SHAPE")
    gguf_file: str | None = Field(None, description="the GGUF file inside the backbone's folder or repository")
    tokenizer: str | None = Field(
        None,
        description="folder, name or GGUF file with the tokenizer (default: the backbone's; random:SHAPE has none)",
    )
    dtype: Annotated[str, OneOf(("auto", *DTYPES))] = Field(
        "auto", description="of the frozen backbone; auto is bfloat16 where it is fast"
    )
    lora_rank: int = Field(8, ge=1, description="LoRA rank")
    lora_alpha: float = Field(16.0, gt=0, description="LoRA alpha")
    lora_dropout: float = Field(0.0, ge=0, lt=1, description="dropout before LoRA, in warm-up only")
    target_modules: list[str] = Field(list(LoraSettings().target_modules), description="projections that get LoRA")
    trained_layers: int | None = Field(
        None,
        ge=0,
        description="LoRA moves in so many last layers only: backward and forward-mode passes end there; 0 = no LoRA, the head "
        "alone (default: all)",
    )
    trunk_cache: Literal["auto", "memory", "off"] = Field(
        "auto",
        description="states below the trained layers are computed once and kept: as far as half of the free memory holds them, "
        "all, or none; changes no bit of the result",
    )
    readout: Annotated[str, OneOf(READOUTS)] = Field(
        "last", description="the head reads the token that ends a step, or the mean over the program's or the step's tokens"
    )
    layers: int | None = Field(None, ge=1, description="the head reads the states after so many layers (default: all)")
    final_norm: bool = Field(True, description="the backbone's last norm before the head (without it: export as states only)")
    scaled: bool = Field(False, description="the head reads standardised features; it then learns at lr 1e-2 or so")
    head_bias: bool = Field(
        False, description="a bias in the head (the released code's; export then needs token classification)"
    )
    gradient_checkpointing: bool = Field(False, description="recompute layers in backward passes: less memory, more time")
    shard_backbone: bool = Field(
        False, description="spread the frozen backbone over torchrun's processes (FSDP): for one that a GPU cannot hold"
    )

    format: Literal["native", "released"] = Field("native", description="input text: ours, or the released checkpoint's")
    max_length: int | None = Field(None, ge=1, description="longest text in tokens; shortens problem statements, never code")
    max_functions: int = Field(10, ge=1, description="most steps per program; as for the labels")
    granularity: Literal["function", "line", "program"] = Field("function", description="what a step is; as for the labels")
    programs_per_tree: int = Field(8, ge=1, description="programs of one problem that share a token tree")
    max_tree_tokens: int = Field(8192, ge=1, description="largest token tree; a single larger program stands alone")
    start_labels: Path | None = Field(
        None, description="corrected_labels.jsonl of an earlier run: labels start from its values (a second round)"
    )
    mix_with: Path | None = Field(
        None, description="another PRM, such as one of outcomes alone: labels start from a mix with its step scores"
    )


def read_inputs(settings: Settings) -> tuple[list[Problem], list[StepLabel], list[Solution]]:
    """Problems of both sides, step labels and meta programs; each row on its side of the split."""
    split = settings.window_split()
    sides = {side: split.require(side) for side in ("train", "meta")}
    labels_path, meta_path = settings.data_dir / "step_labels.jsonl", settings.data_dir / "meta_solutions.jsonl"
    labels, solutions = read_rows(labels_path, StepLabel), read_rows(meta_path, Solution)
    for sampled in (settings.data_dir / "cof_solutions.jsonl", settings.data_dir / "rollouts.jsonl", meta_path):
        if missing := what_is_missing(sampled):
            print(f"train_prm: warning: {missing}")
    for path, rows, side in ((labels_path, labels, "train"), (meta_path, solutions, "meta")):
        if not rows:
            raise UserError(f"{path}: holds no row; run the stage before this one")
        if outside := sorted({row.question_id for row in rows} - {problem.question_id for problem in sides[side]}):
            where = split.place_of(outside[0])
            raise UserError(f"{path}: problem {outside[0]} is {where}, not in the part '{side}' ({len(outside)} such problems)")
    return [*sides["train"], *sides["meta"]], labels, solutions


def identity_of(settings: Settings) -> dict[str, object]:
    """The settings beside the training loop's that decide the result."""
    names = [name for name in Settings.model_fields if name not in TrainSettings.model_fields]
    paths = (
        "data_dir",
        "out_dir",
        "problems",
        "release",
        "windows",
        "split_file",
    )  # what they hold is known by the data's fingerprint
    memory = ("gradient_checkpointing", "shard_backbone", "trunk_cache")  # they change no result
    values = {name: getattr(settings, name) for name in names if name not in ("method", *paths, *memory)}
    return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def check(settings: Settings) -> None:
    """Refuse settings that contradict each other.

    Raises:
        UserError: names the settings.
    """
    if settings.start_labels is not None and settings.mix_with is not None:
        raise UserError("start_labels and mix_with both say what labels start from; give one")
    if not settings.inner_labels and (settings.learn != "none" or settings.start_labels or settings.mix_with):
        raise UserError("without inner_labels there are no labels to learn or to start from: set learn none")


def main(settings: Settings) -> None:
    check(settings)
    out_dir = settings.out_dir or settings.data_dir
    labels_path = out_dir / "corrected_labels.jsonl"
    identity = identity_of(settings)
    check_resume(labels_path, {**settings.identity(), **identity}, remedy="give another folder with --out-dir")
    problems, labels, solutions = read_inputs(settings)
    device = training_device(settings.device)
    scores = {}
    if settings.mix_with is not None:
        other = PRM.from_pretrained(settings.mix_with, device=device)
        scores = step_scores(other, problems, labels, settings.max_functions, settings.granularity)
        del other
    lora = LoraSettings(settings.lora_rank, settings.lora_alpha, settings.lora_dropout, tuple(settings.target_modules))
    prm = PRM.create(
        settings.backbone,
        lora=None if settings.trained_layers == 0 else lora,
        dtype=best_dtype(device) if settings.dtype == "auto" else DTYPES[settings.dtype],
        gguf_file=settings.gguf_file,
        tokenizer=None if settings.tokenizer is None else load_tokenizer(find_backbone(settings.tokenizer)),
        format=settings.format,
        max_length=settings.max_length,
        steps=StepSettings(settings.max_functions, settings.granularity),
        head_bias=settings.head_bias,
        seed=settings.seed,
        reading=Reading(settings.readout, settings.layers, settings.final_norm, settings.scaled),
    )
    if settings.trained_layers:
        freeze_lower_layers(prm.model, settings.trained_layers)
    if settings.gradient_checkpointing:
        prm.model.enable_gradient_checkpointing()
    if settings.shard_backbone:
        Processes.from_environment(device)
        prm.shard_backbone(device)
    data = build_training_data(
        problems,
        labels,
        solutions,
        prm.encoder,
        settings,
        has_outer=settings.learn != "none",
        max_functions=settings.max_functions,
        granularity=settings.granularity,
        programs_per_tree=settings.programs_per_tree,
        max_tree_tokens=settings.max_tree_tokens,
        seed=settings.seed,
    )
    if settings.start_labels is not None:
        data = earlier_labels(data, settings.start_labels)
    elif settings.mix_with is not None:
        data = mixed_with_scores(data, scores)
    if not settings.shard_backbone:  # its passes are collective, those of a trunk each process's own
        prm.model.to(device)
        bound = {"auto": available_bytes(device) / 2, "memory": float("inf"), "off": 0.0}[settings.trunk_cache]
        data = replace(data, collate=FrozenTrunk(prm.model, bound, AUTOCAST[settings.autocast]).collate)
    if settings.scaled:
        prm.model.fit_scale(data.collate([unit.item]) for unit in (*data.inner, *data.outer))
    result = train(settings, data, out_dir, prm.model, identity)
    if result.is_first_process or settings.shard_backbone:
        prm.save_pretrained(out_dir / "prm")
    if not result.is_first_process:
        return
    write_rows(labels_path, data.corrected(result.labels, result.weights))
    moved = sum(abs(label - mc_value) for label, mc_value in zip(result.labels, data.mc_value, strict=True))
    counts = {
        **data.counts,
        "steps": result.steps,
        "best_step": result.best_step,
        **{f"held_out_{name}": value for name, value in result.best.items()},
        "mean_label_movement": moved / max(1, len(data.mc_value)),
    }
    write_manifest(
        labels_path,
        stage="train_prm",
        config=vars(settings),
        identity={**settings.identity(), **identity},
        inputs=[settings.data_dir / "step_labels.jsonl", settings.data_dir / "meta_solutions.jsonl"],
        counts=counts,
    )
    dropped = ", ".join(f"{count} {name}" for name, count in data.counts.items() if count and name in DROPPED)
    held_out = ", ".join(f"{name} {value:.4f}" for name, value in result.best.items()) or "none"
    print(
        f"train_prm: {rows_used(data.counts)}; {result.steps} steps, "
        f"best step {result.best_step} (held-out: {held_out}); mean label movement {counts['mean_label_movement']:.4f}; "
        f"left out: {dropped or 'nothing'}"
    )


def rows_used(counts: Mapping[str, int]) -> str:
    """How many labels and programs with outcomes were used on each side."""
    train, meta = counts["inner_train_outcomes"], counts["inner_meta_outcomes"]
    inner = f"{counts['inner_labels']} step labels"
    if train + meta:
        everywhere = " at every prefix" if counts["inner_outcome_terms"] > train + meta else ""
        inner += f", {train} + {meta} outcomes (train + meta){everywhere}"
    train, meta = counts["outer_train_outcomes"], counts["outer_meta_outcomes"]
    outer = f"{train} + {meta} outcomes (train + meta)" if train else f"{meta} meta outcomes"
    return f"inner: {inner}; outer: {outer}; validation: {counts['validation_outcomes']} meta outcomes"


DROPPED = (
    "train_programs_incomplete",
    "train_programs_too_long",
    "train_programs_without_use",
    "meta_programs_not_graded",
    "meta_programs_without_code",
    "meta_programs_too_long",
    "statements_shortened",
)

if __name__ == "__main__":
    run_stage(Settings, "train_prm", __doc__, main)
