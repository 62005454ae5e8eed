"""Searches compared at equal cost, by hand."""

from __future__ import annotations

import pytest

from dreamprm_code.search.methods import Recipe
from dreamprm_code.search.table import Searched, compare, to_json, to_markdown
from dreamprm_code.selection.candidates import Candidate, CandidateSet

RECIPES = {"bon": Recipe(method="best_of_n", n=4), "beam": Recipe(method="beam_search", n=2, m=2)}


def searched(name: str, passed: list[bool], tokens: int, prm: tuple[int, int]) -> Searched:
    """The score falls from the first candidate to the last."""
    candidates = tuple(Candidate(index, bool(outcome), (0.9 - index / 10,)) for index, outcome in enumerate(passed))
    counts = {"generated_tokens": tokens, "prm_tokens": prm[0], "prm_tokens_uncached": prm[1]}
    return Searched(CandidateSet(name, "easy", candidates), counts)


@pytest.fixture
def runs():
    """Four programs of 100 tokens under a statement of 50: alone 4 x 150, together 50 + 400. The beams generate 250 tokens and
    read 200: as much as 2.5 and (200 - 50) / 100 = 1.5 programs."""
    bon = {name: [searched(name, outcomes, 400, (450, 600))] for name, outcomes in (("a", [0, 1, 1, 1]), ("b", [1, 0, 0, 0]))}
    beam = {
        name: [searched(name, passed, 250, (200, 500)) for passed in ([1, 0], [first, 1])]
        for name, first in (("a", 1), ("b", 0))
    }
    return {"bon": bon, "beam": beam | {"only here": beam["a"]}}


def test_best_of_k_is_compared_at_equal_tokens_and_equal_prm_tokens(runs):
    lines, questions = compare(runs, RECIPES)
    assert questions == ["a", "b"]
    bon, beam = lines
    assert (bon.solved, bon.num_searches, bon.equal_tokens) == (1.0, 2, None)
    assert (beam.solved, beam.num_searches, beam.generated_tokens, beam.prm_tokens) == (1.5, 4, 250, 200)
    # best of k: a fails if the first candidate is drawn, b passes only then: k/4 of the subsets; in sum always one.
    assert beam.equal_tokens.k == pytest.approx(2.5) and beam.equal_tokens.solved == pytest.approx(1.0)
    assert beam.equal_prm_tokens.k == pytest.approx(1.5) and beam.equal_prm_tokens.solved == pytest.approx(1.0)
    assert beam.equal_tokens.test.difference == pytest.approx(0.25)
    # a: 1 - 2.5/4 = 0.375 against 1; b: 0.625 against (1 + 0) / 2
    assert (beam.equal_tokens.test.wins, beam.equal_tokens.test.losses) == (1, 1)
    assert not beam.equal_tokens.is_bounded
    table = to_markdown(lines, questions)
    assert "| beam | 4 | 1.5 [" in table and "2.5x of 500 | k = 2.5: 1.0 | +0.250 [" in table
    assert to_json(lines, questions)["lines"][1]["equal_tokens"]["k"] == pytest.approx(2.5)


def test_more_than_there_is_to_choose_from_is_said(runs):
    runs["beam"]["a"] = [searched("a", [True], 4000, (9000, 9000))]
    _, beam = compare(runs, RECIPES)[0]
    assert beam.equal_tokens.is_bounded and beam.equal_tokens.k == 4 and "(bound)" in to_markdown([beam], ["a", "b"])


def test_without_common_problems_there_is_no_line(runs):
    assert compare({"bon": runs["bon"], "beam": {"c": runs["beam"]["a"]}}, RECIPES) == ([], [])
