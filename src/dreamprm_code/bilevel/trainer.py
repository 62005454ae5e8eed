"""Warm-up, then the bi-level stage: one Betty engine runs both.

Betty's ``warmup_steps`` keeps the outer problem still for the first inner steps, which see training programs only (the
released code warms up on the meta programs too, so that its outer level is not held out). Dropout, where a model has it, is
on in warm-up and off from then on: a hypergradient compares passes, and other masks would be other functions.

Departures from Betty's engine: our loop starts at the restored step, validates on all processes at fixed steps, and stops by
held-out loss; the step itself is Betty's.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from betty.configs import Config as BettyConfig
from betty.configs import EngineConfig
from betty.engine import Engine
from betty.logging.logger_base import get_logger
from torch import Tensor, nn

from dreamprm_code.bilevel.checkpoints import load_state, save_state
from dreamprm_code.bilevel.data import TrainingData, Unit, Windows
from dreamprm_code.bilevel.distributed import Processes, training_device
from dreamprm_code.bilevel.hypergradients import register
from dreamprm_code.bilevel.losses import step_losses
from dreamprm_code.bilevel.problems import PRMProblem, Reader, TableProblem
from dreamprm_code.bilevel.progress import Reporter, Silence
from dreamprm_code.bilevel.settings import TrainConfig
from dreamprm_code.bilevel.tables import make_table
from dreamprm_code.errors import UserError

_AUTOCAST = {"none": None, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class TrainResult:
    """``model`` holds the best parameters: those of the validated step after the warm-up with the lowest held-out loss (of all
    steps where ``bilevel_steps`` is 0; the last ones without validation). ``labels`` and ``weights`` are the table at the end,
    in the order of ``TrainingData.keys``; ``best_labels`` those that the best step had.
    """

    model: nn.Module
    labels: list[float]
    weights: list[float]
    best_labels: list[float]
    best_weights: list[float]
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


@torch.no_grad()
def validate(model: nn.Module, reader: Reader, units: tuple[Unit, ...], processes: Processes) -> dict[str, float]:
    """Held-out log-loss of whole programs, and the share of (passed, failed) pairs of one problem in the right order."""
    if not units:
        return {}
    logit_V = torch.zeros(sum(unit.num_steps for unit in units), dtype=torch.float64, device=reader.device)
    offsets = {}
    start = 0
    for index, unit in enumerate(units):
        offsets[index] = start
        start += unit.num_steps
    own = iter(processes.share(range(len(units))))
    for members, batch in reader.passes(model, units, processes, max_tokens=0):
        logit_S = reader.logits(model, batch)
        if members:
            index = next(own)
            logit_V[offsets[index] : offsets[index] + units[index].num_steps] = logit_S.to(torch.float64)
    processes.sum_([logit_V])
    outcome_V = reader.outcomes(units)
    loss = step_losses(logit_V, outcome_V, "bce").mean().item()
    by_problem: dict[str, list[tuple[float, float]]] = defaultdict(list)
    names = [unit.question_id for unit in units for _ in range(unit.num_steps)]
    for name, logit, outcome in zip(names, logit_V.tolist(), outcome_V.tolist(), strict=True):
        by_problem[name].append((logit, outcome))
    right = pairs = 0.0
    for scored in by_problem.values():
        for good in (logit for logit, outcome in scored if outcome > 0.5):
            for bad in (logit for logit, outcome in scored if outcome <= 0.5):
                pairs += 1
                right += 1.0 if good > bad else 0.5 if good == bad else 0.0
    return {"loss": loss, "pair_accuracy": right / pairs} if pairs else {"loss": loss}


def set_dropout(model: nn.Module, active: bool) -> None:
    """Training mode (gradient checkpointing needs it) with or without dropout."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.train(active)


def has_dropout(model: nn.Module) -> bool:
    return any(isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0.0 for module in model.modules())


def data_fingerprint(data: TrainingData) -> str:
    """Hash of the table's keys and values and of every unit's place: a checkpoint resumes only on the same data."""
    digest = hashlib.sha256(repr((data.keys, data.mc_value, data.num_rollouts)).encode())
    for side in (data.inner, data.outer, data.validation):
        digest.update(repr([(unit.question_id, unit.rows, unit.outcomes, unit.num_tokens) for unit in side]).encode())
    return digest.hexdigest()[:16]


class _BiLevelEngine(Engine):
    """Betty's engine with a loop that can start anywhere and calls ``after_step(step)``, which says whether to go on."""

    def run_from(self, start_step: int, before_step: Any, after_step: Any) -> None:
        for problem in self.problems:
            problem._training = True
        self.global_step = start_step
        for step in range(start_step + 1, self.train_iters + 1):
            before_step(step)
            self.global_step = step
            self.train_step()
            if not after_step(step):
                break


