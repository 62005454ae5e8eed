"""The loop: what moves and what does not, who is held out, when it stops."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from builders.features import Outcomes, tensor_data
from builders.token_trees import tree_data
from builders.training import quiet
from dreamprm_code.bilevel import train
from dreamprm_code.bilevel.batches import Batches
from dreamprm_code.bilevel.progress import read_log
from dreamprm_code.bilevel.trainer import BiLevelRun, scheduled
from dreamprm_code.errors import UserError
from dreamprm_code.prm.model import build_model


class Linear(nn.Module):
    """z = w x + b from zero."""

    def __init__(self, size: int):
        super().__init__()
        self.linear = nn.Linear(size, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x_SF: torch.Tensor) -> torch.Tensor:
        return self.linear(x_SF).squeeze(-1)


def one_label():
    """One step with label 0.50; the clean program looks the same and passed."""
    return tensor_data(torch.ones(1, 1), [0.5], [4], Outcomes(torch.ones(1, 1), [1.0]))


@pytest.mark.parametrize(("optimizer", "at_least"), [("sgd", 0.69), ("adam", 0.54)])
def test_one_label_rises_towards_a_clean_outcome(tmp_path, optimizer, at_least):
    """20 outer steps of 0.01. Adam's own derivative is small, and at times negative, while its moments are this young."""
    config = quiet(optimizer=optimizer, lr=0.1, inner_only_steps=2, bilevel_steps=20)
    result = train(config, one_label(), tmp_path, Linear(1))
    assert result.labels[0] > at_least
    assert result.weights == [1.0]


def test_learning_nothing_moves_no_label(tmp_path):
    result = train(quiet(learn="none", lr=0.1, inner_only_steps=2, bilevel_steps=20), one_label(), tmp_path, Linear(1))
    assert result.labels == [0.5] and result.weights == [1.0]


def test_learning_weights_moves_weights_and_no_label(tmp_path):
    """Two rows of opposite labels for the same text; the clean outcome agrees with the first."""
    data = tensor_data(torch.ones(2, 1), [1.0, 0.0], [4, 4], Outcomes(torch.ones(1, 1), [1.0]))
    config = quiet(learn="weights", optimizer="sgd", lr=0.1, inner_only_steps=0, bilevel_steps=20, batch_programs=2)
    result = train(config, data, tmp_path, Linear(1))
    assert result.labels == [1.0, 0.0]
    assert result.weights[0] > 1.1 and result.weights[1] < 0.9


def test_warm_up_reads_no_clean_program_and_moves_no_label(tmp_path):
    config = quiet(inner_only_steps=3, bilevel_steps=1, batch_programs=8)
    run = BiLevelRun(config, tree_data(), tmp_path, build_model("random:tiny"), {})
    for taken in (0, 0, 0, 1):
        run.take_step()
        assert run.outer_batches[0].taken == taken
        assert (run.table.movement()["max_movement"] > 0) == (taken == 1)


def test_flipped_labels_are_told_from_clean_ones(tmp_path):
    """Twenty features of a true linear rule; a third of the labels flipped. The outer level pushes flipped labels back."""
    generator = torch.Generator().manual_seed(0)
    rule = torch.randn(20, generator=generator)
    x_RF, x_MF = torch.randn(120, 20, generator=generator), torch.randn(120, 20, generator=generator)
    true_R, outcome_M = (x_RF @ rule > 0).float(), (x_MF @ rule > 0).float()
    flipped_R = torch.rand(120, generator=generator) < 1 / 3
    noisy_R = torch.where(flipped_R, 1 - true_R, true_R)
    data = tensor_data(x_RF, noisy_R.tolist(), [4] * 120, Outcomes(x_MF, outcome_M.tolist()))
    config = quiet(lr=1e-2, inner_only_steps=20, bilevel_steps=120, batch_programs=16, outer_programs=64, seed=1)
    labels_R = torch.tensor(train(config, data, tmp_path, Linear(20)).labels)
    error_before, error_after = (noisy_R - true_R).abs(), (labels_R - true_R).abs()
    assert error_after[flipped_R].mean() < error_before[flipped_R].mean() - 0.1
    assert error_after.mean() < error_before.mean()


def contradicted():
    """Label and outer level say 1, validation says 0, all of the same text."""
    one = torch.ones(1, 1)
    return tensor_data(one, [1.0], [4], Outcomes(one, [1.0]), validation=Outcomes(one, [0.0]))


