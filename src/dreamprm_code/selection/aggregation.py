"""From the scores of a program's steps to one score for the program.

The paper takes the mean. Every other way here is one that readers of the literature expect: min, last and product come from the
first process reward models, the sum of log-odds from the released script, median and max are their robust relatives. Only the
order of the results matters for a selection, so their scales may differ: all lie in [0, 1] but ``log_odds``.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Annotated

from dreamprm_code.errors import UserError
from dreamprm_code.settings import OneOf

LOG_ODDS_CLAMP = 1e-6
"""Scores are moved into [1e-6, 1 - 1e-6] before their log-odds are taken: one step counts for at most 13.8."""

DEFAULT_AGGREGATION = "mean"
"""The paper's."""


class AggregationError(UserError):
    """An aggregation that does not exist, or step scores that are no probabilities."""


def log_odds_sum(step_scores: Sequence[float]) -> float:
    """Sum over steps of log(p / (1 - p)), with p clamped by :data:`LOG_ODDS_CLAMP`; unbounded."""
    clamped = [min(max(score, LOG_ODDS_CLAMP), 1.0 - LOG_ODDS_CLAMP) for score in step_scores]
    return math.fsum(math.log(score) - math.log1p(-score) for score in clamped)


def recency_weighted_mean(step_scores: Sequence[float]) -> float:
    """Mean with weight k for the k-th step, counted from 1: the last of K steps weighs K times the first."""
    total = math.fsum(weight * score for weight, score in enumerate(step_scores, start=1))
    return total / (len(step_scores) * (len(step_scores) + 1) / 2)


AGGREGATIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "mean": statistics.fmean,
    "min": min,
    "last": lambda step_scores: step_scores[-1],
    "product": math.prod,
    "log_odds": log_odds_sum,
    "median": statistics.median,
    "max": max,
    "recency": recency_weighted_mean,
}

AggregationName = Annotated[str, OneOf(tuple(AGGREGATIONS))]
"""The type of a setting that names one."""


def aggregate(step_scores: Sequence[float], method: str = DEFAULT_AGGREGATION) -> float:
    """One score from a program's step scores, each in [0, 1].

    Raises:
        AggregationError: the method is unknown, there are no scores, or one is outside [0, 1] (or not a number).
    """
    if method not in AGGREGATIONS:
        raise AggregationError(f"unknown aggregation {method!r}; choose from {', '.join(AGGREGATIONS)}")
    if not step_scores:
        raise AggregationError("a program without step scores cannot be given a score")
    if not all(0.0 <= score <= 1.0 for score in step_scores):
        raise AggregationError(f"step scores lie in [0, 1], not {list(step_scores)}")
    return float(AGGREGATIONS[method](step_scores))
