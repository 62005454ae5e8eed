"""Checkpoint folders: what is in one, and one ``load`` for all three kinds of checkpoint.

Our folder (``PRM.save_pretrained``)::

    prm_config.json               how programs are split and texts are made, the backbone and how to recognise it
    adapter_config.json           LoRA, as PEFT writes it
    adapter_model.safetensors
    head.safetensors              weight [1, hidden], bias [1] where there is one
    tokenizer.json ...            the tokenizer
    backbone/                     only if the backbone cannot be had elsewhere: random or fully trained weights

The other two are the merged Hugging Face folder of :mod:`dreamprm_code.prm.export` and the released ``.pt`` file
(:mod:`dreamprm_code.prm.released`).
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from dreamprm_code import __version__
from dreamprm_code.errors import UserError
from dreamprm_code.prm.backbone import (
    BackboneError,
    BackboneSource,
    base_weights,
    find_backbone,
    fingerprint,
    load_backbone,
    quiet_transformers,
)
from dreamprm_code.prm.encoding import StepEncoder
from dreamprm_code.prm.model import LoraSettings, PRMModel, make_head, wrap_with_lora
from dreamprm_code.prm.sharding import unsharded, writes_files

if TYPE_CHECKING:
    from dreamprm_code.prm.scoring import PRM

CONFIG_FILE = "prm_config.json"
FORMAT_VERSION = 1
_INPUT_KEYS = frozenset({"format", "template", "step_token", "step_token_id", "max_length", "max_functions", "granularity"})
_BACKBONE_KEYS = frozenset({"source", "gguf_file", "sha256", "fingerprint"})
_LORA_KEYS = frozenset({"rank", "alpha", "target_modules"})
_PROBE = 'def solve(a: list[int]) -> int:\n    """It\'s 12345."""\n\n    return  a[-1] + 2**10  # é\n\tx\n'


class CheckpointError(UserError):
    """A checkpoint that cannot be loaded or written; the message says which part of it is wrong."""


def input_config(prm: PRM) -> dict[str, Any]:
    """How the PRM makes texts from programs, as kept in ``prm_config.json``."""
    encoder = prm.encoder
    return {
        "format": encoder.format,
        "template": encoder.template,
        "step_token": encoder.step_token,
        "step_token_id": encoder.step_token_id,
        "max_length": encoder.max_length,
        "max_functions": prm.steps.max_functions,
        "granularity": prm.steps.granularity,
    }


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Make a folder complete or not at all; replaces only a folder that has a ``prm_config.json``.

    Raises:
        CheckpointError: the path holds something else.
    """
    if path.exists() and not (path / CONFIG_FILE).is_file() and not (path.is_dir() and not any(path.iterdir())):
        raise CheckpointError(f"{path}: exists and is not a checkpoint folder; choose another path or move it away")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        fill(temporary)
        mask = os.umask(0)
        os.umask(mask)
        for item in (temporary, *temporary.rglob("*")):
            item.chmod((0o777 if item.is_dir() else 0o666) & ~mask)
        if path.exists():
            old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old."))
            path.replace(old / path.name)
            temporary.replace(path)
            shutil.rmtree(old)
        else:
            temporary.replace(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def save(prm: PRM, path: str | Path) -> None:
    """Write our folder; a kill leaves the old folder or the new one.

    Every process of a sharded backbone calls it, since weights are gathered; the first one writes.
    """
    model, source = prm.model, prm.model.source
    has_lora = hasattr(model.backbone, "peft_config")
    keep_backbone = source is None or source.is_random or not has_lora
    first = writes_files(model)
    backbone_state = backbone_weights(model, keep=first) if keep_backbone else {}
    backbone_fingerprint = fingerprint(model.backbone)
    if not first:
        return

    def fill(folder: Path) -> None:
        lora = None
        if has_lora:
            settings = model.backbone.peft_config["default"]
            lora = {"rank": settings.r, "alpha": settings.lora_alpha, "target_modules": sorted(settings.target_modules)}
            model.backbone.save_pretrained(folder, save_embedding_layers=False)
            (folder / "README.md").unlink(missing_ok=True)
            # PEFT writes a set in the order of this process's hashes; scores are tied to the folder's bytes
            adapter = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
            adapter["target_modules"] = lora["target_modules"]
            (folder / "adapter_config.json").write_text(json.dumps(adapter, indent=2) + "\n", encoding="utf-8")
        if keep_backbone:
            with quiet_transformers():
                model.decoder.save_pretrained(folder / "backbone", state_dict=backbone_state)
        head = {name: tensor.detach().cpu().contiguous() for name, tensor in model.head.state_dict().items()}
        save_file(head, folder / "head.safetensors")
        save_tokenizer(prm.encoder.tokenizer, folder)
        config = {
            "kind": "adapter",
            "format_version": FORMAT_VERSION,
            "version": __version__,
            "input": input_config(prm),
            "lora": lora,
            "backbone": {
                "source": None if keep_backbone else source.name,
                "gguf_file": None if keep_backbone or source.name.endswith(".gguf") else source.gguf_file,
                "sha256": None if keep_backbone else source.sha256(),
                "fingerprint": backbone_fingerprint,
                "model_type": model.decoder.config.model_type,
            },
        }
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    write_folder(Path(path), fill)


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write the tokenizer and make sure that what is read back gives the same ids.

    transformers chooses a tokenizer's class by the model type in a folder's ``config.json`` and may then split words otherwise.

    Raises:
        CheckpointError: it does.
    """
    tokenizer.save_pretrained(folder)
    again = AutoTokenizer.from_pretrained(folder)
    if again(_PROBE).input_ids != tokenizer(_PROBE).input_ids:
        raise CheckpointError(
            f"{folder}: the tokenizer read back ({type(again).__name__}) gives other ids than the one in use "
            f"({type(tokenizer).__name__}); use the backbone's own tokenizer"
        )


