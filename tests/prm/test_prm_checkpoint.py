"""Checkpoints of all three kinds load with equal scores, or say what is wrong and run nothing."""

import json
import pickle
import warnings
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from builders.models import assert_equal_scores, plain_backbone, scatter_weights, tiny_prm
from builders.prm_texts import prm_text
from builders.programs import PROGRAMS, TWO_STEPS
from dreamprm_code.errors import UserError
from dreamprm_code.prm import PRM, StepSettings
from dreamprm_code.prm.backbone import SHAPES
from dreamprm_code.prm.export import export
from dreamprm_code.prm.input_text import program_prefixes
from dreamprm_code.prm.model import LoraSettings, lora_parameters


def test_the_folder_has_the_same_bytes_whatever_the_order_of_a_set(tmp_path, tokenizer):
    prm = tiny_prm(tokenizer)
    contents = []
    for name, modules in (("one", ["q_proj", "k_proj", "o_proj"]), ("other", ["o_proj", "q_proj", "k_proj"])):
        prm.model.backbone.peft_config["default"].target_modules = modules
        prm.save_pretrained(tmp_path / name)
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir() if path.is_file()})
    assert contents[0] == contents[1]


@pytest.mark.parametrize("base", ["random", "folder"])
@pytest.mark.parametrize("format", ["native", "released"])
def test_our_folder_gives_the_same_scores(tmp_path, tokenizer, problem, base, format):
    steps = StepSettings(max_functions=3)
    if base == "folder":
        backbone = plain_backbone(tmp_path / "base", tokenizer)
        prm = PRM.create(backbone, format=format, steps=steps, lora=LoraSettings(rank=4, alpha=2.0))
        scatter_weights(prm.model)
    else:
        prm = tiny_prm(tokenizer, format=format, steps=steps, head_bias=True)
    prm.save_pretrained(tmp_path / "prm")
    again = PRM.from_pretrained(tmp_path / "prm", dtype=torch.float32)
    assert_equal_scores(prm, again, problem)
    assert again.steps == steps
    assert (again.encoder.format, again.encoder.step_token) == (prm.encoder.format, prm.encoder.step_token)
    assert (tmp_path / "prm" / "backbone").exists() == (base == "random")
    assert {name for name, p in again.model.named_parameters() if p.requires_grad} == {
        name for name, p in prm.model.named_parameters() if p.requires_grad
    }


def test_a_checkpoint_keeps_its_own_text(tmp_path, tokenizer, problem):
    prm = tiny_prm(tokenizer)
    prm.encoder.template = "Another text: {question_content}\n{code}"
    prm.save_pretrained(tmp_path / "prm")
    assert_equal_scores(prm, PRM.from_pretrained(tmp_path / "prm", dtype=torch.float32), problem)


