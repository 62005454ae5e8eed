"""The loop: inner-only steps, then the bi-level stage.

The first ``inner_only_steps`` see training programs only (the released code warms up on the meta programs too, so that its
outer level is not held out). Dropout, where a model has it, is on there and off from then on: a hypergradient compares passes,
and other masks would be other functions. The step itself is method.py's, or Betty's for the hypergradients that are Betty's.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from dreamprm_code.bilevel.activations import FrozenOutputs
from dreamprm_code.bilevel.batches import Batch, Batches
from dreamprm_code.bilevel.distributed import Processes, training_device
from dreamprm_code.bilevel.levels import InnerLevel, OuterLevel
from dreamprm_code.bilevel.method import bilevel_step
from dreamprm_code.bilevel.noise import precision_weights
from dreamprm_code.bilevel.passes import Passes
from dreamprm_code.bilevel.progress import Reporter, Silence
from dreamprm_code.bilevel.resume import data_fingerprint, only_training_in, restore, save
from dreamprm_code.bilevel.settings import TrainSettings
from dreamprm_code.bilevel.tables import Table, make_table
from dreamprm_code.bilevel.units import TrainingData, Unit
from dreamprm_code.bilevel.validation import validate
from dreamprm_code.errors import UserError

AUTOCAST = {"none": None, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class TrainResult:
    """``model`` holds the best parameters: those of the validated step after the inner-only ones with the lowest held-out loss
    (of all steps where ``bilevel_steps`` is 0; the last ones without validation). ``labels`` and ``weights`` are the table at
    the end, in the order of ``TrainingData.keys``.
    """

    model: nn.Module
    labels: list[float]
    weights: list[float]
    best_step: int
    steps: int
    best: dict[str, float]
    log: list[dict[str, Any]]
    is_first_process: bool = True


def scheduled(base: float, step: int, warmup: int, total: int, schedule: str) -> float:
    """Learning rate of step 1, 2, ..., total: linear growth over ``warmup`` steps, then constant, linear or cosine to 0."""
    if step <= warmup:
        return base * step / max(1, warmup)
    done = min(1.0, (step - 1 - warmup) / max(1, total - warmup))
    if schedule == "linear":
        return base * (1.0 - done)
    if schedule == "cosine":
        return base * 0.5 * (1.0 + math.cos(math.pi * done))
    return base


def set_dropout(model: nn.Module, active: bool) -> None:
    """Training mode (gradient checkpointing needs it) with or without dropout."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.train(active)


def has_dropout(model: nn.Module) -> bool:
    return any(isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0.0 for module in model.modules())


