"""What arms do to labels: weights by precision, mixing with scores, the estimated rate of flips."""

from __future__ import annotations

import pytest
import torch

from dreamprm_code.bilevel.noise import binomial_sd, mixed_labels, precision_weights


def test_precision_weights_by_hand():
    """8 of 16: share 9/18, variance 0.25 / 16. 2 of 4: share 3/6, variance 0.25 / 4. Precisions 64 and 16, mean 40."""
    weights = precision_weights(torch.tensor([0.5, 0.5], dtype=torch.float64), torch.tensor([16.0, 4.0]))
    assert weights.tolist() == pytest.approx([1.6, 0.4])


def test_mixing_averages_what_agrees_and_believes_the_score_where_they_disagree():
    """A label at its score stays. 0 of 16 against a score of 0.9 is 3 standard deviations off: the score nearly stands."""
    agrees, far, many, few = mixed_labels([0.5, 0.0, 0.6, 0.6], [16, 16, 64, 2], [0.5, 0.9, 0.5, 0.5])
    assert agrees == pytest.approx(0.5)
    assert 0.8 < far <= 0.9
    assert 0.5 < few < many < 0.6  # more rollouts, more weight for the label


def test_zero_of_n_is_not_certain():
    """The plain binomial variance of 0 of 4 is 0: such a label could never move. 1 of 6 after shrinking: sd 0.186."""
    assert binomial_sd(torch.tensor([0.0]), torch.tensor([4.0])).item() == pytest.approx((1 / 6 * 5 / 6 / 4) ** 0.5)
