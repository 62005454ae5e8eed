"""Does label correction correct labels? A study on known truth: noise in, label error and PRM quality out.

Programs are composed from the tested functions that make_controlled.py wrote, by a policy whose success probabilities are
known, so the true value of every prefix is known. Labels get sampling error (n rollouts) and, at a dialled rate, flips. A PRM
that reads n-grams, or the hidden states of a frozen language model (``--reader``), is trained on them by the project's own
bi-level trainer with each kind of outer level, and by the released recipe. Reported: error of the training labels before and
after correction, step scores against the truth and best-of-8 on new programs of the same problems and on new problems; means
over seeds with 95% t-intervals, differences to `none` paired by seed.

    python src/studies/label_correction.py --config configs/study.yaml

Writes study_runs.jsonl (one row per run; a killed study goes on where it was), study.json, study.md and study.png.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import from_clone  # noqa: F401
import numpy as np
import torch
from pydantic import Field
from tqdm import tqdm

from cli import run_stage
from dreamprm_code.bilevel import Outcomes, TrainConfig, tensor_data, train
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import RowAppender, read_rows, sort_file
from dreamprm_code.manifest import check_resume, sha256_of, write_manifest
from dreamprm_code.problems import load_problems
from dreamprm_code.selection.aggregation import aggregate
from dreamprm_code.selection.best_of_n import select
from dreamprm_code.selection.metrics import auroc, calibration_bins, expected_calibration_error
from dreamprm_code.settings import FrozenSettings
from dreamprm_code.study.controlled import ControlledData, ControlledProgram, ControlledSizes, draw_data
from dreamprm_code.study.hidden_states import HiddenStates, ScaledStates
from dreamprm_code.study.ngrams import LinearPRM, NgramEncoder
from dreamprm_code.study.released_recipe import ReleasedSettings, train_as_released
from dreamprm_code.study.simulated_policy import FunctionVariant, LabelNoise, pools_of
from dreamprm_code.study.tables import HEADLINE_ARM, StudyRow, write_study

ARMS: dict[str, dict[str, Any]] = {
    "none": {"learn": "none"},
    "weights": {"learn": "weights"},
    "labels": {"learn": "labels"},
    HEADLINE_ARM: {"learn": "labels"},
    "labels, agreement only": {"learn": "labels", "outer_lr": 0.0},
    "labels + agreement, darts": {"learn": "labels", "hypergradient": "darts"},
    "released": {},
}
"""Name in the tables and what it changes; those with "agreement" use the study's ``agreement``, the others 0."""

SWEEP_ARMS = ("none", "weights", "labels", HEADLINE_ARM)
KIND_ARMS = (*SWEEP_ARMS, "released")


