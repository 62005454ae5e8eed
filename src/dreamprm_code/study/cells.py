"""The cells of the controlled study: which conditions there are, their data sets, and every arm trained on one of them."""

# R = training steps, A = prefixes of the outcome programs, F = features

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pydantic import Field

from dreamprm_code.bilevel import TrainSettings
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import read_rows
from dreamprm_code.problems import load_problems
from dreamprm_code.settings import FrozenSettings
from dreamprm_code.study.arms import ARMS, CONTROLS, SWEEP_ARMS, Cell
from dreamprm_code.study.controlled import META, ControlledData, ControlledProgram, ControlledSizes, draw_data
from dreamprm_code.study.linear import Columns, Rows
from dreamprm_code.study.measures import Metrics, label_metrics, score_metrics
from dreamprm_code.study.ngrams import NgramEncoder
from dreamprm_code.study.simulated_policy import NOISE_KINDS, FunctionVariant, LabelNoise, pools_of
from dreamprm_code.study.step_features import ScaledFeatures, StepFeatures
from dreamprm_code.study.tables import StudyRow
from dreamprm_code.study.training import bare_training


class CellSettings(FrozenSettings):
    functions: Path = Field(Path("data/demo/study/functions.jsonl"), description="tested functions, from make_controlled.py")
    out_dir: Path = Field(Path("data/study-run"), description="where rows, tables and figures go")
    reader: str = Field(
        "ngrams",
        description="what the linear head reads: ngrams, or the hidden states of a backbone (name, folder or GGUF file)",
    )
    reader_layers: int = Field(20, ge=1, description="layers of that backbone below the states")
    problems: str = Field("data/demo/problems.jsonl", description="the problems, for their statements (backbones only)")
    noise_kinds: list[str] = Field(list(NOISE_KINDS), description="kinds of noise compared at headline_rate, with every arm")
    meta: list[str] = Field(list(META), description="whose outcomes are known: of same, disjoint problems, and own programs")
    headline_rate: float = Field(0.3, ge=0, lt=1, description="noise rate at which all arms and kinds are compared")
    sweep_rates: list[float] = Field([0.0, 0.1, 0.2, 0.3, 0.4], description="noise rates of independent flips, main arms")
    sweep_meta_programs: list[int] = Field(
        [3, 10, 25, 50, 100, 200, 400], description="meta programs per training problem, main arms, same problems"
    )
    seeds: list[int] = Field(list(range(200, 210)), description="data sets and trainings of each cell")
    arms: list[str] = Field([], description="only these arms; empty: all")
    train_problems: int = Field(16, ge=1, description="problems of training and held-out programs")
    meta_problems: int = Field(8, ge=1, description="problems of the meta programs that belong to other problems")
    held_out_problems: int = Field(8, ge=0, description="problems that nothing is known of")
    train_programs: int = Field(40, ge=1, description="training programs per problem")
    meta_programs: int = Field(100, ge=1, description="meta programs per training problem; as many in all of other problems")
    held_out_programs: int = Field(32, ge=1, description="programs per problem to score and choose from")
    max_wrong: int = Field(3, ge=1, description="wrong texts per function")
    max_right: int = Field(2, ge=1, description="right texts per function")
    inner_only_steps: int = Field(200, ge=0, description="inner steps before an outer level starts")
    bilevel_steps: int = Field(1200, ge=0, description="inner steps after that; an arm of several trainings divides both")
    batch_rows: int = Field(64, ge=1, description="rows (prefixes) per inner step")
    outer_batch: int = Field(128, ge=1, description="whole programs per outer step")
    lr: float = Field(0.03, ge=0, description="inner learning rate")
    outer_lr: float = Field(0.02, ge=0, description="outer learning rate at the start; both rates fall linearly to 0")
    agreement: float = Field(
        0.05, ge=0, le=1, description="share of the way to the posterior per outer step, in the arms that use it"
    )
    candidates: int = Field(8, ge=1, description="N of best-of-N")


class Condition(NamedTuple):
    """A kind of data set; ``meta_programs`` are per training problem."""

    noise: str
    rate: float
    meta: str
    meta_programs: int


def conditions(settings: CellSettings) -> Iterator[tuple[Condition, list[str]]]:
    """With the arms that run there; where not the first kind of noise and not `same`, the main ones only.

    The released recipe takes far longer than the others together and runs for `same` only.
    """
    known = {*ARMS, *CONTROLS}
    if unknown := sorted(set(settings.arms) - known):
        raise UserError(f"setting 'arms': there is no arm {unknown[0]!r}; choose from {', '.join(sorted(known))}")

    def wanted(arms: Sequence[str]) -> list[str]:
        return [arm for arm in arms if not settings.arms or arm in settings.arms]

    headline = [arm for arm in (*ARMS, *CONTROLS) if arm != "released"]
    for meta in settings.meta:
        for noise in settings.noise_kinds:
            arms = [*headline, "released"] if meta == "same" else headline if noise == settings.noise_kinds[0] else SWEEP_ARMS
            yield Condition(noise, settings.headline_rate, meta, settings.meta_programs), wanted(arms)
    for rate in settings.sweep_rates:
        if rate != settings.headline_rate:
            yield Condition("independent", rate, "same", settings.meta_programs), wanted(SWEEP_ARMS)
    for number in settings.sweep_meta_programs:
        if number != settings.meta_programs:
            yield Condition("independent", settings.headline_rate, "same", number), wanted(SWEEP_ARMS)


