"""Sequential rollouts: stop sampling a prefix as soon as its label is known well enough.

Many prefixes are hopeless or safe, and the first few rollouts show it. After each round the posterior of the pass
probability p under a Beta(a, b) prior is Beta(a + passed, b + failed); sampling stops when its standard deviation is at most
``precision``, and at ``max_rollouts`` in any case. With precision 0 the number is fixed (the paper's setting).

With a = b = 1/2 (Jeffreys) the standard deviation falls fastest at 0 of n and n of n, so those stop first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class StoppingRule:
    """When to stop: ``precision`` is a standard deviation of the pass probability, in [0, 0.5)."""

    max_rollouts: int = 16
    first: int = 4
    step: int = 2
    precision: float = 0.0
    prior_a: float = 0.5
    prior_b: float = 0.5

    def next_round(self, num_rollouts: int, num_correct: int, num_sampled: int | None = None) -> int:
        """How many more rollouts to sample; 0 means stop.

        ``num_rollouts`` count for the label; ``num_sampled`` (at least as many) also counts those that rewrote the prefix or
        could not be graded: they are paid for, so the limit is on them.
        """
        sampled = num_rollouts if num_sampled is None else num_sampled
        left = self.max_rollouts - sampled
        if left <= 0:
            return 0
        if self.precision <= 0:
            return left
        if sampled < self.first:
            return min(left, self.first - sampled)
        if num_rollouts and self.deviation(num_rollouts, num_correct) <= self.precision:
            return 0
        return min(left, self.step)

    def deviation(self, num_rollouts: int, num_correct: int) -> float:
        """Posterior standard deviation of the pass probability."""
        a, b = self.prior_a + num_correct, self.prior_b + num_rollouts - num_correct
        return math.sqrt(a * b / ((a + b) ** 2 * (a + b + 1)))
