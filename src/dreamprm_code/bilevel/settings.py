"""Every number of a training run."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dreamprm_code.bilevel.hypergradients import HYPERGRADIENTS
from dreamprm_code.bilevel.losses import LOSSES
from dreamprm_code.bilevel.tables import LEARNABLE
from dreamprm_code.config import option
from dreamprm_code.errors import UserError

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "linear", "cosine")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Settings of both levels. A *window* is what one inner step reads; sizes are in programs over all processes."""

    learn: str = option(
        "labels", help="what the outer level learns: labels (the paper), weights (the released code)", choices=LEARNABLE
    )
    hypergradient: str = option(
        "exact", help="how the outer gradient is computed; all but exact are Betty's", choices=HYPERGRADIENTS
    )
    loss: str = option("bce", help="loss of both levels on soft labels", choices=LOSSES)
    label_smoothing: float = option(0.0, help="pull inner labels towards 1/2 by this share")

    inner_only_steps: int = option(50, help="inner steps before the outer level starts; training programs only")
    bilevel_steps: int = option(
        200, help="inner steps with the outer level active (or as many more plain ones with learn none)"
    )
    batch_programs: int = option(8, help="training programs per inner step")
    outer_programs: int = option(16, help="clean programs per outer step")
    outer_every: int = option(1, help="an outer step after every so many inner steps; it corrects the last of their windows")
    micro_tokens: int = option(4096, help="tokens per forward and backward pass; bounds the memory, not the result")
    keep_gib: float = option(2.0, help="GiB of activations kept for the hypergradient's pass; what is more is computed again")

    optimizer: str = option("adam", help="inner optimizer", choices=OPTIMIZERS)
    lr: float = option(1e-4, help="inner learning rate")
    lr_warmup_steps: int = option(0, help="inner steps over which the learning rate grows linearly")
    schedule: str = option("constant", help="both learning rates after their warm-up, over all steps", choices=SCHEDULES)
    weight_decay: float = option(0.01, help="inner weight decay; the tables have none")
    clip: float = option(1.0, help="largest norm of the inner gradient; 0 = no clipping")

    outer_optimizer: str = option("adam", help="outer optimizer", choices=("adam", "sgd"))
    outer_lr: float = option(1e-2, help="outer learning rate: with adam about the step of a label")
    prior_strength: float = option(0.0, help="pull to the Monte-Carlo value: a label settles within its binomial sd / strength")

    agreement: float = option(
        0.0,
        help="per outer step, labels move this share of the way to what their MC value and the PRM together say (tables.py)",
    )

    eval_every: int = option(
        25, help="steps between validations (those after the warm-up choose the checkpoint); 0 = never, the last step is kept"
    )
    patience: int = option(0, help="stop after so many validations without improvement; 0 = never")
    checkpoint_every: int = option(25, help="steps between resume checkpoints; 0 = never")
    seed: int = option(42, help="seed of data order and new weights")
    device: str = option("auto", help="auto, cpu or cuda")
    autocast: str = option("none", help="mixed precision of forward passes", choices=("none", "bf16", "fp16"))
    progress: bool = option(True, help="progress bar on standard error, with --no-progress none")
    tensorboard: bool = option(True, help="write TensorBoard files")

    @property
    def total_steps(self) -> int:
        return self.inner_only_steps + self.bilevel_steps

    def check(self) -> None:
        """Refuse what cannot work.

        Raises:
            UserError: names the setting and its bounds.
        """
        bounds = {
            "inner_only_steps": (0, None),
            "bilevel_steps": (0, None),
            "batch_programs": (1, None),
            "outer_programs": (1, None),
            "outer_every": (1, None),
            "micro_tokens": (1, None),
            "lr": (0.0, None),
            "lr_warmup_steps": (0, None),
            "outer_lr": (0.0, None),
            "weight_decay": (0.0, None),
            "clip": (0.0, None),
            "keep_gib": (0.0, None),
            "prior_strength": (0.0, None),
            "agreement": (0.0, 1.0),
            "label_smoothing": (0.0, 0.999),
            "eval_every": (0, None),
            "patience": (0, None),
            "checkpoint_every": (0, None),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if not (low <= value <= (math.inf if high is None else high) and math.isfinite(value)):
                raise UserError(
                    f"setting '{name}' is {value}; it must be at least {low}" + (f" and at most {high}" if high else "")
                )
        if self.total_steps == 0:
            raise UserError("inner_only_steps and bilevel_steps are both 0: nothing to train")
        chosen = {
            "learn": LEARNABLE,
            "hypergradient": HYPERGRADIENTS,
            "loss": LOSSES,
            "optimizer": OPTIMIZERS,
            "schedule": SCHEDULES,
        }
        for name, choices in chosen.items():
            if getattr(self, name) not in choices:
                raise UserError(f"setting '{name}' is {getattr(self, name)!r}; choose from {', '.join(choices)}")

    def identity(self) -> dict[str, object]:
        """The settings that decide the result: a checkpoint resumes only with equal ones."""
        left_out = {"progress", "tensorboard", "micro_tokens", "checkpoint_every", "device"}
        return {name: getattr(self, name) for name in TrainConfig.__dataclass_fields__ if name not in left_out}
