"""What does label correction cost? Time and memory of training with and without it, against data size and backbone size.

Trains random backbones of several shapes on programs composed from the tested functions of make_controlled.py, one pass over
the data, with upper level `none`, `labels` with exact hypergradients, and `labels` with Betty's darts; each in a fresh process,
so that its peak memory is its own. Both levels take the same number of programs per step.

    python src/study_overhead.py --config configs/study.yaml

Writes overhead.json, overhead.md and two figures. Times are processor times of training alone: model and data are there before.
"""

from __future__ import annotations

import dataclasses
import json
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from cli import run_stage
from dreamprm_code.bilevel import TrainConfig, TrainingData, build_training_data, train
from dreamprm_code.config import option
from dreamprm_code.jsonl import read_rows, write_bytes_atomic
from dreamprm_code.labels.controlled import ControlledProgram, ControlledSizes, draw_data
from dreamprm_code.labels.simulated_policy import FunctionVariant, LabelNoise, pools_of
from dreamprm_code.prm.backbone import SHAPES, find_backbone, load_tokenizer
from dreamprm_code.prm.scoring import PRM
from dreamprm_code.problems import load_problems
from dreamprm_code.records import Problem, Solution, StepLabel, Verdict
from dreamprm_code.report.plots import Series, line_figure, save_png

MODES = {
    "none": {"upper": "none"},
    "labels, exact": {"upper": "labels", "agreement": 0.05},
    "labels, Betty darts": {"upper": "labels", "hypergradient": "darts"},
}
NUM_PROBLEMS = 8


@dataclass(frozen=True, kw_only=True)
class Config:
    problems: str = option("data/demo/problems.jsonl", help="the problems of the functions")
    functions: Path = option(Path("data/demo/study/functions.jsonl"), help="tested functions, from make_controlled.py")
    out_dir: Path = option(Path("data/study-run"), help="where table and figure go")
    tokenizer: str = option("models/smollm2-135m-instruct-q4_1.gguf", help="folder, hub name or GGUF file of a tokenizer")
    programs: list[int] = option([32, 64, 128, 256], help="numbers of training programs, for the first backbone")
    backbones: list[str] = option(["64x2", "128x4", "256x6"], help="hidden size x layers; random weights")
    window_programs: int = option(8, help="training programs per inner step, and meta programs per outer step")
    repeats: int = option(2, help="runs of each, of which the fastest counts")


