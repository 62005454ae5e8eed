"""The exact hypergradient equals double backward through the whole inner step, whatever the loss, optimizer and batch."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from reference import double_backward, logit_tangents_by_rows
from torch import nn

from builders.features import Outcomes, tensor_data
from builders.token_trees import tree_data
from builders.training import OneWeight, next_batches, run_of, take_steps
from dreamprm_code.bilevel import TrainSettings, train
from dreamprm_code.bilevel.batches import Batches
from dreamprm_code.bilevel.losses import mixed_derivatives, step_losses
from dreamprm_code.bilevel.method import bilevel_step, inner_gradient, logit_tangents
from dreamprm_code.bilevel.trainer import BiLevelRun, scheduled, set_dropout
from dreamprm_code.errors import UserError
from dreamprm_code.prm.model import build_model


def reference(run: BiLevelRun) -> torch.Tensor:
    """Double backward for the step that the run takes next."""
    rows = torch.arange(len(run.data.mc_value))
    tables = run.table.labels(rows), run.table.weights(rows)
    both = double_backward(run.settings, run.passes, run.inner.optimizer, *next_batches(run), *tables)
    return both[0 if run.settings.learn == "labels" else 1]


@pytest.mark.parametrize("learn", ["labels", "weights"])
@pytest.mark.parametrize("loss", ["bce", "mse"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("micro_tokens", [1, 100_000], ids=["8 micro-batches", "1 micro-batch"])
def test_exact_equals_double_backward_in_float64(tmp_path, learn, loss, optimizer, micro_tokens):
    """With warm moments, weight decay, smoothing and clipping active; every row of the batch has its gradient."""
    model = build_model("random:tiny", dtype=torch.float64, attention="math")
    run = run_of(
        tmp_path, tree_data(), model, learn=learn, loss=loss, optimizer=optimizer, micro_tokens=micro_tokens,
        lr=1e-3, clip=0.01, label_smoothing=0.1, inner_only_steps=2, bilevel_steps=1, batch_programs=8, outer_programs=8,
    )  # fmt: skip
    take_steps(run, 2)
    expected = reference(run)
    batch, _ = next_batches(run)
    _, gradient = inner_gradient(run.inner, batch)
    assert torch.cat([part.flatten() for part in gradient]).norm() > run.settings.clip  # clipping is active
    take_steps(run)
    found = run.outer.last_gradient_R
    assert (found - expected).norm() / expected.norm() < 1e-10
    assert set(found.nonzero().flatten().tolist()) == {row for unit in batch.units for row in unit.rows}


def test_frozen_products_are_taken_from_the_training_pass_and_change_nothing(tmp_path):
    """With kept activations the forward-mode pass calls no frozen matrix on values; without memory for them it calls all."""
    found = {}
    for keep_gib in (0.0, 1.0):
        model = build_model("random:tiny", dtype=torch.float64)
        settings = {"lr": 1e-3, "inner_only_steps": 1, "bilevel_steps": 1, "batch_programs": 8, "micro_tokens": 100}
        run = run_of(tmp_path, tree_data(), model, keep_gib=keep_gib, **settings)
        take_steps(run)
        assert run.inner.kept.batches == []  # warm-up keeps nothing
        take_steps(run)
        assert len(run.inner.kept.modules) == 2 * 7 and not any(run.inner.kept.batches)  # forgotten once read
        assert len(run.inner.kept.batches) > 1 and (run.inner.kept._bytes > 0) == (keep_gib > 0)
        found[keep_gib] = run.outer.last_gradient_R
    assert torch.allclose(found[0.0], found[1.0], rtol=1e-10, atol=0)


def test_exact_through_a_cold_adam(tmp_path):
    """In Adam's first step the second-moment term of the Jacobian nearly cancels the first; both must be there."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1), nn.Flatten(0)).double()
    features = torch.randn(6, 3, dtype=torch.float64)
    data = tensor_data(features, [0.0, 0.25, 0.5, 0.5, 0.75, 1.0], [4] * 6, Outcomes(features[:2] + 0.3, [1.0, 0.0]))
    run = run_of(tmp_path, data, model, lr=0.01, clip=0.0, inner_only_steps=0, bilevel_steps=1, batch_programs=6)
    expected = reference(run)
    take_steps(run)
    assert (run.outer.last_gradient_R - expected).norm() / expected.norm() < 1e-8