def test_saving_again_replaces_a_checkpoint_but_nothing_else(tmp_path, tokenizer):
    prm = tiny_prm(tokenizer)
    prm.save_pretrained(tmp_path / "prm")
    prm.save_pretrained(tmp_path / "prm")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prm"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="not a checkpoint folder"):
        prm.save_pretrained(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_a_wrong_base_model_is_recognised(tmp_path, tokenizer):
    right = plain_backbone(tmp_path / "right", tokenizer)
    PRM.create(right).save_pretrained(tmp_path / "prm")
    for wrong in (
        plain_backbone(tmp_path / "seed", tokenizer, seed=1),
        plain_backbone(tmp_path / "shape", tokenizer, "tiny-llama"),
    ):
        with pytest.raises(UserError, match="wrong base model"):
            PRM.from_pretrained(tmp_path / "prm", base_model=str(wrong))
    right.rename(tmp_path / "moved")
    with pytest.raises(UserError, match=r"backbone .* is not here.*base_model"):
        PRM.from_pretrained(tmp_path / "prm")
    PRM.from_pretrained(tmp_path / "prm", base_model=str(tmp_path / "moved"), dtype=torch.bfloat16)


def test_the_fingerprint_is_the_same_in_every_precision(tmp_path, tokenizer):
    backbone = plain_backbone(tmp_path / "base", tokenizer)
    PRM.create(backbone).save_pretrained(tmp_path / "prm")
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        assert PRM.from_pretrained(tmp_path / "prm", dtype=dtype).model.decoder.dtype == dtype


@pytest.mark.parametrize("trained_in", [torch.float16, torch.bfloat16, torch.float32])
def test_a_checkpoint_is_scored_in_the_precision_of_its_training(tmp_path, tokenizer, problem, trained_in):
    prm = PRM.create(plain_backbone(tmp_path / "base", tokenizer), dtype=trained_in)
    scatter_weights(prm.model)
    prm.save_pretrained(tmp_path / "prm")
    again = PRM.from_pretrained(tmp_path / "prm", trainable=True)
    assert again.model.decoder.dtype == trained_in
    assert again.score(problem, PROGRAMS) == prm.score(problem, PROGRAMS)
    assert {weight.dtype for _, weight in lora_parameters(again.model)} == {torch.float32}
    precise = PRM.from_pretrained(tmp_path / "prm", dtype=torch.float32)
    assert {weight.dtype for weight in precise.model.parameters()} == {torch.float32}
    assert_equal_scores(prm, precise, problem, tolerance=0.05)


@pytest.mark.parametrize("trained_in", [torch.float16, torch.bfloat16, torch.float32])
def test_a_folder_of_version_1_still_loads(tmp_path, tokenizer, problem, trained_in):
    """Its configuration did not say in which precision it was trained, and float16 changes the fingerprint."""
    prm = PRM.create(plain_backbone(tmp_path / "base", tokenizer), dtype=trained_in)
    scatter_weights(prm.model)
    prm.save_pretrained(tmp_path / "prm")
    path = tmp_path / "prm" / "prm_config.json"
    config = json.loads(path.read_text())
    old = {name: config[name] for name in ("kind", "version", "input", "lora", "backbone")}
    path.write_text(json.dumps(old | {"format_version": 1}))
    again = PRM.from_pretrained(tmp_path / "prm", dtype=trained_in, trainable=True)
    assert again.score(problem, PROGRAMS) == prm.score(problem, PROGRAMS)
    assert PRM.from_pretrained(tmp_path / "prm").model.decoder.dtype in (torch.float32, trained_in)


def test_a_tokenizer_that_would_read_differently_is_not_written(tmp_path, tokenizer):
    from tokenizers import pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # not Qwen's, yet the folder will say "qwen2"
    odd = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<|endoftext|>", eos_token="<|im_end|>")
    with pytest.raises(UserError, match="tokenizer"):
        export(tiny_prm(odd), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_and_broken_parts_are_named(tmp_path, tokenizer):
    folder = tmp_path / "prm"
    prm = tiny_prm(tokenizer)
    prm.save_pretrained(folder)
    adapter = load_file(folder / "adapter_model.safetensors")
    first = next(iter(adapter))
    save_file({name: tensor for name, tensor in adapter.items() if name != first}, folder / "adapter_model.safetensors")
    with pytest.raises(UserError, match=r"lacks 1 of the LoRA tensors"):
        PRM.from_pretrained(folder)
    (folder / "head.safetensors").write_bytes(b"broken")
    with pytest.raises(UserError, match=r"head.safetensors: cannot be read"):
        PRM.from_pretrained(folder)
    (folder / "prm_config.json").write_text("{")
    with pytest.raises(UserError, match=r"prm_config.json: cannot be read"):
        PRM.from_pretrained(folder)
    with pytest.raises(UserError, match="no such checkpoint"):
        PRM.from_pretrained(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="not a PRM checkpoint folder"):
        PRM.from_pretrained(tmp_path / "empty")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("prm_config.json", "[" * 100_000, r"prm_config\.json: cannot be read"),
        ("tokenizer.json", "[]", r"the tokenizer cannot be read"),
        ("tokenizer_config.json", "null", r"the tokenizer cannot be read"),
        ("backbone/config.json", "null", r"backbone .*: cannot be loaded"),
    ],
)
def test_a_file_that_holds_other_json_is_one_line(tmp_path, tokenizer, file, text, message):
    tiny_prm(tokenizer).save_pretrained(tmp_path / "prm")
    (tmp_path / "prm" / file).write_text(text)
    with pytest.raises(UserError, match=message):
        PRM.from_pretrained(tmp_path / "prm")


