"""The process reward model: a decoder without vocabulary head, LoRA on its attention projections, one linear output.

Departures from the released code: no vocabulary logits and no layers behind the one that is read are computed; all prefixes of
all candidates of a problem go through the backbone as one token tree; dropout is off unless asked for, because a pass
with dropout cannot be repeated by the pass that a hypergradient compares it with.
"""

# T = tokens of a forest, S = scored steps, B = sequences of a padded batch, H = hidden size

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from dreamprm_code.errors import UserError
from dreamprm_code.prm.attention import IMPLEMENTATIONS, layout_of
from dreamprm_code.prm.backbone import BackboneSource, cut_backbone, find_backbone, load_backbone
from dreamprm_code.prm.readout import PUBLISHED_READING, FeatureScale, Reading, pool, read_tokens
from dreamprm_code.prm.trees import TreeBatch


@dataclass(frozen=True)
class LoraSettings:
    """LoRA as published: rank 8, alpha 16, on the four attention projections (the release adds dropout 0.05)."""

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    target_modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")


PUBLISHED_LORA = LoraSettings()


class PRMModel(nn.Module):
    """Backbone and ``head``. ``sigmoid(logit)`` is the probability that the program up to a step will pass all tests.

    ``reading`` says what of the backbone the head reads, which must have been cut accordingly (``cut_backbone``). ``attention``
    chooses how trees are computed (see :mod:`dreamprm_code.prm.attention`); forward-mode derivatives need "math".
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Linear,
        source: BackboneSource | None = None,
        attention: str = "auto",
        reading: Reading = PUBLISHED_READING,
    ):
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.source = source
        self.attention = attention
        self.reading = reading
        self.scale = FeatureScale(head.in_features, head.weight.dtype) if reading.scaled else None
        windows = [getattr(module, "sliding_window", None) for module in self.decoder.modules()]
        if self.decoder.config.model_type == "mistral":
            windows.append(self.decoder.config.sliding_window)
        self.smallest_window = min((window for window in windows if window is not None), default=None)

    @property
    def decoder(self) -> Any:
        """The transformers model, inside PEFT's wrapper where there is one."""
        backbone: Any = self.backbone
        return backbone.get_base_model() if hasattr(backbone, "get_base_model") else backbone

    @property
    def device(self) -> torch.device:
        return self.head.weight.device

    @property
    def max_length(self) -> int:
        """Tokens of the longest text that the backbone was made for."""
        return int(self.decoder.config.max_position_embeddings)

    def trainable_parameters(self) -> list[nn.Parameter]:
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def hidden_states(self, batch: TreeBatch, attention: str | None = None, stop: int | None = None) -> Tensor:
        """Hidden states [T, H] of all nodes: final ones, or those after the first ``stop`` layers.

        A batch that holds the states below the trained layers (:mod:`dreamprm_code.prm.trunk`) is taken on from there.
        """
        attention = attention or self.attention
        if attention not in IMPLEMENTATIONS:
            raise UserError(f"attention '{attention}' is not known; choose from {', '.join(IMPLEMENTATIONS)}")
        batch = batch.to(self.device)
        if attention == "auto":
            attention = self._best_attention()
        start, inputs = 0, {"input_ids": batch.token_ids_T[None]}
        if batch.states_TH is not None:
            start, inputs = batch.states_after, {"inputs_embeds": batch.states_TH[None]}
        with self._only_layers(start, stop):
            output = self.backbone(
                **inputs,
                position_ids=batch.depths_T[None],
                # Four dimensions: transformers passes it on and makes no mask of its own. The layout says who sees whom.
                attention_mask=torch.empty(1, 1, 1, 0, device=self.device),
                tree_layout=batch.layout or layout_of(batch, attention, self.smallest_window),
                use_cache=False,
            )
        return output.last_hidden_state[0]

    @contextmanager
    def _only_layers(self, start: int, stop: int | None) -> Iterator[None]:
        """The decoder as its layers ``start:stop`` alone; the last norm belongs to the last layer."""
        if start == 0 and stop is None:
            yield
            return
        decoder = self.decoder
        layers, norm = decoder.layers, decoder.norm
        decoder.layers = layers[start:stop]
        if stop is not None:
            decoder.norm = nn.Identity()
        try:
            yield
        finally:
            decoder.layers, decoder.norm = layers, norm

    def _best_attention(self) -> str:
        """FlexAttention on CUDA, but for float64, which its kernels do not know. On CPUs the fused kernel, but plain matrix
        products in bfloat16: without AMX the fused kernel computes in float32 there and takes 2.5 times as long.
        """
        if torch.is_autocast_enabled(self.device.type):
            dtype = torch.get_autocast_dtype(self.device.type)
        else:
            dtype = self.decoder.dtype
        if self.device.type == "cuda":
            return "segments" if dtype == torch.float64 else "flex"
        return "math" if dtype == torch.bfloat16 else "segments"

    def features(self, batch: TreeBatch, attention: str | None = None) -> Tensor:
        """feature_SH: what the head reads of each sequence, before any scale."""
        if batch.feature_SH is not None:
            return batch.feature_SH
        batch = batch.to(self.device)
        return pool(self.hidden_states(batch, attention), batch, self.reading.readout)

    def read(self, feature_SH: Tensor) -> Tensor:
        """logit_S in the head's precision (float32 for all but float64 models), whatever autocast is active."""
        with torch.autocast(feature_SH.device.type, enabled=False):
            feature_SH = feature_SH.to(self.head.weight.dtype)
            return self.head(feature_SH if self.scale is None else self.scale(feature_SH)).squeeze(-1)

    def forward(self, batch: TreeBatch, attention: str | None = None) -> Tensor:
        """logit_S, one per sequence, in the order in which the trees' sequences were given."""
        return self.read(self.features(batch, attention))

    def fit_scale(self, batches: Iterable[TreeBatch]) -> None:
        """Standardise features by what the model, as it is, gives for the steps of these batches; no label is looked at.

        Raises:
            UserError: the model was made without a scale, or there are fewer than two steps.
        """
        if self.scale is None:
            raise UserError("the model has no scale to fit; make it with Reading(scaled=True)")
        training = self.training
        self.eval()
        with torch.no_grad():
            self.scale.fit(self.features(batch) for batch in batches)
        self.train(training)

    def reference_logits(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        """logit_S from one padded sequence per prefix and transformers' own attention: the simple path, kept as reference."""
        lengths = torch.tensor([len(sequence) for sequence in sequences], device=self.device)
        ids_BT = torch.zeros(len(sequences), int(lengths.max()), dtype=torch.long, device=self.device)
        for row, sequence in zip(ids_BT, sequences, strict=True):
            row[: len(sequence)] = torch.as_tensor(sequence, device=self.device)
        real_BT = torch.arange(ids_BT.shape[1], device=self.device)[None, :] < lengths[:, None]
        output = self.backbone(input_ids=ids_BT, attention_mask=real_BT.long(), use_cache=False)
        features = []
        for hidden_TH, sequence in zip(output.last_hidden_state, sequences, strict=True):
            tokens = read_tokens(sequence, self.reading.readout)
            features.append(hidden_TH[tokens].to(torch.promote_types(hidden_TH.dtype, torch.float32)).mean(0))
        return self.read(torch.stack(features))

    def enable_gradient_checkpointing(self) -> None:
        """Recompute layers in the backward pass. Non-reentrant: the reentrant kind gives wrong forward-mode derivatives."""
        self.decoder.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})


