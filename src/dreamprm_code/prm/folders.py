"""What a checkpoint folder says of itself (``prm_config.json``), and how its parts are written and read.

Everything that is wrong with a folder is a :class:`CheckpointError` of one line that names the file.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoTokenizer

from dreamprm_code import __version__
from dreamprm_code.errors import UserError
from dreamprm_code.prm.backbone import UNREADABLE
from dreamprm_code.prm.encoding import StepEncoder
from dreamprm_code.prm.export_chat import chat_template
from dreamprm_code.prm.model import make_head
from dreamprm_code.prm.readout import Reading
from dreamprm_code.steps import StepSettings

CONFIG_FILE = "prm_config.json"
FORMAT_VERSION = 2
_KNOWN_VERSIONS = (1, 2)  # 1: without dtype and reading
_PROBE = 'def solve(a: list[int]) -> int:\n    """It\'s 12345."""\n\n    return  a[-1] + 2**10  # é\n\tx\n'

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32, "float64": torch.float64}


class CheckpointError(UserError):
    """A checkpoint that cannot be loaded or written; the message says which part of it is wrong."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class TextPart(_Part):
    """How the PRM makes texts from programs."""

    format: Literal["native", "released"]
    template: str
    step_token: str | None
    step_token_id: int | None
    max_length: PositiveInt | None
    max_functions: PositiveInt
    granularity: Literal["function", "line", "program"]

    @property
    def steps(self) -> StepSettings:
        return StepSettings(self.max_functions, self.granularity)


class ReadingPart(_Part):
    """Where the head reads: the fields of :class:`dreamprm_code.prm.readout.Reading`."""

    readout: Literal["last", "mean", "step_mean"] = "last"
    layers: PositiveInt | None = None
    final_norm: bool = True
    scaled: bool = False

    @property
    def settings(self) -> Reading:
        return Reading(**self.model_dump())


class LoraPart(_Part):
    rank: PositiveInt
    alpha: float
    target_modules: list[str]


class BackbonePart(_Part):
    """``source`` is None where the folder holds the backbone itself."""

    source: str | None
    gguf_file: str | None
    sha256: str | None
    fingerprint: str
    model_type: str


class CheckpointConfig(_Part):
    """``prm_config.json``. ``dtype``: of the backbone in training (adapter) or of the weights written (merged)."""

    kind: Literal["adapter", "merged"]
    format_version: int = FORMAT_VERSION
    version: str = __version__
    dtype: Literal["float16", "bfloat16", "float32", "float64"] | None = None
    input: TextPart
    reading: ReadingPart = ReadingPart()
    lora: LoraPart | None = None
    backbone: BackbonePart | None = None

    def write(self, folder: Path) -> None:
        text = json.dumps(self.model_dump(), indent=2, ensure_ascii=False)
        (folder / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")


def text_config(encoder: StepEncoder, steps: StepSettings) -> TextPart:
    return TextPart.model_validate(
        {
            "format": encoder.format,
            "template": encoder.template,
            "step_token": encoder.step_token,
            "step_token_id": encoder.step_token_id,
            "max_length": encoder.max_length,
            "max_functions": steps.max_functions,
            "granularity": steps.granularity,
        }
    )


def dtype_name(dtype: torch.dtype) -> Any:
    return str(dtype).removeprefix("torch.")


def read_config(folder: Path) -> CheckpointConfig:
    """``prm_config.json`` of a folder.

    Raises:
        CheckpointError: it is missing, broken, of a later version, or a value is missing, unknown or of a wrong type.
    """
    path = folder / CONFIG_FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        version = found["format_version"]
    except OSError as error:
        raise CheckpointError(f"{folder}: not a PRM checkpoint folder ({CONFIG_FILE}: {error.strerror})") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path}: cannot be read ({type(error).__name__}: {error})") from None
    if version not in _KNOWN_VERSIONS:
        raise CheckpointError(f"{folder}: checkpoint of version {version}; this program knows up to version {FORMAT_VERSION}")
    wanted = ("input", "lora", "backbone") if found.get("kind") == "adapter" else ("input",)
    if missing := [name for name in wanted if name not in found]:
        raise CheckpointError(f"{path}: '{missing[0]}' is missing; copy the folder again")
    try:
        config = CheckpointConfig.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise CheckpointError(f"{path}: '{place}' is {first['input']!r:.80}: {first['msg']}") from None
    if config.kind == "adapter" and config.backbone is None:
        raise CheckpointError(f"{path}: 'backbone' is None: an adapter names its backbone")
    return config


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


def save_tokenizer(encoder: StepEncoder, folder: Path) -> None:
    """Write the tokenizer, with the PRM's chat template, and make sure that what is read back gives the same ids.

    transformers chooses a tokenizer's class by the model type in a folder's ``config.json`` and may then split words otherwise.

    Raises:
        CheckpointError: it does.
    """
    tokenizer = encoder.tokenizer
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(chat_template(encoder), encoding="utf-8")  # in the place of the backbone's
    again = AutoTokenizer.from_pretrained(folder)
    if again(_PROBE).input_ids != tokenizer(_PROBE).input_ids:
        raise CheckpointError(
            f"{folder}: the tokenizer read back ({type(again).__name__}) gives other ids than the one in use "
            f"({type(tokenizer).__name__}); use the backbone's own tokenizer"
        )


def encoder_of(folder: Path, text: TextPart) -> StepEncoder:
    """The tokenizer of a folder with the text settings kept beside it."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except UNREADABLE as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{folder}: the tokenizer cannot be read ({reason})") from None
    encoder = StepEncoder(tokenizer, text.format, text.max_length, text.step_token, text.template)
    if encoder.step_token_id != text.step_token_id:
        raise CheckpointError(
            f"{folder}: '{text.step_token}' is token {encoder.step_token_id} of the tokenizer, {text.step_token_id} of "
            f"{CONFIG_FILE}; the tokenizer is not the one of the training"
        )
    return encoder


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file; raises CheckpointError, also for values that are not finite."""
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from None
    require_finite(tensors.items(), path)
    return tensors


def require_finite(tensors: Iterable[tuple[str, Tensor]], where: Path) -> None:
    """No NaN and no infinity: a score would be neither."""
    for name, tensor in tensors:
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointError(f"{where}: {name} holds values that are not finite; its training diverged, or it is damaged")


def require_keys(found: set[str], wanted: set[str], where: Path, what: str) -> None:
    """Exactly the wanted tensors must be there."""
    for keys, problem in ((wanted - found, "lacks"), (found - wanted, "has unknown")):
        if keys:
            names = ", ".join(sorted(keys)[:3])
            raise CheckpointError(f"{where}: {problem} {len(keys)} of the {what} ({names}{', ...' if len(keys) > 3 else ''})")


def load_head(weights: dict[str, Tensor], hidden_size: int, dtype: torch.dtype, where: Path) -> torch.nn.Linear:
    """The head from ``weight`` and, where there is one, ``bias``; what else there is (a scale) is the caller's."""
    weights = {name: tensor for name, tensor in weights.items() if name in ("weight", "bias")}
    require_keys(set(weights) - {"bias"}, {"weight"}, where, "head's tensors")
    if tuple(weights["weight"].shape) != (1, hidden_size):
        raise CheckpointError(
            f"{where}: head of shape {tuple(weights['weight'].shape)} for a backbone of hidden size {hidden_size}"
        )
    head = make_head(hidden_size, "bias" in weights, dtype, seed=0)
    head.load_state_dict(weights)
    return head