def test_a_tokenizer_of_another_training_is_refused(tmp_path, tokenizer):
    tiny_prm(tokenizer).save_pretrained(tmp_path / "prm")
    path = tmp_path / "prm" / "prm_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"input": config["input"] | {"step_token_id": 5}}))
    with pytest.raises(UserError, match=r"is token \d+ of the tokenizer, 5 of prm_config\.json"):
        PRM.from_pretrained(tmp_path / "prm")


def test_a_folder_without_its_adapter_config_or_with_another_one_is_refused(tmp_path, tokenizer):
    folder = tmp_path / "prm"
    tiny_prm(tokenizer).save_pretrained(folder)
    path = folder / "adapter_config.json"
    adapter = json.loads(path.read_text())
    path.write_text(json.dumps(adapter | {"r": adapter["r"] + 1}))
    with pytest.raises(UserError, match=r"adapter_config\.json: rank, alpha and modules .* are not those of prm_config\.json"):
        PRM.from_pretrained(folder)
    path.write_text("{")
    with pytest.raises(UserError, match=r"adapter_config\.json: cannot be read"):
        PRM.from_pretrained(folder)
    path.unlink()
    with pytest.raises(UserError, match=r"adapter_config\.json: cannot be read \(No such file"):
        PRM.from_pretrained(folder)


def test_a_configuration_without_its_parts_is_refused(tmp_path, tokenizer):
    folder = tmp_path / "prm"
    tiny_prm(tokenizer).save_pretrained(folder)
    config = json.loads((folder / "prm_config.json").read_text())
    for part in ("input", "backbone", "lora"):
        (folder / "prm_config.json").write_text(json.dumps({name: value for name, value in config.items() if name != part}))
        with pytest.raises(UserError, match=f"prm_config.json: '{part}' is missing"):
            PRM.from_pretrained(folder)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("input", "max_length"), "2048"),
        (("input", "granularity"), "paragraph"),
        (("lora", "rank"), 0),
        (("lora", "target_modules"), "q_proj"),
        (("backbone", "fingerprint"), None),
        (("dtype",), "int8"),
    ],
)
def test_a_value_of_a_wrong_type_is_named_with_its_place(tmp_path, tokenizer, place, value):
    folder = tmp_path / "prm"
    tiny_prm(tokenizer).save_pretrained(folder)
    config = json.loads((folder / "prm_config.json").read_text())
    part = config
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    (folder / "prm_config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=f"prm_config.json: '{'.'.join(place)}' is {value!r}") as error:
        PRM.from_pretrained(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["head", "adapter", "backbone", "exported", "released"])
def test_weights_that_are_not_finite_are_one_clear_error(tmp_path, tokenizer, kind):
    folder = tmp_path / "prm"
    if kind == "released":
        base = plain_backbone(tmp_path / "base", tokenizer)
        state = released_state(*plain_released_model(base))
        state["reward_head.bias"] = torch.tensor([float("nan")])
        torch.save(state, tmp_path / "x.pt")
        with pytest.raises(UserError, match=r"x\.pt: reward_head\.bias holds values that are not finite"):
            PRM.from_pretrained(tmp_path / "x.pt", base_model=str(base))
        return
    if kind == "exported":
        export(tiny_prm(tokenizer), folder)
    else:
        tiny_prm(tokenizer).save_pretrained(folder)
    name = {"head": "head", "adapter": "adapter_model", "backbone": "backbone/model", "exported": "model"}[kind]
    path = folder / f"{name}.safetensors"
    tensors = load_file(path)
    tensors[max(tensors)].view(-1)[1] = float("inf")
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(UserError, match="not finite") as error:
        PRM.from_pretrained(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta"])
def test_a_device_that_is_not_here_is_one_clear_error(tmp_path, tokenizer, device):
    tiny_prm(tokenizer).save_pretrained(tmp_path / "prm")
    with pytest.raises(UserError, match=f"device '{device}' cannot be used here") as error:
        PRM.from_pretrained(tmp_path / "prm", device=device)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["exported", "ours"])
def test_weights_that_are_cut_short_are_one_clear_error(tmp_path, tokenizer, kind):
    folder = tmp_path / "prm"
    prm = tiny_prm(tokenizer)
    if kind == "exported":
        export(prm, folder)
        path = folder / "model.safetensors"
    else:
        prm.save_pretrained(folder)
        path = folder / "backbone" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"damaged or cut short") as error:
        PRM.from_pretrained(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("contents", "message"),
    [(b"", "is an empty file"), (b"garbage", "not a readable PyTorch checkpoint"), (b"PK\x03\x04", "not a readable PyTorch")],
)
def test_a_file_that_is_no_checkpoint_is_not_taken_for_one_with_code(tmp_path, contents, message):
    (tmp_path / "x.pt").write_bytes(contents)
    with pytest.raises(UserError, match=message) as error:
        PRM.from_pretrained(tmp_path / "x.pt")
    assert "run code" not in str(error.value) and "\n" not in str(error.value)


