"""Sequential rollouts: stop sampling a prefix as soon as further rollouts are not worth their price.

Many prefixes are hopeless or safe, and their first rollouts show it. The rule is the Bayes-optimal one for a stated aim: the
mean of |label - p|, p being the prefix's pass probability and label = passed / sampled, plus ``price`` for each rollout, is as
small as it can be. A price of 0.001 says that a rollout must lower the expected label error by 0.001. What is expected follows
from a prior over p: a share of prefixes that never pass, a share that always do, the rest uniform. The optimal decision in each
state (sampled, passed) comes from backward induction over all of them; it is a table, made once.

With price 0 every prefix gets ``max_rollouts`` (the paper's setting). What the rule saves, and where it saves nothing, is
measured by benchmarks/adaptive_labels.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

UNIFORM_POINTS = 128


@dataclass(frozen=True)
class StoppingRule:
    """When to stop sampling a prefix.

    ``first`` rollouts are always sampled, then rounds of ``step``, never more than ``max_rollouts`` in all. ``never`` and
    ``always`` are the prior shares of hopeless and of safe prefixes.
    """

    max_rollouts: int = 16
    price: float = 0.0
    first: int = 4
    step: int = 2
    never: float = 0.5
    always: float = 0.2

    def __post_init__(self) -> None:
        if self.max_rollouts < 1 or self.first < 1 or self.step < 1:
            raise ValueError("max_rollouts, first and step must be at least 1")
        if self.price < 0 or self.never < 0 or self.always < 0 or self.never + self.always > 1:
            raise ValueError("price, never and always must not be negative, and never + always not above 1")

    def next_round(self, num_rollouts: int, num_correct: int, num_sampled: int | None = None) -> int:
        """How many more rollouts to sample; 0 means stop.

        ``num_rollouts`` count for the label; ``num_sampled`` (at least as many) also counts those that rewrote the prefix or
        could not be graded: they are paid for, so the limit is on them.
        """
        sampled = num_rollouts if num_sampled is None else num_sampled
        left = self.max_rollouts - sampled
        if left <= 0:
            return 0
        if self.price == 0:
            return left
        if num_rollouts < self.first:
            return min(left, self.first - num_rollouts)
        table = _stops(self.max_rollouts, self.price, self.first, self.step, self.never, self.always)
        return 0 if table[num_rollouts][num_correct] else min(left, self.step)


def prior(never: float, always: float) -> tuple[np.ndarray, np.ndarray]:
    """Pass probabilities and their weights: two atoms and midpoints of [0, 1]."""
    uniform_P = (np.arange(UNIFORM_POINTS) + 0.5) / UNIFORM_POINTS
    weight = (1 - never - always) / UNIFORM_POINTS
    return np.concatenate([[0.0, 1.0], uniform_P]), np.concatenate([[never, always], np.full(UNIFORM_POINTS, weight)])


@cache
def _stops(limit: int, price: float, first: int, step: int, never: float, always: float) -> list[list[bool]]:
    """stops[n][k]: whether to stop after k of n passed, by backward induction (P = points of the prior, K = 0 ... n)."""
    p_P, weight_P = prior(never, always)
    value: dict[int, np.ndarray] = {}
    stops: list[list[bool]] = [[] for _ in range(limit + 1)]
    for n in range(limit, 0, -1):
        k_K = np.arange(n + 1)
        likelihood_KP = weight_P * p_P ** k_K[:, None] * (1 - p_P) ** (n - k_K[:, None])
        total_K1 = likelihood_KP.sum(axis=1, keepdims=True)
        posterior_KP = np.divide(likelihood_KP, total_K1, out=np.zeros_like(likelihood_KP), where=total_K1 > 0)
        stop_K = (posterior_KP * np.abs(k_K[:, None] / n - p_P)).sum(axis=1)
        more = min(step, limit - n)
        if more == 0:
            go_K = np.full(n + 1, np.inf)
        else:
            go_K = np.full(n + 1, price * more)
            for extra in range(more + 1):
                ways = math.comb(more, extra)
                chance_K = (posterior_KP * ways * p_P**extra * (1 - p_P) ** (more - extra)).sum(axis=1)
                go_K += chance_K * value[n + more][k_K + extra]
        stops[n] = [bool(stop <= go) for stop, go in zip(stop_K, go_K, strict=True)]
        value[n] = np.minimum(stop_K, go_K)
    return stops