class Config(FrozenSettings):
    functions: Path = Field(Path("data/demo/study/functions.jsonl"), description="tested functions, from make_controlled.py")
    out_dir: Path = Field(Path("data/study-run"), description="where rows, tables and figure go")
    reader: str = Field(
        "ngrams",
        description="what the linear head reads: ngrams, or the hidden states of a backbone (name, folder or GGUF file)",
    )
    reader_layers: int = Field(20, ge=1, description="layers of that backbone below the states")
    problems: str = Field("data/demo/problems.jsonl", description="the problems, for their statements (backbones only)")
    sweep_rates: list[float] = Field([0.0, 0.1, 0.2, 0.3, 0.4], description="noise rates of independent flips")
    noise_kinds: list[str] = Field(
        ["independent", "systematic", "weak_policy"],
        description="kinds of noise compared at headline_rate; every arm for the first",
    )
    headline_rate: float = Field(0.3, ge=0, lt=1, description="noise rate at which all arms and kinds are compared")
    seeds: list[int] = Field(
        list(range(10, 20)), description="data sets and trainings of each cell; 0 and 1 served to choose settings"
    )
    train_problems: int = Field(16, ge=1, description="problems of training, meta and held-out programs")
    held_out_problems: int = Field(8, ge=0, description="problems that training never sees")
    train_programs: int = Field(40, ge=1, description="training programs per problem")
    meta_programs: int = Field(100, ge=1, description="clean programs per problem")
    held_out_programs: int = Field(32, ge=1, description="programs per problem to score and choose from")
    max_wrong: int = Field(3, ge=1, description="wrong texts per function")
    max_right: int = Field(2, ge=1, description="right texts per function")
    inner_only_steps: int = Field(200, ge=0, description="inner steps before the outer level starts")
    bilevel_steps: int = Field(1200, ge=0, description="inner steps with the outer level")
    window_steps: int = Field(64, ge=1, description="training steps (prefixes) per inner step")
    outer_batch: int = Field(128, ge=1, description="clean programs per outer step")
    lr: float = Field(0.03, ge=0, description="inner learning rate")
    outer_lr: float = Field(0.02, ge=0, description="outer learning rate at the start; both rates fall linearly to 0")
    agreement: float = Field(
        0.05, ge=0, le=1, description="share of the way to the posterior per outer step, in the arms that use it"
    )
    candidates: int = Field(8, ge=1, description="N of best-of-N")
    processes: int = Field(2, ge=1, description="trainings at once; one thread each")


@dataclass(frozen=True)
class Encoded:
    """One data set as features: train rows, meta programs, every prefix of the held-out programs."""

    data: ControlledData
    train_RF: torch.Tensor
    meta_MF: torch.Tensor
    held_out: dict[str, tuple[tuple[ControlledProgram, ...], torch.Tensor]]


def draw(config: Config, kind: str, rate: float, seed: int) -> ControlledData:
    sizes = ControlledSizes(
        train_problems=config.train_problems,
        held_out_problems=config.held_out_problems,
        train_programs=config.train_programs,
        meta_programs=config.meta_programs,
        held_out_programs=config.held_out_programs,
    )
    pools = pools_of(
        read_rows(config.functions, FunctionVariant), min_steps=2, max_right=config.max_right, max_wrong=config.max_wrong
    )
    if len(pools) < config.train_problems + config.held_out_problems:
        raise UserError(f"{config.functions}: {len(pools)} usable problems; lower train_problems or held_out_problems")
    return draw_data(pools, sizes, LabelNoise(kind, rate), seed)


def prefix_texts(programs: Sequence[ControlledProgram]) -> list[tuple[str, str]]:
    return [(program.question_id, prefix) for program in programs for prefix in program.prefixes]


def hidden_states(config: Config) -> HiddenStates:
    return HiddenStates(config.reader, config.reader_layers, config.out_dir / "hidden_states")


def prepare_reader(config: Config, work: Sequence[tuple[str, float, int, list[str]]]) -> None:
    """A backbone reads every prefix of the cells once, before the trainings start."""
    texts = set()
    for kind, rate, seed in {item[:3] for item in work}:
        data = draw(config, kind, rate, seed)
        texts |= {(step.question_id, step.prefix) for step in data.steps}
        texts |= {(program.question_id, program.prefixes[-1]) for program in data.meta}
        texts |= set(prefix_texts((*data.held_out_programs, *data.held_out_problems)))
    problems = {problem.question_id: problem for problem in load_problems(config.problems)}
    if unknown := {question_id for question_id, _ in texts} - problems.keys():
        raise UserError(f"{config.problems}: has no problem {min(unknown)}, of which {config.functions} holds functions")
    with tqdm(desc="hidden states", unit="problem") as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        hidden_states(config).prepare(problems, texts, show)


