"""Methods of selection: the PRM and what readers expect beside it.

A :class:`Method` gives a key per candidate (see ``best_of_n``):

===================  ==================================================================================================
``first``            the first sample: what the policy gives without selection
``random``           all candidates tied: the mean over samples, the policy's expected pass@1
``shortest``         the shortest program (in characters)
``longest``          the longest program
``logprob``          the highest mean log-probability of the answer's tokens under the policy
``prm_logprob``      the PRM's score and the mean log-probability together: each standardised over the problem's candidates,
                     then added
``orm``              the last step's score only: the model as an outcome reward model
``public``           passes the public tests; ties at random
``public_prm``       passes the public tests, then the PRM's score
``cluster``          largest group of programs with equal outputs on all public inputs; ties at random
``cluster_prm``      group with the largest sum of PRM scores, then the PRM's score within it
``prm_<how>``        the PRM's step scores, aggregated
``oracle``           a passing candidate if there is one: pass@N, which no selection can exceed
===================  ==================================================================================================

A candidate that the PRM has not read, and an answer without a program, is a method's last choice. A candidate whose public
tests could not be run counts as failing them.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from dreamprm_code.selection.aggregation import AGGREGATIONS, DEFAULT_AGGREGATION, aggregate
from dreamprm_code.selection.best_of_n import Key
from dreamprm_code.selection.candidates import Candidate, CandidateSet

KNOWN_SHARE = 0.9
"""A method is offered if what it reads is known of this share of the candidates; the others count as the worst."""


class Method(NamedTuple):
    """``keys`` gives one key per candidate. ``any_subset`` says whether a candidate's key is the same whichever other
    candidates there are, so that expectations over subsets follow from the keys. ``reads`` names the field of a candidate
    that the method cannot do without."""

    name: str
    title: str
    keys: Callable[[CandidateSet], list[Key]]
    any_subset: bool = True
    reads: str | None = None


def prm_method(aggregation: str = DEFAULT_AGGREGATION) -> Method:
    """The highest aggregated step score."""
    return Method(f"prm_{aggregation}", f"PRM ({aggregation.replace('_', '-')})", _each(lambda c: _score(c, aggregation)))


def oracle_method() -> Method:
    """A passing candidate if there is one; one that could not be graded only if none was graded."""
    return Method("oracle", "oracle (pass@N)", _each(lambda c: -1 if c.passed is None else int(c.passed)))


def baselines(aggregation: str = DEFAULT_AGGREGATION) -> dict[str, Method]:
    """All of them by name, weakest first; ``aggregation`` is that of the PRM's scores in them."""

    def score(candidate: Candidate) -> float:
        return _score(candidate, aggregation)

    methods = (
        Method("first", "first sample", _each(lambda c: -c.solution_idx), any_subset=False),
        Method("random", "random (expected)", _each(lambda c: 0)),
        Method("shortest", "shortest program", _each(lambda c: -c.num_characters if c.num_characters else -math.inf)),
        Method("longest", "longest program", _each(lambda c: c.num_characters)),
        Method("logprob", "mean log-likelihood", _each(_logprob), reads="mean_logprob"),
        Method("prm_logprob", "PRM + log-likelihood", lambda s: _together(s, score), any_subset=False, reads="mean_logprob"),
        Method("orm", "ORM (last step)", _each(lambda c: _score(c, "last"))),
        Method("public", "public tests", _each(lambda c: c.public_passed is True), reads="public_passed"),
        Method("public_prm", "public tests, PRM", _each(lambda c: (c.public_passed is True, score(c))), reads="public_passed"),
        Method(
            "cluster",
            "largest cluster",
            lambda s: _cluster_weights(s, lambda c: 1.0),
            any_subset=False,
            reads="public_outputs",
        ),
        Method(
            "cluster_prm",
            "clusters, PRM weights",
            lambda s: list(zip(_cluster_weights(s, score), map(score, s.candidates), strict=True)),
            any_subset=False,
            reads="public_outputs",
        ),
    )
    return {method.name: method for method in methods}


def available_methods(sets: Sequence[CandidateSet], aggregation: str = DEFAULT_AGGREGATION) -> list[Method]:
    """The methods that the candidates have data for, weakest first: baselines, the PRM, the oracle."""
    found = [method for method in baselines(aggregation).values() if method.reads is None or is_known(sets, method.reads)]
    return [*found, prm_method(aggregation), oracle_method()]


def is_known(sets: Sequence[CandidateSet], field: str) -> bool:
    """Whether candidates have this field: nine in ten of those that pass and of those that fail, in problems where any has it.

    Where it were known for those that pass alone, choosing by it would be choosing by the verdict.
    """
    known: dict[bool, list[bool]] = {True: [], False: []}
    for candidate_set in sets:
        graded = [item for item in candidate_set.candidates if item.passed is not None and item.num_characters]
        there = [getattr(item, field) is not None for item in graded]
        if any(there):
            for item, is_there in zip(graded, there, strict=True):
                known[bool(item.passed)].append(is_there)
    return any(known.values()) and all(sum(there) >= KNOWN_SHARE * len(there) for there in known.values())


def aggregation_methods() -> list[Method]:
    """The PRM with each aggregation."""
    return [prm_method(name) for name in AGGREGATIONS]


def _each(key: Callable[[Candidate], Key]) -> Callable[[CandidateSet], list[Key]]:
    return lambda candidate_set: [key(candidate) for candidate in candidate_set.candidates]


def _score(candidate: Candidate, aggregation: str) -> float:
    return -math.inf if candidate.step_scores is None else aggregate(candidate.step_scores, aggregation)


def _logprob(candidate: Candidate) -> float:
    return -math.inf if candidate.mean_logprob is None or not candidate.num_characters else candidate.mean_logprob


def _together(candidate_set: CandidateSet, score: Callable[[Candidate], float]) -> list[float]:
    """The sum of two standard scores; a candidate that lacks one of the two values comes last."""
    pairs = [(score(candidate), _logprob(candidate)) for candidate in candidate_set.candidates]
    known = [pair for pair in pairs if min(pair) > -math.inf]
    keys = iter(sum(columns) for columns in zip(*map(_standardised, zip(*known, strict=True)), strict=True))
    return [next(keys) if min(pair) > -math.inf else -math.inf for pair in pairs]


def _standardised(values: Sequence[float]) -> list[float]:
    mean, spread = statistics.fmean(values), statistics.pstdev(values)
    return [(value - mean) / spread if spread > 0 else 0.0 for value in values]


def _cluster_weights(candidate_set: CandidateSet, weight: Callable[[Candidate], float]) -> list[float]:
    """The total weight of each candidate's cluster, of those that have one; a candidate without known outputs is alone."""
    weights: dict[tuple[str, int | str], list[float]] = defaultdict(list)
    names = []
    for candidate in candidate_set.candidates:
        alone = candidate.public_outputs is None
        names.append(("alone", candidate.solution_idx) if alone else ("cluster", candidate.public_outputs or ""))
        weights[names[-1]].append(weight(candidate))
    totals = {name: sum(item for item in items if item > -math.inf) for name, items in weights.items()}
    return [totals[name] if max(weights[name]) > -math.inf else -math.inf for name in names]
