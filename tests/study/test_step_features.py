"""Features of a frozen backbone: equal to passes of one sequence each, read once, kept in a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from builders.models import plain_backbone
from builders.programs import ONE_STEP, OTHER_END, SUM, TWO_STEPS
from builders.tokenizers import make_tokenizer
from dreamprm_code.errors import UserError
from dreamprm_code.prm.encoding import StepEncoder
from dreamprm_code.prm.scoring import PRM
from dreamprm_code.study.step_features import ScaledFeatures, StepFeatures

TEXTS = [("sum", TWO_STEPS), ("sum", OTHER_END), ("sum", ONE_STEP)]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory) -> str:
    """A folder with a random backbone of two layers and a tokenizer."""
    return str(plain_backbone(tmp_path_factory.mktemp("backbone"), make_tokenizer()))


def test_features_equal_separate_passes_and_are_read_once(backbone, tmp_path, monkeypatch):
    features = StepFeatures(backbone, 1, ["last", "mean"], tmp_path / "features")
    features.prepare({"sum": SUM}, TEXTS[:2])
    features.prepare({"sum": SUM}, TEXTS)  # one text more

    plain, encoder = AutoModel.from_pretrained(backbone), StepEncoder(make_tokenizer())
    for text in TEXTS:
        for row, sequence in enumerate(encoder.encode_program(SUM, text[1])):
            with torch.no_grad():
                states = plain(input_ids=torch.tensor([sequence]), output_hidden_states=True).hidden_states[1][0]
            assert torch.allclose(features.of(text, "last")[row], states[-1], atol=1e-5)

    monkeypatch.setattr(PRM, "create", lambda *_, **__: pytest.fail("everything is in the files"))
    again = StepFeatures(backbone, 1, ["last", "mean"], tmp_path / "features")
    again.prepare({"sum": SUM}, TEXTS)
    for readout in ("last", "mean"):
        assert torch.equal(again.of(TEXTS[0], readout), features.of(TEXTS[0], readout))


def test_scaled_features_have_mean_zero_and_mean_square_norm_one(backbone, tmp_path):
    features = StepFeatures(backbone, 2, ["last"], tmp_path / "features")
    features.prepare({"sum": SUM}, TEXTS)
    scaled = ScaledFeatures(features, "last", TEXTS).encode(TEXTS)
    assert scaled.square().sum(1).mean().item() == pytest.approx(1.0, abs=1e-4)
    assert scaled.mean(0).abs().max().item() < 1e-5


def test_a_text_that_is_too_long_is_named(backbone, tmp_path):
    features = StepFeatures(backbone, 1, ["last"], tmp_path / "features")
    features.prm.encoder.max_length = 20
    features.prepare({"sum": SUM}, TEXTS)
    with pytest.raises(UserError, match="a program of sum is longer than"):
        ScaledFeatures(features, "last", TEXTS)


def test_more_layers_than_there_are(backbone, tmp_path: Path):
    with pytest.raises(UserError, match="99"):
        StepFeatures(backbone, 99, ["last"], tmp_path / "features").prepare({"sum": SUM}, TEXTS)
    assert not (tmp_path / "features").exists()
