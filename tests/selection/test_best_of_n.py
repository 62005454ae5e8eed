"""Choosing among candidates, and its expected value over subsets: the closed form against enumeration."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamprm_code.selection.best_of_n import Choice, expected_pass_at_n, select


def enumerated(keys: list, passed: list[bool | None], n: int) -> float | None:
    """The definition: all subsets of n candidates, each tied highest key with equal chance, over graded choices."""
    solved = graded = 0.0
    for subset in itertools.combinations(range(len(keys)), n):
        best = max(keys[index] for index in subset)
        tied = [index for index in subset if keys[index] == best]
        solved += sum(passed[index] is True for index in tied) / len(tied)
        graded += sum(passed[index] is not None for index in tied) / len(tied)
    return solved / graded if graded else None


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([True, False, None])), min_size=1, max_size=7),
    st.integers(1, 7),
)
def test_the_closed_form_is_the_average_over_all_subsets(rows: list[tuple[int, bool | None]], n: int) -> None:
    keys, passed = [row[0] for row in rows], [row[1] for row in rows]
    expected = enumerated(keys, passed, min(n, len(rows)))
    found = expected_pass_at_n(keys, passed, n)
    assert found == (None if expected is None else pytest.approx(expected))


def test_by_hand_two_of_three() -> None:
    """Subsets {a, b}, {a, c}, {b, c} choose b, c, c (scores 1 < 2 < 3); only b passes: 1/3."""
    assert expected_pass_at_n([1, 2, 3], [False, True, False], 2) == pytest.approx(1 / 3)


def test_pass_at_k_is_the_same_formula_with_the_outcome_as_key() -> None:
    """The usual unbiased estimate: 1 - C(n - c, k) / C(n, k) with n = 5, c = 2, k = 3: 1 - 1/10."""
    passed = [True, False, True, False, False]
    assert expected_pass_at_n(passed, passed, 3) == pytest.approx(0.9)


def test_one_candidate_in_expectation_is_the_mean_of_all() -> None:
    assert expected_pass_at_n([5, 1, 9, 9], [True, False, False, True], 1) == pytest.approx(0.5)


def test_ties_count_in_expectation() -> None:
    assert expected_pass_at_n([0.7, 0.7, 0.1], [True, False, True], 3) == pytest.approx(0.5)


def test_more_than_there_are_means_all() -> None:
    assert expected_pass_at_n([1, 2], [False, True], 16) == 1.0


def test_an_ungraded_choice_leaves_the_denominator() -> None:
    assert expected_pass_at_n([1, 2], [True, None], 2) is None
    assert expected_pass_at_n([2, 2], [True, None], 2) == 1.0


def test_select_takes_the_lowest_index_of_the_tied() -> None:
    assert select([0.2, 0.9, 0.9]) == Choice(position=1, num_tied=2)
    assert select([(True, 0.1), (False, 0.9)]) == Choice(position=0, num_tied=1)
    with pytest.raises(ValueError, match="no candidates"):
        select([])
