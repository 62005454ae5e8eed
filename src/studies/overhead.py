"""What does label correction cost? Time and memory of training with and without it, against data size and backbone size.

Takes the step labels and meta programs of a run (by default the bundled outputs of stages 1 to 3) and trains one pass over them
with outer level `none`, `labels` with exact hypergradients, and `labels` with Betty's darts: on the first backbone with growing
numbers of programs, on the others with the smallest. Each training has a fresh process, so that its peak memory is its own.
Both levels take the same number of programs per step.

    python src/studies/overhead.py --config configs/study.yaml

Writes overhead.json, overhead.md and two figures. Times are processor times of training alone, on one thread: model and data
are there before.
"""

from __future__ import annotations

import json
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import from_clone  # noqa: F401
import numpy as np
import torch
from pydantic import Field

from cli import run_stage
from dreamprm_code.bilevel import OutcomeSettings, build_training_data, train
from dreamprm_code.errors import UserError
from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.jsonl import read_rows
from dreamprm_code.prm.backbone import SHAPES, find_backbone, load_tokenizer
from dreamprm_code.prm.model import freeze_lower_layers
from dreamprm_code.prm.scoring import PRM
from dreamprm_code.problems import load_problems
from dreamprm_code.problems.settings import ProblemSettings
from dreamprm_code.progress import progress_bar
from dreamprm_code.records import Solution, StepLabel
from dreamprm_code.report.markdown import table_lines
from dreamprm_code.report.plots import Series, line_figure, save_png
from dreamprm_code.study.training import bare_training

MODES: dict[str, dict[str, Any]] = {
    "none": {"learn": "none"},
    "labels, exact": {"learn": "labels", "agreement": 0.05},
    "labels, Betty darts": {"learn": "labels", "hypergradient": "darts"},
}


class Settings(ProblemSettings):
    data_dir: Path = Field(Path("data/demo/sampled"), description="folder with step_labels.jsonl and meta_solutions.jsonl")
    out_dir: Path = Field(Path("data/study-run"), description="where table and figures go")
    tokenizer: str = Field("models/smollm2-135m-instruct-q4_1.gguf", description="tokenizer of the random backbones")
    programs: list[int] = Field([8, 16, 24, 32, 40], description="numbers of training programs, for the first backbone")
    backbones: list[str] = Field(
        ["models/smollm2-135m-instruct-q4_1.gguf", "64x2", "128x4", "256x6"],
        description="names, folders or GGUF files, or hidden size x layers for random weights",
    )
    trained_layers: int = Field(8, ge=1, description="LoRA moves in at most so many last layers")
    batch_programs: int = Field(8, ge=1, description="training programs per inner step, and meta programs per outer step")
    repeats: int = Field(1, ge=1, description="runs of each, of which the fastest counts")


def is_shape(backbone: str) -> bool:
    return all(part.isdigit() for part in backbone.split("x")) and backbone.count("x") == 1


def short_name(backbone: str) -> str:
    return f"random {backbone}" if is_shape(backbone) else Path(backbone).name


