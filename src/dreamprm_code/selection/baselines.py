"""Methods of selection: the PRM and what readers expect beside it.

A :class:`Method` gives a key per candidate (see ``best_of_n``):

===================  ==================================================================================================
``first``            the first sample: what the policy gives without selection
``random``           all candidates tied: the mean over samples, the policy's expected pass@1
``orm``              the last step's score only: the model as an outcome reward model
``public``           passes the public tests; ties at random
``public_prm``       passes the public tests, then the PRM's score
``cluster``          largest group of programs with equal outputs on all public inputs; ties at random
``cluster_prm``      group with the largest sum of PRM scores, then the PRM's score within it
``prm_<how>``        the PRM's step scores, aggregated
``oracle``           a passing candidate if there is one: pass@N, which no selection can exceed
===================  ==================================================================================================

A candidate whose public tests could not be run counts as failing them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from dreamprm_code.selection.aggregation import AGGREGATIONS, DEFAULT_AGGREGATION, aggregate
from dreamprm_code.selection.best_of_n import Key
from dreamprm_code.selection.candidates import Candidate, CandidateSet

BASELINES = ("first", "random", "orm", "public", "public_prm", "cluster", "cluster_prm")


class Method(NamedTuple):
    """``keys`` gives one key per candidate. ``any_subset`` says whether a candidate's key is the same whichever other
    candidates there are, so that expectations over subsets follow from the keys."""

    name: str
    title: str
    keys: Callable[[CandidateSet], list[Key]]
    any_subset: bool = True


def prm_method(aggregation: str = DEFAULT_AGGREGATION) -> Method:
    """The highest aggregated step score."""
    return Method(f"prm_{aggregation}", f"PRM ({aggregation.replace('_', '-')})", _each(lambda c: _score(c, aggregation)))


def oracle_method() -> Method:
    """A passing candidate if there is one; one that could not be graded only if none was graded."""
    return Method("oracle", "oracle (pass@N)", _each(lambda c: -1 if c.passed is None else int(c.passed)))


def baseline_method(name: str, aggregation: str = DEFAULT_AGGREGATION) -> Method:
    """One of :data:`BASELINES`; ``aggregation`` is that of the PRM's scores in it. Raises KeyError."""
    methods = {
        "first": Method("first", "first sample", _each(lambda c: -c.solution_idx), any_subset=False),
        "random": Method("random", "random (expected)", _each(lambda c: 0)),
        "orm": Method("orm", "ORM (last step)", _each(lambda c: _score(c, "last"))),
        "public": Method("public", "public tests", _each(lambda c: c.public_passed is True)),
        "public_prm": Method(
            "public_prm", "public tests, PRM", _each(lambda c: (c.public_passed is True, _score(c, aggregation)))
        ),
        "cluster": Method("cluster", "largest cluster", lambda s: _cluster_weights(s, lambda c: 1.0), any_subset=False),
        "cluster_prm": Method(
            "cluster_prm",
            "clusters, PRM weights",
            lambda s: [
                (weight, _score(c, aggregation))
                for weight, c in zip(_cluster_weights(s, lambda c: _score(c, aggregation)), s.candidates, strict=True)
            ],
            any_subset=False,
        ),
    }
    return methods[name]


def available_methods(sets: Sequence[CandidateSet], aggregation: str = DEFAULT_AGGREGATION) -> list[Method]:
    """The methods that the candidates have data for, weakest first: baselines, the PRM, the oracle."""
    candidates = [candidate for candidate_set in sets for candidate in candidate_set.candidates]
    names = list(BASELINES)
    if all(candidate.public_passed is None for candidate in candidates):
        names = [name for name in names if not name.startswith("public")]
    if all(candidate.cluster is None for candidate in candidates):
        names = [name for name in names if not name.startswith("cluster")]
    baselines = [baseline_method(name, aggregation) for name in names]
    return [*baselines, prm_method(aggregation), oracle_method()]


def aggregation_methods() -> list[Method]:
    """The PRM with each aggregation."""
    return [prm_method(name) for name in AGGREGATIONS]


def _each(key: Callable[[Candidate], Key]) -> Callable[[CandidateSet], list[Key]]:
    return lambda candidate_set: [key(candidate) for candidate in candidate_set.candidates]


def _score(candidate: Candidate, aggregation: str) -> float:
    return aggregate(candidate.step_scores, aggregation)


def _cluster_weights(candidate_set: CandidateSet, weight: Callable[[Candidate], float]) -> list[float]:
    """Each candidate's cluster's total weight; a candidate without a cluster (its outputs are not known) is alone."""
    totals: dict[tuple[str, int], float] = defaultdict(float)
    names = []
    for candidate in candidate_set.candidates:
        alone = candidate.cluster is None
        names.append(("alone", candidate.solution_idx) if alone else ("cluster", candidate.cluster or 0))
        totals[names[-1]] += weight(candidate)
    return [totals[name] for name in names]
