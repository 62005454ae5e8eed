"""The exact hypergradient equals double backward through the whole inner step, whatever the loss, optimizer and window."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from betty.hypergradient import jvp_fn_mapping
from synthetic import tree_data
from torch import nn

from dreamprm_code.bilevel import TrainConfig, tensor_data
from dreamprm_code.bilevel.data import Windows
from dreamprm_code.bilevel.hypergradients import logit_tangents, logit_tangents_by_rows
from dreamprm_code.bilevel.losses import mixed_derivatives, step_losses
from dreamprm_code.bilevel.reference import double_backward
from dreamprm_code.bilevel.trainer import BiLevelRun, set_dropout
from dreamprm_code.errors import UserError
from dreamprm_code.prm.model import build_model


def run_of(tmp_path: Path, data, model: nn.Module, **settings) -> BiLevelRun:
    quiet = {"progress": False, "tensorboard": False, "checkpoint_every": 0, "eval_every": 0, "device": "cpu"}
    return BiLevelRun(TrainConfig(**(quiet | settings)), data, tmp_path, model, {})


def step(run: BiLevelRun, count: int = 1) -> None:
    set_dropout(run.model, False)
    for _ in range(count):
        run.engine.train_step()


def reference(run: BiLevelRun) -> torch.Tensor:
    """Double backward for the step that the run takes next."""
    config, rows = run.config, torch.arange(len(run.data.mc_value))
    inner = Windows(run.data.inner, config.batch_programs, config.seed)
    inner.skip_to(run.prm.windows.taken)
    outer = Windows(run.data.outer, config.outer_programs, config.seed + 1)
    outer.skip_to(run.outer.windows.taken)
    tables = run.table.labels(rows), run.table.weights(rows)
    both = double_backward(config, run.model, run.prm.optimizer, run.reader, inner.next(), outer.next(), *tables)
    return both[0 if config.learn == "labels" else 1]


@pytest.mark.parametrize("learn", ["labels", "weights"])
@pytest.mark.parametrize("loss", ["bce", "mse"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("micro_tokens", [1, 100_000], ids=["8 micro-batches", "1 micro-batch"])
def test_exact_equals_double_backward_in_float64(tmp_path, learn, loss, optimizer, micro_tokens):
    """With warm moments, weight decay, smoothing and clipping active; every row of the window has its gradient."""
    model = build_model("random:tiny", dtype=torch.float64, attention="math")
    run = run_of(
        tmp_path, tree_data(), model, learn=learn, loss=loss, optimizer=optimizer, micro_tokens=micro_tokens,
        lr=1e-3, clip=0.01, label_smoothing=0.1, inner_only_steps=2, bilevel_steps=1, batch_programs=8, outer_programs=8,
    )  # fmt: skip
    step(run, 2)
    expected = reference(run)
    step(run)
    found = run.outer.last_gradient_R
    gradient = torch.cat([part.flatten() for part in run.prm.last_step.gradient])
    assert gradient.norm() > run.config.clip  # clipping was active
    assert (found - expected).norm() / expected.norm() < 1e-10
    window_rows = {row for unit in run.prm.cur_batch.units for row in unit.rows}
    assert set(found.nonzero().flatten().tolist()) == window_rows


def test_frozen_products_are_taken_from_the_training_pass_and_change_nothing(tmp_path):
    """With kept activations the forward-mode pass calls no frozen matrix on values; without memory for them it calls all."""
    found = {}
    for keep_gib in (0.0, 1.0):
        model = build_model("random:tiny", dtype=torch.float64)
        settings = {"lr": 1e-3, "inner_only_steps": 1, "bilevel_steps": 1, "batch_programs": 8, "micro_tokens": 100}
        run = run_of(tmp_path, tree_data(), model, keep_gib=keep_gib, **settings)
        step(run)
        assert run.prm.kept.batches == []  # warm-up keeps nothing
        step(run)
        assert len(run.prm.kept.modules) == 2 * 7 and not any(run.prm.kept.batches)  # forgotten once read
        assert len(run.prm.kept.batches) > 1 and (run.prm.kept._bytes > 0) == (keep_gib > 0)
        found[keep_gib] = run.outer.last_gradient_R
    assert torch.allclose(found[0.0], found[1.0], rtol=1e-10, atol=0)


def test_exact_through_a_cold_adam(tmp_path):
    """In Adam's first step the second-moment term of the Jacobian nearly cancels the first; both must be there."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1), nn.Flatten(0)).double()
    features = torch.randn(6, 3, dtype=torch.float64)
    data = tensor_data(features, [0.0, 0.25, 0.5, 0.5, 0.75, 1.0], [4] * 6, features[:2] + 0.3, [1.0, 0.0])
    run = run_of(tmp_path, data, model, lr=0.01, clip=0.0, inner_only_steps=0, bilevel_steps=1, batch_programs=6)
    expected = reference(run)
    step(run)
    assert (run.outer.last_gradient_R - expected).norm() / expected.norm() < 1e-8


def test_betty_knows_exact_beside_its_own():
    from dreamprm_code.bilevel.hypergradients import register

    register()
    assert {"exact", "darts", "neumann", "cg"} <= jvp_fn_mapping.keys()