def encode(config: Config, kind: str, rate: float, seed: int) -> Encoded:
    data = draw(config, kind, rate, seed)
    train_texts = [(step.question_id, step.prefix) for step in data.steps]
    meta_texts = [(program.question_id, program.prefixes[-1]) for program in data.meta]
    texts = train_texts + meta_texts
    encoder = NgramEncoder(texts) if config.reader == "ngrams" else ScaledStates(hidden_states(config), texts)
    held_out = {"programs": data.held_out_programs, "problems": data.held_out_problems}
    return Encoded(
        data,
        encoder.encode(train_texts),
        encoder.encode(meta_texts),
        {name: (programs, encoder.encode(prefix_texts(programs))) for name, programs in held_out.items()},
    )


def train_arm(config: Config, arm: str, encoded: Encoded, seed: int) -> tuple[LinearPRM, list[float], list[float]]:
    """``(model, labels, weights)`` after one training."""
    label = [step.mc_value for step in encoded.data.steps]
    outcome = [float(program.passed) for program in encoded.data.meta]
    num_features = encoded.train_RF.shape[1]
    torch.manual_seed(seed)
    if arm == "released":
        model = LinearPRM(num_features, dropout=0.05)
        settings = ReleasedSettings(
            config.inner_only_steps, config.bilevel_steps, micro_rows=config.window_steps // 8, lr=config.lr, seed=seed
        )
        weights = train_as_released(
            model, encoded.train_RF, torch.tensor(label), encoded.meta_MF, torch.tensor(outcome), settings
        )
        return model, label, weights
    model = LinearPRM(num_features)
    settings_of_arm = {"outer_lr": config.outer_lr, "agreement": config.agreement if "agreement" in arm else 0.0} | ARMS[arm]
    train_config = TrainConfig(
        inner_only_steps=config.inner_only_steps,
        bilevel_steps=config.bilevel_steps,
        batch_programs=config.window_steps,
        outer_programs=config.outer_batch,
        lr=config.lr,
        weight_decay=0.0,
        clip=0.0,
        schedule="linear",
        eval_every=0,
        checkpoint_every=0,
        seed=seed,
        device="cpu",
        progress=False,
        tensorboard=False,
        **settings_of_arm,
    )
    num_rollouts = [step.num_rollouts for step in encoded.data.steps]
    rows = tensor_data(encoded.train_RF, label, num_rollouts, Outcomes(encoded.meta_MF, outcome))
    with tempfile.TemporaryDirectory() as folder:
        result = train(train_config, rows, folder, model)
    return model, result.labels, result.weights


def calibration_error(values: Sequence[float], truth: Sequence[float]) -> float:
    return expected_calibration_error(calibration_bins([min(max(value, 0.0), 1.0) for value in values], truth)) or 0.0


def label_metrics(encoded: Encoded, labels: Sequence[float], weights: Sequence[float]) -> dict[str, float | None]:
    truth = np.array([step.true_value for step in encoded.data.steps])
    before = np.array([step.mc_value for step in encoded.data.steps])
    spoilt = [step.is_spoilt for step in encoded.data.steps]
    found: dict[str, float | None] = {}
    for name, values in (("label", np.asarray(labels)), ("label_before", before)):
        found[f"{name}_mae"] = float(np.abs(values - truth).mean())
        found[f"{name}_auroc"] = auroc(values.tolist(), (truth > 0).tolist())
        found[f"{name}_ece"] = calibration_error(values.tolist(), truth.tolist())
    constant = len(set(weights)) == 1
    return found | {"weight_auroc": None if constant else auroc((-np.asarray(weights)).tolist(), spoilt)}