def lora_parameters(model: PRMModel) -> Iterable[tuple[str, nn.Parameter]]:
    """Name and parameter of every LoRA matrix."""
    return ((name, parameter) for name, parameter in model.backbone.named_parameters() if "lora_" in name)


def freeze_lower_layers(model: PRMModel, trained_layers: int) -> None:
    """Keep LoRA at its start (no effect) below the last ``trained_layers`` layers.

    Raises:
        UserError: the number is not that of some layers.
    """
    num_layers = len(model.decoder.layers)
    if not 1 <= trained_layers <= num_layers:
        raise UserError(f"setting 'trained_layers' is {trained_layers}; the backbone has {num_layers} layers")
    for name, parameter in lora_parameters(model):
        layer = re.search(r"\.layers\.(\d+)\.", name)
        assert layer is not None, name
        parameter.requires_grad_(int(layer.group(1)) >= num_layers - trained_layers)


def cast_lora(model: PRMModel, dtype: torch.dtype) -> None:
    """Keep LoRA in the backbone's precision, for scoring: mixed precision costs a fifth of a bfloat16 pass on CPUs."""
    for _, parameter in lora_parameters(model):
        parameter.data = parameter.data.to(dtype)


def wrap_with_lora(backbone: PreTrainedModel, lora: LoraSettings | None, seed: int) -> nn.Module:
    """Put LoRA around the projections (B = 0, so that the function is unchanged); the rest stays frozen."""
    if lora is None:
        return backbone
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # declared as int, used as a factor
        lora_dropout=lora.dropout,
        target_modules=list(lora.target_modules),
        bias="none",
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # PEFT asks transformers for an attribute by its old name.
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
        torch.manual_seed(seed)
        try:
            return get_peft_model(backbone, config)
        except ValueError as error:
            raise UserError(f"LoRA cannot be put on this backbone ({error}); check the target modules") from None


def make_head(hidden_size: int, bias: bool, dtype: torch.dtype, seed: int) -> nn.Linear:
    """The linear output. Standard deviation 1 / hidden size: first scores lie near 0.5 whatever the scale of the last norm."""
    head = nn.Linear(hidden_size, 1, bias=bias, dtype=torch.float64 if dtype == torch.float64 else torch.float32)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        head.weight.copy_(torch.randn(1, hidden_size, generator=generator, device="cpu") / hidden_size)
        if bias:
            head.bias.zero_()
    return head


def build_model(
    backbone: str | Path,
    lora: LoraSettings | None = PUBLISHED_LORA,
    dtype: torch.dtype = torch.float32,
    gguf_file: str | None = None,
    seed: int = 0,
    head_bias: bool = False,
    attention: str = "auto",
    reading: Reading = PUBLISHED_READING,
) -> PRMModel:
    """A new model: frozen backbone from a source (see :mod:`dreamprm_code.prm.backbone`), new LoRA and head from ``seed``.

    Without LoRA (``lora=None``) the head alone is trained.

    The head has no bias by default, so that it can be exported as sequence classification without loss (the released one has a
    bias). LoRA matrices and head are float32 unless the model is float64.

    Raises:
        UserError: the backbone cannot be found, read or used.
    """
    source = find_backbone(str(backbone), gguf_file)
    decoder = load_backbone(source, dtype, seed)
    cut_backbone(decoder, reading.layers, reading.final_norm)
    model = PRMModel(
        wrap_with_lora(decoder, lora, seed + 1),
        make_head(decoder.config.hidden_size, head_bias, dtype, seed + 2),
        source,
        attention,
        reading,
    )
    return model.eval() if lora is None or lora.dropout == 0.0 else model
