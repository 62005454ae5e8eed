"""The settings of a PRM that is to be trained (its backbone, what moves, where the head reads, what text) or to be opened."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field

from dreamprm_code.prm.backbone import find_backbone, load_tokenizer
from dreamprm_code.prm.model import LoraSettings, freeze_lower_layers
from dreamprm_code.prm.readout import READOUTS, Reading
from dreamprm_code.prm.scoring import PRM, best_dtype
from dreamprm_code.settings import FrozenSettings, OneOf
from dreamprm_code.steps import StepSettings

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class PRMSettings(FrozenSettings):
    """What :meth:`create` makes an untrained PRM of."""

    backbone: str = Field(description="a Hugging Face name or folder, a GGUF file, or random:SHAPE")
    gguf_file: str | None = Field(None, description="the GGUF file inside the backbone's folder or repository")
    tokenizer: str | None = Field(
        None,
        description="folder, name or GGUF file with the tokenizer (default: the backbone's; random:SHAPE has none)",
    )
    dtype: Annotated[str, OneOf(("auto", *DTYPES))] = Field(
        "auto", description="of the frozen backbone; auto is bfloat16 where it is fast"
    )
    lora_rank: int = Field(8, ge=1, description="LoRA rank")
    lora_alpha: float = Field(16.0, gt=0, description="LoRA alpha")
    lora_dropout: float = Field(0.0, ge=0, lt=1, description="dropout before LoRA, in warm-up only")
    target_modules: list[str] = Field(list(LoraSettings().target_modules), description="projections that get LoRA")
    trained_layers: int | None = Field(
        None,
        ge=0,
        description="LoRA moves in so many last layers only: backward and forward-mode passes end there; 0 = no LoRA, the head "
        "alone (default: all)",
    )
    readout: Annotated[str, OneOf(READOUTS)] = Field(
        "last", description="the head reads the token that ends a step, or the mean over the program's or the step's tokens"
    )
    layers: int | None = Field(None, ge=1, description="the head reads the states after so many layers (default: all)")
    final_norm: bool = Field(True, description="the backbone's last norm before the head (without it: export as states only)")
    scaled: bool = Field(False, description="the head reads standardised features; it then learns at lr 1e-2 or so")
    head_bias: bool = Field(
        False, description="a bias in the head (the released code's; export then needs token classification)"
    )
    gradient_checkpointing: bool = Field(False, description="recompute layers in backward passes: less memory, more time")
    format: Literal["native", "released"] = Field("native", description="input text: ours, or the released checkpoint's")
    max_length: int | None = Field(None, ge=1, description="longest text in tokens; shortens problem statements, never code")

    def create(self, device: torch.device, steps: StepSettings, seed: int) -> PRM:
        """An untrained PRM on the CPU, in the precision that suits ``device``; ``steps`` says how it splits programs.

        Raises:
            UserError: the backbone cannot be read, or has fewer layers than asked for.
        """
        lora = LoraSettings(self.lora_rank, self.lora_alpha, self.lora_dropout, tuple(self.target_modules))
        prm = PRM.create(
            self.backbone,
            lora=None if self.trained_layers == 0 else lora,
            dtype=best_dtype(device) if self.dtype == "auto" else DTYPES[self.dtype],
            gguf_file=self.gguf_file,
            tokenizer=None if self.tokenizer is None else load_tokenizer(find_backbone(self.tokenizer)),
            format=self.format,
            max_length=self.max_length,
            steps=steps,
            head_bias=self.head_bias,
            seed=seed,
            reading=Reading(self.readout, self.layers, self.final_norm, self.scaled),
        )
        if self.trained_layers:
            freeze_lower_layers(prm.model, self.trained_layers)
        if self.gradient_checkpointing:
            prm.model.enable_gradient_checkpointing()
        return prm


class OpeningSettings(FrozenSettings):
    """What :meth:`open_prm` needs beside the checkpoint."""

    base_model: str | None = Field(None, description="the checkpoint's backbone, where it is not at the recorded place")
    gguf_file: str | None = Field(None, description="the GGUF file inside that backbone's folder or repository")
    device: str = Field("auto", description="cpu, cuda, cuda:1 ...; auto: the best at hand")

    def open_prm(self, checkpoint: Path) -> PRM:
        """A folder of ours, an exported one, or the released .pt file.

        Raises:
            UserError: see :meth:`PRM.from_pretrained`.
        """
        return PRM.from_pretrained(checkpoint, self.base_model, gguf_file=self.gguf_file, device=self.device)
