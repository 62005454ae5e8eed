"""Choose one of N candidates, and what such a choice is worth in expectation.

A method of selection is a key per candidate: the candidate with the highest key is chosen. Keys may be numbers or tuples of
numbers (compared from the left). Equal keys are ties:

* :func:`select` breaks them towards the lowest index, so that a selection is one program and reproducible;
* :func:`expected_pass_at_n` takes the expected value over a uniform choice among the tied, so that no table depends on the
  order in which candidates were sampled. Tables use this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import comb
from typing import Any, NamedTuple

Key = Any
"""What candidates are compared by: a float, or a tuple of floats."""


class Choice(NamedTuple):
    """The chosen position in the list of candidates, and how many candidates share its key (1: no tie)."""

    position: int
    num_tied: int


def select(keys: Sequence[Key]) -> Choice:
    """The position of the highest key; of several, the lowest position.

    Raises:
        ValueError: there are no candidates.
    """
    if not keys:
        raise ValueError("there are no candidates to choose from")
    best = max(keys)
    return Choice(keys.index(best), sum(key == best for key in keys))


def expected_pass_at_n(keys: Sequence[Key], passed: Sequence[bool | None], n: int) -> float | None:
    """Expected outcome of: draw n of the N candidates without replacement, choose the highest key, break ties at random.

    This is the unbiased estimate of best-of-n from N >= n candidates: an average over all C(N, n) subsets, in closed form.
    Let a group of m candidates share a key and L candidates have lower keys. The group holds the choice in C(L + m, n) - C(L,
    n) of the subsets, and by symmetry each of its members equally often. With ``keys`` = ``passed`` this is the unbiased
    pass@n.

    ``n`` above N means all N. Candidates that could not be graded (None) leave the denominator: the value is conditional on a
    graded choice, and None if no choice could be graded.
    """
    if len(keys) != len(passed) or not keys or n < 1:
        raise ValueError(f"{len(keys)} keys, {len(passed)} outcomes, n={n}")
    n = min(n, len(keys))
    solved = graded = Fraction(0)
    lower = 0
    for key in sorted(set(keys)):
        group = [outcome for candidate_key, outcome in zip(keys, passed, strict=True) if candidate_key == key]
        if num_subsets := comb(lower + len(group), n) - comb(lower, n):
            solved += Fraction(num_subsets * sum(outcome is True for outcome in group), len(group))
            graded += Fraction(num_subsets * sum(outcome is not None for outcome in group), len(group))
        lower += len(group)
    return float(solved / graded) if graded else None
