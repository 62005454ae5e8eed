"""Tables and figures of the controlled study, from its runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field
from scipy import stats

from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.records import Index, Record, Share
from dreamprm_code.report.markdown import table_lines
from dreamprm_code.report.plots import Series, line_figure, save_png
from dreamprm_code.study.arms import ARMS, BEST_ARM, CONTROLS, OUTCOMES_ARM, POOL_ARM, SWEEP_ARMS
from dreamprm_code.study.controlled import META

COLUMNS = {
    "label_mae": "label MAE",
    "programs_auroc": "step AUROC",
    "programs_best_of_n": "best of N",
    "programs_ece": "calibration error",
    "problems_auroc": "step AUROC, new problems",
    "problems_best_of_n": "best of N, new problems",
    "problems_ece": "calibration error, new problems",
}
COMPARED = ("label_mae", "programs_auroc", "programs_best_of_n", "programs_ece")
BASELINES = (POOL_ARM, OUTCOMES_ARM)
META_TITLES = {
    "same": "outcomes of programs of the training problems",
    "disjoint": "outcomes of programs of other problems only",
    "own": "outcomes of programs of other problems, and of the training programs themselves",
}
FIGURE_ARMS = ("none", "labels", OUTCOMES_ARM, POOL_ARM, "outcomes at every prefix", BEST_ARM)
MIN_SEEDS = 3


class StudyRow(Record):
    """One arm on one data set; row of ``study_runs.jsonl``. A metric is None where it is not defined.

    ``meta`` says whose outcomes were known (:data:`dreamprm_code.study.controlled.META`), ``meta_programs`` how many per
    training problem.
    """

    key_fields = ("noise", "rate", "meta", "meta_programs", "seed", "arm")

    noise: str
    rate: Share
    meta: str
    meta_programs: Index
    seed: Index
    arm: str
    cpu_seconds: Annotated[float, Field(ge=0)]
    metrics: dict[str, float | None]


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


Runs = Mapping[int, StudyRow]
"""The runs of one arm under one condition, by seed."""


def runs_by_arm(rows: Iterable[StudyRow]) -> dict[str, dict[int, StudyRow]]:
    """Arm -> seed -> run, in the order of the tables."""
    found: dict[str, dict[int, StudyRow]] = {}
    for row in rows:
        found.setdefault(row.arm, {})[row.seed] = row
    order = [*ARMS, *CONTROLS]
    return {arm: found[arm] for arm in sorted(found, key=order.index)}


def mean_of(runs: Runs, metric: str) -> Estimate | None:
    return estimate(run.metrics.get(metric) for run in runs.values())


def paired(runs: Runs, base: Runs, metric: str) -> Estimate | None:
    """Mean difference to another arm over the seeds that both have."""
    pairs = [(runs[seed].metrics.get(metric), base[seed].metrics.get(metric)) for seed in sorted(runs.keys() & base.keys())]
    return estimate(None if a is None or b is None else a - b for a, b in pairs)


def _arms_table() -> list[str]:
    return table_lines(["arm", "reads", "how"], ((name, arm.reads, arm.how) for name, arm in ARMS.items()))


def _means_table(arms: Mapping[str, Runs]) -> list[str]:
    def line(arm: str, runs: Runs) -> list[str]:
        means = [f"{value.mean:.3f}" if (value := mean_of(runs, name)) else "-" for name in COLUMNS]
        seconds = np.mean([run.cpu_seconds for run in runs.values()])
        return [f"**{arm}**" if arm == BEST_ARM else arm, *means, f"{seconds:.2f}"]

    return table_lines(["arm", *COLUMNS.values(), "CPU s"], (line(arm, runs) for arm, runs in arms.items()))


def _differences_table(arms: Mapping[str, Runs], base: str) -> list[str]:
    lines = [
        [arm, *(str(value) if (value := paired(runs, arms[base], name)) else "-" for name in COMPARED)]
        for arm, runs in arms.items()
        if arm != base
    ]
    return table_lines([f"arm minus `{base}`", *(COLUMNS[name] for name in COMPARED)], lines)


def _chance_line(arms: Mapping[str, Runs]) -> list[str]:
    runs = next(iter(arms.values()))
    parts = [f"Monte-Carlo labels: MAE {mean_of(runs, 'mc_mae')}."]
    for name, title in (("programs", "new programs"), ("problems", "new problems")):
        random, oracle = mean_of(runs, f"{name}_random"), mean_of(runs, f"{name}_oracle")
        if random and oracle:
            parts.append(f"On {title} a random choice solves {random.mean:.3f} of the groups, an oracle {oracle.mean:.3f}.")
    return [" ".join(parts), ""]


def _sweep_tables(name: str, found: Mapping[float, Mapping[str, Runs]], titles: Sequence[str]) -> list[str]:
    lines = []
    for metric in COMPARED:
        lines += [f"### {COLUMNS[metric]} against {name}", ""]
        lines += table_lines(
            ["arm", *titles],
            (
                [arm, *(str(mean_of(arms[arm], metric)) if arm in arms else "-" for arms in found.values())]
                for arm in SWEEP_ARMS
            ),
        )
    return lines


class Study(NamedTuple):
    """The rows, and which condition is the headline."""

    rows: Sequence[StudyRow]
    headline_rate: float
    meta_programs: int

    def headline(self, noise: str, meta: str) -> dict[str, dict[int, StudyRow]]:
        key = (noise, self.headline_rate, meta, self.meta_programs)
        return runs_by_arm(row for row in self.rows if (row.noise, row.rate, row.meta, row.meta_programs) == key)

    def by_rate(self) -> dict[float, dict[str, dict[int, StudyRow]]]:
        """Independent flips, outcomes of the training problems."""
        rows = [
            row for row in self.rows if (row.noise, row.meta, row.meta_programs) == ("independent", "same", self.meta_programs)
        ]
        return {rate: runs_by_arm(row for row in rows if row.rate == rate) for rate in sorted({row.rate for row in rows})}

    def by_meta_programs(self) -> dict[float, dict[str, dict[int, StudyRow]]]:
        rows = [row for row in self.rows if (row.noise, row.meta, row.rate) == ("independent", "same", self.headline_rate)]
        sizes = sorted({row.meta_programs for row in rows})
        return {size: runs_by_arm(row for row in rows if row.meta_programs == size) for size in sizes}

    def markdown(self) -> str:
        lines = ["# Step labels and outcomes on known truth", "", "Means over seeds; brackets are 95% t-intervals.", ""]
        lines += ["## What each arm reads", "", *_arms_table()]
        for meta in META:
            for noise in dict.fromkeys(row.noise for row in self.rows):
                arms = self.headline(noise, meta)
                if not arms:
                    continue
                seeds = sorted({seed for runs in arms.values() for seed in runs})
                title = f"{noise.replace('_', ' ')} noise, rate {self.headline_rate:.0%}; {META_TITLES[meta]}"
                lines += [f"## {title}", "", f"Seeds {', '.join(map(str, seeds))}.", *_chance_line(arms), *_means_table(arms)]
                for base in BASELINES:
                    if base in arms:
                        lines += _differences_table(arms, base)
        rates, sizes = self.by_rate(), self.by_meta_programs()
        if len(rates) > 1:
            lines += [
                "## Other rates of independent flips",
                "",
                *_sweep_tables("the rate", rates, [f"{rate:.0%}" for rate in rates]),
            ]
        if len(sizes) > 1:
            lines += [f"## Other numbers of meta programs per problem, {self.headline_rate:.0%} independent flips", ""]
            lines += _sweep_tables("meta programs per problem", sizes, [str(size) for size in sizes])
        return "\n".join(lines)


def _figure(found: Mapping[float, Mapping[str, Runs]], x_title: str, factor: float, path: Path) -> None:
    panels = {}
    for metric in ("label_mae", "programs_auroc", "programs_best_of_n"):
        series = {}
        for arm in FIGURE_ARMS:
            points = [(x, value) for x, arms in found.items() if arm in arms and (value := mean_of(arms[arm], metric))]
            if points:
                series[arm] = Series(
                    [factor * x for x, _ in points],
                    [value.mean for _, value in points],
                    [value.low if value.num >= MIN_SEEDS else value.mean for _, value in points],
                    [value.high if value.num >= MIN_SEEDS else value.mean for _, value in points],
                )
        panels[COLUMNS[metric]] = series
    save_png(line_figure(panels, x_title), path, dpi=110)


def write_study(rows: Sequence[StudyRow], out_dir: Path, headline_rate: float, meta_programs: int) -> None:
    """Write study.md and, where there is a sweep, rates.png and meta_programs.png."""
    study = Study(rows, headline_rate, meta_programs)
    write_bytes_atomic(out_dir / "study.md", [study.markdown().encode()])
    rates, sizes = study.by_rate(), study.by_meta_programs()
    if len(rates) > 1:
        _figure(rates, "labels flipped (%)", 100.0, out_dir / "rates.png")
    if len(sizes) > 1:
        _figure(
            {math.log2(size): arms for size, arms in sizes.items()},
            "log2 of meta programs per problem",
            1.0,
            out_dir / "meta_programs.png",
        )
