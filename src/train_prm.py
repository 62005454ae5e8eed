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

from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from cli import run_stage
from dreamprm_code.bilevel import MethodSettings, TrainSettings, build_training_data, train
from dreamprm_code.bilevel.distributed import Processes, training_device
from dreamprm_code.bilevel.run_files import LABELS_NAME, read_inputs, write_labels
from dreamprm_code.bilevel.start import earlier_labels, mixed_with_scores, step_scores
from dreamprm_code.bilevel.trainer import AUTOCAST
from dreamprm_code.errors import UserError
from dreamprm_code.labels import split_settings_of
from dreamprm_code.manifest import check_resume
from dreamprm_code.prm import PRM
from dreamprm_code.prm.settings import PRMSettings
from dreamprm_code.prm.trunk import FrozenTrunk, available_bytes
from dreamprm_code.problems.settings import RunSettings
from dreamprm_code.progress import progress_bar
from dreamprm_code.sampling.file import what_is_missing


class Settings(RunSettings, PRMSettings, MethodSettings):
    out_dir: Path | None = Field(None, description="where the results go (default: data_dir)")
    trunk_cache: Literal["auto", "memory", "file", "off"] = Field(
        "auto",
        description="states below the trained layers are computed once and kept: as far as half of the free memory holds them, "
        "all, those and in data_dir/trunk for the next training, or none; changes no bit of the result",
    )
    shard_backbone: bool = Field(
        False, description="spread the frozen backbone over torchrun's processes (FSDP): for one that a GPU cannot hold"
    )
    programs_per_tree: int = Field(8, ge=1, description="programs of one problem that share a token tree")
    max_tree_tokens: int = Field(8192, ge=1, description="largest token tree; a single larger program stands alone")
    start_labels: Path | None = Field(
        None, description="corrected_labels.jsonl of an earlier run: labels start from its values (a second round)"
    )
    mix_with: Path | None = Field(
        None, description="another PRM, such as one of outcomes alone: labels start from a mix with its step scores"
    )


SAMPLED_NAMES = ("cof_solutions.jsonl", "rollouts.jsonl", "meta_solutions.jsonl")
PLACES = {"data_dir", "out_dir", "problems", "release", "windows", "split_file"}  # what they hold: see the data's fingerprint
WITHOUT_EFFECT = {"method", "gradient_checkpointing", "shard_backbone", "trunk_cache"}  # on the result, given the others


def identity_of(settings: Settings) -> dict[str, object]:
    """The settings beside the training loop's that decide the result."""
    names = Settings.model_fields.keys() - TrainSettings.model_fields.keys() - PLACES - WITHOUT_EFFECT
    values = {name: getattr(settings, name) for name in sorted(names)}
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
    identity = identity_of(settings)
    check_resume(out_dir / LABELS_NAME, {**settings.identity(), **identity}, remedy="give another folder with --out-dir")
    problems, labels, solutions, rollouts = read_inputs(settings.window_split(), settings.data_dir, settings.rollout_outcomes)
    for name in SAMPLED_NAMES:
        if missing := what_is_missing(settings.data_dir / name):
            print(f"train_prm: warning: {missing}")
    device, steps = training_device(settings.device), split_settings_of(labels)
    scores = {}
    if settings.mix_with is not None:
        scores = step_scores(PRM.from_pretrained(settings.mix_with, device=device), problems, labels)
    prm = settings.create(device, steps, settings.seed)
    if settings.shard_backbone:
        Processes.from_environment(device)
        prm.shard_backbone(device)
    data = build_training_data(
        problems,
        labels,
        solutions,
        prm.encoder,
        settings,
        rollouts=rollouts,
        has_outer=settings.learn != "none",
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
        bound = {"memory": float("inf"), "off": 0.0}.get(settings.trunk_cache, available_bytes(device) / 2)
        folder = settings.data_dir / "trunk" if settings.trunk_cache == "file" else None
        trees = [unit.item for unit in (*data.inner, *data.outer, *data.validation)]
        data = replace(data, collate=FrozenTrunk(prm.model, bound, AUTOCAST[settings.autocast], folder, trees).collate)
    if settings.scaled:
        units = progress_bar(iterable=(*data.inner, *data.outer), desc="states", unit="tree", disable=not settings.progress)
        prm.model.fit_scale(data.collate([unit.item]) for unit in units)
    result = train(settings, data, out_dir, prm.model, identity)
    if result.is_first_process or settings.shard_backbone:
        prm.save_pretrained(out_dir / "prm")
    if result.is_first_process:
        identity = {**settings.identity(), **identity}
        print(f"train_prm: {write_labels(out_dir, settings.data_dir, data, result, vars(settings), identity)}")


if __name__ == "__main__":
    run_stage(Settings, "train_prm", __doc__, main)
