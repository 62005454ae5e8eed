"""Intervals, paired tests, ranking and calibration against numbers worked out by hand or by scipy."""

from __future__ import annotations

import itertools

import pytest
from scipy import stats

from dreamprm_code.selection.metrics import (
    auroc,
    bootstrap_interval,
    brier_score,
    calibration_bins,
    clopper_pearson_interval,
    expected_calibration_error,
    gap_recovered,
    mcnemar_exact,
    paired_test,
    sign_flip_test,
    wilson_interval,
)


def test_mcnemar_by_hand() -> None:
    """Five wins, no loss: 2 / 2^5. Three to one: 2 (1 + 4) / 2^4. Equal or none: 1."""
    assert mcnemar_exact(5, 0) == 0.0625
    assert mcnemar_exact(1, 3) == mcnemar_exact(3, 1) == 0.625
    assert mcnemar_exact(2, 2) == mcnemar_exact(0, 0) == 1.0


@pytest.mark.parametrize(("wins", "losses"), [(7, 2), (1, 0), (10, 4), (0, 12)])
def test_mcnemar_is_scipys_binomial_test(wins: int, losses: int) -> None:
    assert mcnemar_exact(wins, losses) == pytest.approx(stats.binomtest(wins, wins + losses).pvalue)


@pytest.mark.parametrize(("wins", "losses"), [(5, 0), (6, 2), (4, 4), (9, 3)])
def test_sign_flips_of_whole_outcomes_are_mcnemars_test(wins: int, losses: int) -> None:
    assert sign_flip_test([1.0] * wins + [-1.0] * losses + [0.0] * 20) == pytest.approx(mcnemar_exact(wins, losses))


def test_sign_flips_by_enumeration() -> None:
    values = [0.5, -0.25, 0.75, 0.1]
    sums = [abs(sum(s * v for s, v in zip(signs, values, strict=True))) for signs in itertools.product((1, -1), repeat=4)]
    expected = sum(total >= abs(sum(values)) - 1e-12 for total in sums) / 16
    assert sign_flip_test(values) == pytest.approx(expected)


def test_one_difference_proves_nothing() -> None:
    assert sign_flip_test([0.25]) == sign_flip_test([0.0, 0.5]) == sign_flip_test([]) == 1.0


def test_sampled_sign_flips_come_near_the_exact_value() -> None:
    assert sign_flip_test([1.0] * 14 + [-1.0] * 6) == pytest.approx(mcnemar_exact(14, 6), abs=0.01)


def test_the_paired_test_leaves_out_what_was_not_graded() -> None:
    found = paired_test([1.0, 1.0, None, 0.0], [0.0, 1.0, 1.0, None])
    assert (found.wins, found.losses, found.test) == (1, 0, "mcnemar_exact")
    assert found.difference == pytest.approx(0.5)


def test_expected_outcomes_are_compared_by_sign_flips() -> None:
    found = paired_test([1.0, 0.0, 1.0], [0.5, 0.25, 0.5])
    assert (found.wins, found.losses, found.test) == (2, 1, "sign_flip")


def test_intervals_of_a_share() -> None:
    """Wilson's interval of 8 of 10 (0.490, 0.943) and the exact one (0.444, 0.975) are in every table of them."""
    assert wilson_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert clopper_pearson_interval(8, 10) == pytest.approx((0.4439, 0.9748), abs=1e-4)
    assert clopper_pearson_interval(0, 10).low == 0.0
    assert clopper_pearson_interval(10, 10) == pytest.approx((0.025**0.1, 1.0))


def test_the_bootstrap_of_a_share_is_near_the_normal_interval() -> None:
    low, high = bootstrap_interval([1.0] * 101 + [0.0] * 30)
    half = 1.96 * (101 * 30 / 131**3) ** 0.5
    assert (low, high) == pytest.approx((101 / 131 - half, 101 / 131 + half), abs=0.01)


def test_the_bootstrap_gives_the_exact_interval_where_it_has_no_width() -> None:
    assert bootstrap_interval([1.0] * 31) == clopper_pearson_interval(31, 31)
    assert bootstrap_interval([]) == (0.0, 1.0)


def test_gap_recovered() -> None:
    assert gap_recovered(0.5, 0.4, 0.8) == pytest.approx(0.25)
    assert gap_recovered(0.4, 0.4, 0.4) is None


def test_auroc_counts_ties_as_half() -> None:
    assert auroc([0.9, 0.8, 0.3], [True, False, False]) == 1.0
    assert auroc([0.5, 0.5], [True, False]) == 0.5
    assert auroc([0.1, 0.9, 0.5], [True, False, True]) == 0.0
    assert auroc([0.1], [True]) is None


def test_calibration_by_hand() -> None:
    """Scores 0.1 and 0.3 with targets 0 and 1 fall in two bins of five; error (0.1 + 0.7) / 2."""
    bins = calibration_bins([0.1, 0.3], [0.0, 1.0], num_bins=5)
    assert [(item.low, item.num_scores, item.mean_target) for item in bins] == [(0.0, 1, 0.0), (0.2, 1, 1.0)]
    assert expected_calibration_error(bins) == pytest.approx(0.4)
    assert brier_score([0.1, 0.3], [0.0, 1.0]) == pytest.approx((0.01 + 0.49) / 2)
    assert calibration_bins([1.0], [1.0])[0].high == 1.0
