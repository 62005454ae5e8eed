"""The released checkpoint: one ``reward_model_step_N.pt`` of the authors' training script.

Its state dict is that of a PEFT-wrapped causal language model (``lm.base_model.model.model...``) and a linear ``reward_head``,
alone or under Betty's ``{"module": ...}``, and each key may carry ``module.`` (DistributedDataParallel). LoRA rank and target
modules are read from the tensors; alpha is not in the file (published: 16). It is scored with its own input text, one per
prefix, read at the last token.

Files are opened with ``weights_only=True``: a pickle that would run code is refused before it does.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModel, PreTrainedModel
from transformers.initialization import no_init_weights

from dreamprm_code.prm.attention import ATTENTION_NAME, register
from dreamprm_code.prm.backbone import find_backbone, load_backbone, load_config, load_tokenizer, norms_in_float64
from dreamprm_code.prm.encoding import StepEncoder
from dreamprm_code.prm.folders import CheckpointError, load_head, require_finite
from dreamprm_code.prm.model import LoraSettings, PRMModel, wrap_with_lora

_PUBLISHED_ALPHA = 16.0
_BACKBONE = "lm.base_model.model.model."
_VOCABULARY_HEAD = "lm.base_model.model.lm_head."
_LORA = re.compile(r"^layers\.\d+\.(?:\w+\.)*(\w+)\.lora_([AB])\.default\.weight$")

# What torch's reader of weights says of a pickle that names classes or calls something; of other bytes it says otherwise.
_OBJECTS = re.compile(r"GLOBAL \S|must be imported|allowlisted|Trying to call|Can only (?:build|create)")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of the file with all wrappings taken off.

    Raises:
        CheckpointError: not a PyTorch file, a pickle that holds more than tensors, or not a state dict.
    """
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path}: is an empty file, not a checkpoint; copy it again")
    try:
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except OSError:
        raise
    except Exception as error:  # the bytes of a file that is no pickle mean anything: every kind of error comes
        if isinstance(error, pickle.UnpicklingError) and _OBJECTS.search(str(error)):
            raise CheckpointError(
                f"{path}: holds objects other than tensors, which would run code when loaded; it was not loaded. "
                "Save the state dict alone: torch.save(model.state_dict(), path)"
            ) from None
        reason = type(error).__name__ if isinstance(error, pickle.UnpicklingError) else _first_line(error)
        raise CheckpointError(
            f"{path}: not a readable PyTorch checkpoint ({reason}): another kind of file, or a damaged one"
        ) from None
    if isinstance(loaded, dict) and isinstance(loaded.get("module"), dict):
        loaded = loaded["module"]
    if not isinstance(loaded, dict) or not loaded or not all(isinstance(item, Tensor) for item in loaded.values()):
        raise CheckpointError(f"{path}: not a state dict of tensors, nor one under 'module'")
    state = {}
    for name, tensor in loaded.items():
        while str(name).startswith("module."):
            name = name.removeprefix("module.")
        state[str(name)] = tensor
    return state


def infer_lora(weights: dict[str, Tensor], alpha: float, path: Path) -> LoraSettings:
    """LoRA settings from the tensors' names and shapes.

    Raises:
        CheckpointError: no LoRA tensors, or of several ranks.
    """
    modules: set[str] = set()
    ranks: set[int] = set()
    for name, tensor in weights.items():
        match = _LORA.match(name)
        if match:
            modules.add(match[1])
            ranks.add(tensor.shape[0 if match[2] == "A" else 1])
    if len(ranks) != 1:
        found = f"ranks {sorted(ranks)}" if ranks else "none"
        raise CheckpointError(f"{path}: expected LoRA matrices of one rank under {_BACKBONE}layers.N..., found {found}")
    return LoraSettings(ranks.pop(), alpha, target_modules=tuple(sorted(modules)))


def load_released(
    path: Path, base_model: str, gguf_file: str | None, lora_alpha: float | None, dtype: torch.dtype
) -> tuple[PRMModel, StepEncoder]:
    """See :meth:`dreamprm_code.prm.scoring.PRM.from_pretrained`. ``base_model`` gives configuration and tokenizer, and
    the frozen weights too where the file has only LoRA and head."""
    state = read_state_dict(path)
    head_weights = {
        name.removeprefix("reward_head."): tensor for name, tensor in state.items() if name.startswith("reward_head.")
    }
    weights = {name.removeprefix(_BACKBONE): tensor for name, tensor in state.items() if name.startswith(_BACKBONE)}
    unknown = [name for name in state if not name.startswith((_BACKBONE, _VOCABULARY_HEAD, "reward_head."))]
    if not weights or "weight" not in head_weights or unknown:
        shown = ", ".join((unknown or sorted(state))[:3])
        raise CheckpointError(f"{path}: expected keys {_BACKBONE}... and reward_head.weight, found {shown}, ...")
    require_finite(state.items(), path)
    lora = infer_lora(weights, lora_alpha or _PUBLISHED_ALPHA, path)

    source = find_backbone(base_model, gguf_file)
    is_complete = any("lora_" not in name for name in weights)
    decoder = _empty_decoder(load_config(source), dtype) if is_complete else load_backbone(source, dtype, seed=0)
    backbone = wrap_with_lora(decoder, lora, seed=0)
    wanted = {
        name.removeprefix("base_model.model."): tensor
        for name, tensor in backbone.state_dict().items()
        if is_complete or "lora_" in name
    }
    _check(weights, wanted, path, base_model)
    backbone.load_state_dict({"base_model.model." + name: tensor for name, tensor in weights.items()}, strict=False)
    decoder.requires_grad_(False)
    for name, parameter in backbone.named_parameters():
        parameter.requires_grad_("lora_" in name)

    head = load_head(head_weights, decoder.config.hidden_size, dtype, path)
    model = PRMModel(backbone, head, None if is_complete else source)
    return model, StepEncoder(load_tokenizer(source), "released", model.max_length)


def _empty_decoder(config: Any, dtype: torch.dtype) -> PreTrainedModel:
    """A decoder whose weights are still to be filled in."""
    register()
    config._attn_implementation = ATTENTION_NAME
    with no_init_weights():
        decoder = AutoModel.from_config(config, dtype=dtype)
    if dtype == torch.float64:
        norms_in_float64(decoder)
    return decoder


def _check(weights: dict[str, Tensor], wanted: dict[str, Tensor], path: Path, base_model: str) -> None:
    """Names and shapes must be those of LoRA around the base model."""

    def num_layers(names: dict[str, Tensor]) -> int:
        return len({name.split(".")[1] for name in names if name.startswith("layers.")})

    for name, tensor in weights.items():
        if name in wanted and tensor.shape != wanted[name].shape:
            shapes = f"{tuple(tensor.shape)}, {base_model} has {tuple(wanted[name].shape)}"
            raise CheckpointError(f"{path}: wrong base model: {name} has shape {shapes}; name the right one as base_model")
    if num_layers(weights) != num_layers(wanted):
        layers = f"{num_layers(weights)} layers, {base_model} has {num_layers(wanted)}"
        raise CheckpointError(f"{path}: wrong base model: the checkpoint has {layers}; name the right one as base_model")
    for names, problem in ((wanted.keys() - weights.keys(), "lacks"), (weights.keys() - wanted.keys(), "has unknown")):
        if names:
            shown = ", ".join(sorted(names)[:3])
            raise CheckpointError(f"{path}: {problem} {len(names)} of the weights of LoRA around {base_model} ({shown}, ...)")