@pytest.mark.parametrize("hypergradient", ["darts", "neumann", "cg"])
def test_bettys_own_hypergradients_run_and_move_labels(tmp_path, hypergradient):
    """They drop the optimizer's Jacobian: with plain SGD darts points as the exact one does (cosine > 0.99)."""
    torch.manual_seed(0)
    data = tree_data()
    model = build_model("random:tiny", dtype=torch.float64, attention="math")
    settings = {"optimizer": "sgd", "lr": 1e-3, "clip": 0.0, "inner_only_steps": 0, "bilevel_steps": 1, "outer_programs": 8}
    run = run_of(tmp_path, data, model, hypergradient=hypergradient, **settings)
    expected = reference(run)
    step(run)
    found = run.outer.last_gradient_R
    assert run.table.movement()["max_movement"] > 0
    if hypergradient == "darts":
        assert torch.cosine_similarity(found, expected, dim=0) > 0.99


def test_one_forward_mode_pass_equals_one_backward_pass_per_row():
    """Two independent ways to <grad z_i, direction>, at parameters that are not the model's own."""
    model = build_model("random:tiny", dtype=torch.float64)
    data = tree_data(num_inner=2)
    batch = data.collate([unit.item for unit in data.inner])
    generator = torch.Generator().manual_seed(1)
    named = {name: param for name, param in model.named_parameters() if param.requires_grad}
    theta = {
        name: param.detach() + 0.1 * torch.randn(param.shape, generator=generator).double() for name, param in named.items()
    }
    direction = {name: torch.randn(param.shape, generator=generator).double() for name, param in named.items()}
    logit_S, tangent_S = logit_tangents(model, batch, theta, direction)
    expected_logit_S, expected_S = logit_tangents_by_rows(model, batch, theta, direction)
    assert torch.allclose(logit_S, expected_logit_S, atol=1e-12)
    assert torch.allclose(tangent_S, expected_S, rtol=1e-10, atol=1e-12)
    assert model.attention == "auto"


@pytest.mark.parametrize("kind", ["bce", "mse"])
def test_mixed_derivatives_in_closed_form_equal_autograd(kind):
    logit_N = torch.linspace(-4, 4, 9, dtype=torch.float64).requires_grad_()
    label_N = torch.linspace(0, 1, 9, dtype=torch.float64).requires_grad_()
    weight_N = torch.linspace(0.1, 2, 9, dtype=torch.float64).requires_grad_()
    losses_N = weight_N * step_losses(logit_N, label_N, kind, smoothing=0.2)
    (slope_N,) = torch.autograd.grad(losses_N.sum(), logit_N, create_graph=True)
    expected = torch.autograd.grad(slope_N.sum(), [label_N, weight_N])
    found = mixed_derivatives(logit_N, label_N, weight_N, kind, smoothing=0.2)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-14)


class OneWeight(nn.Module):
    """z = a x with a = 0 at first."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, x_S1: torch.Tensor) -> torch.Tensor:
        return self.a * x_S1[:, 0]


def test_four_labels_by_hand(tmp_path):
    """A whole bi-level step in about twenty numbers; z = a x, BCE, plain SGD with learning rate 1 inside and 0.1 outside.

    row  x   y (Monte-Carlo)  sigmoid(z) - y at a = 0
    1    1   0.50              0.00
    2    2   0.25              0.25
    3   -1   0.75             -0.25
    4    0   1.00             -0.50
    Inner gradient G = (1*0 + 2*0.25 - 1*(-0.25) + 0) / 4 = 0.75 / 4 = 0.1875, so a' = -0.1875.
    Outer program: x = 2, passed (1). z = -0.375, sigmoid = 0.407333, g = 2 (0.407333 - 1) = -1.185333.
    d = learning rate * g = -1.185333. Each label's gradient: d/dy_i = (1/4) * x_i * d (since -d2l/dz dy = 1):
    -0.296333 * (1, 2, -1, 0) = (-0.296333, -0.592667, 0.296333, 0).
    New labels = y - 0.1 * gradient = (0.529633, 0.309267, 0.720367, 1.0): rows like the passed program rise, the opposite row
    falls, the row that says nothing about it stays, and 1.0 stays in range.
    """
    x_R1 = torch.tensor([[1.0], [2.0], [-1.0], [0.0]], dtype=torch.float64)
    outer_M1 = torch.tensor([[2.0]], dtype=torch.float64)
    data = tensor_data(x_R1, [0.5, 0.25, 0.75, 1.0], [4] * 4, outer_M1, [1.0])
    run = run_of(
        tmp_path, data, OneWeight(), optimizer="sgd", lr=1.0, weight_decay=0.0, clip=0.0, outer_optimizer="sgd", outer_lr=0.1,
        inner_only_steps=0, bilevel_steps=1, batch_programs=4, outer_programs=1,
    )  # fmt: skip
    step(run)
    assert run.model.a.item() == pytest.approx(-0.1875)
    g = 2 * (1 / (1 + math.exp(0.375)) - 1)
    assert g == pytest.approx(-1.185333, abs=1e-6)
    assert run.outer.last_gradient_R.tolist() == pytest.approx([g / 4, 2 * g / 4, -g / 4, 0.0])
    assert run.table.all_labels() == pytest.approx([0.529633, 0.309267, 0.720367, 1.0], abs=1e-6)


def test_an_optimizer_without_a_written_derivative_is_refused(tmp_path):
    data = tensor_data(torch.ones(1, 1, dtype=torch.float64), [0.5], [4], torch.ones(1, 1, dtype=torch.float64), [1.0])
    run = run_of(tmp_path, data, OneWeight(), inner_only_steps=0, bilevel_steps=1)
    run.prm.optimizer = torch.optim.RMSprop(run.prm.trainable_parameters())
    with pytest.raises(UserError, match="RMSprop"):
        step(run)
