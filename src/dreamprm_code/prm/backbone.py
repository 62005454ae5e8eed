"""Backbones: where their weights come from, which are known to work with token trees, and how one is recognised again.

A backbone is named by a *source*:

* a Hugging Face name or a local folder of transformers (``Qwen/Qwen2.5-Coder-3B``);
* a GGUF file (``models/model.gguf``), or a folder or name together with ``gguf_file``;
* ``random:<shape>`` with a shape of :data:`SHAPES`, or ``random:<folder with a config.json>``: random weights.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    GgufConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from dreamprm_code.errors import UserError
from dreamprm_code.manifest import sha256_of
from dreamprm_code.prm.attention import ATTENTION_NAME, register
from dreamprm_code.progress import quiet_transformers

# Model types whose attention was compared, layer kinds included, with separate sequences. Anything else is refused rather than
# computed wrongly: a model may add sinks, caps, biases or chunks that ancestors-only attention knows nothing of.
SUPPORTED_MODEL_TYPES = ("qwen2", "qwen3", "llama", "mistral")


_ROOT = Path(__file__).resolve().parents[3]  # a relative GGUF path may be relative to the repository, as in configs/

UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What transformers raises where a folder's file is missing, damaged, or holds ``null`` or ``[]`` in the place of a dict."""


class BackboneError(UserError):
    """A backbone that cannot be found, read or used; the message says which and what to do."""


def _qwen2(
    hidden: int, layers: int, heads: int, kv_heads: int, mlp: int, vocabulary: int = 151936, **more: Any
) -> dict[str, Any]:
    return {
        "model_type": "qwen2",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": mlp,
        "vocab_size": vocabulary,
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
        "tie_word_embeddings": True,
        **more,
    }


# Shapes for random weights. The Qwen2.5-Coder figures are those of the models' published config.json.
SHAPES: dict[str, dict[str, Any]] = {
    "tiny": _qwen2(64, 2, 4, 2, 128, vocabulary=512),
    "tiny-window": _qwen2(64, 4, 4, 2, 128, vocabulary=512, use_sliding_window=True, sliding_window=24, max_window_layers=2),
    "tiny-qwen3": _qwen2(64, 2, 4, 2, 128, vocabulary=512, head_dim=16) | {"model_type": "qwen3"},
    "tiny-llama": _qwen2(64, 2, 4, 2, 128, vocabulary=512) | {"model_type": "llama"},
    "tiny-mistral": _qwen2(64, 2, 4, 2, 128, vocabulary=512, sliding_window=24) | {"model_type": "mistral"},
    "small": _qwen2(512, 8, 8, 8, 1408, vocabulary=151936),
    "smollm2-135m": _qwen2(576, 30, 9, 3, 1536, vocabulary=49152) | {"model_type": "llama", "max_position_embeddings": 8192},
    "qwen2.5-coder-0.5b": _qwen2(896, 24, 14, 2, 4864),
    "qwen2.5-coder-1.5b": _qwen2(1536, 28, 12, 2, 8960),
    "qwen2.5-coder-3b": _qwen2(2048, 36, 16, 2, 11008),
    "qwen2.5-coder-7b": _qwen2(3584, 28, 28, 4, 18944, vocabulary=152064),
}


@dataclass(frozen=True)
class BackboneSource:
    """Where a backbone is: ``name`` as given, ``location`` for transformers, ``gguf_file`` within it."""

    name: str
    location: str
    gguf_file: str | None = None

    @property
    def is_random(self) -> bool:
        return self.name.startswith("random:")

    @property
    def local_file(self) -> Path | None:
        """The GGUF file where it is local; its hash identifies the backbone."""
        path = Path(self.location) / self.gguf_file if self.gguf_file else None
        return path if path is not None and path.is_file() else None

    def sha256(self) -> str | None:
        """Hash of a local GGUF file, None for all else."""
        return sha256_of(self.local_file) if self.local_file else None


def find_backbone(name: str, gguf_file: str | None = None) -> BackboneSource:
    """Understand a source.

    Raises:
        BackboneError: a GGUF file, folder or package that is not there.
    """
    if name.startswith("random:"):
        return BackboneSource(name, name.removeprefix("random:"))
    if name.endswith(".gguf"):
        if gguf_file is not None:
            raise BackboneError(f"backbone {name}: is a GGUF file already; leave gguf_file out")
        path = next((path for path in (Path(name).expanduser(), _ROOT / name) if path.is_file()), None)
        if path is None:
            raise BackboneError(f"backbone {name}: there is no such file; fetch it, or name the file where you have it")
        return BackboneSource(name, str(path.parent), path.name)
    folder = Path(name).expanduser()
    if name.startswith((".", "/", "~")) and not folder.is_dir():
        raise BackboneError(f"backbone {name}: there is no such folder")
    return BackboneSource(name, str(folder) if folder.is_dir() else name, gguf_file)


def load_config(source: BackboneSource) -> PretrainedConfig:
    """The backbone's configuration.

    Raises:
        BackboneError: it cannot be read, or its model type is not supported.
    """
    if source.is_random and source.location in SHAPES:
        settings = dict(SHAPES[source.location])
        config = AutoConfig.for_model(settings.pop("model_type"), **settings)
    elif source.is_random and not Path(source.location).is_dir():
        raise BackboneError(f"backbone {source.name}: not a known shape; choose from {', '.join(SHAPES)} or give a folder")
    else:
        config = _from_hub(AutoConfig, source)
    require_supported(config, source)
    config.attention_dropout = 0.0  # dropout on attention weights would differ between a tree and its sequences
    config.use_cache = False
    return config


