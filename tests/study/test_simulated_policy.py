"""The simulated policy's true values against execution, and what each kind of noise does to labels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dreamprm_code.jsonl import read_rows
from dreamprm_code.study.controlled import ControlledSizes, draw_data
from dreamprm_code.study.simulated_policy import (
    Drawn,
    FunctionVariant,
    LabelNoise,
    NoisyLabels,
    PoolError,
    ProblemPool,
    SimulatedPolicy,
    pools_of,
)

POOL = ProblemPool(
    "toy",
    right=(
        ("def main(n): return double(n) + one()\n",),
        ("def double(n): return 2 * n\n", "def double(n): return n + n\n"),
        ("def one(): return 1\n",),
    ),
    wrong=(("def main(n): return double(n) - one()\n",), ("def double(n): return n * n * n\n",), ("def one(): return 3\n",)),
)
SUCCESS = (0.9, 0.5, 0.8)


def passes(program: str) -> bool:
    names: dict = {}
    exec(program, names)
    return all(names["main"](n) == 2 * n + 1 for n in (0, 1, 5))


def every_program():
    choices = [
        [Drawn(True, i) for i in range(len(r))] + [Drawn(False, i) for i in range(len(w))]
        for r, w in zip(POOL.right, POOL.wrong, strict=True)
    ]
    return itertools.product(*choices)


def test_a_program_passes_if_and_only_if_all_its_functions_are_right():
    for functions in every_program():
        assert passes(POOL.prefix(functions)) == all(drawn.is_right for drawn in functions)


def test_true_value_equals_the_sum_over_all_completions():
    """v = sum of the probabilities of the passing completions, each run; by hand: right main leaves 0.5 * 0.8 = 0.4."""
    policy = SimulatedPolicy(POOL, SUCCESS)
    for length in range(4):
        for functions in {functions[:length] for functions in every_program()}:
            total = 0.0
            for program in every_program():
                if program[:length] == functions and passes(POOL.prefix(program)):
                    chance = 1.0
                    for k in range(length, 3):
                        chance *= SUCCESS[k] / len(POOL.right[k])
                    total += chance
            assert policy.true_value(functions) == pytest.approx(total)
    assert policy.true_value((Drawn(True, 0),)) == pytest.approx(0.4)
    assert policy.true_value((Drawn(False, 0),)) == 0.0


def test_executed_rollouts_agree_with_the_binomial():
    """400 executed completions of a right main: mean 0.4, standard error 0.025; within 4 of them."""
    policy, rng = SimulatedPolicy(POOL, SUCCESS), np.random.default_rng(0)
    start = (Drawn(True, 0),)
    rollouts = [policy.complete(start, rng) for _ in range(400)]
    assert all(POOL.prefix(rollout).startswith(POOL.prefix(start)) for rollout in rollouts)
    assert np.mean([passes(POOL.prefix(rollout)) for rollout in rollouts]) == pytest.approx(0.4, abs=0.1)
    counts = [policy.num_correct(start, 16, rng) for _ in range(400)]
    assert np.mean(counts) / 16 == pytest.approx(0.4, abs=0.025)


def test_independent_noise_flips_that_share_of_labels():
    policy = SimulatedPolicy(POOL, (1.0, 1.0, 1.0))
    labels = NoisyLabels(policy, LabelNoise("independent", 0.3), np.random.default_rng(0))
    drawn = [labels.num_correct((Drawn(True, 0),), 16) for _ in range(1000)]
    assert all(count == (0 if flipped else 16) for count, flipped in drawn)
    assert np.mean([flipped for _, flipped in drawn]) == pytest.approx(0.3, abs=0.06)


def test_systematic_noise_is_the_same_for_every_program_with_that_text():
    policy = SimulatedPolicy(POOL, (1.0, 1.0, 1.0))
    labels = NoisyLabels(policy, LabelNoise("systematic", 0.5), np.random.default_rng(1))
    for functions in {functions[:2] for functions in every_program()}:
        assert len({labels.num_correct(functions, 16)[1] for _ in range(20)}) == 1


def test_a_weak_policy_understates_values_and_never_overstates_them():
    policy = SimulatedPolicy(POOL, (1.0, 1.0, 1.0))
    labels = NoisyLabels(policy, LabelNoise("weak_policy", 1.0, weakness=0.5), np.random.default_rng(0))
    counts = [labels.num_correct((Drawn(True, 0),), 16)[0] for _ in range(300)]
    assert np.mean(counts) / 16 == pytest.approx(0.25, abs=0.03)  # two functions remain: 0.5 * 0.5
    assert labels.num_correct((Drawn(False, 0),), 16)[0] == 0


def test_noise_does_not_change_the_programs(root):
    pools = pools_of(read_rows(root / "data" / "demo" / "study" / "functions.jsonl", FunctionVariant))
    sizes = ControlledSizes(train_problems=3, held_out_problems=2, train_programs=4, meta_programs=3, held_out_programs=2)
    clean, noisy = (draw_data(pools, sizes, LabelNoise("independent", rate), seed=5) for rate in (0.0, 0.4))
    assert (clean.meta, clean.held_out_programs, clean.held_out_problems) == (
        noisy.meta,
        noisy.held_out_programs,
        noisy.held_out_problems,
    )
    assert [step.prefix for step in clean.steps] == [step.prefix for step in noisy.steps]
    assert not any(step.is_spoilt for step in clean.steps)
    trained = {step.question_id for step in clean.steps}
    assert {program.question_id for program in clean.held_out_programs} == trained
    assert not {program.question_id for program in clean.held_out_problems} & trained


def test_a_pool_without_wrong_functions_is_refused():
    variant = FunctionVariant(
        question_id="q", step_idx=0, variant_idx=0, num_steps=1, name="f", text="x", is_right=True, operator="reference"
    )
    with pytest.raises(PoolError, match="make_controlled"):
        pools_of([variant])
