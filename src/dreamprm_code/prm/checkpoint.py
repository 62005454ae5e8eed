"""Checkpoints: our folder, and one :func:`load` for all three kinds.

Our folder (``PRM.save_pretrained``)::

    prm_config.json               how programs are split and texts are made, where the head reads, the precision of training,
                                  the backbone: its source, hash and fingerprint
    adapter_config.json           LoRA, as PEFT writes it; not if the head alone was trained
    adapter_model.safetensors
    head.safetensors              weight [1, hidden], bias [1] where there is one, scale.mean and scale.factor [hidden] too
    tokenizer.json ...            the tokenizer
    backbone/                     only if the backbone cannot be had elsewhere: random or fully trained weights

The other two are the merged Hugging Face folder of :mod:`dreamprm_code.prm.export` and the released ``.pt`` file
(:mod:`dreamprm_code.prm.released`).
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from dreamprm_code.prm.backbone import (
    BackboneError,
    BackboneSource,
    base_weights,
    cast_backbone,
    cut_backbone,
    find_backbone,
    fingerprint,
    load_backbone,
    unsharded,
)
from dreamprm_code.prm.encoding import StepEncoder
from dreamprm_code.prm.folders import (
    CONFIG_FILE,
    DTYPES,
    BackbonePart,
    CheckpointConfig,
    CheckpointError,
    LoraPart,
    ReadingPart,
    dtype_name,
    encoder_of,
    load_head,
    read_config,
    read_tensors,
    require_finite,
    require_keys,
    save_tokenizer,
    text_config,
    write_folder,
)
from dreamprm_code.prm.model import LoraSettings, PRMModel, wrap_with_lora
from dreamprm_code.prm.released import load_released
from dreamprm_code.prm.sharding import writes_files
from dreamprm_code.progress import quiet_transformers
from dreamprm_code.steps import DEFAULT_STEPS, StepSettings


class Loaded(NamedTuple):
    """What a PRM is made of."""

    model: PRMModel
    encoder: StepEncoder
    steps: StepSettings


def save(model: PRMModel, encoder: StepEncoder, steps: StepSettings, path: Path) -> None:
    """Write our folder; a kill leaves the old folder or the new one.

    Every process of a sharded backbone calls it, since weights are gathered; the first one writes.
    """
    source = model.source
    has_lora = hasattr(model.backbone, "peft_config")
    fully_trained = any(weight.requires_grad for name, weight in model.backbone.named_parameters() if "lora_" not in name)
    keep_backbone = source is None or source.is_random or fully_trained
    first = writes_files(model)
    backbone_state = backbone_weights(model, keep=first) if keep_backbone else {}
    backbone_fingerprint = fingerprint(model.backbone)
    if not first:
        return

    reference = None if keep_backbone else source

    def fill(folder: Path) -> None:
        lora = None
        if has_lora:
            backbone: Any = model.backbone
            settings = backbone.peft_config["default"]
            lora = LoraPart(rank=settings.r, alpha=settings.lora_alpha, target_modules=sorted(settings.target_modules))
            backbone.save_pretrained(folder, save_embedding_layers=False)
            (folder / "README.md").unlink(missing_ok=True)
            adapter = folder / "adapter_config.json"
            describe_adapter(adapter, lora, reference.name if reference else None)
        if keep_backbone:
            with quiet_transformers():
                model.decoder.save_pretrained(folder / "backbone", state_dict=backbone_state)
        head = dict(model.head.state_dict())
        if model.scale is not None:
            head |= {f"scale.{name}": tensor for name, tensor in model.scale.state_dict().items()}
        head = {name: tensor.detach().cpu().contiguous() for name, tensor in head.items()}
        save_file(head, folder / "head.safetensors")
        save_tokenizer(encoder, folder)
        CheckpointConfig(
            kind="adapter",
            dtype=dtype_name(model.decoder.dtype),
            input=text_config(encoder, steps),
            reading=ReadingPart(**asdict(model.reading)),
            lora=lora,
            backbone=BackbonePart(
                source=reference.name if reference else None,
                gguf_file=reference.gguf_file if reference and not reference.name.endswith(".gguf") else None,
                sha256=reference.sha256() if reference else None,
                fingerprint=backbone_fingerprint,
                model_type=model.decoder.config.model_type,
            ),
        ).write(folder)

    write_folder(path, fill)


def describe_adapter(path: Path, lora: LoraPart, base_model: str | None) -> None:
    """Complete the ``adapter_config.json`` that PEFT wrote: its Auto classes need the task (the backbone's states) and the base
    model.

    PEFT writes a set of modules in the order of a process's hashes, but scores are tied to the folder's bytes.

    Raises:
        CheckpointError: the file is not what PEFT writes.
    """
    try:
        fields = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path}: cannot be read ({type(error).__name__}: {error}); copy the folder again") from None
    fields |= {"target_modules": lora.target_modules, "task_type": "FEATURE_EXTRACTION", "base_model_name_or_path": base_model}
    path.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")


def backbone_weights(model: PRMModel, keep: bool) -> dict[str, Tensor]:
    """The backbone's own weights on the CPU under their plain names; without ``keep`` only gathered, for other processes."""
    weights = {}
    for name, tensor in base_weights(model.backbone).items():
        whole = unsharded(tensor.detach())
        if keep:
            weights[name] = whole.cpu().contiguous()
    return weights


def load(
    path: Path,
    base_model: str | None,
    gguf_file: str | None,
    lora_alpha: float | None,
    device: torch.device,
    dtype: torch.dtype | None,
) -> Loaded:
    """See :meth:`dreamprm_code.prm.scoring.PRM.from_pretrained`."""
    if not path.exists():
        raise CheckpointError(f"{path}: there is no such checkpoint; train one, or name a folder or a .pt file")
    if path.is_file():
        base_model = base_model or "Qwen/Qwen2.5-Coder-3B"
        model, encoder = load_released(path, base_model, gguf_file, lora_alpha, dtype or torch.float32)
        return Loaded(model.to(device).eval(), encoder, DEFAULT_STEPS)
    if lora_alpha is not None:
        raise CheckpointError(f"{path}: a checkpoint folder holds its LoRA alpha; leave lora_alpha out")
    config = read_config(path)
    try:
        if config.kind == "adapter":
            model = _load_ours(path, config, base_model, gguf_file, dtype)
        elif base_model is not None:
            raise CheckpointError(f"{path}: an exported folder holds its backbone; leave base_model out")
        else:
            model = _load_exported(path, config, dtype or DTYPES[config.dtype or "float32"])
    except SafetensorError as error:
        raise CheckpointError(
            f"{path}: a .safetensors file of the checkpoint or its backbone is damaged or cut short ({error})"
        ) from None
    return Loaded(model.to(device).eval(), encoder_of(path, config.input), config.input.steps)


def _load_ours(
    path: Path, config: CheckpointConfig, base_model: str | None, gguf_file: str | None, dtype: torch.dtype | None
) -> PRMModel:
    decoder, source = _load_recorded_backbone(path, config, base_model, gguf_file, dtype)
    head_path, adapter_path = path / "head.safetensors", path / "adapter_model.safetensors"
    head_weights = read_tensors(head_path)
    head = load_head(head_weights, decoder.config.hidden_size, decoder.dtype, head_path)
    backbone: nn.Module = decoder
    if config.lora is not None:
        from peft import get_peft_model_state_dict, set_peft_model_state_dict

        lora = config.lora
        _check_adapter_config(path, lora)
        settings = LoraSettings(lora.rank, lora.alpha, target_modules=tuple(lora.target_modules))
        backbone = wrap_with_lora(decoder, settings, seed=0)
        adapter = read_tensors(adapter_path)
        wanted = get_peft_model_state_dict(backbone, save_embedding_layers=False)
        require_keys(set(adapter), set(wanted), adapter_path, "LoRA tensors")
        for name, tensor in adapter.items():
            if tensor.shape != wanted[name].shape:
                raise CheckpointError(f"{path}: {name} has shape {tuple(tensor.shape)}, not {tuple(wanted[name].shape)}")
        set_peft_model_state_dict(backbone, adapter)
    model = PRMModel(backbone, head, source, reading=config.reading.settings)
    scale = {name.removeprefix("scale."): tensor for name, tensor in head_weights.items() if name not in ("weight", "bias")}
    wanted = {} if model.scale is None else model.scale.state_dict()
    require_keys(set(scale), set(wanted), head_path, "scale's tensors")
    for name, tensor in scale.items():
        if tensor.shape != wanted[name].shape:
            raise CheckpointError(f"{head_path}: scale.{name} has shape {tuple(tensor.shape)}, not {tuple(wanted[name].shape)}")
        wanted[name].copy_(tensor)
    return model


def _check_adapter_config(folder: Path, lora: LoraPart) -> None:
    """PEFT's ``adapter_config.json``, for other readers of the folder, must say what ``prm_config.json`` says."""
    path = folder / "adapter_config.json"
    try:
        adapter = json.loads(path.read_text(encoding="utf-8"))
        there = (adapter["r"], adapter["lora_alpha"], sorted(adapter["target_modules"]))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: cannot be read ({type(error).__name__}: {error})") from None
    wanted = (lora.rank, lora.alpha, sorted(lora.target_modules))
    if there != wanted:
        raise CheckpointError(f"{path}: rank, alpha and modules {there} are not those of {CONFIG_FILE}: {wanted}")


def _load_recorded_backbone(
    path: Path, config: CheckpointConfig, base_model: str | None, gguf_file: str | None, dtype: torch.dtype | None
) -> tuple[PreTrainedModel, BackboneSource | None]:
    """The backbone, read in the precision of training, in which it is recognised, and then cast to ``dtype``.

    The source is None where the folder holds the backbone, so that the next folder will too.
    """
    recorded = config.backbone
    assert recorded is not None
    if recorded.source is None:
        if base_model is not None:
            raise CheckpointError(f"{path}: this checkpoint holds its backbone; leave base_model out")
        source = find_backbone(str((path / "backbone").resolve()))
    else:
        try:
            source = find_backbone(base_model or recorded.source, gguf_file or (None if base_model else recorded.gguf_file))
        except BackboneError as error:
            known = f" (SHA-256 {recorded.sha256})" if recorded.sha256 else ""
            raise CheckpointError(
                f"{path}: its backbone {recorded.source}{known} is not here: {error}; give its place as base_model"
            ) from None
        if recorded.sha256 and source.sha256() not in (None, recorded.sha256):
            raise CheckpointError(f"{path}: wrong base model: {source.name} is not the file it was trained on (other SHA-256)")
    # Folders of version 1 do not say their precision. Fingerprints of float32 and bfloat16 are equal, that of float16 is not.
    for name in (config.dtype,) if config.dtype else ("float32", "float16"):
        decoder = load_backbone(source, DTYPES[name], seed=0)
        require_finite(decoder.named_parameters(), Path(source.location))
        cut_backbone(decoder, config.reading.layers, config.reading.final_norm)
        if fingerprint(decoder) == recorded.fingerprint:
            break
    else:
        raise CheckpointError(f"{path}: wrong base model: {source.name} has other weights than the backbone it was trained on")
    cast_backbone(decoder, dtype or decoder.dtype)
    return decoder, None if recorded.source is None else source


def _load_exported(path: Path, config: CheckpointConfig, dtype: torch.dtype) -> PRMModel:
    """The model of an exported folder: its config.json and weights are those of the merged backbone."""
    source = find_backbone(str(path.resolve()))
    decoder = load_backbone(source, dtype, seed=0)
    cut_backbone(decoder, config.reading.layers, config.reading.final_norm)
    head_weights = {}
    files = sorted(path.glob("*.safetensors"))
    for file in files:
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (not a dict)
                if name.startswith("score."):
                    head_weights[name.removeprefix("score.")] = tensors.get_tensor(name)
    if "weight" not in head_weights:
        raise CheckpointError(f"{path}: no score.weight in its {len(files)} safetensors files")
    require_finite([*decoder.named_parameters(), *head_weights.items()], path)
    head = load_head(head_weights, decoder.config.hidden_size, dtype, path)
    return PRMModel(decoder, head, source, reading=config.reading.settings)