def backbone_weights(model: PRMModel, keep: bool) -> dict[str, torch.Tensor]:
    """The backbone's own weights on the CPU under their plain names; without ``keep`` only gathered, for other processes."""
    weights = {}
    for name, tensor in base_weights(model.backbone).items():
        whole = unsharded(tensor.detach())
        if keep:
            weights[name] = whole.cpu().contiguous()
    return weights


def read_config(folder: Path) -> dict[str, Any]:
    """``prm_config.json`` of a folder.

    Raises:
        CheckpointError: it is missing, broken, or of a later version.
    """
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        version, kind = config["format_version"], config["kind"]
    except OSError as error:
        raise CheckpointError(f"{folder}: not a PRM checkpoint folder ({CONFIG_FILE}: {error.strerror})") from None
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder / CONFIG_FILE}: cannot be read ({type(error).__name__}: {error})") from None
    if version != FORMAT_VERSION or kind not in ("adapter", "merged"):
        raise CheckpointError(
            f"{folder}: checkpoint of kind {kind!r}, version {version}; this program knows version {FORMAT_VERSION}"
        )
    parts: dict[str, Any] = {"input": _INPUT_KEYS}
    if kind == "adapter":
        parts |= {"backbone": _BACKBONE_KEYS} | ({"lora": _LORA_KEYS} if config.get("lora", {}) is not None else {})
    for part, names in parts.items():
        found = config.get(part)
        if not isinstance(found, dict) or not names <= found.keys():
            raise CheckpointError(f"{folder / CONFIG_FILE}: its '{part}' must give {', '.join(sorted(names))}")
    return config


def _check_adapter_config(folder: Path, lora: dict[str, Any]) -> None:
    """PEFT's ``adapter_config.json``, for other readers of the folder, must say what ``prm_config.json`` says."""
    path = folder / "adapter_config.json"
    try:
        adapter = json.loads(path.read_text(encoding="utf-8"))
        there = (adapter["r"], adapter["lora_alpha"], sorted(adapter["target_modules"]))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: cannot be read ({type(error).__name__}: {error})") from None
    wanted = (lora["rank"], lora["alpha"], sorted(lora["target_modules"]))
    if there != wanted:
        raise CheckpointError(f"{path}: rank, alpha and modules {there} are not those of {CONFIG_FILE}: {wanted}")


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors file; raises CheckpointError."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from None


def require_keys(found: set[str], wanted: set[str], where: Path, what: str) -> None:
    """Exactly the wanted tensors must be there."""
    for keys, problem in ((wanted - found, "lacks"), (found - wanted, "has unknown")):
        if keys:
            names = ", ".join(sorted(keys)[:3])
            raise CheckpointError(f"{where}: {problem} {len(keys)} of the {what} ({names}{', ...' if len(keys) > 3 else ''})")


