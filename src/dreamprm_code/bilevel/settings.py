"""Every number of a training run, and the methods: named sets of the settings that say what serves where."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from dreamprm_code.bilevel.losses import LOSSES
from dreamprm_code.bilevel.method import HYPERGRADIENTS
from dreamprm_code.bilevel.tables import LEARNABLE
from dreamprm_code.bilevel.trackers import TRACKERS, require_trackers
from dreamprm_code.settings import FrozenSettings, OneOf

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "linear", "cosine")


class ReportSettings(FrozenSettings):
    """What a run says while it runs, and where. Classes of settings say their ``total_steps`` and ``kind``."""

    seed: int = Field(42, description="seed of all that is drawn by chance")
    progress: bool = Field(True, description="progress bar on standard error, with --no-progress none")
    log_to: list[Annotated[str, OneOf(TRACKERS)]] = Field(
        ["tensorboard"], description="where curves go beside training_log.jsonl: tensorboard, wandb, trackio, several, or none"
    )
    run_name: str | None = Field(None, description="the run's name there (default: its folder, its kind, its seed)")

    @property
    def total_steps(self) -> int:
        raise NotImplementedError

    @property
    def kind(self) -> str:
        raise NotImplementedError


class TrainSettings(ReportSettings):
    """Settings of both levels. A *batch* is what one step of a level reads; sizes are in programs over all processes."""

    learn: Annotated[str, OneOf(LEARNABLE)] = Field(
        "labels", description="what the outer level learns: labels (the paper), weights (the released code)"
    )
    hypergradient: Annotated[str, OneOf(HYPERGRADIENTS)] = Field(
        "exact", description="how the outer gradient is computed; all but exact are Betty's"
    )
    loss: Annotated[str, OneOf(LOSSES)] = Field("bce", description="loss of both levels on soft labels")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="pull inner labels towards 1/2 by this share")
    flip_rate: float = Field(
        0.0, ge=0, lt=0.5, description="forward correction: this share of the labels is taken to say 1 - v in the place of v"
    )
    label_weight: Literal["equal", "precision"] = Field(
        "equal", description="weights of labels in the inner loss: equal, or by the variance of their rollouts (mean 1)"
    )
    outcome_weight: float = Field(1.0, ge=0, description="weight of an outcome in the inner loss, beside 1 for a label")
    pair_weight: float = Field(
        0.0,
        ge=0,
        description="weight of pairs (passed, failed) of one problem in the inner loss, for each program; 0 = none",
    )

    inner_only_steps: int = Field(50, ge=0, description="inner steps before the outer level starts; training programs only")
    bilevel_steps: int = Field(
        200, ge=0, description="inner steps with the outer level active (or as many more plain ones with learn none)"
    )
    batch_programs: int = Field(8, ge=1, description="training programs per inner step")
    outer_programs: int = Field(16, ge=1, description="clean programs per outer step")
    outer_every: int = Field(
        1, ge=1, description="an outer step after every so many inner steps; it corrects the last of their batches"
    )
    micro_tokens: int = Field(4096, ge=1, description="tokens per forward and backward pass; bounds the memory, not the result")
    keep_gib: float = Field(
        2.0, ge=0, description="GiB of activations kept for the hypergradient's pass; what is more is computed again"
    )

    optimizer: Annotated[str, OneOf(OPTIMIZERS)] = Field("adam", description="inner optimizer")
    lr: float = Field(1e-4, ge=0, description="inner learning rate")
    lr_warmup_steps: int = Field(0, ge=0, description="inner steps over which the learning rate grows linearly")
    schedule: Annotated[str, OneOf(SCHEDULES)] = Field(
        "constant", description="both learning rates after their warm-up, over all steps"
    )
    weight_decay: float = Field(0.01, ge=0, description="inner weight decay; the tables have none")
    clip: float = Field(1.0, ge=0, description="largest norm of the inner gradient; 0 = no clipping")

    outer_optimizer: Literal["adam", "sgd"] = Field("adam", description="outer optimizer")
    outer_lr: float = Field(1e-2, ge=0, description="outer learning rate: with adam about the step of a label")
    prior_strength: float = Field(
        0.0, ge=0, description="pull to the Monte-Carlo value: a label settles within its binomial sd / strength"
    )

    agreement: float = Field(
        0.0,
        ge=0,
        le=1,
        description="per outer step, labels move this share of the way to what their MC value and the PRM together say "
        "(tables.py)",
    )
    score_sd: float = Field(0.2, gt=0, description="what agreement takes the PRM's error to be (standard deviation of scores)")

    eval_every: int = Field(
        25,
        ge=0,
        description="steps between validations (those after inner_only_steps choose the checkpoint); "
        "0 = never, the last step is kept",
    )
    patience: int = Field(0, ge=0, description="stop after so many validations without improvement; 0 = never")
    checkpoint_every: int = Field(25, ge=0, description="steps between resume checkpoints; 0 = never")
    seed: int = Field(42, description="seed of data order and new weights")
    device: str = Field("auto", description="auto, cpu or cuda")
    autocast: Literal["none", "bf16", "fp16"] = Field("none", description="mixed precision of forward passes")

    @property
    def total_steps(self) -> int:
        return self.inner_only_steps + self.bilevel_steps

    @property
    def kind(self) -> str:
        return str(getattr(self, "method", self.learn))

    @model_validator(mode="after")
    def _has_steps(self) -> Self:
        if self.total_steps == 0:
            raise ValueError("inner_only_steps and bilevel_steps are both 0: nothing to train")
        require_trackers(self.log_to)
        return self

    def identity(self) -> dict[str, object]:
        """The settings that decide the result: a checkpoint resumes only with equal ones."""
        left_out = {"progress", "log_to", "run_name", "micro_tokens", "checkpoint_every", "device"}
        return {name: getattr(self, name) for name in TrainSettings.model_fields if name not in left_out}


class OutcomeSettings(FrozenSettings):
    """Which outcomes serve which level. The defaults are the paper's: labels inside, outcomes of meta programs outside."""

    inner_labels: bool = Field(True, description="the inner level reads the step labels; without them the PRM is an ORM")
    inner_outcomes: Literal["none", "train", "meta", "both"] = Field(
        "none",
        description="outcomes that the inner level reads too: of training programs, of a share of the meta problems",
    )
    outcome_prefixes: Literal["whole", "every"] = Field(
        "whole", description="what the inner level fits to an outcome: the whole program, or each of its prefixes"
    )
    rollout_outcomes: bool = Field(
        False,
        description="rollouts.jsonl holds whole graded programs: those of the training programs' prefixes are outcomes of the "
        "inner level too",
    )
    outer_outcomes: Literal["meta", "train", "both"] = Field(
        "meta", description="outcomes that the outer level reads: of meta programs, of the training programs"
    )
    both_levels: bool = Field(False, description="outcomes of the inner level serve the outer one too, all at once")
    inner_share: float = Field(
        0.375,
        gt=0,
        lt=1,
        description="share of the meta problems that serves the inner level, if inner_outcomes has any and not both_levels",
    )
    validation_share: float = Field(
        0.25, ge=0, lt=1, description="share of the meta problems held out to choose the checkpoint; 0 = keep the last"
    )
    folds: int = Field(
        1,
        ge=1,
        description="above 1, meta problems serve both levels: each fold in turn judges and is not fitted",
    )