def _optimizer(name: str, params: list[nn.Parameter], lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW is Adam with decoupled decay: Betty makes a new optimizer from this one's defaults, which AdamW does not take."""
    if name == "sgd":
        return torch.optim.SGD(params, lr=lr, weight_decay=weight_decay)
    return torch.optim.Adam(params, lr=lr, weight_decay=weight_decay, decoupled_weight_decay=name == "adamw")


class BiLevelRun:
    """One training run: the two levels, their batches, the best checkpoint; ``step`` is the number of the last step taken."""

    def __init__(
        self, settings: TrainSettings, data: TrainingData, out_dir: Path, model: nn.Module, identity: Mapping[str, Any]
    ):
        self.settings, self.data, self.out_dir, self.model = settings, data, out_dir, model
        self.identity = {**settings.identity(), **identity, "data": data_fingerprint(data)}
        device = training_device(settings.device)
        self.processes = Processes.from_environment(device)
        is_bettys = settings.learn != "none" and settings.hypergradient != "exact"
        if self.processes.world_size > 1 and is_bettys:
            raise UserError(f"hypergradient {settings.hypergradient} runs in one process; use exact with torchrun")
        if settings.autocast == "fp16":
            raise UserError("fp16 needs loss scaling, which would enter the hypergradient; use bf16")
        model.to(device)
        self.dropout = has_dropout(model)
        self.table = self._table().to(device)
        self.passes = Passes(model, data.collate, device, self.processes, settings.micro_tokens, AUTOCAST[settings.autocast])
        self.inner = InnerLevel(
            self.passes,
            self.table,
            _optimizer(settings.optimizer, self.passes.params, settings.lr, settings.weight_decay),
            FrozenOutputs(model, settings.keep_gib * 2**30),
            settings.loss,
            settings.label_smoothing,
            settings.flip_rate,
            settings.outcome_weight,
            settings.pair_weight,
            settings.clip,
        )
        self.inner_batches = Batches(data.inner, settings.batch_programs, settings.seed)
        self.outer: OuterLevel | None = None
        if settings.learn != "none":
            assert self.table.value_R is not None
            optimizer = _optimizer(settings.outer_optimizer, [self.table.value_R], settings.outer_lr, 0.0)
            pulls = settings.prior_strength, settings.agreement, settings.score_sd
            self.outer = OuterLevel(optimizer, settings.loss, *pulls)
            folds = [[unit for unit in data.outer if max(0, unit.fold) == fold] for fold in range(data.num_folds)]
            self.outer_batches = [Batches(fold, settings.outer_programs, settings.seed + 1) for fold in folds]
        self.betty: Any = self._betty() if is_bettys else None
        self.best: dict[str, Any] = {}
        self.stale = 0
        self.step = 0

    def _table(self) -> Table:
        data, start = self.data, self.data.start_labels
        mc_value_R = torch.tensor(data.mc_value, dtype=torch.float64)
        count_R = torch.tensor(data.num_rollouts, dtype=torch.float64)
        weight_R = precision_weights(mc_value_R, count_R) if self.settings.label_weight == "precision" else None
        start_R = None if start is None else torch.tensor(start, dtype=torch.float64)
        return make_table(self.settings.learn, mc_value_R, count_R, start_R, weight_R)

    def _betty(self) -> Any:
        from dreamprm_code.bilevel.betty_host import BettyHost

        assert self.outer is not None
        return BettyHost(
            self.settings.hypergradient,
            self.inner,
            self.outer,
            self.next_inner,
            self.next_outer,
            self._seed_dropout if self.dropout else None,
            self.settings.inner_only_steps,
            self.settings.outer_every,
        )

    def take_step(self) -> None:
        """The next inner step and, when one is due, the outer step after it."""
        settings = self.settings
        self.step += 1
        for group in self.inner.optimizer.param_groups:
            group["lr"] = scheduled(settings.lr, self.step, settings.lr_warmup_steps, settings.total_steps, settings.schedule)
        if outer_follows := self.outer is not None and self._is_outer(self.step):
            outer_steps = max(1, settings.bilevel_steps // settings.outer_every)
            number = sum(batches.taken for batches in self.outer_batches) + 1
            for group in self.outer.optimizer.param_groups:
                group["lr"] = scheduled(settings.outer_lr, number, 0, outer_steps, settings.schedule)
        if self.betty is not None:
            self.betty.take_step(self.step)
            return
        outer, outer_batch = (self.outer, self.next_outer()) if outer_follows else (None, None)
        bilevel_step(self.inner, self.next_inner(), outer, outer_batch, before=self._seed_dropout if self.dropout else None)

    def next_inner(self) -> Batch:
        """Without the outcomes of the fold by which the next outer step will judge (in the bi-level stage, with folds)."""
        holds_out = self.outer is not None and self.data.num_folds > 1 and self.step > self.settings.inner_only_steps
        return self.inner_batches.next(self._fold() if holds_out else -1)

    def next_outer(self) -> Batch:
        return self.outer_batches[self._fold()].next()

    def _fold(self) -> int:
        """The folds take turns: that of the outer step to which this inner step leads."""
        return -(-self.step // self.settings.outer_every) % self.data.num_folds

    def _is_outer(self, step: int) -> bool:
        return step > self.settings.inner_only_steps and step % self.settings.outer_every == 0

    def _seed_dropout(self, units: Sequence[Unit]) -> None:
        """Masks follow from seed, step and place, so that a resumed run draws the same.

        All of these are mixed into every bit: the CPU's generator takes the lowest 32 alone.
        """
        place = (self.settings.seed, self.step, units[0].question_id, units[0].rows, units[0].outcomes)
        torch.manual_seed(int.from_bytes(hashlib.sha256(repr(place).encode()).digest()[:8], "big") >> 1)

    def run(self) -> TrainResult:
        with only_training_in(self.out_dir) if self.processes.is_first else nullcontext():
            return self._run()

    def _run(self) -> TrainResult:
        settings = self.settings
        finished = restore(self)
        self.reporter: Reporter | Silence = Silence()
        if self.processes.is_first:
            self.reporter = Reporter(self.out_dir, settings, self.step)
        try:
            while not finished and self.step < settings.total_steps:
                set_dropout(self.model, self.dropout and (self.outer is None or self.step < settings.inner_only_steps))
                self.take_step()
                finished = not self._after_step()
        finally:
            self.reporter.close()
        if not self.best:
            self._keep_best({})
        labels, weights = self.table.all_labels(), self.table.all_weights()
        self.set_params(self.best["params"])
        self.model.eval()
        self.processes.barrier()
        return TrainResult(
            model=self.model,
            labels=labels,
            weights=weights,
            best_step=self.best["step"],
            steps=self.step,
            best=self.best["metrics"],
            log=self.reporter.rows,
            is_first_process=self.processes.is_first,
        )

    def _after_step(self) -> bool:
        """Report, validate and save; whether to go on."""
        settings, step = self.settings, self.step
        in_bilevel = step > settings.inner_only_steps
        values = {"loss": self.inner.last_loss, "lr": self.inner.optimizer.param_groups[0]["lr"]}
        if self.outer is not None and self._is_outer(step):
            values["outer_loss"] = self.outer.last_loss
        values |= self.table.movement()
        if not math.isfinite(values["loss"]):
            raise UserError(f"the training loss became {values['loss']} in step {step}; lower lr or set clip")
        phase = "warm-up" if not in_bilevel else "training" if self.outer is None else "bi-level"
        self.reporter.write(phase, step, values)
        last = step == settings.total_steps
        go_on = True
        if settings.eval_every and (step % settings.eval_every == 0 or last or step == settings.inner_only_steps):
            go_on = self._validate()
        if settings.checkpoint_every and (step % settings.checkpoint_every == 0 or last or not go_on):
            save(self, finished=last or not go_on)
        return go_on

    def _validate(self) -> bool:
        set_dropout(self.model, False)
        metrics = validate(self.passes, self.data.validation)
        if not metrics:
            return True
        self.reporter.write("validation", self.step, metrics)
        if self.step <= self.settings.inner_only_steps and self.settings.bilevel_steps:
            return True  # nothing is corrected yet; no candidate with learn none either, so that runs compare equal steps
        if not self.best or metrics["loss"] < self.best["metrics"]["loss"]:
            self._keep_best(metrics)
            self.stale = 0
        else:
            self.stale += 1
        return not self.settings.patience or self.stale < self.settings.patience

    def _keep_best(self, metrics: dict[str, float]) -> None:
        self.best = {"step": self.step, "metrics": metrics, "params": self.params()}

    def params(self) -> dict[str, Tensor]:
        return {name: param.detach().cpu().clone() for name, param in zip(self.passes.names, self.passes.params, strict=True)}

    @torch.no_grad()
    def set_params(self, values: dict[str, Tensor]) -> None:
        for name, param in zip(self.passes.names, self.passes.params, strict=True):
            param.copy_(values[name])


def train(
    settings: TrainSettings,
    data: TrainingData,
    out_dir: str | Path,
    model: nn.Module,
    identity: Mapping[str, Any] = MappingProxyType({}),
) -> TrainResult:
    """Train ``model`` in place; any module that maps ``data.collate(items)`` to one logit per scored step will do.

    Writes ``training_log.jsonl``, ``resume/`` and what ``log_to`` names under ``out_dir``; run again with the same arguments
    after a kill, it goes on from the last resume checkpoint (on the CPU to the same bits as without the kill), given the same
    model from the same seed. ``identity`` names what else must be equal for that.

    Raises:
        UserError: settings that cannot work, a resume checkpoint of another run or a damaged one, another training in the
            folder, a loss that is no longer finite.
    """
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    return BiLevelRun(settings, data, out_dir, model, identity).run()
