"""The frozen part of a PRM is computed once per tree, and remembering it changes no bit."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.autograd import forward_ad
from torch.func import functional_call

from builders.models import tiny_model
from builders.programs import ONE_STEP, OTHER_END, TWO_STEPS
from builders.rows import make_problem
from dreamprm_code.errors import UserError
from dreamprm_code.prm.encoding import StepEncoder
from dreamprm_code.prm.model import PRMModel, freeze_lower_layers
from dreamprm_code.prm.readout import Reading
from dreamprm_code.prm.trees import TokenTree, build_tree, collate
from dreamprm_code.prm.trunk import FrozenTrunk


def make_model(trained_layers: int, readout: str = "mean", **settings) -> PRMModel:
    """Four layers, one kind of which has a sliding window; 0 trained layers = no LoRA."""
    settings = {"lora": None} if trained_layers == 0 else settings
    model = tiny_model("tiny-window", reading=Reading(readout), **settings)
    if trained_layers:
        freeze_lower_layers(model, trained_layers)
    return model


@pytest.fixture
def trees(tokenizer) -> list[TokenTree]:
    encoder = StepEncoder(tokenizer)
    groups = [[TWO_STEPS, OTHER_END], [ONE_STEP], [OTHER_END, ONE_STEP]]
    problems = [make_problem(f"Problem {index}.") for index in range(len(groups))]
    return [
        build_tree([step for code in group for step in encoder.encode_program(problem, code)])
        for problem, group in zip(problems, groups, strict=True)
    ]


def batches_of(trees: list[TokenTree]) -> list[list[TokenTree]]:
    """Two epochs: the same trees in other company."""
    return [[trees[0]], [trees[1], trees[2]], [trees[2], trees[0]], [trees[1]]]


def train(model: PRMModel, trees: list[TokenTree], make_batch) -> list[torch.Tensor]:
    """Losses, derivatives along a direction, and the parameters after some Adam steps."""
    optimizer = torch.optim.Adam(model.trainable_parameters(), lr=0.01)
    results = []
    for group in batches_of(trees):
        loss = model(make_batch(group)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad(), forward_ad.dual_level():
            theta = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
            duals = {name: forward_ad.make_dual(value, torch.ones_like(value)) for name, value in theta.items()}
            logit_S = functional_call(model, duals, (make_batch(group), "math"))
            results += [loss.detach(), forward_ad.unpack_dual(logit_S).tangent]
    return [*results, *(parameter.detach() for parameter in model.trainable_parameters())]


@pytest.mark.parametrize("trained_layers", [0, 1, 3])
@pytest.mark.parametrize("readout", ["last", "mean"])
def test_training_gives_the_same_bits_with_and_without_a_memory(trees, trained_layers, readout):
    found = []
    for max_bytes in (float("inf"), 0.0):
        model = make_model(trained_layers, readout)
        trunk = FrozenTrunk(model, max_bytes)
        assert trunk.layers == 4 - trained_layers and trunk.head_only == (trained_layers == 0)
        found.append(train(model, trees, trunk.collate))
        assert (trunk.num_bytes > 0) == (max_bytes > 0)
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)
    assert max(tangent.abs().max() for tangent in found[0][1 : 2 * len(batches_of(trees)) : 2]) > 0
    whole = train(make_model(trained_layers, readout), trees, collate)  # all layers in one pass over the whole batch
    for one, other in zip(found[0], whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("trained_layers", [0, 2])
def test_what_is_frozen_is_computed_once_per_tree(trees, trained_layers):
    model = make_model(trained_layers)
    calls = [0] * 4
    for index, layer in enumerate(model.decoder.layers):
        layer.register_forward_hook(lambda *_, index=index: calls.__setitem__(index, calls[index] + 1))
    trunk = FrozenTrunk(model)
    for group in batches_of(trees):
        model(trunk.collate(group)).sum().backward()
    above = len(batches_of(trees)) if trained_layers else 3
    assert calls == [3] * (4 - trained_layers) + [above] * trained_layers
    rows = [len(tree.read_at_S) if trained_layers == 0 else tree.num_tokens for tree in trees]
    assert trunk.num_bytes == sum(rows) * 64 * 4


@pytest.mark.parametrize("trained_layers", [0, 2])
@pytest.mark.parametrize("readout", ["last", "mean"])
def test_trees_of_the_same_tokens_are_computed_in_one_pass(tokenizer, trees, trained_layers, readout):
    encoder, problem = StepEncoder(tokenizer), make_problem("Problem 0.")
    programs = [encoder.encode_program(problem, code) for code in (TWO_STEPS, OTHER_END)]
    ends = build_tree([steps[-1] for steps in reversed(programs)])  # whole programs alone, in another order
    assert np.array_equal(ends.token_ids_T, trees[0].token_ids_T) and len(ends.read_at_S) < len(trees[0].read_at_S)
    company = [trees[0], ends, trees[1]]
    model, found = make_model(trained_layers, readout), []
    for max_bytes in (float("inf"), 0.0):
        calls = []
        hook = model.decoder.layers[0].register_forward_hook(lambda *_, calls=calls: calls.append(1))
        trunk = FrozenTrunk(model, max_bytes, trees=company)
        with torch.no_grad():
            found += [model(trunk.collate([tree])) for tree in company]
        hook.remove()
        assert len(calls) == (2 if max_bytes else 3)
    assert all(torch.equal(one, other) for one, other in zip(found[:3], found[3:], strict=True))
    with torch.no_grad():
        apart = [model(collate([tree])) for tree in company]
    for one, other in zip(found[:3], apart, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("trained_layers", [0, 2])
def test_a_folder_gives_another_training_the_same_bits_and_other_models_nothing(trees, trained_layers, tmp_path):
    def losses(folder: Path | None, **change) -> tuple[list[torch.Tensor], int]:
        model = make_model(trained_layers, **change)
        calls = []
        model.decoder.layers[0].register_forward_hook(lambda *_: calls.append(1))
        return train(model, trees, FrozenTrunk(model, folder=folder).collate), len(calls)

    (plain, _), (first, computed), (second, again) = losses(None), losses(tmp_path), losses(tmp_path)
    assert (computed, again) == (3, 0)
    for one, other, third in zip(plain, first, second, strict=True):
        assert torch.equal(one, other) and torch.equal(one, third)
    if trained_layers == 0:
        assert losses(tmp_path, readout="last")[1] == 3
    for path in tmp_path.rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"cannot be read .*delete it, it is computed again"):
        losses(tmp_path)


def test_one_other_weight_is_another_trunk(trees, tmp_path):
    for change in (0.0, 1e-3):
        model = make_model(0)
        with torch.no_grad():
            model.decoder.layers[1].mlp.up_proj.weight[0, 0] += change
        FrozenTrunk(model, folder=tmp_path).collate(trees)
    assert len(list(tmp_path.iterdir())) == 2


def test_the_memory_is_bounded(trees):
    model = make_model(2)
    sizes = [tree.num_tokens * 64 * 4 for tree in trees]
    trunk = FrozenTrunk(model, max_bytes=sizes[0] + sizes[1])
    before = model(trunk.collate(trees)).detach()
    assert trunk.num_bytes == sizes[0] + sizes[1]
    assert torch.equal(model(trunk.collate(trees)).detach(), before)
    assert trunk.num_bytes == sizes[0] + sizes[1]


def test_a_fully_trained_model_has_no_trunk(trees):
    model = tiny_model("tiny-window")
    trunk = FrozenTrunk(model)
    batch = trunk.collate(trees)
    assert trunk.layers == 0 and batch.states_TH is None and batch.feature_SH is None


def test_dropout_and_gradient_checkpointing_stay_above(trees):
    from dreamprm_code.prm.model import LoraSettings

    model = make_model(2, lora=LoraSettings(dropout=0.5)).train()
    model.enable_gradient_checkpointing()
    trunk, other = FrozenTrunk(model), FrozenTrunk(model, 0.0)
    assert torch.equal(trunk.collate(trees).states_TH, other.collate(trees).states_TH)
    assert all(module.training for module in model.modules())
    batch = trunk.collate(trees)
    assert not torch.equal(model(batch), model(batch))
    model(batch).sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.trainable_parameters())


def test_mixed_precision_is_that_of_training(trees):
    model = make_model(2)
    trunk = FrozenTrunk(model, autocast=torch.bfloat16)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        mixed, whole = model(trunk.collate(trees)), model(collate(trees))
    with torch.no_grad():
        precise = model(collate(trees))
    assert (mixed - whole).abs().max() < 0.5 * (precise - whole).abs().max() or torch.equal(mixed, whole)
