"""A policy whose success is known: it writes each function right with a given probability, from a pool of tested functions.

The pool of a problem holds, for each function of a reference program, texts that pass the unit tests and texts that fail them
(:mod:`dreamprm_code.study.mutation`). The policy draws the functions of a program one after another and independently:
function k is right with probability q_k, and then any right text, else any wrong one, with equal chances. A program passes if
and only if all its functions are right (``make_controlled.py`` runs compositions to check this). The true value of a prefix,
the chance that a completion of it passes, is therefore

    v_k = 0                                   if one of its functions is wrong,
    v_k = q_{k+1} q_{k+2} ... q_{K-1}         otherwise (1 for a right whole program),

and a Monte-Carlo label with n rollouts is Binomial(n, v_k) / n. The noise that such labels carry beyond that is added by
:class:`LabelNoise`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from dreamprm_code.errors import UserError
from dreamprm_code.records import Index, Record

NOISE_KINDS = ("independent", "systematic", "weak_policy")


class PoolError(UserError):
    """A pool from which no program can be composed; the message names problem and function."""


class FunctionVariant(Record):
    """One text of one function of a reference program: row of ``functions.jsonl``.

    ``text`` is the step's own text, from the end of the step before it: the texts of all steps, joined, are a program.
    ``operator`` names the change ("reference" for none); ``line``, ``before`` and ``after`` describe it.
    """

    key_fields = ("question_id", "step_idx", "variant_idx")

    question_id: str
    step_idx: Index
    variant_idx: Index
    num_steps: Annotated[int, Field(ge=1)]
    name: str
    text: str
    is_right: bool
    operator: str
    line: Index = 0
    before: str = ""
    after: str = ""


class Drawn(NamedTuple):
    """A function that the policy wrote: which text of its step's pool (index into ``right`` or ``wrong``)."""

    is_right: bool
    variant: int


@dataclass(frozen=True)
class ProblemPool:
    """Right and wrong texts for each of the K functions of a problem's program."""

    question_id: str
    right: tuple[tuple[str, ...], ...]
    wrong: tuple[tuple[str, ...], ...]

    @property
    def num_steps(self) -> int:
        return len(self.right)

    def text(self, step_idx: int, drawn: Drawn) -> str:
        return (self.right if drawn.is_right else self.wrong)[step_idx][drawn.variant]

    def prefix(self, functions: Sequence[Drawn]) -> str:
        """The program text of the first functions (of all: the program)."""
        return "".join(self.text(index, drawn) for index, drawn in enumerate(functions))


def pools_of(
    variants: Iterable[FunctionVariant], min_steps: int = 2, max_right: int | None = None, max_wrong: int | None = None
) -> list[ProblemPool]:
    """Pools of the problems whose programs have at least ``min_steps`` functions, each with a right and a wrong text.

    Raises:
        PoolError: no problem is left.
    """
    by_problem: dict[str, list[FunctionVariant]] = {}
    for variant in variants:
        by_problem.setdefault(variant.question_id, []).append(variant)
    pools = []
    for question_id, rows in by_problem.items():
        steps = range(rows[0].num_steps)
        right = tuple(tuple(row.text for row in rows if row.step_idx == k and row.is_right)[:max_right] for k in steps)
        wrong = tuple(tuple(row.text for row in rows if row.step_idx == k and not row.is_right)[:max_wrong] for k in steps)
        if len(steps) >= min_steps and all(right) and all(wrong):
            pools.append(ProblemPool(question_id, right, wrong))
    if not pools:
        raise PoolError(
            f"no problem has {min_steps} functions with right and wrong texts each; make more with make_controlled.py"
        )
    return pools