def _optimizer(name: str, params: list[nn.Parameter], lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW is Adam with decoupled decay: Betty makes a new optimizer from this one's defaults, which AdamW does not take."""
    if name == "sgd":
        return torch.optim.SGD(params, lr=lr, weight_decay=weight_decay)
    return torch.optim.Adam(params, lr=lr, weight_decay=weight_decay, decoupled_weight_decay=name == "adamw")


class BiLevelRun:
    """One training run: the two problems, the engine and what is kept of them."""

    def __init__(self, config: TrainConfig, data: TrainingData, out_dir: Path, model: nn.Module, identity: Mapping[str, Any]):
        self.config, self.data, self.out_dir, self.model = config, data, out_dir, model
        self.identity = {**config.identity(), **identity, "data": data_fingerprint(data)}
        self.device = training_device(config.device)
        self.processes = Processes.from_environment(self.device)
        if self.processes.world_size > 1 and config.learn != "none" and config.hypergradient != "exact":
            raise UserError(f"hypergradient {config.hypergradient} runs in one process; use exact with torchrun")
        if config.autocast == "fp16":
            raise UserError("fp16 needs loss scaling, which would enter the hypergradient; use bf16")
        self.reader = Reader(data, self.device, config.micro_tokens, _AUTOCAST[config.autocast])
        model.to(self.device)
        self.dropout = has_dropout(model)
        table = make_table(config.learn, torch.tensor(data.mc_value, dtype=torch.float64), torch.tensor(data.num_rollouts))
        self.table = table.to(self.device)
        self.engine = self._engine()
        self.best: dict[str, Any] = {}
        self.stale = 0
        self.step = 0

    def _engine(self) -> _BiLevelEngine:
        config, total = self.config, self.config.total_steps
        register()
        get_logger().setLevel(logging.WARNING)  # Betty prints its set-up to standard output
        params = [param for param in self.model.parameters() if param.requires_grad]
        if not params:
            raise UserError("the model has no trainable parameter")
        self.prm = PRMProblem(
            BettyConfig(
                type=config.hypergradient,
                gradient_clipping=config.clip,
                unroll_steps=config.outer_every,
                warmup_steps=config.inner_only_steps,
            ),
            self.model,
            _optimizer(config.optimizer, params, config.lr, config.weight_decay),
            Windows(self.data.inner, config.batch_programs, config.seed),
            self.table,
            self.reader,
            self.processes,
            config.loss,
            config.label_smoothing,
            lambda step: scheduled(config.lr, step, config.lr_warmup_steps, total, config.schedule),
            self._seed_dropout if self.dropout else None,
            config.keep_gib * 2**30,
        )
        problems: list[Any] = [self.prm]
        dependencies: dict[str, dict[Any, Any]] = {"u2l": {}, "l2u": {}}
        self.outer: TableProblem | None = None
        if config.learn != "none":
            outer_steps = max(1, config.bilevel_steps // config.outer_every)
            self.outer = TableProblem(
                BettyConfig(),
                self.table,
                _optimizer(config.outer_optimizer, [self.table.value_R], config.outer_lr, 0.0),
                Windows(self.data.outer, config.outer_programs, config.seed + 1),
                self.reader,
                self.processes,
                config.loss,
                lambda step: scheduled(config.outer_lr, step, 0, outer_steps, config.schedule),
                config.prior_strength,
                config.agreement,
            )
            problems.append(self.outer)
            dependencies = {"u2l": {self.outer: [self.prm]}, "l2u": {self.prm: [self.outer]}}
        strategy = "cpu" if self.device.type == "cpu" else "default"
        return _BiLevelEngine(problems, EngineConfig(train_iters=total, strategy=strategy), dependencies)

    def _seed_dropout(self, step: int, units: Any) -> None:
        """Masks follow from seed, step and place, so that a resumed run draws the same."""
        place = int.from_bytes(hashlib.sha256(repr((units[0].question_id, units[0].rows)).encode()).digest()[:4], "big")
        torch.manual_seed((self.config.seed * 1_000_003 + step) * 2**32 + place & (2**63 - 1))

    def _before_step(self, step: int) -> None:
        if step in (self.first_step, self.config.inner_only_steps + 1):
            set_dropout(self.model, self.dropout and (self.outer is None or step <= self.config.inner_only_steps))

    def _after_step(self, step: int) -> bool:
        config = self.config
        self.step = step
        in_bilevel = step > config.inner_only_steps
        values = {"loss": self.prm.last_loss, "lr": self.prm.optimizer.param_groups[0]["lr"]}
        if self.outer is not None and in_bilevel and step % config.outer_every == 0:
            values["outer_loss"] = self.outer.last_loss
        values |= self.table.movement()
        if not math.isfinite(values["loss"]):
            raise UserError(f"the training loss became {values['loss']} in step {step}; lower lr or set clip")
        phase = "warm-up" if not in_bilevel else "training" if self.outer is None else "bi-level"
        self.reporter.write(phase, step, values)
        last = step == config.total_steps
        go_on = True
        if config.eval_every and (step % config.eval_every == 0 or last or step == config.inner_only_steps):
            go_on = self._validate(step)
        if config.checkpoint_every and (step % config.checkpoint_every == 0 or last or not go_on):
            self.save(finished=last or not go_on)
        return go_on

    def _validate(self, step: int) -> bool:
        metrics = validate(self.model, self.reader, self.data.validation, self.processes)
        if not metrics:
            return True
        self.reporter.write("validation", step, metrics)
        if step <= self.config.inner_only_steps and self.config.bilevel_steps:
            return True  # nothing is corrected yet; no candidate with learn none either, so that runs compare equal steps
        if not self.best or metrics["loss"] < self.best["metrics"]["loss"]:
            self.keep_best(step, metrics)
            self.stale = 0
        else:
            self.stale += 1
        return not self.config.patience or self.stale < self.config.patience

    def keep_best(self, step: int, metrics: dict[str, float]) -> None:
        self.best = {
            "step": step,
            "metrics": metrics,
            "params": self._params(),
            "labels": torch.tensor(self.table.all_labels(), dtype=torch.float64),
            "weights": torch.tensor(self.table.all_weights(), dtype=torch.float64),
        }

    def _params(self) -> dict[str, Tensor]:
        named = self.model.named_parameters()
        return {name: param.detach().cpu().clone() for name, param in named if param.requires_grad}

    def set_params(self, values: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, param in self.model.named_parameters():
                if param.requires_grad:
                    param.copy_(values[name])

    def save(self, finished: bool) -> None:
        if not self.processes.is_first:
            return
        state: dict[str, Any] = {
            "step": self.step,
            "finished": finished,
            "params": self._params(),
            "optimizer": self.prm.optimizer.state_dict(),
            "inner_windows": self.prm.windows.taken,
            "best": self.best,
            "stale": self.stale,
        }
        if self.outer is not None:
            state["table"] = self.table.value_R.detach().cpu().clone()
            state["outer_optimizer"] = self.outer.optimizer.state_dict()
            state["outer_windows"] = self.outer.windows.taken
            state["outer_count"] = self.outer.count
        save_state(self.out_dir, self.identity, state)

    def restore(self) -> bool:
        """Take up the checkpoint of a killed run; True if that run had finished."""
        state = load_state(self.out_dir, self.identity) if self.config.checkpoint_every else None
        if state is None:
            return False
        self.step, self.best, self.stale = state["step"], state["best"], state["stale"]
        self.set_params(state["params"])
        self.prm.optimizer.load_state_dict(state["optimizer"])
        self.prm.windows.skip_to(state["inner_windows"])
        self.prm._count = self.step
        if self.outer is not None:
            with torch.no_grad():
                self.table.value_R.copy_(state["table"])
            self.outer.optimizer.load_state_dict(state["outer_optimizer"])
            self.outer.windows.skip_to(state["outer_windows"])
            self.outer._count = state["outer_count"]
        return state["finished"]

    def run(self) -> TrainResult:
        finished = self.restore()
        self.first_step = self.step + 1
        self.reporter: Reporter | Silence = Silence()
        if self.processes.is_first:
            config = self.config
            self.reporter = Reporter(self.out_dir, config.total_steps, self.step, config.progress, config.tensorboard)
        try:
            if not finished:
                self.engine.run_from(self.step, self._before_step, self._after_step)
        finally:
            self.reporter.close()
        if not self.best:
            self.keep_best(self.step, {})
        labels, weights = self.table.all_labels(), self.table.all_weights()
        self.set_params(self.best["params"])
        self.model.eval()
        self.processes.barrier()
        return TrainResult(
            model=self.model,
            labels=labels,
            weights=weights,
            best_labels=self.best["labels"].tolist(),
            best_weights=self.best["weights"].tolist(),
            best_step=self.best["step"],
            steps=self.step,
            best=self.best["metrics"],
            log=self.reporter.rows,
            is_first_process=self.processes.is_first,
        )


def train(
    config: TrainConfig,
    data: TrainingData,
    out_dir: str | Path,
    model: nn.Module,
    identity: Mapping[str, Any] = MappingProxyType({}),
) -> TrainResult:
    """Train ``model`` in place; any module that maps ``data.collate(items)`` to one logit per scored step will do.

    Writes ``training_log.jsonl``, ``tensorboard/`` and ``resume/`` under ``out_dir``; run again with the same arguments after
    a kill, it goes on from the last resume checkpoint (on the CPU to the same bits as without the kill), given the same model
    from the same seed. ``identity`` names what else must be equal for that.

    Raises:
        UserError: settings that cannot work, a resume checkpoint of another run, a loss that is no longer finite.
    """
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    return BiLevelRun(config, data, out_dir, model, identity).run()
