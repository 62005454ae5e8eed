"""The closed form against the trainer proper, and the slopes of the robust losses against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from builders.features import Outcomes, tensor_data
from dreamprm_code.bilevel import METHODS, MethodSettings, TrainSettings, train
from dreamprm_code.study.arms import ARMS, BEST_ARM, Cell
from dreamprm_code.study.linear import Columns, Rows, fit, sigmoid
from dreamprm_code.study.ngrams import LinearPRM
from dreamprm_code.study.robust import flip_share, forward_correction, generalized_cross_entropy, variance_weights


def settings(**changes) -> TrainSettings:
    values = {"learn": "none", "inner_only_steps": 10, "bilevel_steps": 30, "batch_programs": 8, "outer_programs": 6}
    values |= {"lr": 0.03, "outer_lr": 0.02, "weight_decay": 0.0, "clip": 0.0, "schedule": "linear", "seed": 3, "device": "cpu"}
    values |= {"eval_every": 0, "checkpoint_every": 0, "progress": False, "log_to": []}
    return TrainSettings(**(values | changes))


@pytest.fixture(scope="module")
def toy():
    """Sparse features of 20 steps and 12 programs; features 0 and 5, and 1, 6 and 7, are equal in every row."""
    rng = np.random.default_rng(0)
    features = (rng.random((32, 8)) < 0.4) * rng.uniform(0.2, 0.8, 8)
    features[:, [5, 6, 7]] = features[:, [0, 1, 1]]
    features = features.astype(np.float32)
    return features[:20], rng.binomial(16, rng.random(20)) / 16, features[20:], rng.integers(0, 2, 12).astype(float)


@pytest.mark.parametrize("learn", [{"learn": "labels"}, {"learn": "labels", "agreement": 0.1}, {"learn": "weights"}])
def test_a_closed_form_run_equals_the_trainer(toy, tmp_path, learn):
    step_RF, labels, whole_MF, outcomes = toy
    model = LinearPRM(8)
    data = tensor_data(torch.from_numpy(step_RF), labels, [16] * 20, Outcomes(torch.from_numpy(whole_MF), outcomes))
    expected = train(settings(**learn), data, tmp_path, model)
    columns = Columns.equal_in(np.vstack([step_RF, whole_MF]))
    assert len(columns.first_C) == 5
    steps, outer = Rows.of(columns.reduce(step_RF), labels, 16), Rows.of(columns.reduce(whole_MF), outcomes)
    head = fit(settings(**learn), columns, steps, outer=outer)
    np.testing.assert_allclose(head.label_R, expected.labels, atol=1e-5)
    np.testing.assert_allclose(head.weight_R, expected.weights, atol=1e-5)
    moved = np.abs(head.label_R - labels).max() + np.abs(head.weight_R - 1.0).max()
    assert moved > 0.1
    with torch.no_grad():
        scores = torch.sigmoid(model(torch.from_numpy(step_RF))).numpy()
    np.testing.assert_allclose(head.scores(steps.features), scores, atol=1e-5)
    np.testing.assert_allclose(head.scores_of_all(step_RF), scores, atol=1e-5)


def test_outcomes_in_both_levels_equal_the_trainer(toy, tmp_path):
    step_RF, labels, whole_MF, outcomes = toy
    model, changes = LinearPRM(8), {"learn": "labels", "agreement": 0.3}
    inner, outer = (Outcomes(torch.from_numpy(whole_MF[rows]), outcomes[rows]) for rows in (slice(7), slice(5, 12)))
    data = tensor_data(torch.from_numpy(step_RF), labels, [16] * 20, outer, inner=inner)
    expected = train(settings(**changes), data, tmp_path, model)
    columns = Columns.equal_in(np.vstack([step_RF, whole_MF]))
    steps, whole = Rows.of(columns.reduce(step_RF), labels, 16), Rows.of(columns.reduce(whole_MF), outcomes)
    head = fit(settings(**changes), columns, steps, whole.at(np.arange(7)), whole.at(np.arange(5, 12)))
    np.testing.assert_allclose(head.label_R, expected.labels, atol=1e-5)
    with torch.no_grad():
        np.testing.assert_allclose(head.scores_of_all(whole_MF), torch.sigmoid(model(torch.from_numpy(whole_MF))), atol=1e-5)


def test_the_chosen_arm_is_the_librarys_default_method(toy, tmp_path):
    """Outcomes of 5 programs at each of their 1 to 4 prefixes, in both levels: the head and labels of ``bilevel.train``."""
    step_RF, labels, prefix_AF, outcomes = toy
    lengths = [2, 3, 1, 4, 2]
    program_A = np.repeat(np.arange(5), lengths)
    is_whole_A = np.append(program_A[1:] != program_A[:-1], True)
    outcome_A, names = outcomes[program_A], [f"q{program}" for program in program_A]
    whole, every = (
        Outcomes(torch.from_numpy(prefix_AF[rows]), outcome_A[rows], [names[row] for row in np.flatnonzero(rows)])
        for rows in (is_whole_A, np.ones(12, bool))
    )
    data = tensor_data(torch.from_numpy(step_RF), labels, [16] * 20, whole, inner=every, both_levels=True)
    shared = {name: value for name, value in settings(outer_lr=0.01, outer_programs=4) if name not in METHODS["joint"]}
    model = LinearPRM(8)
    expected = train(MethodSettings(**shared), data, tmp_path, model)
    columns = Columns.equal_in(np.vstack([step_RF, prefix_AF]))
    steps, prefixes = Rows.of(columns.reduce(step_RF), labels, 16), Rows.of(columns.reduce(prefix_AF), outcome_A)
    cell = Cell(
        settings(outer_programs=4), columns, steps, prefixes, is_whole_A, program_A, (step_RF, prefix_AF[is_whole_A]), 0.1
    )
    found = ARMS[BEST_ARM].train(cell)
    np.testing.assert_allclose(found.label_R, expected.labels, atol=1e-5)
    assert np.abs(found.label_R - labels).max() > 0.1
    with torch.no_grad():
        scores = torch.sigmoid(model(torch.from_numpy(prefix_AF))).numpy()
    np.testing.assert_allclose(found.head.scores_of_all(prefix_AF), scores, atol=1e-5)


def test_an_outer_level_without_outer_rows_is_refused(toy):
    columns = Columns.equal_in(toy[0])
    with pytest.raises(ValueError, match="needs outer rows"):
        fit(settings(learn="labels"), columns, Rows.of(columns.reduce(toy[0]), toy[1], 16))


def _gce(score, label, power=0.7):
    return label * (1 - score**power) / power + (1 - label) * (1 - (1 - score) ** power) / power


def _flipped_cross_entropy(score, label, share=0.3):
    seen = score + share * (1 - 2 * score)
    return -label * np.log(seen) - (1 - label) * np.log(1 - seen)


@pytest.mark.parametrize(
    ("slope", "loss"), [(generalized_cross_entropy(0.7), _gce), (forward_correction(0.3), _flipped_cross_entropy)]
)
def test_slopes_are_the_derivatives_of_their_losses(slope, loss):
    logits, labels = np.array([-2.0, 0.3, 1.5, 4.0]), np.array([0.0, 0.25, 1.0, 0.5])
    expected = (loss(sigmoid(logits + 1e-6), labels) - loss(sigmoid(logits - 1e-6), labels)) / 2e-6
    np.testing.assert_allclose(slope(sigmoid(logits), labels), expected, atol=1e-7)


def test_the_share_of_flips_by_hand():
    """Scores 0 and 1, labels 0.3 and 0.7: both fit a share of 0.3; scores of 1/2 say nothing of it and share 0 is kept."""
    assert flip_share(np.array([0.3, 0.7]), np.array([0.0, 1.0])) == pytest.approx(0.3)
    assert flip_share(np.array([0.3, 0.7, 0.9]), np.array([0.0, 1.0, 0.5])) == pytest.approx(0.3)


def test_variance_weights_by_hand():
    """2 rollouts: 0 of 2 is shrunk to 1/4, variance 3/32; 1 of 2 to 1/2, variance 1/8. Without a floor 4 to 3, mean 1."""
    np.testing.assert_allclose(variance_weights(np.array([0.0, 0.5]), 2, floor=0.0), [8 / 7, 6 / 7])
