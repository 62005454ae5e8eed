"""What the study measures of labels and step scores, against the truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dreamprm_code.selection.aggregation import aggregate
from dreamprm_code.selection.best_of_n import select
from dreamprm_code.selection.metrics import auroc, calibration_bins, expected_calibration_error
from dreamprm_code.study.controlled import ControlledProgram, ControlledStep

Metrics = dict[str, float | None]


def grouped_auroc(groups: Sequence[Sequence[tuple[float, bool]]], seed: int = 0) -> tuple[float, float, float]:
    """AUROC of all (score, is right) pairs together, with a 95% bootstrap interval over the groups; nan without both kinds."""

    def of(chosen: Sequence[Sequence[tuple[float, bool]]]) -> float:
        pairs = [pair for group in chosen for pair in group]
        found = auroc([score for score, _ in pairs], [right for _, right in pairs])
        return np.nan if found is None else found

    chance = np.random.default_rng(seed)
    draws = [of([groups[i] for i in chance.integers(len(groups), size=len(groups))]) for _ in range(500)]
    known = [draw for draw in draws if not np.isnan(draw)] or [np.nan]
    return of(groups), float(np.quantile(known, 0.025)), float(np.quantile(known, 0.975))


def at_one_place(programs: Sequence[Sequence[float]]) -> list[list[float]]:
    """Scores of each program's steps less the mean of those that stand at the same step of as many: what the place leaves."""
    places: dict[tuple[int, int], list[float]] = {}
    for scores in programs:
        for step, score in enumerate(scores):
            places.setdefault((step, len(scores)), []).append(score)
    mean = {place: float(np.mean(scores)) for place, scores in places.items()}
    return [[score - mean[step, len(scores)] for step, score in enumerate(scores)] for scores in programs]


def _calibration_error(values: Sequence[float], truth: Sequence[float]) -> float:
    return expected_calibration_error(calibration_bins([min(max(value, 0.0), 1.0) for value in values], truth)) or 0.0


def label_metrics(steps: Sequence[ControlledStep], labels: Sequence[float] | None) -> Metrics:
    """Errors of the labels that an arm leaves, beside those of the Monte-Carlo labels."""
    truth = np.array([step.true_value for step in steps])
    found: Metrics = {"mc_mae": float(np.abs([step.mc_value for step in steps] - truth).mean())}
    if labels is not None:
        found["label_mae"] = float(np.abs(np.asarray(labels) - truth).mean())
        found["label_auroc"] = auroc(labels, (truth > 0).tolist())
        found["label_ece"] = _calibration_error(labels, truth.tolist())
    return found


def score_metrics(
    name: str, programs: Sequence[ControlledProgram], scores: Sequence[float], num_candidates: int, is_share: bool = True
) -> Metrics:
    """Middle steps against the truth, and best-of-N by the mean step score over disjoint groups of N programs of a problem.

    Scores that are no shares (lengths, log-likelihoods) have no error; the last of a program's chooses.
    """
    by_problem: dict[str, list[tuple[float, bool]]] = {}
    middle: list[float] = []
    truth: list[float] = []
    start = 0
    for program in programs:
        own = list(scores[start : start + len(program.prefixes)])
        start += len(own)
        middle += own[:-1]
        truth += program.true_values[:-1]
        score = aggregate(own, "mean") if is_share else own[-1]
        by_problem.setdefault(program.question_id, []).append((score, program.passed))
    groups = [
        scored[first : first + num_candidates]
        for scored in by_problem.values()
        for first in range(0, len(scored) - num_candidates + 1, num_candidates)
    ]
    chosen = [group[select([score for score, _ in group]).position][1] for group in groups]
    found: Metrics = {
        f"{name}_auroc": auroc(middle, [value > 0 for value in truth]),
        f"{name}_best_of_n": float(np.mean(chosen)),
        f"{name}_random": float(np.mean([passed for group in groups for _, passed in group])),
        f"{name}_oracle": float(np.mean([any(passed for _, passed in group) for group in groups])),
    }
    if is_share:
        found[f"{name}_mae"] = float(np.abs(np.array(middle) - truth).mean())
        found[f"{name}_ece"] = _calibration_error(middle, truth)
    return found
