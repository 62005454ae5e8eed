"""The stopping rule."""

from __future__ import annotations

import random

import pytest

from dreamprm_code.labels import StoppingRule


def sample(rule: StoppingRule, p: float, chance: random.Random) -> tuple[int, int]:
    """(sampled, passed) of one prefix with pass probability ``p``."""
    sampled = passed = 0
    while more := rule.next_round(sampled, passed):
        passed += sum(chance.random() < p for _ in range(more))
        sampled += more
    return sampled, passed


def test_without_a_price_all_rollouts_are_sampled_at_once():
    rule = StoppingRule(max_rollouts=16)
    assert rule.next_round(0, 0) == 16 and rule.next_round(3, 0) == 13 and rule.next_round(16, 8) == 0


def test_hopeless_and_safe_prefixes_stop_first_and_doubtful_ones_go_on():
    rule = StoppingRule(max_rollouts=24, price=0.00125)
    chance = random.Random(0)
    assert sample(rule, 0.0, chance)[0] <= 10 and sample(rule, 1.0, chance)[0] <= 10
    assert rule.next_round(10, 5) == 2, "half and half is the least certain"


@pytest.mark.parametrize("price", [1e-5, 1e-3, 1e-2, 1.0])
def test_never_more_than_the_limit_never_fewer_than_the_first(price):
    rule = StoppingRule(max_rollouts=15, price=price, first=3, step=4)
    chance = random.Random(1)
    counts = [sample(rule, p / 20, chance)[0] for p in range(21) for _ in range(20)]
    assert min(counts) >= 3 and max(counts) <= 15


def test_a_higher_price_buys_fewer_rollouts():
    chance = random.Random(2)
    means = []
    for price in (1e-4, 1e-3, 1e-2):
        rule = StoppingRule(max_rollouts=16, price=price)
        means.append(sum(sample(rule, p / 10, chance)[0] for p in range(11) for _ in range(50)))
    assert means[0] > means[1] > means[2]


def test_rollouts_that_do_not_count_still_count_towards_the_limit():
    rule = StoppingRule(max_rollouts=8, price=0.001, first=4)
    assert rule.next_round(0, 0, num_sampled=6) == 2, "six rewrote the prefix: two more may be paid for"
    assert rule.next_round(1, 1, num_sampled=8) == 0


def test_the_decision_of_the_last_round_by_hand():
    """Limit 2, first 1, step 1, prior half never, half always: after one outcome p is known, so no price above 0 is paid."""
    rule = StoppingRule(max_rollouts=2, price=1e-9, first=1, step=1, never=0.5, always=0.5)
    assert rule.next_round(1, 0) == 0 and rule.next_round(1, 1) == 0


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        StoppingRule(max_rollouts=0)
    with pytest.raises(ValueError, match="not above 1"):
        StoppingRule(never=0.8, always=0.3)