@dataclass(frozen=True)
class SimulatedPolicy:
    """``success`` holds q_k, the probability that function k is written right, for each step of the pool."""

    pool: ProblemPool
    success: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.success) != self.pool.num_steps or not all(0.0 <= q <= 1.0 for q in self.success):
            raise ValueError(f"{self.pool.question_id}: one probability in [0, 1] for each of {self.pool.num_steps} functions")

    def complete(self, functions: Sequence[Drawn], rng: np.random.Generator) -> tuple[Drawn, ...]:
        """One rollout: the given functions and newly drawn ones up to the end of the program."""
        drawn = list(functions)
        for index in range(len(drawn), self.pool.num_steps):
            is_right = bool(rng.random() < self.success[index])
            texts = (self.pool.right if is_right else self.pool.wrong)[index]
            drawn.append(Drawn(is_right, int(rng.integers(len(texts)))))
        return tuple(drawn)

    def true_value(self, functions: Sequence[Drawn]) -> float:
        """The chance that a completion of this prefix passes (see the module's text)."""
        if not all(drawn.is_right for drawn in functions):
            return 0.0
        return math.prod(self.success[len(functions) :])

    def log_likelihood(self, functions: Sequence[Drawn]) -> float:
        """Mean over the functions of their log-probability: right or wrong, then one of the texts of that kind."""
        total = 0.0
        for step_idx, (drawn, success) in enumerate(zip(functions, self.success, strict=False)):
            texts = (self.pool.right if drawn.is_right else self.pool.wrong)[step_idx]
            total += math.log((success if drawn.is_right else 1.0 - success) / len(texts))
        return total / len(functions)

    def num_correct(self, functions: Sequence[Drawn], num_rollouts: int, rng: np.random.Generator) -> int:
        """How many of ``num_rollouts`` completions pass: what executing them would count."""
        return int(rng.binomial(num_rollouts, self.true_value(functions)))


@dataclass(frozen=True)
class LabelNoise:
    """What is wrong with Monte-Carlo labels beyond their sampling error.

    * ``independent``: each label is flipped (c of n becomes n - c of n) with probability ``rate``, whatever its text.
    * ``systematic``: each text of the pool is misjudged with probability ``rate``, once and for all: every label of a prefix
      that ends with it is flipped. More rollouts, or more programs with that text, do not help.
    * ``weak_policy``: in a share ``rate`` of the problems the labelling policy is much weaker than the true one: each
      remaining function is right with ``weakness`` times its probability.
    """

    kind: str
    rate: float
    weakness: float = 0.4

    def __post_init__(self) -> None:
        if self.kind not in NOISE_KINDS:
            raise ValueError(f"unknown noise {self.kind!r}; choose from {', '.join(NOISE_KINDS)}")
        if not 0.0 <= self.rate <= 1.0:
            raise ValueError(f"noise rate {self.rate} is not a share")


class NoisyLabels:
    """Labels of one problem's prefixes: simulated rollouts, then noise."""

    def __init__(self, policy: SimulatedPolicy, noise: LabelNoise, rng: np.random.Generator):
        self.policy, self.noise, self.rng = policy, noise, rng
        pool = policy.pool
        self._misjudged = [
            {
                Drawn(is_right, index)
                for is_right, texts in ((True, pool.right[k]), (False, pool.wrong[k]))
                for index in range(len(texts))
                if rng.random() < noise.rate
            }
            for k in range(pool.num_steps)
        ]
        self._is_weak = bool(rng.random() < noise.rate)

    def num_correct(self, functions: Sequence[Drawn], num_rollouts: int) -> tuple[int, bool]:
        """``(count, was the label spoilt by more than sampling)`` for one prefix."""
        noise, rng = self.noise, self.rng
        if noise.kind == "weak_policy" and self._is_weak:
            remaining = self.policy.pool.num_steps - len(functions)
            value = self.policy.true_value(functions) * noise.weakness**remaining
            return int(rng.binomial(num_rollouts, value)), True
        count = self.policy.num_correct(functions, num_rollouts, rng)
        if noise.kind == "independent":
            flip = bool(rng.random() < noise.rate)
        else:
            flip = noise.kind == "systematic" and functions[-1] in self._misjudged[len(functions) - 1]
        return (num_rollouts - count if flip else count), flip
