"""Tables and figure of the label-correction study, from its runs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field
from scipy import stats

from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.records import Index, Record, Share
from dreamprm_code.report.plots import Series, line_figure, save_png

BASE_ARM = "none"
HEADLINE_ARM = "labels + agreement"
ARM_ORDER = (BASE_ARM, "released", "weights", "labels", HEADLINE_ARM)
"""Order in the tables; other arms follow by name."""

COLUMNS = {
    "label_mae": "label MAE",
    "label_auroc": "label AUROC",
    "label_ece": "label ECE",
    "weight_auroc": "weight AUROC",
    "programs_auroc": "step AUROC",
    "programs_mae": "score MAE",
    "programs_ece": "score ECE",
    "programs_best_of_n": "best of N",
    "problems_auroc": "step AUROC, new problems",
    "problems_best_of_n": "best of N, new problems",
}


class StudyRow(Record):
    """One training on one data set; row of ``study_runs.jsonl``. A metric is None where it is not defined."""

    key_fields = ("noise", "rate", "seed", "arm")

    noise: str
    rate: Share
    seed: Index
    arm: str
    cpu_seconds: Annotated[float, Field(ge=0)]
    num_labels: Index
    num_features: Index
    metrics: dict[str, float | None]


MIN_SEEDS = 3


class Estimate(NamedTuple):
    """A mean over seeds with its 95% t-interval; shown from MIN_SEEDS seeds on, for of fewer it says nothing."""

    mean: float
    low: float
    high: float
    num: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]" if self.num >= MIN_SEEDS else f"{self.mean:.3f}"


def estimate(values: Iterable[float | None]) -> Estimate | None:
    """Mean and t-interval; None without values."""
    found = np.array([value for value in values if value is not None], dtype=float)
    if not found.size:
        return None
    mean = float(found.mean())
    half = 0.0
    if found.size > 1:
        half = float(stats.t.ppf(0.975, found.size - 1) * found.std(ddof=1) / math.sqrt(found.size))
    return Estimate(mean, mean - half, mean + half, int(found.size))


def _cells(rows: Sequence[StudyRow]) -> dict[tuple[str, float], dict[str, dict[int, StudyRow]]]:
    """(noise, rate) -> arm -> seed -> run."""
    found: dict[tuple[str, float], dict[str, dict[int, StudyRow]]] = {}
    for row in rows:
        found.setdefault((row.noise, row.rate), {}).setdefault(row.arm, {})[row.seed] = row
    return found


def _paired(runs: Mapping[int, StudyRow], base: Mapping[int, StudyRow], metric: str) -> Estimate | None:
    pairs = [(runs[seed].metrics.get(metric), base[seed].metrics.get(metric)) for seed in sorted(runs.keys() & base.keys())]
    return estimate(None if a is None or b is None else a - b for a, b in pairs)


def _share_left(runs: Mapping[int, StudyRow]) -> Estimate | None:
    """Label MAE after correction as a share of that before."""
    pairs = [(run.metrics["label_mae"], run.metrics["label_before_mae"]) for run in runs.values()]
    return estimate(after / before for after, before in pairs if after is not None and before)


def summarize(rows: Sequence[StudyRow]) -> list[dict]:
    """One entry per cell and arm: estimates, differences to ``none`` paired by seed, share of the label error left."""
    found = []
    for (noise, rate), arms in sorted(_cells(rows).items()):
        for arm in sorted(arms, key=lambda name: (ARM_ORDER.index(name) if name in ARM_ORDER else len(ARM_ORDER), name)):
            runs = arms[arm]
            names = next(iter(runs.values())).metrics
            metrics = {name: estimate(run.metrics.get(name) for run in runs.values()) for name in names}
            differences = {name: _paired(runs, arms.get(BASE_ARM, {}), name) for name in metrics}
            found.append(
                {
                    "noise": noise,
                    "rate": rate,
                    "arm": arm,
                    "num_seeds": len(runs),
                    "cpu_seconds": sum(run.cpu_seconds for run in runs.values()) / len(runs),
                    "label_mae_left": _share_left(runs),
                    "metrics": metrics,
                    "minus_none": differences,
                }
            )
    return found


def _table(entries: Sequence[dict]) -> list[str]:
    names = [name for name in COLUMNS if any(entry["metrics"].get(name) for entry in entries)]
    lines = [
        "| arm | " + " | ".join(COLUMNS[name] for name in names) + " | label MAE left | CPU s |",
        "|---" * (len(names) + 3) + "|",
    ]
    for entry in entries:
        values = [f"{value.mean:.3f}" if (value := entry["metrics"].get(name)) else "-" for name in names]
        left = entry["label_mae_left"]
        cells = [entry["arm"], *values, f"{left.mean:.0%}" if left else "-", f"{entry['cpu_seconds']:.1f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _differences(entries: Sequence[dict]) -> list[str]:
    names = {"label_mae": "label MAE", "programs_auroc": "step AUROC", "programs_mae": "score MAE"}
    names |= {"programs_best_of_n": "best of N", "problems_auroc": "step AUROC, new problems"}
    lines = ["| arm minus `none` | " + " | ".join(names.values()) + " |", "|---" * (len(names) + 1) + "|"]
    for entry in entries:
        if entry["arm"] != BASE_ARM:
            values = [str(value) if (value := entry["minus_none"].get(name)) else "-" for name in names]
            lines.append(f"| {entry['arm']} | " + " | ".join(values) + " |")
    return lines


def markdown(rows: Sequence[StudyRow], headline_rate: float) -> str:
    """The study's tables: one pair per kind of noise at the headline rate, then the sweep over rates."""
    entries = summarize(rows)
    lines = ["# Label correction on known truth", ""]
    for noise in dict.fromkeys(entry["noise"] for entry in entries):
        cell = [entry for entry in entries if entry["noise"] == noise and entry["rate"] == headline_rate]
        if not cell:
            continue
        first = cell[0]["metrics"]
        seeds = max(entry["num_seeds"] for entry in cell)
        lines += [f"## {noise.replace('_', ' ')} noise, rate {headline_rate:.0%}, seeds: {seeds}", ""]
        titles = {"MAE": "label_before_mae", "AUROC": "label_before_auroc", "ECE": "label_before_ece"}
        before = ", ".join(f"{title} {first[name]}" for title, name in titles.items() if first[name])
        lines += [f"Labels before correction: {before}.", *_choice_line(first), "", *_table(cell), "", *_differences(cell), ""]
    sweep = [entry for entry in entries if entry["noise"] == "independent"]
    rates = sorted({entry["rate"] for entry in sweep})
    if len(rates) > 1:
        arms = [arm for arm in dict.fromkeys(entry["arm"] for entry in sweep) if arm in _swept(sweep, rates)]
        for name in ("label_mae", "programs_auroc", "programs_best_of_n"):
            lines += [f"## {COLUMNS[name]} against the rate of independent flips", ""]
            lines += ["| arm | " + " | ".join(f"{rate:.0%}" for rate in rates) + " |", "|---" * (len(rates) + 1) + "|"]
            for arm in arms:
                values = {entry["rate"]: entry["metrics"][name] for entry in sweep if entry["arm"] == arm}
                lines.append(f"| {arm} | " + " | ".join(str(values[rate]) for rate in rates) + " |")
            lines.append("")
    return "\n".join(lines)