def test_best_checkpoint_is_chosen_by_held_out_loss_and_not_the_last(tmp_path):
    """Held-out programs that contradict the training labels: the loss only grows, so the earliest after the warm-up wins."""
    data = contradicted()
    model = Linear(1)
    result = train(quiet(lr=0.1, inner_only_steps=2, bilevel_steps=10, eval_every=3), data, tmp_path, model)
    validations = [row for row in result.log if row["phase"] == "validation"]
    assert [row["step"] for row in validations] == [2, 3, 6, 9, 12]
    assert result.best_step == 3 and result.best["loss"] == min(row["loss"] for row in validations[1:])
    assert torch.sigmoid(model(torch.ones(1, 1))).item() < 0.67  # the parameters of step 3: three steps of 0.1, twice


def test_dropout_draws_anew_in_every_step_and_not_in_validation(tmp_path):
    """A learning rate of 0: only dropout could make one step's loss, or one validation's, differ from another's."""
    one = torch.ones(1, 6)
    data = tensor_data(one, [1.0], [4], validation=Outcomes(one, [0.0]))
    torch.manual_seed(0)
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(6, 1), nn.Flatten(0))
    result = train(quiet(learn="none", lr=0.0, inner_only_steps=2, bilevel_steps=6, eval_every=1), data, tmp_path, model)
    losses = {phase: {row["loss"] for row in result.log if row["phase"] == phase} for phase in ("training", "validation")}
    assert len(losses["validation"]) == 1 and len(losses["training"]) > 3


def test_patience_stops_early(tmp_path):
    data = contradicted()
    result = train(quiet(lr=0.1, inner_only_steps=2, bilevel_steps=100, eval_every=1, patience=3), data, tmp_path, Linear(1))
    assert result.steps == 6


def test_log_and_tensorboard_files(tmp_path):
    config = quiet(inner_only_steps=2, bilevel_steps=2, eval_every=2, batch_programs=4, log_to=["tensorboard"])
    result = train(config, tree_data(), tmp_path, build_model("random:tiny"))
    rows = read_log(tmp_path)
    assert rows == result.log
    assert [row["phase"] for row in rows] == ["warm-up", "warm-up", "validation", "bi-level", "bi-level", "validation"]
    assert {"loss", "outer_loss", "mean_movement"} <= rows[3].keys() and "pair_accuracy" in rows[2]
    assert list((tmp_path / "tensorboard").iterdir())


def test_batches_are_the_same_after_a_skip_and_hold_enough_programs():
    units = tree_data().inner
    straight = Batches(units, 4, seed=3)
    seen, position = [], 0
    for number in range(9):
        position = straight.position if number == 5 else position
        seen.append(straight.next())
    resumed = Batches(units, 4, seed=3)
    resumed.skip_to(5, position)
    assert [resumed.next() for _ in range(4)] == seen[5:] and resumed.taken == straight.taken == 9
    assert all(sum(unit.num_programs for unit in batch.units) >= 4 for batch in seen)


def test_schedules():
    assert [scheduled(1.0, step, 2, 6, "linear") for step in (1, 2, 3, 5)] == [0.5, 1.0, 1.0, 0.5]
    assert scheduled(1.0, 100, 0, 200, "constant") == 1.0
    assert scheduled(1.0, 101, 0, 200, "cosine") == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": -1.0}, "'lr' is -1.0"),
        ({"batch_programs": 0}, "'batch_programs'"),
        ({"inner_only_steps": 0, "bilevel_steps": 0}, "nothing to train"),
        ({"learn": "both"}, "choose from labels, weights, none"),
        ({"autocast": "fp16"}, "use bf16"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path, settings, message):
    with pytest.raises(UserError, match=message):
        train(quiet(**settings), one_label(), tmp_path, Linear(1))


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    data = tensor_data(torch.full((1, 1), float("inf")), [0.5], [4], Outcomes(torch.ones(1, 1), [1.0]))
    with pytest.raises(UserError, match="lower lr"):
        train(quiet(), data, tmp_path, Linear(1))


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    config = quiet(inner_only_steps=1, bilevel_steps=1, checkpoint_every=1)
    train(config, one_label(), tmp_path, Linear(1))
    with pytest.raises(UserError, match=r"lr: 0\.0001 there, 0\.5 now"):
        train(config.with_changes(lr=0.5), one_label(), tmp_path, Linear(1))
    (tmp_path / "resume" / "state.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match="not a resume checkpoint"):
        train(config, one_label(), tmp_path, Linear(1))
