"""Frozen hidden states: equal to separate passes of a cut backbone, read once, kept in a file."""

from pathlib import Path

import pytest
import torch

from builders.programs import ONE_STEP, OTHER_END, TWO_STEPS
from dreamprm_code.errors import UserError
from dreamprm_code.prm.backbone import find_backbone, load_backbone
from dreamprm_code.prm.scoring import PRM
from dreamprm_code.study.hidden_states import HiddenStates, ScaledStates

TEXTS = [("sum", TWO_STEPS), ("sum", OTHER_END), ("sum", ONE_STEP)]


@pytest.fixture
def backbone(tokenizer, tmp_path) -> str:
    """A folder with a random backbone of two layers and a tokenizer."""
    model = load_backbone(find_backbone("random:tiny"), torch.float32, seed=0)
    model.save_pretrained(tmp_path / "backbone")
    tokenizer.save_pretrained(tmp_path / "backbone")
    return str(tmp_path / "backbone")


def test_states_equal_separate_passes_and_are_read_once(backbone, problem, tmp_path, monkeypatch):
    states = HiddenStates(backbone, 1, tmp_path / "states")
    states.prepare({"sum": problem}, TEXTS[:2])
    states.prepare({"sum": problem}, TEXTS)  # one text more

    prm = PRM.create(backbone, lora=None)
    prm.model.decoder.layers = prm.model.decoder.layers[:1]
    for (_, text), found in zip(TEXTS, states.encode(TEXTS), strict=True):
        (sequence,) = prm.encoder.encode_prefixes(problem, [text])
        with torch.no_grad():
            output = prm.model.backbone(input_ids=torch.tensor([sequence]), use_cache=False).last_hidden_state[0, -1]
        assert torch.allclose(found, output, atol=1e-5)

    monkeypatch.setattr(PRM, "create", lambda *_, **__: pytest.fail("everything is in the files"))
    again = HiddenStates(backbone, 1, tmp_path / "states")
    again.prepare({"sum": problem}, TEXTS)
    assert torch.equal(again.encode(TEXTS), states.encode(TEXTS))


def test_scaled_states_have_mean_norm_one(backbone, problem, tmp_path):
    states = HiddenStates(backbone, 2, tmp_path / "states")
    states.prepare({"sum": problem}, TEXTS)
    scaled = ScaledStates(states, TEXTS).encode(TEXTS)
    assert scaled.norm(dim=1).mean().item() == pytest.approx(1.0, abs=1e-5)
    assert scaled.mean(0).abs().max().item() < 1e-5


def test_more_layers_than_there_are(backbone, problem, tmp_path: Path):
    with pytest.raises(UserError, match="reader_layers is 99"):
        HiddenStates(backbone, 99, tmp_path / "states").prepare({"sum": problem}, TEXTS)
    assert not (tmp_path / "states").exists()
