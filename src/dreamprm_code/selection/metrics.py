"""Intervals, paired tests and measures of ranking and calibration.

An outcome is the expected pass of a problem in [0, 1]: 0 or 1 for a method that chooses one program, a share for a random
choice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

NUM_RESAMPLES = 10_000


class Interval(NamedTuple):
    low: float
    high: float


class PairedTest(NamedTuple):
    """Method a against method b on the same problems. ``wins`` and ``losses`` count problems where a is above and below b;
    ``difference`` is the difference of mean outcomes with its 95% bootstrap interval; ``p_value`` is two-sided."""

    wins: int
    losses: int
    difference: float
    low: float
    high: float
    p_value: float
    test: str


def wilson_interval(num_solved: float, num_problems: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a share; (0, 1) without problems."""
    if num_problems == 0:
        return Interval(0.0, 1.0)
    z = float(stats.norm.ppf(0.5 + confidence / 2))
    share = num_solved / num_problems
    centre = share + z * z / (2 * num_problems)
    half = z * math.sqrt(share * (1 - share) / num_problems + z * z / (4 * num_problems**2))
    scale = 1 + z * z / num_problems
    return Interval(max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale))


def clopper_pearson_interval(num_solved: int, num_problems: int, confidence: float = 0.95) -> Interval:
    """The exact binomial interval; (0, 1) without problems."""
    if num_problems == 0:
        return Interval(0.0, 1.0)
    found = stats.binomtest(num_solved, num_problems).proportion_ci(confidence, method="exact")
    return Interval(float(found.low), float(found.high))


def bootstrap_interval(outcomes: Sequence[float], seed: int = 0, confidence: float = 0.95) -> Interval:
    """Percentile bootstrap of the mean over problems; (0, 1) without problems.

    Where all outcomes are 0 or all are 1 a resample cannot differ and the interval would have no width; the exact binomial
    interval is given instead.
    """
    values = np.asarray(outcomes, dtype=float)
    if values.size == 0:
        return Interval(0.0, 1.0)
    if np.all(values == 0.0) or np.all(values == 1.0):
        return clopper_pearson_interval(round(values.sum()), values.size, confidence)
    low, high = _percentile_bootstrap(values, seed, confidence)
    return Interval(min(1.0, max(0.0, low)), min(1.0, max(0.0, high)))


def _percentile_bootstrap(values: np.ndarray, seed: int, confidence: float = 0.95) -> Interval:
    if np.ptp(values) == 0.0:  # scipy gives nan
        return Interval(float(values[0]), float(values[0]))
    found = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=NUM_RESAMPLES,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(float(found.low), float(found.high))


def mcnemar_exact(wins: int, losses: int) -> float:
    """Two-sided exact McNemar test: were ``wins`` of ``wins + losses`` differing problems fair coin flips? 1.0 if none
    differ."""
    return float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def sign_flip_test(differences: Sequence[float], seed: int = 0) -> float:
    """Two-sided paired permutation test of mean difference 0: the share of sign patterns with a sum at least as far from 0.

    Exact for up to 16 non-zero differences, else from 99,999 random patterns and the observed one. On differences of -1, 0, 1
    the exact form is McNemar's exact test.
    """
    values = np.asarray([value for value in differences if value != 0.0], dtype=float)
    if values.size < 2:
        return 1.0  # one pattern and its mirror image

    def mean_difference(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        return (a - b).mean(axis=axis)

    found = stats.permutation_test(
        (values, np.zeros_like(values)),
        mean_difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=99_999,
        batch=10_000,
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def paired_test(a: Sequence[float | None], b: Sequence[float | None], seed: int = 0) -> PairedTest:
    """Compare two methods problem by problem; problems that either could not be graded on are left out.

    McNemar's exact test where every outcome is 0 or 1, else the sign-flip test (outcomes that are expected values).
    """
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    differences = np.asarray([x - y for x, y in pairs], dtype=float)
    wins, losses = int(np.sum(differences > 0)), int(np.sum(differences < 0))
    if all(value in (0.0, 1.0) for pair in pairs for value in pair):
        p_value, test = mcnemar_exact(wins, losses), "mcnemar_exact"
    else:
        p_value, test = sign_flip_test(differences.tolist(), seed), "sign_flip"
    if differences.size == 0:
        return PairedTest(0, 0, 0.0, 0.0, 0.0, 1.0, test)
    return PairedTest(wins, losses, float(differences.mean()), *_percentile_bootstrap(differences, seed), p_value, test)


def gap_recovered(selected: float, mean: float, oracle: float) -> float | None:
    """(selected - mean) / (oracle - mean): 0 for a random choice, 1 for a perfect one; None if there is no gap to recover."""
    return (selected - mean) / (oracle - mean) if oracle > mean else None


def auroc(scores: Sequence[float], positive: Sequence[bool]) -> float | None:
    """Probability that a random positive has a higher score than a random negative (ties count half); None if one is
    missing."""
    scores_N, positive_N = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    num_positive, num_negative = int(positive_N.sum()), int((~positive_N).sum())
    if not num_positive or not num_negative:
        return None
    rank_sum = float(stats.rankdata(scores_N)[positive_N].sum())
    return (rank_sum - num_positive * (num_positive + 1) / 2) / (num_positive * num_negative)


class CalibrationBin(NamedTuple):
    """Scores in [low, high) (the last bin holds 1.0 too): their number, mean, and the mean of what they predict with its
    interval."""

    low: float
    high: float
    num_scores: int
    mean_score: float
    mean_target: float
    target_low: float
    target_high: float


def calibration_bins(scores: Sequence[float], targets: Sequence[float], num_bins: int = 10) -> list[CalibrationBin]:
    """Reliability bins of equal width; empty bins are left out. Targets are outcomes or shares in [0, 1]; intervals are
    Wilson's."""
    scores_N, targets_N = np.asarray(scores, dtype=float), np.asarray(targets, dtype=float)
    index_N = np.minimum((scores_N * num_bins).astype(int), num_bins - 1)
    bins = []
    for index in range(num_bins):
        chosen = index_N == index
        count = int(chosen.sum())
        if count:
            interval = wilson_interval(float(targets_N[chosen].sum()), count)
            mean_score, mean_target = float(scores_N[chosen].mean()), float(targets_N[chosen].mean())
            bins.append(CalibrationBin(index / num_bins, (index + 1) / num_bins, count, mean_score, mean_target, *interval))
    return bins


def expected_calibration_error(bins: Sequence[CalibrationBin]) -> float | None:
    """Mean distance of a bin's mean score from its mean target, weighted by counts; None without scores."""
    total = sum(item.num_scores for item in bins)
    return sum(item.num_scores * abs(item.mean_score - item.mean_target) for item in bins) / total if total else None


def brier_score(scores: Sequence[float], targets: Sequence[float]) -> float | None:
    """Mean squared distance of scores from targets; None without scores."""
    if not len(scores):
        return None
    return float(np.mean((np.asarray(scores, dtype=float) - np.asarray(targets, dtype=float)) ** 2))