PUBLISHED_ROLES = OutcomeSettings()

_FITTED: dict[str, Any] = {"inner_outcomes": "both", "outer_outcomes": "both", "both_levels": True}

METHODS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "joint": {"learn": "labels", "outcome_prefixes": "every", **_FITTED, "agreement": 0.5, "score_sd": 0.1},
        "pool": {"learn": "none", "outcome_prefixes": "every", **_FITTED},
        "orm": {"learn": "none", "inner_labels": False, **_FITTED},
        "labels": {"learn": "labels"},
        "weights": {"learn": "weights"},
        "none": {"learn": "none"},
    }
)
"""What a method sets; all else is as published. docs/training.md has them as a table, docs/studies.md compares them."""


class MethodSettings(TrainSettings, OutcomeSettings):
    """Both, with a word for the whole: ``method`` gives the settings of :data:`METHODS` unless they are given themselves."""

    decided_by: ClassVar[Mapping[str, str]] = {name: "method" for values in METHODS.values() for name in values}

    method: Annotated[str, OneOf(tuple(METHODS))] = Field(
        "joint",
        description="joint: outcomes at every prefix fitted beside the labels, which are corrected meanwhile; pool: the same "
        "without correction; orm: outcomes alone; labels: as published; weights: as released; none: step labels as they are. "
        "Each is a set of the settings below, which override it",
    )

    @model_validator(mode="after")
    def _as_the_method_says(self) -> Self:
        for name, value in METHODS[self.method].items():
            if name not in self.model_fields_set:
                self.__dict__[name] = value  # not a setting that was given: with_changes may choose another method
        if self.pair_weight > 0.0 and self.outcome_prefixes == "every":
            raise ValueError("pair_weight compares whole programs: set outcome_prefixes whole")
        return self
