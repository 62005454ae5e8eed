"""Step rewards, worked out by hand."""

from __future__ import annotations

import itertools
import math
import random

import pytest
import torch

from dreamprm_code.rl.rewards import (
    RewardError,
    clipped,
    dense,
    differences,
    hack_monitors,
    min_form,
    step_end_tokens,
    step_rewards,
    token_rewards,
)


def test_dense_is_lambda_over_t_times_the_score():
    """Two steps, lambda 0.25 where the tests fail: 0.25 / 2 * 0.8 = 0.1; a tenth of that where they pass."""
    assert dense([0.8, -0.4], passed=False) == pytest.approx([0.1, -0.05])
    assert dense([0.8, -0.4], passed=True) == pytest.approx([0.01, -0.005])


def test_dense_pays_no_more_for_more_steps():
    assert sum(dense([1.0] * 3, False)) == pytest.approx(0.25) == sum(dense([1.0] * 300, False))


def test_differences_by_hand():
    """Potentials 0.2 (start), 0.6, -0.2, then 0 at the end: +0.4, -0.8, +0.2; the last score is not used."""
    assert differences([0.6, -0.2, 0.9], start=0.2) == pytest.approx([0.4, -0.8, 0.2])
    assert differences([0.6], start=0.2) == pytest.approx([-0.2])


def test_differences_leave_the_best_program_the_best_and_dense_need_not():
    """A tree of two binary choices, one leaf right. Any potentials: the best leaf stays. Dense: by hand, it does not.

    Dense with lambda 3: the right leaf scores -1, -1 on its way and ends at 1 - 3 = -2, the wrong ones score 1, 1: 0 + 3.
    """
    chance = random.Random(0)
    leaves = list(itertools.product((0, 1), repeat=2))
    outcome = {leaf: float(leaf == (1, 0)) for leaf in leaves}
    for _ in range(50):
        potential = {leaf[:depth]: chance.uniform(-9, 9) for leaf in leaves for depth in range(3)}
        totals = {
            leaf: outcome[leaf] + sum(differences([potential[leaf[:1]], potential[leaf]], start=potential[()]))
            for leaf in leaves
        }
        assert max(totals, key=totals.__getitem__) == (1, 0)
        assert totals[1, 0] - totals[0, 0] == pytest.approx(1.0), "not only the best: every difference of returns stays"
    scores = {leaf: [-1.0, -1.0] if leaf == (1, 0) else [1.0, 1.0] for leaf in leaves}
    totals = {leaf: outcome[leaf] + 12 * sum(dense(scores[leaf], passed=False)) for leaf in leaves}
    assert totals[1, 0] == pytest.approx(-2.0) and totals[0, 0] == pytest.approx(3.0)


def test_min_form_puts_the_lowest_score_where_it_is():
    """Temperature 1, scores 0 and -ln 3: weights 1 and 3, so 1/4 * 0 and 3/4 * -ln 3."""
    assert min_form([0.0, -math.log(3)], temperature=1.0) == pytest.approx([0.0, -0.75 * math.log(3)])
    assert sum(min_form([0.9, 0.8, -0.7, 0.9])) == pytest.approx(-0.7, abs=1e-3)
    assert min_form([]) == []


def test_clipping_never_pays():
    assert clipped([0.9, 0.5, 0.1, -1.0]) == pytest.approx([0.0, 0.0, -0.4, -1.5])


def test_forms_by_name_take_probabilities():
    assert step_rewards("outcome", [0.1, 0.9], True) == [0.0, 0.0]
    assert step_rewards("dense", [0.9, 0.3], False, scale=2.0) == pytest.approx([0.2, -0.1])  # 2 p - 1: 0.8 and -0.4
    assert step_rewards("clip", [0.9, 0.3], False) == pytest.approx([0.0, -0.45])  # min(-0.4 - 0.5, 0) / 2
    assert step_rewards("dense", [], True) == []
    with pytest.raises(RewardError, match="choose from outcome, dense"):
        step_rewards("sum", [0.5], True)
    for bad in (math.nan, 1.5):
        with pytest.raises(RewardError, match="probabilities in"):
            step_rewards("dense", [bad], True)


def test_a_step_ends_at_the_token_that_holds_its_last_character():
    pieces = ["x", " =", " 1", "\n", "y", " = x", "\n"]  # "x = 1\ny = x\n": steps end at 5 and 11
    assert step_end_tokens(pieces, [5, 11]) == [2, 5]
    assert step_end_tokens(["x = 1\ny"], [5, 11]) == [0, 0], "one token over two steps; and an answer that was cut"
    assert step_end_tokens(pieces, []) == []


def test_rewards_stand_at_step_ends_and_the_outcome_at_the_last_token():
    found = token_rewards([[0.1, -0.2], [0.3]], [[1, 2], [1]], [1.0, 0.0], [4, 2])
    assert torch.allclose(found, torch.tensor([[0.0, 0.1, -0.2, 1.0], [0.0, 0.3, 0.0, 0.0]]))
    both = token_rewards([[0.25]], [[1]], [1.0], [2])
    assert both.tolist() == [[0.0, 1.25]], "both at one token add up"
    with pytest.raises(RewardError, match="not a finite number"):
        token_rewards([[]], [[]], [math.nan], [1])


def test_monitors_see_comments_functions_and_length():
    """Six non-blank lines, of which one comment and two of a docstring; one function of two (the other is nested)."""
    program = '# note\ndef f(x):\n    """Doc\n    more."""\n\n    def g(): return x\n    return g\n'
    found = hack_monitors([program])
    assert found == {"comment_share": 0.5, "lines": 3.0, "functions": 1.0, "characters": len(program), "unparsable": 0.0}
    assert hack_monitors(["x = 1", "def ("])["unparsable"] == 0.5
    assert set(hack_monitors([]).values()) == {0.0}