def _from_hub(auto: Any, source: BackboneSource, **settings: Any) -> Any:
    if source.gguf_file is not None:
        settings["gguf_file"] = source.gguf_file
    try:
        with quiet_transformers():
            return auto.from_pretrained(source.location, **settings)
    except UNREADABLE as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BackboneError(f"backbone {source.name}: cannot be loaded ({reason})") from None


def require_supported(config: PretrainedConfig, source: BackboneSource) -> None:
    """Raises BackboneError for a model type that token trees were not checked with."""
    if config.model_type not in SUPPORTED_MODEL_TYPES:
        raise BackboneError(
            f"backbone {source.name}: model type '{config.model_type}' has not been checked with token trees; "
            f"use one of {', '.join(SUPPORTED_MODEL_TYPES)}"
        )


def load_tokenizer(source: BackboneSource) -> PreTrainedTokenizerBase:
    """The backbone's tokenizer. Raises BackboneError where there is none (random shapes have none)."""
    if source.is_random and source.location in SHAPES:
        raise BackboneError(f"backbone {source.name}: random weights have no tokenizer; name one with --tokenizer")
    return _from_hub(AutoTokenizer, source)


def load_backbone(source: BackboneSource, dtype: torch.dtype, seed: int) -> PreTrainedModel:
    """The decoder stack without vocabulary head, frozen, set to token-tree attention.

    Raises:
        BackboneError: see :func:`load_config`; also weights that cannot be read.
    """
    register()
    if source.gguf_file is not None:
        # Reading a GGUF file's header takes seconds: it is read once, here. Its weights are unpacked, to be trained around.
        backbone = _from_hub(AutoModel, source, dtype=dtype, quantization_config=GgufConfig(dequantize=True))
        require_supported(backbone.config, source)
        backbone.config.use_cache = False
    else:
        config = load_config(source)
        config._attn_implementation = ATTENTION_NAME
        if source.is_random:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                backbone = AutoModel.from_config(config, dtype=dtype)
        else:
            backbone = _from_hub(AutoModel, source, config=config, dtype=dtype)
    backbone.config._attn_implementation = ATTENTION_NAME
    backbone.requires_grad_(False)
    if dtype == torch.float64:
        norms_in_float64(backbone)
    return backbone


def norms_in_float64(backbone: nn.Module) -> None:
    """Let RMS norms of a float64 model compute in float64; transformers always computes them in float32.

    Without this two float64 computations of one function differ by float32 roundings (about 2e-8).
    """

    def forward(norm: Any, hidden: torch.Tensor) -> torch.Tensor:
        scale = torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True) + norm.variance_epsilon)
        return norm.weight * (hidden * scale)

    for module in backbone.modules():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = forward.__get__(module)


def cut_backbone(backbone: PreTrainedModel, layers: int | None, final_norm: bool) -> None:
    """End the decoder stack after ``layers`` of its layers (None: all), with or without its last norm.

    Raises:
        BackboneError: it has fewer layers.
    """
    stack: Any = backbone
    num_layers = len(stack.layers)
    if layers is not None and not 1 <= layers <= num_layers:
        raise BackboneError(f"setting 'layers' is {layers}; the backbone has {num_layers} layers")
    if layers is not None and layers < num_layers:
        stack.layers = stack.layers[:layers]
        backbone.config.num_hidden_layers = layers
        if getattr(backbone.config, "layer_types", None) is not None:
            backbone.config.layer_types = backbone.config.layer_types[:layers]
    if not final_norm:
        backbone.norm = nn.Identity()


def cast_backbone(backbone: PreTrainedModel, dtype: torch.dtype) -> None:
    """Weights in another precision. Buffers (the rotary frequencies) keep theirs, as if the weights had been read in it."""
    if dtype == backbone.dtype:
        return
    for parameter in backbone.parameters():
        parameter.data = parameter.data.to(dtype)
    backbone.config.dtype = dtype
    if dtype == torch.float64:
        norms_in_float64(backbone)


def unsharded(weight: torch.Tensor) -> torch.Tensor:
    """The whole tensor; collective where the weight is a process's share of one (:mod:`dreamprm_code.prm.sharding`)."""
    return weight.full_tensor() if isinstance(weight, DTensor) else weight


@torch.no_grad()
def fingerprint(backbone: nn.Module) -> str:
    """A short hash of sampled frozen weights, rounded to bfloat16: the same for float32 and bfloat16, not for float16.

    Recognises a wrong base model whatever file or hub it came from. Collective where the backbone is sharded.
    """
    digest = hashlib.sha256()
    for name, weight in sorted(base_weights(backbone).items()):
        digest.update(f"{name}{tuple(weight.shape)}".encode())
        flat = unsharded(weight.detach()).flatten()
        sample = flat[:: max(1, flat.numel() // 256)][:256]
        digest.update(sample.to("cpu", torch.bfloat16).view(torch.int16).numpy().tobytes())
    return digest.hexdigest()[:32]


def base_weights(backbone: nn.Module) -> dict[str, torch.Tensor]:
    """The backbone's own weights under their plain names, whether or not LoRA was put around them."""
    weights = {}
    for name, weight in backbone.state_dict().items():
        if "lora_" in name:
            continue
        weights[name.removeprefix("base_model.model.").replace(".base_layer.", ".")] = weight
    return weights
