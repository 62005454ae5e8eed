"""One score from step scores: each aggregation against a number worked out by hand."""

from __future__ import annotations

import math

import pytest

from dreamprm_code.selection.aggregation import AGGREGATIONS, AggregationError, aggregate

STEPS = [0.9, 0.5, 0.8, 0.6]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("mean", 0.7),  # 2.8 / 4
        ("min", 0.5),
        ("last", 0.6),
        ("product", 0.216),  # 0.9 * 0.5 * 0.8 * 0.6
        ("log_odds", math.log(9 * 1 * 4 * 1.5)),  # odds 9, 1, 4, 1.5
        ("median", 0.7),  # between 0.6 and 0.8
        ("max", 0.9),
        ("recency", (0.9 + 2 * 0.5 + 3 * 0.8 + 4 * 0.6) / 10),  # = 0.67
    ],
)
def test_each_aggregation_by_hand(method: str, expected: float) -> None:
    assert aggregate(STEPS, method) == pytest.approx(expected)


def test_every_aggregation_has_a_hand_computed_case() -> None:
    assert set(AGGREGATIONS) == {"mean", "min", "last", "product", "log_odds", "median", "max", "recency"}


@pytest.mark.parametrize("method", AGGREGATIONS)
def test_one_step_is_its_own_aggregate(method: str) -> None:
    expected = math.log(0.3 / 0.7) if method == "log_odds" else 0.3
    assert aggregate([0.3], method) == pytest.approx(expected)


def test_log_odds_of_certain_steps_are_finite_and_bounded() -> None:
    bound = math.log((1 - 1e-6) / 1e-6)  # 13.8
    assert aggregate([1.0], "log_odds") == pytest.approx(bound)
    assert aggregate([0.0], "log_odds") == pytest.approx(-bound)
    assert aggregate([0.0, 1.0], "log_odds") == pytest.approx(0.0, abs=1e-9)


def test_the_order_of_steps_does_not_change_the_mean_by_a_bit() -> None:
    """Equal programs must tie exactly."""
    assert aggregate([0.1, 0.2, 0.3], "mean") == aggregate([0.3, 0.2, 0.1], "mean")


@pytest.mark.parametrize("scores", [[], [1.2], [-0.1], [float("nan")]])
def test_what_is_no_probability_is_refused(scores: list[float]) -> None:
    with pytest.raises(AggregationError):
        aggregate(scores, "mean")


def test_an_unknown_aggregation_names_the_known_ones() -> None:
    with pytest.raises(AggregationError, match="choose from mean, min, last"):
        aggregate([0.5], "average")
