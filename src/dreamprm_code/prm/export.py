"""Export: a merged Hugging Face folder that other software reads without our code, in one of three architectures.

* ``sequence``: ``<Model>ForSequenceClassification`` with one label, ``model.*`` and ``score.weight``, for heads without bias;
* ``token``: ``<Model>ForTokenClassification``, which keeps a bias (the released head has one);
* ``states``: the plain ``<Model>`` with the head beside it in ``score.safetensors``, for a PRM that reads what no
  classification model can: a mean over the program's tokens, or states before the last norm. The card shows how to compute its
  scores with transformers; nothing serves it.

A scale of the features is folded into the head, which then has a bias; layers that were cut off are not in the configuration.
That holds what the readers need: ``problem_type`` "multi_label_classification" (they then apply a sigmoid), ``pad_token_id``,
no token-classification bias, no classifier dropout.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification
from transformers.initialization import no_init_weights

from dreamprm_code.prm.backbone import base_weights
from dreamprm_code.prm.export_card import NO_FACTS, CardFacts, write_card
from dreamprm_code.prm.folders import (
    CheckpointConfig,
    CheckpointError,
    ReadingPart,
    dtype_name,
    save_tokenizer,
    text_config,
    write_folder,
)
from dreamprm_code.prm.model import PRMModel
from dreamprm_code.prm.scoring import PRM
from dreamprm_code.progress import quiet_transformers

ARCHITECTURES: dict[str, Any] = {
    "sequence": AutoModelForSequenceClassification,
    "token": AutoModelForTokenClassification,
    "states": AutoModel,
}


def merged_weights(model: PRMModel, dtype: torch.dtype) -> dict[str, Tensor]:
    """The backbone's weights with LoRA added, W + (alpha / rank) B A computed in float32 or better."""
    weights = {name: tensor.detach().cpu().to(dtype).contiguous() for name, tensor in base_weights(model.backbone).items()}
    for name, module in model.decoder.named_modules():
        if hasattr(module, "lora_A"):
            base = module.get_base_layer().weight
            precise = torch.promote_types(base.dtype, torch.float32)
            delta = module.get_delta_weight("default").to(precise)
            weights[f"{name}.weight"] = (base.detach().to(precise) + delta).detach().cpu().to(dtype).contiguous()
    return weights


def head_weights(model: PRMModel) -> dict[str, Tensor]:
    """``weight`` [1, H] and ``bias`` [1], where there is one, of a head that reads the features as they are."""
    weights = {name: tensor.detach().cpu() for name, tensor in model.head.state_dict().items()}
    if model.scale is None:
        return weights
    precise = {name: tensor.double() for name, tensor in weights.items()}
    folded = precise["weight"] * model.scale.factor.cpu().double()
    bias = precise.get("bias", torch.zeros(1, dtype=torch.float64)) - folded @ model.scale.mean.cpu().double()
    return {"weight": folded.to(weights["weight"].dtype), "bias": bias.to(weights["weight"].dtype)}


def choose_architecture(model: PRMModel, wanted: str, dtype: torch.dtype) -> str:
    """``auto``: the one that most software serves.

    Raises:
        CheckpointError: the wanted one cannot compute this PRM's scores.
    """
    reading = model.reading
    why_states = "" if reading.final_norm else "its head reads states before the last norm"
    if reading.readout != "last":
        why_states = f"its readout is '{reading.readout}', where classification reads the last token"
    has_bias = model.head.bias is not None or model.scale is not None
    if wanted == "auto":
        wanted = "states" if why_states else "token" if has_bias else "sequence"
    if wanted not in ARCHITECTURES:
        raise CheckpointError(f"architecture '{wanted}' is not known; choose from auto, {', '.join(ARCHITECTURES)}")
    if wanted != "states" and why_states:
        raise CheckpointError(f"this PRM cannot be exported as '{wanted}' classification: {why_states}; choose 'states'")
    if wanted == "sequence" and has_bias:
        part = "bias" if model.scale is None else "scale, which becomes a bias"
        raise CheckpointError(
            f"this PRM cannot be exported as 'sequence' classification: its head has a {part}; choose 'token'"
        )
    if wanted == "token" and model.scale is not None and dtype not in (torch.float32, torch.float64):
        raise CheckpointError(f"a head with a scale folded in is too coarse in {dtype_name(dtype)}; export it in float32")
    return wanted


def export(
    prm: PRM,
    path: str | Path,
    dtype: torch.dtype = torch.float32,
    architecture: str = "auto",
    facts: CardFacts = NO_FACTS,
) -> str:
    """Write the merged folder, with a card, and return the name of its model class.

    Raises:
        CheckpointError: the path holds something that is not a checkpoint folder, or see :func:`choose_architecture`.
    """
    model, encoder = prm.model, prm.encoder
    kind = choose_architecture(model, architecture, dtype)
    config = type(model.decoder.config).from_dict(model.decoder.config.to_dict())
    config.num_labels = 1
    config.id2label, config.label2id = {0: "passes"}, {"passes": 0}
    config.problem_type = "multi_label_classification"
    config.token_classification_bias = kind == "token"
    config.classifier_dropout = 0.0
    config.pad_token_id = _pad_token_id(prm)
    config.dtype = dtype
    config.use_cache = True
    config._attn_implementation = "sdpa"
    with no_init_weights():
        merged = ARCHITECTURES[kind].from_config(config, dtype=dtype)
    state, head = merged_weights(model, dtype), head_weights(model)
    if kind == "states":
        state.setdefault("norm.weight", torch.ones(config.hidden_size, dtype=dtype))
    else:
        state = {f"model.{name}": tensor for name, tensor in state.items()}
        state |= {f"score.{name}": tensor.to(dtype) for name, tensor in head.items()}
    if kind == "token" and "bias" not in head:
        state["score.bias"] = torch.zeros(1, dtype=dtype)
    merged.load_state_dict(state, strict=True)

    def fill(folder: Path) -> None:
        with quiet_transformers():
            merged.save_pretrained(folder)
        if kind == "states":
            save_file({f"score.{name}": tensor.contiguous() for name, tensor in head.items()}, folder / "score.safetensors")
        save_tokenizer(encoder, folder)
        CheckpointConfig(
            kind="merged",
            dtype=dtype_name(dtype),
            input=text_config(encoder, prm.steps),
            reading=ReadingPart(**asdict(replace(model.reading, scaled=False))),
        ).write(folder)
        write_card(folder, kind, type(merged).__name__, facts)

    write_folder(Path(path), fill)
    return type(merged).__name__


def _pad_token_id(prm: PRM) -> int:
    """A token that no scored text ends with: readers skip trailing padding to find the last token."""
    tokenizer = prm.encoder.tokenizer
    for token in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if token is not None and token != prm.encoder.step_token_id:
            return int(token)
    raise CheckpointError("the tokenizer has neither a padding nor an end token, one of which readers of the export need")
