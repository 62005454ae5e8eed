"""Rows, table and figure of the study of reinforcement learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from dreamprm_code.record_base import Record
from dreamprm_code.report.plots import Series, line_figure
from dreamprm_code.selection.metrics import bootstrap_interval, paired_test


class ArmResult(Record):
    """One run. ``rates`` is the pass rate of each measured task after training; ``curve`` their mean at steps; ``explained`` is
    the share of the returns' variance that the critic explains in each step; the monitors are of the last ten steps."""

    key_fields: ClassVar[tuple[str, ...]] = ("arm", "seed")

    arm: str
    seed: int
    rates: dict[str, float]
    curve: list[list[float]]
    train_curve: list[float]
    kl_curve: list[float]
    explained: list[float]
    monitors: dict[str, float]
    seconds_per_step: float


def table(results: Sequence[ArmResult], facts: Mapping[str, Any], tasks: str) -> str:
    """Markdown: pass rates with intervals over tasks, paired with the policy before PPO and with the first arm.

    ``facts``: "rates" of the tasks before PPO, and numbers or [estimate, low, high] by name.
    """
    before = facts["rates"]
    by_arm: dict[str, list[ArmResult]] = {}
    for result in results:
        by_arm.setdefault(result.arm, []).append(result)

    def outcomes(arm: str) -> list[float]:
        return [float(np.mean([row.rates[task] for row in by_arm[arm]])) for task in sorted(before)]

    def difference(values: Sequence[float], others: Sequence[float]) -> str:
        test = paired_test(values, others)
        return f"{100 * test.difference:+.1f} [{100 * test.low:+.1f}, {100 * test.high:+.1f}]"

    first, start = results[0], [before[task] for task in sorted(before)]
    at_start = bootstrap_interval(start)
    lines = [
        f"Pass rate in % on {len(start)} {tasks} tasks, mean of {len(by_arm[first.arm])} seeds, 95% "
        f"bootstrap over tasks; before PPO {100 * np.mean(start):.1f} [{100 * at_start.low:.1f}, {100 * at_start.high:.1f}].",
        "",
        f"| arm | after {len(first.train_curve)} steps | against before | against {first.arm} | each seed "
        "| critic explains: step 1 | mean | KL per token | entropy | lines | comment share | s per step |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for arm, rows in by_arm.items():
        values = outcomes(arm)
        interval = bootstrap_interval(values)
        shown = {name: np.mean([row.monitors[name] for row in rows]) for name in ("kl", "entropy", "lines", "comment_share")}
        lines.append(
            f"| {arm} | {100 * np.mean(values):.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}] "
            f"| {difference(values, start)} | {'' if arm == first.arm else difference(values, outcomes(first.arm))} "
            f"| {', '.join(f'{100 * np.mean(list(row.rates.values())):.1f}' for row in rows)} "
            f"| {np.mean([row.explained[0] for row in rows]):.3f} | {np.mean([row.explained for row in rows]):.3f} "
            f"| {shown['kl']:.3f} | {shown['entropy']:.3f} | {shown['lines']:.1f} | {shown['comment_share']:.2f} "
            f"| {np.mean([row.seconds_per_step for row in rows]):.2f} |"
        )
    lines += ["", "| before PPO, on these tasks | |", "|---|---|"]
    for name, value in facts.items():
        if isinstance(value, (list, tuple)):
            lines.append("| {} | {:.3f} [{:.3f}, {:.3f}] |".format(name, *value))
        elif isinstance(value, float):
            lines.append(f"| {name} | {value:.3f} |")
    return "\n".join(lines) + "\n"


def curves(results: Sequence[ArmResult], facts: Mapping[str, Any]) -> Any:
    """Measured pass rate, training pass rate, KL and what the critic explains of each arm, means over seeds."""
    start = float(np.mean(list(facts["rates"].values())))
    panels: dict[str, dict[str, Series]] = {"pass rate on new tasks": {}}
    by_step = {"pass rate in training": "train_curve", "KL per token to the start": "kl_curve", "critic explains": "explained"}
    for arm in dict.fromkeys(result.arm for result in results):
        rows = [result for result in results if result.arm == arm]
        x = [0.0, *(step for step, _ in rows[0].curve)]
        y = np.asarray([[start, *(value for _, value in row.curve)] for row in rows])
        panels["pass rate on new tasks"][arm] = Series(x, y.mean(0).tolist(), y.min(0).tolist(), y.max(0).tolist())
        for title, name in by_step.items():
            mean = np.mean([getattr(row, name) for row in rows], axis=0)
            smooth = np.convolve(mean, np.ones(3) / 3, mode="valid")
            panels.setdefault(title, {})[arm] = Series([float(step) for step in range(2, 2 + len(smooth))], smooth.tolist())
    return line_figure(panels, "PPO step", markers=False)
