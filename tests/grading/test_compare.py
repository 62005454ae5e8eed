"""The comparison of outputs and results, on examples that a reader can check by hand."""

from __future__ import annotations

import pytest

from dreamprm_code.grading.sandbox.compare import (
    Tolerance,
    compare_data,
    compare_output,
    compare_output_officially,
    lines_of,
    stated_tolerance,
)
from dreamprm_code.grading.sandbox.official import decode, encode

EXACT = Tolerance()
LOOSE = Tolerance(1e-6, 1e-6)


@pytest.mark.parametrize(
    ("found", "expected", "ours", "official"),
    [
        ("6\n", "6", True, True),
        ("  6 \r\n\n", "6\n", True, True),
        ("6.0", "6", True, True),
        ("1e1", "10", True, True),
        ("6\n7", "6 7", False, False),
        ("a  b", "a b", False, False),
        ("2_0", "20", False, True),  # Decimal("2_0") is 20
        ("10", "0010", False, True),
        ("0010", "0010", True, True),
        ("nan", "0.3", False, False),
        ("1 x", "1.0 x", False, False),
        ("", "", True, True),
    ],
)
def test_output(found, expected, ours, official):
    assert (compare_output(found, lines_of(expected), EXACT) is None) is ours
    assert compare_output_officially(found, lines_of(expected)) is official


@pytest.mark.parametrize(
    ("found", "expected", "right"),
    [
        ("0.33333334", "0.3333333333", True),
        ("0.33334", "0.3333333333", False),
        ("2.0000001", "2", True),
        ("Yes 0.50000001", "Yes 0.5", True),
        ("1000001", "1000000", False),  # whole numbers are counts: no tolerance
        ("inf", "0.5", False),
    ],
)
def test_tolerance_is_for_fractions(found, expected, right):
    assert (compare_output(found, lines_of(expected), LOOSE) is None) is right


def test_a_million_digits_and_a_letter_are_compared_at_once():
    """They were tried as a number in every division into whole part and decimals: hours."""
    for found in ("1" * 1_000_000 + "x", "1" * 1_000_000 + ".1x", "." + "1" * 1_000_000 + "x"):
        assert compare_output(found, ["5"], EXACT)
        assert compare_output(found, ["5"], LOOSE)


@pytest.mark.parametrize(
    ("statement", "tolerance"),
    [
        ("correct if the absolute or relative error from the true value is at most 10^{-5}.", Tolerance(1e-5, 1e-5)),
        ("when the relative or absolute error from the true value is at most 10 ^ {-5}.", Tolerance(1e-5, 1e-5)),
        ("if the absolute error from the true value is at most 10 ^ {-8}.", Tolerance(1e-8, 0.0)),
        ("with an absolute or relative error of at most 10^{-9} from the true answer", Tolerance(1e-9, 1e-9)),
        ("Absolute or relative error at most $10^{-6}$ is accepted.", Tolerance(1e-6, 1e-6)),
        ("Answers within 10^-5 of the actual answer are accepted.", Tolerance(1e-5, 0.0)),
        ("without disturbing the relative positions of the remaining elements", EXACT),
        ("(relative to the current sea level) is A_{i,j}, with 10^{-9}", EXACT),
    ],
)
def test_stated_tolerance(statement, tolerance):
    assert stated_tolerance(statement) == pytest.approx(tolerance, rel=1e-9)


def test_data():
    assert compare_data([1, [2.0, "x"]], [1, [2, "x"]], EXACT)
    assert not compare_data([1, 2], [1, 2, 3], EXACT)
    assert not compare_data(0.1 + 0.2, 0.3, EXACT)
    assert compare_data([{"a": 0.1 + 0.2}], [{"a": 0.3}], LOOSE)
    assert not compare_data("0.3", 0.3, LOOSE)


def test_official_results_keep_their_types():
    assert decode(encode([1, [2.5, None], {"a": True}])) == [1, [2.5, None], {"a": True}]
    assert decode(encode([(1, 2)])) != [[1, 2]]  # only the outer tuple is forgiven, elsewhere
    assert decode(encode({1: 2})) != {"1": 2}
    assert decode(encode({1, 2})) != [1, 2]

    class Liar(int):
        def __eq__(self, other):
            return True

        __hash__ = int.__hash__

    assert decode(encode(Liar(5))) != 6