def random_backbone(shape: str, vocabulary: int, folder: Path) -> str:
    """A folder with the configuration of a small Qwen2; returns the backbone's name."""
    hidden, layers = (int(part) for part in shape.split("x"))
    heads = max(2, hidden // 32)
    sizes = {"hidden_size": hidden, "num_hidden_layers": layers, "intermediate_size": 2 * hidden}
    heads_of = {"num_attention_heads": heads, "num_key_value_heads": heads}
    settings = SHAPES["small"] | sizes | heads_of | {"vocab_size": vocabulary}
    settings.pop("layer_types", None)
    (folder / "config.json").write_text(json.dumps(settings))
    return f"random:{folder}"


def step_labels(program: ControlledProgram, index: int) -> list[StepLabel]:
    num_steps = len(program.prefixes)
    return [
        StepLabel(
            question_id=program.question_id,
            solution_idx=index,
            step_idx=step_idx,
            num_steps=num_steps,
            name=f"step {step_idx}",
            prefix=prefix,
            num_rollouts=1 if step_idx == num_steps - 1 else 16,
            num_correct=round(value * (1 if step_idx == num_steps - 1 else 16)),
        )
        for step_idx, (prefix, value) in enumerate(zip(program.prefixes, program.true_values, strict=True))
    ]


def solution(program: ControlledProgram, index: int) -> Solution:
    code, verdict = program.prefixes[-1], Verdict.PASSED if program.passed else Verdict.WRONG_ANSWER
    return Solution(
        question_id=program.question_id,
        solution_idx=index,
        output=code,
        code=code,
        finish_reason="composed",
        passed=program.passed,
        verdict=verdict,
    )


def training_rows(config: Config, num_programs: int) -> tuple[list[Problem], list[StepLabel], list[Solution]]:
    """As many training programs of NUM_PROBLEMS problems, and as many meta programs of as many others."""
    per_problem = -(-num_programs // NUM_PROBLEMS)
    sizes = ControlledSizes(NUM_PROBLEMS, NUM_PROBLEMS, 1, 1, per_problem)
    pools = pools_of(read_rows(config.functions, FunctionVariant))
    data = draw_data(pools, sizes, LabelNoise("independent", 0.3), seed=0)
    order = np.random.default_rng(0).permutation(len(data.held_out_programs))[:num_programs]
    labels = [row for index in sorted(order) for row in step_labels(data.held_out_programs[index], int(index))]
    solutions = [solution(program, index) for index, program in enumerate(data.held_out_problems)]
    return load_problems(config.problems), labels, solutions


def measure(config: Config, shape: str, num_programs: int, mode: str) -> dict[str, float | str]:
    """One pass over the data in this process: seconds per step and in total, peak memory in MiB."""
    torch.set_num_threads(1)
    problems, labels, solutions = training_rows(config, num_programs)
    tokenizer = load_tokenizer(find_backbone(config.tokenizer))
    with tempfile.TemporaryDirectory() as folder:
        prm = PRM.create(random_backbone(shape, len(tokenizer), Path(folder)), tokenizer=tokenizer)
        data: TrainingData = build_training_data(problems, labels, solutions, prm.encoder, validation_share=0.0)
        steps = max(1, num_programs // config.window_programs)
        settings = TrainConfig(
            warmup_steps=0,
            bilevel_steps=steps,
            window_programs=config.window_programs,
            meta_programs=config.window_programs,
            eval_every=0,
            checkpoint_every=0,
            progress=False,
            tensorboard=False,
            device="cpu",
            **MODES[mode],
        )
        seconds = []
        for repeat in range(config.repeats):
            started = time.process_time()
            train(settings, data, Path(folder) / str(repeat), prm.model)
            seconds.append(time.process_time() - started)
    return {
        "backbone": shape,
        "parameters": sum(param.numel() for param in prm.model.parameters()),
        "programs": num_programs,
        "labels": len(data.mc_value),
        "tokens": sum(unit.num_tokens for unit in data.inner),
        "mode": mode,
        "steps": steps,
        "seconds": min(seconds),
        "seconds_per_step": min(seconds) / steps,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def linear_fit(sizes: list[float], seconds: list[float]) -> dict[str, float]:
    """Least squares of seconds = start + slope * size, with its R^2, and the exponent of a power law."""
    slope, start = np.polyfit(sizes, seconds, 1)
    residual = np.asarray(seconds) - (start + slope * np.asarray(sizes))
    total = np.asarray(seconds) - np.mean(seconds)
    exponent = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
    return {
        "slope": float(slope),
        "start": float(start),
        "r_squared": float(1 - residual @ residual / (total @ total)),
        "exponent": float(exponent),
    }


def table(rows: list[dict], fits: dict[str, dict]) -> str:
    names = (
        "backbone",
        "parameters",
        "programs",
        "labels",
        "tokens",
        "mode",
        "steps",
        "seconds",
        "seconds_per_step",
        "peak_mib",
    )
    base = {(row["backbone"], row["programs"]): row for row in rows if row["mode"] == "none"}
    lines = ["# Cost of label correction", "", "| " + " | ".join(names).replace("_", " ") + " | time ratio to none |"]
    lines.append("|---" * (len(names) + 1) + "|")
    for row in rows:
        ratio = row["seconds"] / base[row["backbone"], row["programs"]]["seconds"]
        values = [f"{row[name]:.3f}" if isinstance(row[name], float) else f"{row[name]}" for name in names]
        lines.append("| " + " | ".join(values) + f" | {ratio:.2f} |")
    lines += ["", "Seconds (of processor time, one thread) = start + slope x programs:", ""]
    lines += ["| mode | start | slope | R^2 | exponent of a power law |", "|---|---|---|---|---|"]
    for mode, fit in fits.items():
        lines.append(f"| {mode} | {fit['start']:.2f} | {fit['slope']:.4f} | {fit['r_squared']:.4f} | {fit['exponent']:.2f} |")
    return "\n".join(lines) + "\n"


def main(config: Config) -> None:
    grid = [(config.backbones[0], size) for size in sorted(config.programs)]
    grid += [(shape, min(config.programs)) for shape in config.backbones[1:]]
    rows = []
    for shape, num_programs in grid:
        for mode in MODES:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                rows.append(pool.submit(measure, config, shape, num_programs, mode).result())
    by_size = {mode: [row for row in rows if row["mode"] == mode and row["backbone"] == config.backbones[0]] for mode in MODES}
    fits = {
        mode: linear_fit([row["programs"] for row in found], [row["seconds"] for row in found])
        for mode, found in by_size.items()
        if len(found) > 1
    }
    result = {"config": {**dataclasses.asdict(config), "functions": str(config.functions)}, "rows": rows, "fits": fits}
    write_bytes_atomic(config.out_dir / "overhead.json", [json.dumps(result, indent=1, default=str).encode(), b"\n"])
    write_bytes_atomic(config.out_dir / "overhead.md", [table(rows, fits).encode()])

    def panel(found: dict[str, list[dict]], x: str, y: str) -> dict[str, Series]:
        return {mode: Series([row[x] for row in members], [row[y] for row in members]) for mode, members in found.items()}

    by_shape = {
        mode: [row for row in rows if row["mode"] == mode and row["programs"] == min(config.programs)] for mode in MODES
    }
    figure = line_figure(
        {f"Seconds of one pass ({config.backbones[0]})": panel(by_size, "programs", "seconds")}, "training programs"
    )
    save_png(figure, config.out_dir / "overhead_data.png", dpi=110)
    panels = {
        "Seconds per step": panel(by_shape, "parameters", "seconds_per_step"),
        "Peak memory (MiB)": panel(by_shape, "parameters", "peak_mib"),
    }
    save_png(line_figure(panels, "parameters of the backbone"), config.out_dir / "overhead_backbone.png", dpi=110)
    growth = ", ".join(f"{mode}: exponent {fit['exponent']:.2f}" for mode, fit in fits.items())
    print(f"study_overhead: {len(rows)} trainings; growth with the data: {growth} -> {config.out_dir}/overhead.md")


if __name__ == "__main__":
    run_stage(Config, "study_overhead", __doc__, main)
