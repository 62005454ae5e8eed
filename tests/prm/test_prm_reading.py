"""Where the head reads is part of a checkpoint, ours and exported, and of what other software can compute from it."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForTokenClassification

from builders.models import assert_equal_scores, plain_backbone, scatter_weights, tiny_prm
from builders.programs import PROGRAMS, TWO_STEPS
from dreamprm_code.errors import UserError
from dreamprm_code.prm import PRM
from dreamprm_code.prm.export import export
from dreamprm_code.prm.model import LoraSettings
from dreamprm_code.prm.readout import Reading


@pytest.mark.parametrize("lora", [LoraSettings(), None])
@pytest.mark.parametrize("reading", [Reading("mean"), Reading("step_mean", 1, False, True), Reading("last", 1, True, True)])
def test_where_the_head_reads_is_part_of_the_folder(tmp_path, tokenizer, problem, reading, lora):
    prm = PRM.create(plain_backbone(tmp_path / "base", tokenizer), reading=reading, lora=lora)
    scatter_weights(prm.model)
    if reading.scaled:
        prm.fit_scale([(problem, PROGRAMS)])
    prm.save_pretrained(tmp_path / "prm")
    again = PRM.from_pretrained(tmp_path / "prm")
    assert again.model.reading == reading
    assert again.score(problem, PROGRAMS) == prm.score(problem, PROGRAMS)
    again.save_pretrained(tmp_path / "again")
    for file in ("prm_config.json", "head.safetensors"):
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / "prm" / file).read_bytes()
    names = {path.name for path in (tmp_path / "prm").iterdir()}
    assert "backbone" not in names and ("adapter_model.safetensors" in names) == (lora is not None)


def test_a_head_alone_is_a_small_folder_that_names_its_backbone(tmp_path, tokenizer):
    base = plain_backbone(tmp_path / "base", tokenizer)
    PRM.create(base, lora=None, reading=Reading("mean", 1, False, True)).save_pretrained(tmp_path / "prm")
    config = json.loads((tmp_path / "prm" / "prm_config.json").read_text())
    assert config["backbone"]["source"] == str(base) and config["lora"] is None
    assert config["reading"] == {"readout": "mean", "layers": 1, "final_norm": False, "scaled": True}
    weights = sum(path.stat().st_size for path in (tmp_path / "prm").rglob("*.safetensors"))
    assert weights < 2000 < (base / "model.safetensors").stat().st_size
    with pytest.raises(UserError, match="wrong base model"):
        PRM.from_pretrained(tmp_path / "prm", base_model=str(plain_backbone(tmp_path / "other", tokenizer, seed=1)))


def test_a_fully_trained_backbone_is_kept_and_stays_kept(tmp_path, tokenizer, problem):
    prm = PRM.create(plain_backbone(tmp_path / "base", tokenizer), lora=None)
    weight = prm.model.decoder.layers[0].mlp.up_proj.weight.requires_grad_()
    with torch.no_grad():
        weight += 0.1
    prm.save_pretrained(tmp_path / "prm")
    again = PRM.from_pretrained(tmp_path / "prm")
    again.save_pretrained(tmp_path / "again")
    (tmp_path / "prm").rename(tmp_path / "moved")
    assert PRM.from_pretrained(tmp_path / "again").score(problem, PROGRAMS) == prm.score(problem, PROGRAMS)


def test_a_scale_that_is_missing_or_too_much_is_refused(tmp_path, tokenizer):
    prm = tiny_prm(tokenizer, reading=Reading(scaled=True))
    prm.save_pretrained(tmp_path / "prm")
    path = tmp_path / "prm" / "head.safetensors"
    head = load_file(path)
    save_file({"weight": head["weight"]}, path)
    with pytest.raises(UserError, match=r"head\.safetensors: lacks 2 of the scale's tensors"):
        PRM.from_pretrained(tmp_path / "prm")
    save_file(head | {"scale.mean": torch.zeros(3)}, path)
    with pytest.raises(UserError, match=r"scale\.mean has shape \(3,\), not \(64,\)"):
        PRM.from_pretrained(tmp_path / "prm")


@pytest.mark.parametrize("reading", [Reading("last", 1), Reading("last", 1, True, True)])
def test_a_cut_backbone_is_served_by_plain_transformers(tmp_path, tokenizer, problem, reading):
    prm = tiny_prm(tokenizer, reading=reading)
    if reading.scaled:
        prm.fit_scale([(problem, PROGRAMS)])
    kind = "Token" if reading.scaled else "Sequence"
    assert export(prm, tmp_path / "out") == f"Qwen2For{kind}Classification"
    assert json.loads((tmp_path / "out" / "config.json").read_text())["num_hidden_layers"] == 1
    reader = AutoModelForTokenClassification.from_pretrained(tmp_path / "out")
    ids = torch.tensor([prm.encoder.encode_program(problem, TWO_STEPS)[-1]])
    with torch.no_grad():
        scores = reader(ids).logits.sigmoid()[0, ids[0] == prm.encoder.step_token_id, 0]
    assert scores.tolist() == pytest.approx(prm.score(problem, [TWO_STEPS])[0], abs=1e-5)
    assert_equal_scores(prm, PRM.from_pretrained(tmp_path / "out"), problem, tolerance=1e-5)


@pytest.mark.parametrize("reading", [Reading("mean"), Reading("step_mean", 1, False, True), Reading("last", 1, False)])
def test_states_are_exported_where_no_classification_model_reads_as_the_head_does(tmp_path, tokenizer, problem, reading):
    prm = tiny_prm(tokenizer, reading=reading)
    if reading.scaled:
        prm.fit_scale([(problem, PROGRAMS)])
    with pytest.raises(UserError, match=r"cannot be exported as 'sequence' classification: .*choose 'states'"):
        export(prm, tmp_path / "out", architecture="sequence")
    assert export(prm, tmp_path / "out") == "Qwen2Model"
    again = PRM.from_pretrained(tmp_path / "out")
    assert_equal_scores(prm, again, problem, tolerance=1e-5)


def test_an_architecture_that_cannot_give_the_scores_is_refused(tmp_path, tokenizer):
    with_bias, scaled = tiny_prm(tokenizer, head_bias=True), tiny_prm(tokenizer, reading=Reading(scaled=True))
    for prm, dtype, architecture, message in (
        (with_bias, torch.float32, "sequence", "its head has a bias; choose 'token'"),
        (scaled, torch.float32, "sequence", "its head has a scale, which becomes a bias; choose 'token'"),
        (scaled, torch.bfloat16, "auto", "too coarse in bfloat16"),
        (with_bias, torch.float32, "onnx", "choose from auto, sequence, token, states"),
    ):
        with pytest.raises(UserError, match=message):
            export(prm, tmp_path / "out", dtype, architecture)
    assert not (tmp_path / "out").exists()
