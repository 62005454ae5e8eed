"""Outcomes in the inner level: their terms of the loss, who is held out when, and what they change."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from reference import double_backward
from torch import nn

from builders.features import Outcomes, tensor_data
from builders.token_trees import tree_data
from builders.training import OneWeight, next_batches, run_of, take_steps
from dreamprm_code.bilevel import TrainingData, TrainSettings, train
from dreamprm_code.bilevel import trainer as trainer_module
from dreamprm_code.bilevel.batches import Batches
from dreamprm_code.bilevel.losses import mixed_derivatives, pair_loss, step_losses
from dreamprm_code.bilevel.units import DataError, Unit, fold_of_each
from dreamprm_code.prm.model import build_model


@pytest.mark.parametrize("learn", ["labels", "weights"])
@pytest.mark.parametrize("loss", ["bce", "mse"])
@pytest.mark.parametrize("micro_tokens", [1, 100_000], ids=["many micro-batches", "few"])
def test_exact_with_outcomes_pairs_and_corrections_equals_double_backward(tmp_path, learn, loss, micro_tokens):
    """Outcomes beside labels in one tree, outcomes alone, pairs, forward correction, precision weights, Adam and clipping."""
    model = build_model("random:tiny", dtype=torch.float64, attention="math")
    run = run_of(
        tmp_path, tree_data(outcomes_inside=True), model, learn=learn, loss=loss, micro_tokens=micro_tokens, lr=1e-3, clip=0.01,
        label_smoothing=0.1, flip_rate=0.15, label_weight="precision", outcome_weight=0.7, pair_weight=0.4,
        inner_only_steps=2, bilevel_steps=1, batch_programs=16, outer_programs=8,
    )  # fmt: skip
    take_steps(run, 2)
    rows = torch.arange(len(run.data.mc_value))
    inner, outer = next_batches(run)
    assert any(unit.rows and len(unit.outcomes) > 1 for unit in inner.units) and inner.unlabelled
    both = double_backward(
        run.settings, run.passes, run.inner.optimizer, inner, outer, run.table.labels(rows), run.table.weights(rows)
    )
    expected = both[0] if learn == "labels" else both[1] * run.table.base_weight_R
    assert run.table.base_weight_R.unique().numel() > 1
    take_steps(run)
    found = run.outer.last_gradient_R
    assert (found - expected).norm() / expected.norm() < 1e-10
    assert set(found.nonzero().flatten().tolist()) == {row for unit in inner.units for row in unit.rows}


def test_the_inner_loss_by_hand(tmp_path):
    """z = a x with a = 1. One label 0.25 at x = 0; a problem's programs: passed at x = 1, failed at x = 2 and x = 0.

    softplus(-1) = 0.313262, softplus(2) = 2.126928, softplus(0) = 0.693147.
    Label: cross-entropy at z = 0 is 0.693147. Outcomes: 0.313262 + 2.126928 + 0.693147 = 3.133337.
    Pairs: (passed, failed) logits (1, 2) and (1, 0): softplus(1) = 1.313262 and softplus(-1) = 0.313262, mean 0.813262, for
    each of 3 programs. N = 4: (0.693147 + 0.5 * 3.133337 + 0.1 * 3 * 0.813262) / 4 = 0.625948.
    """
    data = tensor_data(
        torch.zeros(1, 1).double(),
        [0.25],
        [4],
        inner=Outcomes(torch.tensor([[1.0], [2.0], [0.0]]).double(), [1.0, 0.0, 0.0], ["q", "q", "q"]),
        programs_per_unit=8,
    )
    model = OneWeight()
    nn.init.ones_(model.a)
    run = run_of(tmp_path, data, model, learn="none", outcome_weight=0.5, pair_weight=0.1, batch_programs=4)
    take_steps(run)
    assert run.inner.last_loss == pytest.approx(0.625948, abs=1e-6)
    assert pair_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0])) == 0.0  # nobody failed


@pytest.mark.parametrize("kind", ["bce", "mse"])
def test_forward_correction_has_its_minimum_where_flipped_labels_come_from(kind):
    """Steps of value p, labels flipped at 0.3, read 0.7 p + 0.3 (1 - p) on average: the corrected loss wants p itself."""
    value_N = torch.tensor([0.05, 0.3, 0.5, 0.9], dtype=torch.float64)
    logit_N = torch.logit(value_N).requires_grad_()
    label_N = (0.7 * value_N + 0.3 * (1 - value_N)).requires_grad_()
    losses_N = step_losses(logit_N, label_N, kind, flip_rate=0.3)
    (slope_N,) = torch.autograd.grad(losses_N.sum(), logit_N, create_graph=True)
    assert slope_N.abs().max() < 1e-12
    (expected_N,) = torch.autograd.grad(slope_N.sum(), label_N)
    by_label_N, by_weight_N = mixed_derivatives(logit_N, label_N, torch.ones(4).double(), kind, flip_rate=0.3)
    assert torch.allclose(by_label_N, expected_N, atol=1e-12) and by_weight_N.abs().max() < 1e-12


def recorded(data: TrainingData, tmp_path: Path, monkeypatch, **settings) -> list[tuple[list[Unit], list[Unit] | None]]:
    """Units of the inner and the outer batch of every step of a training."""
    seen = []

    def bilevel_step(inner, inner_batch, outer=None, outer_batch=None, before=None):
        seen.append((list(inner_batch.units), None if outer_batch is None else list(outer_batch.units)))

    monkeypatch.setattr(trainer_module, "bilevel_step", bilevel_step)
    run = run_of(tmp_path, data, build_model("random:tiny"), **settings)
    take_steps(run, run.settings.total_steps)
    return seen


def outcomes_of(units: list[Unit]) -> set[str]:
    return {unit.question_id for unit in units if unit.outcomes}


@pytest.mark.parametrize("outer_every", [1, 2])
def test_no_outcome_judges_the_steps_that_it_was_fitted_in(tmp_path, monkeypatch, outer_every):
    """With folds: since the outer step before, no inner batch holds an outcome of a problem of the fold that judges."""
    data = tree_data(outcomes_inside=True, folds=3)
    settings = {
        "inner_only_steps": 4,
        "bilevel_steps": 24,
        "batch_programs": 6,
        "outer_programs": 3,
        "outer_every": outer_every,
    }
    seen = recorded(data, tmp_path, monkeypatch, **settings)
    judged, fitted, since = set(), set(), []
    for number, (inner, outer) in enumerate(seen, 1):
        fitted |= outcomes_of(inner)
        since = [*since, *inner] if number > 4 else []
        if outer is not None:
            fold = {unit.fold for unit in outer}
            assert len(fold) == 1 and not outcomes_of(since) & outcomes_of([u for u in data.outer if u.fold in fold])
            judged |= outcomes_of(outer)
            since = []
    meta = {unit.question_id for unit in data.outer}
    inside = {unit.question_id for unit in data.inner if unit.outcomes}
    assert judged == meta and fitted == inside and len(meta & inside) == 4  # four problems served both
    assert sum(outer is not None for _, outer in seen) == 24 // outer_every


def test_labels_of_held_out_problems_stay_in_the_batch(tmp_path):
    """A unit with labels and outcomes keeps its labels; one of outcomes alone is passed over; with nothing else it is said."""
    both, alone = Unit(None, rows=(0, 1), outcomes=(1.0,), fold=0), Unit(None, outcomes=(0.0, 1.0), fold=0)
    stream = Batches([both, alone], 2, seed=0)
    for _ in range(5):
        batch = stream.next(held_out=0)
        assert all(unit.rows == (0, 1) and unit.outcomes == () and unit.num_logits == 3 for unit in batch.units)
        assert batch.num_steps == 4
    seen = [unit for _ in range(4) for unit in stream.next(held_out=1).units]
    assert {unit.rows for unit in seen} == {(0, 1), ()} and all(unit in (both, alone) for unit in seen)
    with pytest.raises(DataError, match="outcomes of one fold"):
        Batches([alone], 2, seed=0).next(held_out=0)


def test_folds_are_of_equal_size_and_need_enough_problems():
    names = [f"m{index}" for index in range(10)]
    dealt = fold_of_each(names, 3)
    assert sorted(list(dealt.values()).count(fold) for fold in range(3)) == [3, 3, 4]
    assert dealt == fold_of_each(reversed(names), 3) and dealt != fold_of_each(names, 3, seed=1)
    with pytest.raises(DataError, match="found 2"):
        fold_of_each(names[:2], 3)
    one = torch.ones(1, 1)
    with pytest.raises(DataError, match="use both_levels or folds"):
        tensor_data(one, [0.5], [4], Outcomes(one, [1.0], ["m0"]), inner=Outcomes(one, [1.0], ["m0"]))


def test_an_interrupted_run_with_folds_resumes_to_the_same_bits(tmp_path):
    """Passes over units that are held out move the stream by more than a batch: its place is part of the checkpoint."""

    def result(folder: Path, dies_at: int | None):
        model = build_model("random:tiny")
        calls = 0

        def count(*_):
            nonlocal calls
            calls += 1
            if calls == dies_at:
                raise KeyboardInterrupt

        model.register_forward_pre_hook(count)
        config = TrainSettings(
            inner_only_steps=3, bilevel_steps=9, batch_programs=6, outer_programs=3, pair_weight=0.2, lr=1e-3, eval_every=4,
            checkpoint_every=2, device="cpu", progress=False, log_to=[],
        )  # fmt: skip
        return train(config, tree_data(outcomes_inside=True, folds=3), folder, model)

    straight = result(tmp_path / "straight", None)
    with pytest.raises(KeyboardInterrupt):
        result(tmp_path / "interrupted", 30)
    resumed = result(tmp_path / "interrupted", None)
    assert resumed.labels == straight.labels and resumed.best_step == straight.best_step
    for one, other in zip(resumed.model.parameters(), straight.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_outcomes_teach_what_useless_labels_do_not(tmp_path):
    """Labels of 1/2 say nothing. Outcomes inside: programs are told apart; the pair term alone does it too. All labels stay."""
    generator = torch.Generator().manual_seed(0)
    rule = torch.randn(8, generator=generator)
    x_RF, x_MF, x_NF = (torch.randn(60, 8, generator=generator) for _ in range(3))
    outcome_M, outcome_N = ((x @ rule > 0).float() for x in (x_MF, x_NF))
    ids = [f"q{index // 6}" for index in range(60)]

    def right_share(inside: bool, **settings) -> float:
        inner = Outcomes(x_MF, outcome_M.tolist(), ids) if inside else None
        data = tensor_data(x_RF, [0.5] * 60, [4] * 60, inner=inner, programs_per_unit=6)
        model = nn.Sequential(nn.Linear(8, 1), nn.Flatten(0))
        nn.init.zeros_(model[0].weight), nn.init.zeros_(model[0].bias)
        config = TrainSettings(
            learn="none", lr=0.05, inner_only_steps=0, bilevel_steps=60, batch_programs=24, device="cpu", checkpoint_every=0,
            eval_every=0, progress=False, log_to=[], **settings,
        )  # fmt: skip
        result = train(config, data, tmp_path, model)
        assert result.labels == [0.5] * 60
        with torch.no_grad():
            return ((model(x_NF) > 0).float() == outcome_N).float().mean().item()

    assert right_share(False) < 0.6
    assert right_share(True) > 0.9
    assert right_share(True, outcome_weight=0.0, pair_weight=1.0) > 0.85


def test_labels_given_at_the_start(tmp_path):
    """The table starts at them, the prior pulls back to them, and what is reported as Monte-Carlo value stays that."""
    one = torch.ones(2, 1)
    data = tensor_data(one, [0.0, 1.0], [4, 4], Outcomes(one[:1], [1.0])).with_labels([0.3, 0.6])
    model = nn.Sequential(nn.Linear(1, 1), nn.Flatten(0))
    config = TrainSettings(
        inner_only_steps=0, bilevel_steps=1, batch_programs=2, outer_optimizer="sgd", outer_lr=0.0, device="cpu", eval_every=0,
        checkpoint_every=0, progress=False, log_to=[],
    )  # fmt: skip
    result = train(config, data, tmp_path, model)
    assert result.labels == [0.3, 0.6]
    rows = data.corrected(result.labels, result.weights)
    assert [(row.mc_value, row.corrected_value) for row in rows] == [(0.0, 0.3), (1.0, 0.6)]
    with pytest.raises(ValueError, match="one outside"):
        data.with_labels([0.3, 1.2])
    assert math.isfinite(result.log[0]["loss"])