def test_a_released_file_cut_short_at_any_place_is_one_clear_error(tmp_path):
    torch.save({"reward_head.weight": torch.zeros(1, 64)}, tmp_path / "whole.pt")
    whole = (tmp_path / "whole.pt").read_bytes()
    for size in range(0, len(whole), max(1, len(whole) // 25)):
        (tmp_path / "x.pt").write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"x\.pt: "):
            PRM.from_pretrained(tmp_path / "x.pt")


# Export


def test_the_exported_folder_loads_in_plain_transformers_with_equal_scores(tmp_path, tokenizer, problem):
    prm = tiny_prm(tokenizer)
    assert export(prm, tmp_path / "out") == "Qwen2ForSequenceClassification"
    expected = prm.score(problem, [TWO_STEPS])[0]

    reader = AutoTokenizer.from_pretrained(tmp_path / "out")
    prefixes = program_prefixes(TWO_STEPS)
    texts = [prm_text(problem, prefixes[0], step_token="<|quad_end|>", earlier=[])]
    texts.append(prm_text(problem, TWO_STEPS, step_token="<|quad_end|>", earlier=prefixes[:1]))
    sequence, report = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    with torch.no_grad():
        batch = reader(texts, return_tensors="pt", padding=True)
        scores = sequence(**batch).logits.sigmoid()[:, 0]
    assert scores.tolist() == pytest.approx(expected, abs=1e-5)

    token, report = AutoModelForTokenClassification.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    with torch.no_grad():
        ids = reader(texts[-1], return_tensors="pt")
        scores = token(**ids).logits.sigmoid()[0, ids.input_ids[0] == prm.encoder.step_token_id, 0]
    assert scores.tolist() == pytest.approx(expected, abs=1e-5)

    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["problem_type"] == "multi_label_classification"
    assert config["architectures"] == ["Qwen2ForSequenceClassification"]
    assert (config["pad_token_id"], config["token_classification_bias"], config["classifier_dropout"]) == (0, False, 0.0)


@pytest.mark.parametrize("head_bias", [False, True])
def test_the_exported_folder_loads_here_with_equal_scores(tmp_path, tokenizer, problem, head_bias):
    prm = tiny_prm(tokenizer, head_bias=head_bias, steps=StepSettings(max_functions=4))
    architecture = export(prm, tmp_path / "out")
    again = PRM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    assert_equal_scores(prm, again, problem, tolerance=1e-5)
    assert again.steps == prm.steps
    assert architecture == ("Qwen2ForTokenClassification" if head_bias else "Qwen2ForSequenceClassification")
    if head_bias:
        reader = AutoModelForTokenClassification.from_pretrained(tmp_path / "out")
        ids = torch.tensor([prm.encoder.encode_program(problem, TWO_STEPS)[-1]])
        with torch.no_grad():
            last = reader(ids).logits.sigmoid()[0, -1, 0]
        assert float(last) == pytest.approx(prm.score(problem, [TWO_STEPS])[0][-1], abs=1e-5)


# The released checkpoint


def plain_released_model(base: Path, rank: int = 8) -> tuple[torch.nn.Module, torch.nn.Linear]:
    """A PEFT-wrapped causal language model and a linear head, as the released recipe builds them."""
    lm = AutoModelForCausalLM.from_pretrained(base)
    targets = ["q_proj", "k_proj", "v_proj", "o_proj"]
    settings = LoraConfig(r=rank, lora_alpha=16, lora_dropout=0.05, target_modules=targets, task_type="CAUSAL_LM")
    with warnings.catch_warnings():
        # PEFT asks transformers for an attribute by its old name.
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
        lm = get_peft_model(lm, settings)
    torch.manual_seed(5)
    with torch.no_grad():
        for name, parameter in lm.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    head = torch.nn.Linear(64, 1)
    torch.nn.init.normal_(head.weight, std=0.2)
    torch.nn.init.constant_(head.bias, 0.3)
    return lm.eval(), head


def released_state(lm: torch.nn.Module, head: torch.nn.Linear) -> dict[str, torch.Tensor]:
    state = {f"lm.{name}": tensor for name, tensor in lm.state_dict().items()}
    return state | {"reward_head.weight": head.weight.detach(), "reward_head.bias": head.bias.detach()}


def plain_released_scores(lm, head, tokenizer, texts: list[str]) -> list[float]:
    """The recipe: right padding, last real token of the last hidden state, linear head, sigmoid."""
    batch = tokenizer(texts, return_tensors="pt", padding=True, padding_side="right")
    with torch.no_grad():
        hidden = lm(**batch, output_hidden_states=True).hidden_states[-1]
        last = hidden[torch.arange(len(texts)), batch.attention_mask.sum(1) - 1]
        return torch.sigmoid(head(last))[:, 0].tolist()


def test_the_released_checkpoint_in_all_wrappings_scores_as_its_recipe_does(tmp_path, tokenizer, problem):
    base = plain_backbone(tmp_path / "base", tokenizer)
    lm, head = plain_released_model(base)
    prefixes = program_prefixes(TWO_STEPS)
    texts = [
        "<task>\nPlatform: atcoder\nQuestion ID: sum\nTitle: Sum\n</task>\n\n<problem>\nGiven numbers, print their sum.\n"
        f"</problem>\n\n<starter_code>\n{prefix}\n</starter_code>"
        for prefix in prefixes
    ]
    expected = plain_released_scores(lm, head, tokenizer, texts)
    state = released_state(lm, head)
    assert "lm.base_model.model.model.layers.0.self_attn.q_proj.base_layer.weight" in state
    wrappings = {
        "plain": state,
        "betty": {"module": state, "step": 3} | {"optimizer": None},
        "ddp": {f"module.{name}": tensor for name, tensor in state.items()},
        "betty-ddp": {"module": {f"module.{name}": tensor for name, tensor in state.items()}},
    }
    for name, wrapped in wrappings.items():
        path = tmp_path / f"{name}.pt"
        torch.save(wrapped, path)
        prm = PRM.from_pretrained(path, base_model=str(base), dtype=torch.float32)
        assert prm.score(problem, [TWO_STEPS])[0] == pytest.approx(expected, abs=1e-6)
        assert prm.encoder.format == "released"
        assert prm.encoder.max_length == 32768
    assert export(prm, tmp_path / "out") == "Qwen2ForTokenClassification"
    assert_equal_scores(prm, PRM.from_pretrained(tmp_path / "out", dtype=torch.float32), problem, tolerance=1e-5)
    prm.save_pretrained(tmp_path / "ours")
    assert_equal_scores(prm, PRM.from_pretrained(tmp_path / "ours", dtype=torch.float32), problem)


def test_rank_and_modules_are_inferred_and_alpha_can_be_given(tmp_path, tokenizer, problem):
    base = plain_backbone(tmp_path / "base", tokenizer)
    lm, head = plain_released_model(base, rank=4)
    state = released_state(lm, head)
    only_trained = {name: tensor for name, tensor in state.items() if "lora_" in name or "reward_head" in name}
    torch.save(only_trained, tmp_path / "small.pt")
    prm = PRM.from_pretrained(tmp_path / "small.pt", base_model=str(base), dtype=torch.float32)
    settings = prm.model.backbone.peft_config["default"]
    assert (settings.r, settings.lora_alpha) == (4, 16.0)
    assert settings.target_modules == {"q_proj", "k_proj", "v_proj", "o_proj"}
    expected = plain_released_scores(lm, head, tokenizer, [prm_text(problem, TWO_STEPS, "released")])
    assert prm.score(problem, [TWO_STEPS])[0][-1] == pytest.approx(expected[0], abs=1e-6)
    other = PRM.from_pretrained(tmp_path / "small.pt", base_model=str(base), lora_alpha=1.0, dtype=torch.float32)
    assert other.score(problem, [TWO_STEPS]) != prm.score(problem, [TWO_STEPS])


def test_a_wrong_released_checkpoint_says_what_is_wrong(tmp_path, tokenizer):
    base = plain_backbone(tmp_path / "base", tokenizer)
    state = released_state(*plain_released_model(base))
    layer = "lm.base_model.model.model.layers.1."

    def error_of(contents, base_model=base) -> str:
        torch.save(contents, tmp_path / "bad.pt")
        with pytest.raises(UserError) as caught:
            PRM.from_pretrained(tmp_path / "bad.pt", base_model=str(base_model))
        return str(caught.value)

    def without(part: str) -> dict[str, torch.Tensor]:
        return {name: tensor for name, tensor in state.items() if part not in name}

    assert "wrong base model" in error_of(state, plain_backbone(tmp_path / "deep", tokenizer, "tiny-window"))
    AutoModel.from_config(AutoConfig.for_model("qwen2", **_wide())).save_pretrained(tmp_path / "wide")
    assert "wrong base model" in error_of(state, tmp_path / "wide")
    assert "no such folder" in error_of(state, tmp_path / "nowhere")
    assert "lacks 1 of the weights" in error_of(without(layer + "mlp.up_proj.weight"))
    assert "lacks 1 of the weights" in error_of(without(layer + "self_attn.q_proj.lora_B"))
    assert "reward_head.weight" in error_of(without("reward_head.weight"))
    assert "expected LoRA" in error_of(without("lora_"))
    assert "has unknown 1" in error_of(state | {layer + "extra.weight": torch.zeros(1)})
    assert "not a state dict" in error_of([1, 2])
    (tmp_path / "bad.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(UserError):
        PRM.from_pretrained(tmp_path / "bad.pt", base_model=str(base))


def _wide() -> dict:
    return {name: value for name, value in SHAPES["tiny"].items() if name != "model_type"} | {"hidden_size": 96}


class RunsCode:
    """What a hostile pickle looks like: loading it creates a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("wrapping", ["torch", "pickle"])
def test_a_pickle_with_code_is_refused_and_nothing_runs(tmp_path, wrapping):
    witness, path = tmp_path / "ran", tmp_path / "evil.pt"
    contents = {"module": {"reward_head.weight": torch.zeros(1, 4)}, "config": RunsCode(witness)}
    if wrapping == "torch":
        torch.save(contents, path)
        expected_warning = nullcontext()
    else:
        path.write_bytes(pickle.dumps(contents))
        expected_warning = pytest.warns(UserWarning, match="pickle protocol")
    with expected_warning, pytest.raises(UserError, match=r"would run code|not a readable"):
        PRM.from_pretrained(path, base_model="nowhere")
    assert not witness.exists()