def score_metrics(
    name: str, programs: Sequence[ControlledProgram], scores: Sequence[float], num_candidates: int
) -> dict[str, float | None]:
    """Middle steps against the truth, and best-of-N by the mean step score over disjoint groups of N programs of a problem."""
    by_problem: dict[str, list[tuple[float, bool]]] = {}
    middle: list[float] = []
    truth: list[float] = []
    start = 0
    for program in programs:
        own = scores[start : start + len(program.prefixes)]
        start += len(own)
        middle += list(own[:-1])
        truth += program.true_values[:-1]
        by_problem.setdefault(program.question_id, []).append((aggregate(own, "mean"), program.passed))
    groups = [
        scored[first : first + num_candidates]
        for scored in by_problem.values()
        for first in range(0, len(scored) - num_candidates + 1, num_candidates)
    ]
    chosen = [group[select([score for score, _ in group]).position][1] for group in groups]
    return {
        f"{name}_auroc": auroc(middle, [value > 0 for value in truth]),
        f"{name}_mae": float(np.abs(np.array(middle) - truth).mean()),
        f"{name}_ece": calibration_error(middle, truth),
        f"{name}_best_of_n": float(np.mean(chosen)),
        f"{name}_random": float(np.mean([passed for group in groups for _, passed in group])),
        f"{name}_oracle": float(np.mean([any(passed for _, passed in group) for group in groups])),
    }


def run_cell(config: Config, kind: str, rate: float, seed: int, arms: Sequence[str]) -> list[StudyRow]:
    """All arms on one data set."""
    torch.set_num_threads(1)
    encoded = encode(config, kind, rate, seed)
    rows = []
    for arm in arms:
        started = time.process_time()
        model, labels, weights = train_arm(config, arm, encoded, seed)
        seconds = time.process_time() - started
        metrics = label_metrics(encoded, labels, weights)
        for name, (programs, features) in encoded.held_out.items():
            with torch.no_grad():
                scores = torch.sigmoid(model(features)).tolist()
            metrics |= score_metrics(name, programs, scores, config.candidates)
        rows.append(
            StudyRow(
                noise=kind,
                rate=rate,
                seed=seed,
                arm=arm,
                cpu_seconds=seconds,
                num_labels=len(labels),
                num_features=encoded.train_RF.shape[1],
                metrics=metrics,
            )
        )
    return rows


def cells(config: Config) -> Iterator[tuple[str, float, int, list[str]]]:
    """``(kind, rate, seed, arms)``: every arm for the first kind at the headline rate, the main ones elsewhere."""
    for kind in config.noise_kinds:
        for seed in config.seeds:
            yield kind, config.headline_rate, seed, list(ARMS if kind == config.noise_kinds[0] else KIND_ARMS)
    for seed in config.seeds:
        for rate in config.sweep_rates:
            if not ("independent" in config.noise_kinds and rate == config.headline_rate):
                yield "independent", rate, seed, list(SWEEP_ARMS)


def _in_processes(config: Config, work: list[tuple], on_rows: Callable[[list[StudyRow]], None]) -> None:
    if config.processes == 1:
        for item in work:
            on_rows(run_cell(config, *item))
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(config.processes, mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(run_cell, config, *item) for item in work]):
            on_rows(future.result())


def main(config: Config) -> None:
    started = time.monotonic()
    path = config.out_dir / "study_runs.jsonl"
    settings = config.model_dump()
    left_out = ("out_dir", "functions", "problems", "processes", "seeds", "sweep_rates", "noise_kinds", "headline_rate")
    identity = {name: value for name, value in settings.items() if name not in left_out}
    identity["functions"] = sha256_of(config.functions)
    check_resume(path, identity)
    with RowAppender(path, StudyRow) as appender:
        write_manifest(path, stage="label_correction", config=settings, identity=identity, inputs=[config.functions])
        work = [
            (kind, rate, seed, missing)
            for kind, rate, seed, arms in cells(config)
            if (missing := [arm for arm in arms if (kind, rate, seed, arm) not in appender.keys])
        ]
        if config.reader != "ngrams" and work:
            prepare_reader(config, work)
        _in_processes(config, work, lambda rows: appender.append(*rows))
    sort_file(path, StudyRow)
    seconds = time.monotonic() - started
    summary = write_study(read_rows(path, StudyRow), config.out_dir, config.headline_rate)
    print(f"label_correction: {summary} in {seconds:.0f} s -> {config.out_dir}/study.md")


if __name__ == "__main__":
    run_stage(Config, "label_correction", __doc__, main)
