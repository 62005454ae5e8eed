"""The searches: pure functions of a policy that continues a program by one function and a scorer of prefixes.

* :func:`best_of_n`: n whole programs; the reference.
* :func:`beam_search`: n first functions; after every function the best n / m programs go on, each in m ways.
* :func:`dvts` (diverse verifier tree search): n / m independent trees, each a beam search that keeps one program.

Programs that are finished compete with those that are not: in their place among the best nothing is written, and when all of
the best are finished the search ends. Finished programs are never dropped: what a search returns are all that it has finished,
to be chosen from by the same scores. Equal scores are ranked in the order of drawing, programs that the PRM cannot read last.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol, Self, TypeVar

from pydantic import Field, model_validator

from dreamprm_code.policies.continuation import FENCE
from dreamprm_code.search.boundary import normalised
from dreamprm_code.selection.aggregation import DEFAULT_AGGREGATION, AggregationName, aggregate
from dreamprm_code.settings import FrozenSettings
from dreamprm_code.steps import StepSettings

T = TypeVar("T")
LOST, BUDGET = "lost", "budget"


class Recipe(FrozenSettings):
    """How to search. The policy has the seed, and the temperature where none is set here."""

    method: Literal["best_of_n", "beam_search", "dvts"] = Field(description="best_of_n, beam_search or dvts")
    n: int = Field(4, ge=1, description="programs in the making (best_of_n: programs)")
    m: int = Field(2, ge=1, description="ways in which each kept program goes on: n / m are kept (dvts: n / m trees)")
    max_functions: int = Field(6, ge=1, description="functions of a program; the last one takes all the rest")
    max_tokens_per_function: int = Field(256, ge=1, description="a function that is longer is not finished, nor is its program")
    aggregation: AggregationName = Field(
        DEFAULT_AGGREGATION, description="from the step scores of a prefix to what is compared"
    )
    temperature: float | None = Field(None, ge=0, description="of the sampling (default: the stage's)")
    budget: int | None = Field(None, ge=1, description="most tokens to generate for a problem")

    @model_validator(mode="after")
    def _whole_number_of_beams(self) -> Self:
        if self.method != "best_of_n" and self.n % self.m:
            raise ValueError(f"n={self.n} is no multiple of m={self.m}: {self.method} keeps n / m programs")
        return self

    def most_tokens(self, of_program: int) -> int:
        """Generated for a problem, at most; ``of_program`` is the most of a program that is written in one piece."""
        if self.method != "best_of_n":
            of_program = self.max_functions * self.max_tokens_per_function
        return self.n * of_program if self.budget is None else min(self.n * of_program, self.budget)


@dataclass(frozen=True)
class Beam:
    """A program in the making, found by its ``path``: the number of its tree, then of the draw in each round.

    ``output`` is the answer so far. ``prefix`` are its complete functions, of a finished program the whole code. A
    ``finish_reason`` says that it does not go on: stop, length, budget (the search's tokens are spent) or lost (a request that
    cannot succeed). Tokens are those generated, and those of prompts that were sent, along the path.
    """

    path: tuple[int, ...]
    output: str = FENCE
    prefix: str = ""
    finish_reason: str | None = None
    num_tokens: int = 0
    prompt_tokens: int = 0
    logprob: float | None = 0.0
    step_scores: tuple[float, ...] | None = None


class FunctionPolicy(Protocol):
    """Writes for one problem. Equal paths get equal answers."""

    async def extend(self, parent: Beam, path: tuple[int, ...], max_tokens: int, to_end: bool) -> Beam:
        """``parent`` with one function more, or all the rest."""
        ...

    async def write(self, path: tuple[int, ...], max_tokens: int | None) -> Beam:
        """A whole program, of at most ``max_tokens`` (None: the policy's own limit)."""
        ...


class PrefixScorer(Protocol):
    """Reads programs of one problem. ``counts`` are reported with the search; ``steps`` says how programs are split."""

    counts: Counter[str]
    steps: StepSettings

    def score(self, programs: Sequence[str]) -> list[tuple[float, ...] | None]:
        """The step scores of each, None for one that it cannot read."""
        ...


class Found(NamedTuple):
    """All programs that were finished, in the order of their paths, and what the search did: ``generated_tokens``, ``rounds``,
    ``tied_rounds`` (the last kept and the first dropped score equal), ``duplicates`` (sampled again), ``merged`` (duplicates
    then, too), ``lost``."""

    beams: tuple[Beam, ...]
    counts: Counter[str]


def value(beam: Beam, aggregation: str) -> float:
    """What beams are ranked by; minus infinity for one without scores."""
    return -math.inf if beam.step_scores is None else aggregate(beam.step_scores, aggregation)


async def best_of_n(policy: FunctionPolicy, scorer: PrefixScorer, recipe: Recipe) -> Found:
    """n programs, each in one go; equal ones stay, as they do without a search."""
    counts = Counter(rounds=1)
    limit = None if recipe.budget is None else max(1, recipe.budget // recipe.n)
    beams = await _all([policy.write((index,), limit) for index in range(recipe.n)])
    counts["generated_tokens"] = sum(beam.num_tokens for beam in beams)
    return Found(tuple(_scored(scorer, [beam for beam in beams if not _is_lost(beam, counts)])), counts)


async def beam_search(policy: FunctionPolicy, scorer: PrefixScorer, recipe: Recipe, tree: int = 0) -> Found:
    """Keep the best n / m after every function. Draws of a round share what is left of the budget equally."""
    counts: Counter[str] = Counter()
    width = recipe.n // recipe.m
    live, finished = [Beam((tree,))], list[Beam]()
    for depth in range(recipe.max_functions):
        draws = [(beam, child) for beam in live for child in range(recipe.m if depth else recipe.n)]
        drawn = await _round(policy, recipe, draws, depth == recipe.max_functions - 1, counts)
        if drawn is None:
            break
        counts["rounds"] += 1
        children = _scored(scorer, drawn)
        ranked = sorted([*finished, *children], key=lambda beam: value(beam, recipe.aggregation), reverse=True)
        if len(ranked) > width:
            kept, dropped = (value(ranked[place], recipe.aggregation) for place in (width - 1, width))
            counts["tied_rounds"] += kept == dropped
        live = [beam for beam in ranked[:width] if beam.finish_reason is None]
        finished += [beam for beam in children if beam.finish_reason is not None]
        if not live:
            break
    finished += [replace(beam, output=FENCE + beam.prefix, finish_reason=BUDGET) for beam in live]
    return Found(tuple(sorted(finished, key=lambda beam: beam.path)), counts)


async def dvts(policy: FunctionPolicy, scorer: PrefixScorer, recipe: Recipe) -> Found:
    """n / m trees that know nothing of each other; each has its share of the budget."""
    num_trees = recipe.n // recipe.m
    budget = None if recipe.budget is None else max(1, recipe.budget // num_trees)
    one = recipe.with_changes(n=recipe.m, budget=budget)
    trees = await _all([beam_search(policy, scorer, one, tree) for tree in range(num_trees)])
    return Found(tuple(beam for found in trees for beam in found.beams), sum((found.counts for found in trees), Counter()))


METHODS: dict[str, Callable[[FunctionPolicy, PrefixScorer, Recipe], Awaitable[Found]]] = {
    "best_of_n": best_of_n,
    "beam_search": beam_search,
    "dvts": dvts,
}


async def _round(
    policy: FunctionPolicy, recipe: Recipe, draws: Sequence[tuple[Beam, int]], to_end: bool, counts: Counter[str]
) -> list[Beam] | None:
    """The different children of a round, in order; None if the budget has no token for each draw."""

    async def draw(wanted: Sequence[tuple[Beam, int]]) -> list[Beam] | None:
        limit = recipe.max_tokens_per_function
        if recipe.budget is not None:
            limit = min(limit, (recipe.budget - counts["generated_tokens"]) // len(wanted))
            if limit < 1:
                return None
        found = await _all([policy.extend(beam, (*beam.path, child), limit, to_end) for beam, child in wanted])
        counts["generated_tokens"] += sum(
            child.num_tokens - beam.num_tokens for (beam, _), child in zip(wanted, found, strict=True)
        )
        spent = limit < recipe.max_tokens_per_function
        return [replace(beam, finish_reason=BUDGET) if spent and beam.finish_reason == "length" else beam for beam in found]

    first = await draw(draws)
    if first is None:
        return None
    seen: set[tuple[bool, str]] = set()
    different: list[Beam] = []

    def is_new(beam: Beam) -> bool:
        """An unfinished program and a finished one with the same text are two: the first goes on."""
        mark = (beam.finish_reason is None, normalised(beam.prefix))
        known = mark in seen
        seen.add(mark)
        return not known

    again: list[tuple[Beam, int]] = []
    for (parent, child), beam in zip(draws, first, strict=True):
        if _is_lost(beam, counts):
            continue
        if is_new(beam):
            different.append(beam)
        else:
            again.append((parent, child + len(draws)))  # a number that no other child of the parent has
    counts["duplicates"] += len(again)
    second = await draw(again) if again else []
    new = [beam for beam in second or () if not _is_lost(beam, counts) and is_new(beam)]
    counts["merged"] += len(again) - len(new)
    return different + new


def _is_lost(beam: Beam, counts: Counter[str]) -> bool:
    counts["lost"] += beam.finish_reason == LOST
    return beam.finish_reason == LOST


def _scored(scorer: PrefixScorer, beams: Sequence[Beam]) -> list[Beam]:
    scores = scorer.score([beam.prefix for beam in beams]) if beams else []
    return [replace(beam, step_scores=found) for beam, found in zip(beams, scores, strict=True)]


async def _all(tasks: Sequence[Awaitable[T]]) -> list[T]:
    """All results; an error is raised when all have ended, so that what was paid for is kept."""
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results  # type: ignore[return-value]  # none of them is an exception