def _choice_line(metrics: Mapping[str, Estimate | None]) -> list[str]:
    found = []
    for name, title in (("programs", "new programs"), ("problems", "new problems")):
        random, oracle = metrics.get(f"{name}_random"), metrics.get(f"{name}_oracle")
        if random and oracle:
            found.append(f"Choosing at random solves {random.mean:.3f} of the groups of {title}, an oracle {oracle.mean:.3f}.")
    return found


def _swept(entries: Sequence[dict], rates: Sequence[float]) -> set[str]:
    """Arms with a run at every rate."""
    arms = {entry["arm"] for entry in entries}
    return {arm for arm in arms if {entry["rate"] for entry in entries if entry["arm"] == arm} >= set(rates)}


def _figure_series(entries: Sequence[dict], metric: str, arms: Sequence[str]) -> dict[str, Series]:
    series = {}
    for arm in arms:
        points = sorted((entry["rate"], entry["metrics"][metric]) for entry in entries if entry["arm"] == arm)
        points = [(rate, value) for rate, value in points if value is not None]
        series[arm] = Series(
            [100 * rate for rate, _ in points],
            [value.mean for _, value in points],
            [value.low if value.num >= MIN_SEEDS else value.mean for _, value in points],
            [value.high if value.num >= MIN_SEEDS else value.mean for _, value in points],
        )
    return series


def write_study(rows: Sequence[StudyRow], out_dir: Path, headline_rate: float) -> str:
    """Write study.json, study.md and study.png; returns one line with the headline."""
    entries = summarize(rows)
    write_bytes_atomic(out_dir / "study.json", [json.dumps(_plain(entries), indent=1).encode(), b"\n"])
    write_bytes_atomic(out_dir / "study.md", [markdown(rows, headline_rate).encode()])
    sweep = [entry for entry in entries if entry["noise"] == "independent"]
    arms = [arm for arm in (BASE_ARM, "weights", "labels", HEADLINE_ARM) if any(entry["arm"] == arm for entry in sweep)]
    if arms:
        panels = {
            "Error of the training labels (MAE)": _figure_series(sweep, "label_mae", arms),
            "Right against wrong steps, new programs (AUROC)": _figure_series(sweep, "programs_auroc", arms),
            "Best of 8 passes, new programs": _figure_series(sweep, "programs_best_of_n", arms),
        }
        save_png(line_figure(panels, "labels flipped (%)"), out_dir / "study.png", dpi=110)
    for entry in entries:
        if (entry["noise"], entry["rate"], entry["arm"]) == ("independent", headline_rate, HEADLINE_ARM):
            metrics, difference = entry["metrics"], entry["minus_none"]["programs_auroc"]
            return (
                f"at {headline_rate:.0%} noise label MAE "
                f"{metrics['label_before_mae'].mean:.3f} -> {metrics['label_mae'].mean:.3f}, step AUROC over none {difference}"
            )
    return f"{len(rows)} runs"


def _plain(value: object) -> object:
    if isinstance(value, Estimate):
        return {name: round(item, 5) for name, item in value._asdict().items()}
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return round(value, 5) if isinstance(value, float) else value