@pytest.mark.parametrize(
    "settings",
    [
        {"learn": "labels", "agreement": 0.2, "prior_strength": 0.3, "schedule": "linear"},
        {"learn": "weights", "outer_every": 2, "micro_tokens": 1, "optimizer": "sgd", "lr_warmup_steps": 3},
        {"learn": "none", "loss": "mse", "label_smoothing": 0.1},
    ],
    ids=lambda settings: settings["learn"],
)
def test_the_trainer_is_the_method_step_by_step(tmp_path, settings):
    """A loop over ``bilevel_step`` written out here ends in the trainer's labels, weights and parameters, bit for bit."""
    common = {"lr": 1e-3, "inner_only_steps": 3, "bilevel_steps": 5, "batch_programs": 5, "outer_programs": 4, **settings}
    config = TrainSettings(progress=False, log_to=[], checkpoint_every=0, eval_every=0, device="cpu", **common)
    result = train(config, tree_data(), tmp_path / "trainer", build_model("random:tiny"))

    run = run_of(tmp_path / "by hand", tree_data(), build_model("random:tiny"), **common)
    inner_batches = Batches(run.data.inner, 5, config.seed)
    outer_batches = Batches(run.data.outer, 4, config.seed + 1)
    set_dropout(run.model, False)
    corrections = 0
    for number in range(1, 9):
        run.inner.optimizer.param_groups[0]["lr"] = scheduled(1e-3, number, config.lr_warmup_steps, 8, config.schedule)
        if config.learn == "none" or number <= 3 or number % config.outer_every:
            bilevel_step(run.inner, inner_batches.next())
            continue
        corrections += 1
        outer_lr = scheduled(config.outer_lr, corrections, 0, 5 // config.outer_every, config.schedule)
        run.outer.optimizer.param_groups[0]["lr"] = outer_lr
        bilevel_step(run.inner, inner_batches.next(), run.outer, outer_batches.next())
    assert corrections == {"labels": 5, "weights": 3, "none": 0}[config.learn]  # steps 4 to 8; 4, 6, 8; none
    assert result.labels == run.table.all_labels() and result.weights == run.table.all_weights()
    assert (result.labels != list(run.data.mc_value)) == (config.learn == "labels")
    for found, expected in zip(result.model.parameters(), run.model.parameters(), strict=True):
        assert torch.equal(found, expected)


def test_exact_and_none_need_no_betty_and_the_others_say_so(tmp_path):
    """In a process where betty cannot be imported: two trainings, then one line that says what to install."""
    script = f"""
import sys
sys.modules["betty"] = None
sys.path[:] = {sys.path}
import train_worker
from dreamprm_code.errors import UserError
for learn in ("none", "labels"):
    train_worker.run(out={str(tmp_path)!r} + "/" + learn, learn=learn)
try:
    train_worker.run(out={str(tmp_path)!r} + "/darts", hypergradient="darts")
except UserError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "requirements-betty.txt" in done.stdout and "--hypergradient exact" in done.stdout
    assert (tmp_path / "none" / "result.pt").exists() and (tmp_path / "labels" / "result.pt").exists()


@pytest.mark.parametrize("learn", ["labels", "weights"])
def test_darts_is_the_exact_one_without_the_optimizer(tmp_path, learn):
    """With plain SGD the optimizer's Jacobian is a factor: both point the same way on a PRM over token trees."""
    model = build_model("random:tiny", dtype=torch.float64, attention="math")
    settings = {"optimizer": "sgd", "lr": 1e-3, "clip": 0.0, "inner_only_steps": 0, "bilevel_steps": 1, "outer_programs": 8}
    run = run_of(tmp_path, tree_data(), model, learn=learn, hypergradient="darts", **settings)
    expected = reference(run)
    take_steps(run)
    assert run.table.movement()["max_movement"] > 0
    assert torch.cosine_similarity(run.outer.last_gradient_R, expected, dim=0) > 0.99


@pytest.mark.parametrize("hypergradient", ["darts", "neumann", "cg"])
@pytest.mark.parametrize("learn", ["labels", "weights"])
def test_bettys_hypergradients_equal_double_backward_with_dense_matrices(tmp_path, hypergradient, learn):
    """-(d2L/dtheta dx)^T v at theta', H the Hessian of L and g the outer gradient there.

    darts: v = g. neumann, one iteration with alpha 1: v = g + (g - H g). cg, one iteration from 0: v = g (g.g) / (g.H g).
    """
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1), nn.Flatten(0)).double()
    features, outer_features = torch.randn(6, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    mc_value, outcomes = [0.0, 0.25, 0.5, 0.5, 0.75, 1.0], [1.0, 0.0, 1.0, 1.0]
    data = tensor_data(features, mc_value, [4] * 6, Outcomes(outer_features, outcomes))
    run = run_of(
        tmp_path, data, model, learn=learn, hypergradient=hypergradient, lr=0.1, inner_only_steps=1, bilevel_steps=1,
        batch_programs=6, outer_programs=4,
    )  # fmt: skip
    take_steps(run, 2)

    named = dict(model.named_parameters())
    sizes = [param.numel() for param in named.values()]

    def logits(theta_P: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        parts = zip(named.items(), theta_P.split(sizes), strict=True)
        return torch.func.functional_call(model, {name: part.view_as(param) for (name, param), part in parts}, (x,))

    def inner_loss(theta_P: torch.Tensor, label_R: torch.Tensor, weight_R: torch.Tensor) -> torch.Tensor:
        return (weight_R * step_losses(logits(theta_P, features), label_R, "bce")).mean()

    theta_P = torch.cat([param.detach().flatten() for param in named.values()])  # theta': the step was taken
    table = torch.tensor(mc_value, dtype=torch.float64), torch.ones(6, dtype=torch.float64)
    g_P = torch.func.grad(lambda theta: step_losses(logits(theta, outer_features), torch.tensor(outcomes), "bce").mean())(
        theta_P
    )
    hessian_PP = torch.func.hessian(inner_loss)(theta_P, *table)
    which = 1 if learn == "labels" else 2
    mixed_PR = torch.func.jacrev(torch.func.grad(inner_loss), argnums=which)(theta_P, *table)
    v_P = {
        "darts": g_P,
        "neumann": 2 * g_P - hessian_PP @ g_P,
        "cg": g_P * (g_P @ g_P) / (g_P @ hessian_PP @ g_P),
    }[hypergradient]
    expected_R = -mixed_PR.T @ v_P
    tolerance = 1e-3 if hypergradient == "darts" else 1e-9  # a finite difference; double backward
    assert (run.outer.last_gradient_R - expected_R).norm() / expected_R.norm() < tolerance


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
    data = tensor_data(x_R1, [0.5, 0.25, 0.75, 1.0], [4] * 4, Outcomes(outer_M1, [1.0]))
    run = run_of(
        tmp_path, data, OneWeight(), optimizer="sgd", lr=1.0, weight_decay=0.0, clip=0.0, outer_optimizer="sgd", outer_lr=0.1,
        inner_only_steps=0, bilevel_steps=1, batch_programs=4, outer_programs=1,
    )  # fmt: skip
    take_steps(run)
    assert run.model.a.item() == pytest.approx(-0.1875)
    g = 2 * (1 / (1 + math.exp(0.375)) - 1)
    assert g == pytest.approx(-1.185333, abs=1e-6)
    assert run.outer.last_gradient_R.tolist() == pytest.approx([g / 4, 2 * g / 4, -g / 4, 0.0])
    assert run.table.all_labels() == pytest.approx([0.529633, 0.309267, 0.720367, 1.0], abs=1e-6)


def test_an_optimizer_without_a_written_derivative_is_refused(tmp_path):
    one = torch.ones(1, 1, dtype=torch.float64)
    data = tensor_data(one, [0.5], [4], Outcomes(one, [1.0]))
    run = run_of(tmp_path, data, OneWeight(), inner_only_steps=0, bilevel_steps=1)
    run.inner.optimizer = torch.optim.RMSprop(run.passes.params)
    with pytest.raises(UserError, match="RMSprop"):
        take_steps(run)