def draw(settings: CellSettings, condition: Condition, seed: int) -> ControlledData:
    is_other = condition.meta != "same"
    per_problem = condition.meta_programs * settings.train_problems // settings.meta_problems
    sizes = ControlledSizes(
        train_problems=settings.train_problems,
        meta_problems=settings.meta_problems if is_other else 0,
        held_out_problems=settings.held_out_problems,
        train_programs=settings.train_programs,
        meta_programs=per_problem if is_other else condition.meta_programs,
        held_out_programs=settings.held_out_programs,
    )
    pools = pools_of(
        read_rows(settings.functions, FunctionVariant), min_steps=2, max_right=settings.max_right, max_wrong=settings.max_wrong
    )
    if len(pools) < sizes.num_problems:
        raise UserError(
            f"{settings.functions}: {len(pools)} usable problems of {sizes.num_problems}; lower train_problems, meta_problems "
            "or held_out_problems"
        )
    return draw_data(pools, sizes, LabelNoise(condition.noise, condition.rate), seed)


def outcome_programs(data: ControlledData, meta: str) -> tuple[ControlledProgram, ...]:
    return (*data.meta, *data.train) if meta == "own" else data.meta


def prefix_texts(programs: Sequence[ControlledProgram]) -> list[tuple[str, str]]:
    return [(program.question_id, prefix) for program in programs for prefix in program.prefixes]


def features(settings: CellSettings) -> StepFeatures:
    return StepFeatures(settings.reader, settings.reader_layers, ["last"], settings.out_dir / "features")


def prepare_reader(settings: CellSettings, work: Sequence[tuple[Condition, int, list[str]]]) -> None:
    """A backbone reads every prefix of the data sets once, before the trainings start."""
    texts = set()
    for condition, seed in {item[:2] for item in work}:
        data = draw(settings, condition, seed)
        texts |= {(step.question_id, step.prefix) for step in data.steps}
        texts |= set(prefix_texts((*data.train, *data.meta, *data.held_out_programs, *data.held_out_problems)))
    problems = {problem.question_id: problem for problem in load_problems(settings.problems)}
    if unknown := {question_id for question_id, _ in texts} - problems.keys():
        raise UserError(f"{settings.problems}: has no problem {min(unknown)}, of which {settings.functions} holds functions")
    features(settings).prepare(problems, texts)


def encode(settings: CellSettings, condition: Condition, seed: int) -> tuple[Cell, ControlledData, dict[str, np.ndarray]]:
    """The data set as features, and the features of the held-out programs. The vocabulary is that of what is trained on."""
    data = draw(settings, condition, seed)
    programs = outcome_programs(data, condition.meta)
    step_texts = [(step.question_id, step.prefix) for step in data.steps]
    whole_texts = [(program.question_id, program.prefixes[-1]) for program in programs]
    texts = step_texts + whole_texts
    encoder = NgramEncoder(texts) if settings.reader == "ngrams" else ScaledFeatures(features(settings), "last", texts)
    step_RF, prefix_AF = (encoder.encode(part).numpy() for part in (step_texts, prefix_texts(programs)))
    lengths = [len(program.prefixes) for program in programs]
    is_whole_A = np.concatenate([np.arange(length) == length - 1 for length in lengths])
    columns = Columns.equal_in(np.vstack([step_RF, prefix_AF]))
    num_rollouts = data.steps[0].num_rollouts
    cell = Cell(
        training=training_of(settings, seed),
        columns=columns,
        steps=Rows.of(columns.reduce(step_RF), [step.mc_value for step in data.steps], num_rollouts),
        prefixes=Rows.of(columns.reduce(prefix_AF), np.repeat([float(program.passed) for program in programs], lengths)),
        is_whole_A=is_whole_A,
        program_A=np.repeat(np.arange(len(programs)), lengths),
        full=(step_RF, prefix_AF[is_whole_A]),
        agreement=settings.agreement,
    )
    held_out = {"programs": data.held_out_programs, "problems": data.held_out_problems}
    return cell, data, {name: encoder.encode(prefix_texts(part)).numpy() for name, part in held_out.items()}


def training_of(settings: CellSettings, seed: int) -> TrainSettings:
    return bare_training(
        learn="none",
        inner_only_steps=settings.inner_only_steps,
        bilevel_steps=settings.bilevel_steps,
        batch_programs=settings.batch_rows,
        outer_programs=settings.outer_batch,
        lr=settings.lr,
        outer_lr=settings.outer_lr,
        weight_decay=0.0,
        clip=0.0,
        schedule="linear",
        seed=seed,
    )


def run_cell(settings: CellSettings, condition: Condition, seed: int, arms: Sequence[str]) -> list[StudyRow]:
    """All arms on one data set."""
    torch.set_num_threads(1)
    cell, data, features = encode(settings, condition, seed)
    held_out = {"programs": data.held_out_programs, "problems": data.held_out_problems}
    rows = []
    for arm in arms:
        started = time.process_time()
        trained = ARMS[arm].train(cell) if arm in ARMS else None
        seconds = time.process_time() - started
        metrics: Metrics = label_metrics(data.steps, None if trained is None else trained.label_R.tolist())
        for name, programs in held_out.items():
            if trained is None:
                scores = [score for program in programs for score in CONTROLS[arm](program)]
            else:
                scores = trained.head.scores_of_all(features[name]).tolist()
            metrics |= score_metrics(name, programs, scores, settings.candidates, is_share=trained is not None)
        rows.append(
            StudyRow(
                noise=condition.noise,
                rate=condition.rate,
                meta=condition.meta,
                meta_programs=condition.meta_programs,
                seed=seed,
                arm=arm,
                cpu_seconds=round(seconds, 3),
                metrics={name: None if value is None else round(value, 6) for name, value in metrics.items()},
            )
        )
    return rows
