"""Label and weight tables: where they start, where they stay, what pulls them."""

from __future__ import annotations

import pytest
import torch

from dreamprm_code.bilevel.noise import binomial_sd
from dreamprm_code.bilevel.tables import make_table

MC = [0.0, 1 / 3, 0.5, 1.0]
ROLLOUTS = [4, 3, 16, 16]


def table(learn: str):
    return make_table(learn, torch.tensor(MC, dtype=torch.float64), torch.tensor(ROLLOUTS))


def test_labels_start_at_the_monte_carlo_value_to_the_last_bit():
    for learn in ("labels", "weights", "none"):
        assert table(learn).all_labels() == MC
        assert table(learn).all_weights() == [1.0] * 4


def test_only_the_chosen_table_is_learned():
    assert table("none").value_R is None and not list(table("none").parameters())
    assert [name for name, _ in table("labels").named_parameters()] == ["label_R"]
    assert [name for name, _ in table("weights").named_parameters()] == ["weight_R"]
    with pytest.raises(ValueError, match="unknown outer level"):
        table("both")


@pytest.mark.parametrize(("learn", "high"), [("labels", 1.0), ("weights", 2.0)])
def test_projection_keeps_the_range(learn, high):
    learned = table(learn)
    with torch.no_grad():
        learned.value_R.copy_(torch.tensor([-3.0, 0.25, 0.75, 7.0]))
    learned.project()
    assert learned.value_R.tolist() == [0.0, 0.25, 0.75, high]


def test_a_label_at_the_edge_can_leave_it():
    """A logit table could not: the derivative of a sigmoid vanishes there."""
    learned = table("labels")
    optimizer = torch.optim.Adam([learned.value_R], lr=0.01)
    learned.labels(torch.tensor([0])).sum().neg().backward()
    optimizer.step()
    learned.project()
    assert learned.all_labels()[0] == pytest.approx(0.01)


def test_no_decay_an_untouched_row_keeps_its_value():
    learned = table("labels")
    optimizer = torch.optim.Adam([learned.value_R], lr=0.01)
    for _ in range(50):
        optimizer.zero_grad()
        learned.labels(torch.tensor([1])).sum().backward()
        optimizer.step()
        learned.project()
    assert learned.all_labels()[0] == MC[0] and learned.all_labels()[2:] == MC[2:]
    assert learned.all_labels()[1] == 0.0


def test_prior_pulls_the_batchs_rows_by_their_standard_deviation():
    """Row 2: 8 of 16, shrunk share 9/18 = 0.5, sd = sqrt(0.25 / 16) = 0.125; a pull of 0.025 takes 0.2 of the distance away."""
    assert binomial_sd(torch.tensor([0.5], dtype=torch.float64), torch.tensor([16.0])).item() == pytest.approx(0.125)
    learned = table("labels")
    with torch.no_grad():
        learned.value_R.copy_(torch.tensor([0.3, 0.5, 0.9, 0.6]))
    learned.pull_to_prior(torch.tensor([2, 2]), 0.025)
    assert learned.all_labels() == pytest.approx([0.3, 0.5, 0.5 + 0.8 * 0.4, 0.6])
    learned.pull_to_prior(torch.tensor([2]), 1e9)
    assert learned.all_labels()[2] == 0.5


def test_a_value_outside_0_1_is_refused():
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        make_table("labels", torch.tensor([1.2]), torch.tensor([4]))