def encoder_of(folder: Path, settings: dict[str, Any]) -> StepEncoder:
    """The tokenizer of a folder with the text settings kept beside it."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder}: the tokenizer cannot be read ({error})") from None
    return StepEncoder(tokenizer, settings["format"], settings["max_length"], settings["step_token"], settings["template"])


def load_head(weights: dict[str, torch.Tensor], hidden_size: int, dtype: torch.dtype, where: Path) -> torch.nn.Linear:
    """The head from ``weight`` and, where there is one, ``bias``."""
    require_keys(set(weights) - {"bias"}, {"weight"}, where, "head's tensors")
    if tuple(weights["weight"].shape) != (1, hidden_size):
        raise CheckpointError(
            f"{where}: head of shape {tuple(weights['weight'].shape)} for a backbone of hidden size {hidden_size}"
        )
    head = make_head(hidden_size, "bias" in weights, dtype, seed=0)
    head.load_state_dict(weights)
    return head


def load(
    path: str | Path,
    base_model: str | None,
    gguf_file: str | None,
    lora_alpha: float | None,
    device: torch.device,
    dtype: torch.dtype,
) -> PRM:
    """See :meth:`dreamprm_code.prm.scoring.PRM.from_pretrained`."""
    from dreamprm_code.prm.export import load_exported
    from dreamprm_code.prm.released import load_released

    path = Path(path)
    if not path.exists():
        raise CheckpointError(f"{path}: there is no such checkpoint; train one, or name a folder or a .pt file")
    if path.is_file():
        return load_released(path, base_model or "Qwen/Qwen2.5-Coder-3B", gguf_file, lora_alpha, device, dtype)
    if lora_alpha is not None:
        raise CheckpointError(f"{path}: a checkpoint folder holds its LoRA alpha; leave lora_alpha out")
    config = read_config(path)
    if config["kind"] != "adapter" and base_model is not None:
        raise CheckpointError(f"{path}: an exported folder holds its backbone; leave base_model out")
    try:
        if config["kind"] == "adapter":
            return _load_folder(path, config, base_model, gguf_file, device, dtype)
        return load_exported(path, config, device, dtype)
    except SafetensorError as error:
        raise CheckpointError(
            f"{path}: a .safetensors file of the checkpoint or its backbone is damaged or cut short ({error})"
        ) from None


def _load_folder(
    path: Path, config: dict[str, Any], base_model: str | None, gguf_file: str | None, device: torch.device, dtype: torch.dtype
) -> PRM:
    from dreamprm_code.prm.scoring import PRM, StepSettings

    decoder, source = _load_recorded_backbone(path, config["backbone"], base_model, gguf_file, dtype)
    head = load_head(read_tensors(path / "head.safetensors"), decoder.config.hidden_size, dtype, path / "head.safetensors")
    backbone: torch.nn.Module = decoder
    if config["lora"] is not None:
        from peft import get_peft_model_state_dict, set_peft_model_state_dict

        lora = config["lora"]
        _check_adapter_config(path, lora)
        settings = LoraSettings(lora["rank"], lora["alpha"], target_modules=tuple(lora["target_modules"]))
        backbone = wrap_with_lora(decoder, settings, seed=0)
        adapter = read_tensors(path / "adapter_model.safetensors")
        wanted = get_peft_model_state_dict(backbone, save_embedding_layers=False)
        require_keys(set(adapter), set(wanted), path / "adapter_model.safetensors", "LoRA tensors")
        for name, tensor in adapter.items():
            if tensor.shape != wanted[name].shape:
                raise CheckpointError(f"{path}: {name} has shape {tuple(tensor.shape)}, not {tuple(wanted[name].shape)}")
        set_peft_model_state_dict(backbone, adapter)
    model = PRMModel(backbone, head, source).to(device).eval()
    text = config["input"]
    return PRM(model, encoder_of(path, text), StepSettings(text["max_functions"], text["granularity"]))


def _load_recorded_backbone(
    path: Path, recorded: dict[str, Any], base_model: str | None, gguf_file: str | None, dtype: torch.dtype
) -> tuple[Any, BackboneSource]:
    if recorded["source"] is None:
        if base_model is not None:
            raise CheckpointError(f"{path}: this checkpoint holds its backbone; leave base_model out")
        source = find_backbone(str((path / "backbone").resolve()))
    else:
        try:
            source = find_backbone(
                base_model or recorded["source"], gguf_file or (None if base_model else recorded["gguf_file"])
            )
        except BackboneError as error:
            known = f" (SHA-256 {recorded['sha256']})" if recorded["sha256"] else ""
            raise CheckpointError(
                f"{path}: its backbone {recorded['source']}{known} is not here: {error}; give its place as base_model"
            ) from None
        if recorded["sha256"] and source.sha256() not in (None, recorded["sha256"]):
            raise CheckpointError(f"{path}: wrong base model: {source.name} is not the file it was trained on (other SHA-256)")
    decoder = load_backbone(source, dtype, seed=0)
    if dtype != torch.float16 and fingerprint(decoder) != recorded["fingerprint"]:
        raise CheckpointError(f"{path}: wrong base model: {source.name} has other weights than the backbone it was trained on")
    return decoder, source
