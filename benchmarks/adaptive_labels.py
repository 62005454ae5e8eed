"""How many rollouts does the adaptive stopping rule save at the label error of 16 rollouts per prefix?

    python benchmarks/adaptive_labels.py [--out FOLDER]

Simulated policies: a prefix has a known pass probability p, drawn from a distribution. The label is passed / sampled; its error
is the mean of |label - p|. Everything is computed exactly, by following the probability of every state (sampled, passed), so
there is no sampling noise. For each distribution and each largest number of rollouts the price of the rule is swept; "saved"
is read where the error is not above that of fixed 16. With at most 16 rollouts no rule can reach that (every early stop costs
a little), so there the saving is read at an error that is a tenth higher. The rule's prior is its default in all rows.

Prints a table; with --out also writes adaptive_labels.md and .png.
"""

from __future__ import annotations

import argparse
import sys
from functools import cache
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from dreamprm_code.labels.adaptive import StoppingRule

FIXED = 16
LIMITS = (16, 24, 32)
PRICES = np.round(np.geomspace(1e-4, 2e-2, 60), 6)


def beta(a: float, b: float, points: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of a Beta(a, b) distribution: equal shares at the midpoints of its quantiles."""
    from scipy.stats import beta as distribution

    return distribution.ppf((np.arange(points) + 0.5) / points, a, b), np.full(points, 1 / points)


def with_atoms(hopeless: float, safe: float) -> tuple[np.ndarray, np.ndarray]:
    """A share of prefixes that never pass, a share that always do, the rest uniform."""
    nodes, weights = beta(1, 1)
    return np.concatenate([[0.0, 1.0], nodes]), np.concatenate([[hopeless, safe], (1 - hopeless - safe) * weights])


POLICIES = {
    "50% never, 25% always, rest uniform": with_atoms(0.5, 0.25),
    "70% never, 15% always, rest uniform": with_atoms(0.7, 0.15),
    "80% never, 10% always, rest uniform": with_atoms(0.8, 0.1),
    "Beta(0.1, 0.2): strong U shape": beta(0.1, 0.2),
    "Beta(0.3, 0.3): U shape": beta(0.3, 0.3),
    "Beta(0.3, 1.5): hard problems": beta(0.3, 1.5),
    "uniform": beta(1, 1),
    "Beta(4, 4): around one half": beta(4, 4),
}


@cache
def end_states(limit: int, price: float) -> tuple[np.ndarray, np.ndarray, tuple]:
    """States in which the rule stops, and the number of paths of outcomes that lead there and nowhere else before.

    A path to (sampled n, passed k) has probability p^k (1-p)^(n-k) whatever its order, so counting paths is enough.
    """
    rule = StoppingRule(max_rollouts=limit, price=price)
    paths = {(0, 0): 1}
    ends: dict[tuple[int, int], int] = {}
    while paths:
        coming: dict[tuple[int, int], int] = {}
        for (sampled, passed), number in paths.items():
            more = rule.next_round(sampled, passed)
            if more == 0:
                ends[sampled, passed] = ends.get((sampled, passed), 0) + number
                continue
            ways = np.array([1], dtype=object)
            for _ in range(more):
                ways = np.convolve(ways, np.array([1, 1], dtype=object))
            for extra, count in enumerate(ways):
                state = (sampled + more, passed + extra)
                coming[state] = coming.get(state, 0) + number * int(count)
        paths = coming
    states = sorted(ends)
    return (
        np.array([state[0] for state in states], dtype=float),
        np.array([state[1] for state in states], dtype=float),
        tuple(float(ends[state]) for state in states),
    )


def cost_and_error(policy: tuple[np.ndarray, np.ndarray], limit: int, price: float) -> tuple[float, float]:
    """Mean rollouts per prefix and mean absolute label error."""
    p_P, weight_P = policy
    sampled_S, passed_S, paths_S = end_states(limit, price)
    chance_PS = np.asarray(paths_S) * p_P[:, None] ** passed_S * (1 - p_P[:, None]) ** (sampled_S - passed_S)
    error_PS = np.abs(passed_S / sampled_S - p_P[:, None])
    return float(weight_P @ (chance_PS @ sampled_S)), float(weight_P @ (chance_PS * error_PS).sum(axis=1))


def curve(policy: tuple[np.ndarray, np.ndarray], limit: int) -> list[dict[str, float]]:
    points = []
    for price in PRICES:
        rollouts, error = cost_and_error(policy, limit, float(price))
        points.append({"price": float(price), "rollouts": rollouts, "error": error})
    return points


def saved_at_equal_error(points: list[dict[str, float]], error: float) -> dict[str, float] | None:
    """The highest price whose error is not above the fixed one's, or None if there is none in the sweep."""
    good = [point for point in points if point["error"] <= error * (1 + 1e-9)]
    return min(good, key=lambda point: point["rollouts"]) if good else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for the table and the plot")
    out = parser.parse_args().out
    results, lines = (
        {},
        ["| simulated policy | error of fixed 16 | " + " | ".join(f"saved, at most {n}" for n in LIMITS) + " |"],
    )
    lines.append("|---|---|" + "---|" * len(LIMITS))
    for name, policy in POLICIES.items():
        fixed_rollouts, fixed_error = cost_and_error(policy, FIXED, 0.0)
        entry: dict = {"fixed": {"rollouts": fixed_rollouts, "error": fixed_error}, "curves": {}}
        cells = []
        for limit in LIMITS:
            points = curve(policy, limit)
            best = saved_at_equal_error(points, fixed_error * (1.1 if limit == FIXED else 1.0))
            entry["curves"][limit] = {"points": points, "at_equal_error": best}
            saved = "not reached" if best is None else f"{1 - best['rollouts'] / FIXED:.0%} (price {best['price']:g})"
            cells.append(saved)
        results[name] = entry
        lines.append(f"| {name} | {fixed_error:.4f} | " + " | ".join(cells) + " |")
    table = "\n".join(lines)
    print(table)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "adaptive_labels.md").write_text(table + "\n")
        plot(results, out / "adaptive_labels.png")


def plot(results: dict, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(3, 3, figsize=(12, 10), squeeze=False)
    for axis, (name, entry) in zip(axes.flat, results.items(), strict=False):
        for limit, color in zip(LIMITS, ("tab:blue", "tab:orange", "tab:green"), strict=True):
            points = entry["curves"][limit]["points"]
            axis.plot(
                [p["rollouts"] for p in points], [p["error"] for p in points], color=color, label=f"adaptive, at most {limit}"
            )
        axis.plot(entry["fixed"]["rollouts"], entry["fixed"]["error"], "k*", markersize=10, label="fixed 16")
        axis.axhline(entry["fixed"]["error"], color="0.8", zorder=0)
        axis.axvline(0.6 * FIXED, color="0.8", linestyle=":", zorder=0)
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("rollouts per prefix")
        axis.set_ylabel("mean |label - p|")
    for axis in list(axes.flat)[len(results) :]:
        axis.axis("off")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    list(axes.flat)[-1].legend(handles, labels, loc="center")
    figure.suptitle("Label error against rollouts; dotted line: 40% saved")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