def random_backbone(shape: str, vocabulary: int, folder: Path) -> str:
    """A folder with the configuration of a small Qwen2; returns the backbone's name."""
    hidden, layers = (int(part) for part in shape.split("x"))
    heads = max(2, hidden // 32)
    sizes = {"hidden_size": hidden, "num_hidden_layers": layers, "intermediate_size": 2 * hidden}
    heads_of = {"num_attention_heads": heads, "num_key_value_heads": heads}
    values = SHAPES["small"] | sizes | heads_of | {"vocab_size": vocabulary}
    values.pop("layer_types", None)
    (folder / "config.json").write_text(json.dumps(values))
    return f"random:{folder}"


def training_labels(path: Path, num_programs: int) -> list[StepLabel]:
    """The labels of the first so many programs that have a middle step.

    Raises:
        UserError: there are fewer.
    """
    labels = read_rows(path, StepLabel)
    usable = list(dict.fromkeys((row.question_id, row.solution_idx) for row in labels if row.num_steps > 1))
    if len(usable) < num_programs:
        raise UserError(f"{path}: {len(usable)} programs have a middle step; {num_programs} are asked for (setting 'programs')")
    chosen = set(usable[:num_programs])
    return [row for row in labels if (row.question_id, row.solution_idx) in chosen]


def measure(settings: Settings, backbone: str, num_programs: int, mode: str) -> dict[str, Any]:
    """One pass over the data in this process: seconds per step and in total, peak memory in MiB."""
    torch.set_num_threads(1)
    labels = training_labels(settings.data_dir / "step_labels.jsonl", num_programs)
    solutions = read_rows(settings.data_dir / "meta_solutions.jsonl", Solution)
    with tempfile.TemporaryDirectory() as folder:
        if is_shape(backbone):
            tokenizer = load_tokenizer(find_backbone(settings.tokenizer))
            prm = PRM.create(random_backbone(backbone, len(tokenizer), Path(folder)), tokenizer=tokenizer)
        else:
            prm = PRM.create(backbone)
        freeze_lower_layers(prm.model, min(settings.trained_layers, prm.model.decoder.config.num_hidden_layers))
        problems = load_problems(settings.problems, settings.release)
        data = build_training_data(problems, labels, solutions, prm.encoder, OutcomeSettings(validation_share=0.0))
        steps = max(1, num_programs // settings.batch_programs)
        training = bare_training(
            inner_only_steps=0,
            bilevel_steps=steps,
            batch_programs=settings.batch_programs,
            outer_programs=settings.batch_programs,
            **MODES[mode],
        )
        seconds = []
        for repeat in range(settings.repeats):
            started = time.process_time()
            train(training, data, Path(folder) / str(repeat), prm.model)
            seconds.append(time.process_time() - started)
    return {
        "backbone": short_name(backbone),
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
    names = ["backbone", "parameters", "programs", "labels", "tokens", "mode", "steps"]
    names += ["seconds", "seconds_per_step", "peak_mib"]
    base = {(row["backbone"], row["programs"]): row["seconds"] for row in rows if row["mode"] == "none"}

    def line(row: dict[str, Any]) -> list[str]:
        values = [f"{row[name]:.3f}" if isinstance(row[name], float) else f"{row[name]}" for name in names]
        return [*values, f"{row['seconds'] / base[row['backbone'], row['programs']]:.2f}"]

    costs = table_lines([*(name.replace("_", " ") for name in names), "time ratio to none"], map(line, rows))
    growth = table_lines(
        ["mode", "start", "slope", "R^2", "exponent of a power law"],
        (
            [mode, f"{fit['start']:.2f}", f"{fit['slope']:.4f}", f"{fit['r_squared']:.4f}", f"{fit['exponent']:.2f}"]
            for mode, fit in fits.items()
        ),
    )
    said = "Seconds (of processor time, one thread) = start + slope x programs:"
    return "\n".join(["# Cost of label correction", "", *costs, said, "", *growth])


def main(settings: Settings) -> None:
    training_labels(settings.data_dir / "step_labels.jsonl", max(settings.programs))  # what is missing is said at once
    grid = [(settings.backbones[0], size) for size in sorted(settings.programs)]
    grid += [(shape, min(settings.programs)) for shape in settings.backbones[1:]]
    rows: list[dict[str, Any]] = []
    for (backbone, num_programs), mode in progress_bar(
        iterable=[(cell, mode) for cell in grid for mode in MODES], desc="trainings"
    ):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            rows.append(pool.submit(measure, settings, backbone, num_programs, mode).result())
    first = short_name(settings.backbones[0])
    by_size = {mode: [row for row in rows if row["mode"] == mode and row["backbone"] == first] for mode in MODES}
    fits = {
        mode: linear_fit([row["programs"] for row in found], [row["seconds"] for row in found])
        for mode, found in by_size.items()
        if len(found) > 1
    }
    result = {"config": settings.model_dump(mode="json"), "rows": rows, "fits": fits}
    write_bytes_atomic(settings.out_dir / "overhead.json", [json.dumps(result, indent=1, default=str).encode(), b"\n"])
    write_bytes_atomic(settings.out_dir / "overhead.md", [table(rows, fits).encode()])

    def panel(found: dict[str, list[dict]], x: str, y: str) -> dict[str, Series]:
        return {mode: Series([row[x] for row in members], [row[y] for row in members]) for mode, members in found.items()}

    by_shape = {
        mode: [row for row in rows if row["mode"] == mode and row["programs"] == min(settings.programs)] for mode in MODES
    }
    figure = line_figure({f"Seconds of one pass ({first})": panel(by_size, "programs", "seconds")}, "training programs")
    save_png(figure, settings.out_dir / "overhead_data.png", dpi=110)
    panels = {
        "Seconds per step": panel(by_shape, "parameters", "seconds_per_step"),
        "Peak memory (MiB)": panel(by_shape, "parameters", "peak_mib"),
    }
    save_png(line_figure(panels, "parameters of the backbone"), settings.out_dir / "overhead_backbone.png", dpi=110)
    growth = ", ".join(f"{mode}: exponent {fit['exponent']:.2f}" for mode, fit in fits.items())
    print(f"overhead: {len(rows)} trainings; growth with the data: {growth} -> {settings.out_dir}/overhead.md")


if __name__ == "__main__":
    run_stage(Settings, "overhead", __doc__, main)
