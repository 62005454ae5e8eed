"""Tiny models with random weights, and PRMs of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from builders.programs import PROGRAMS
from dreamprm_code.prm.backbone import SHAPES
from dreamprm_code.prm.model import PRMModel, build_model, lora_parameters
from dreamprm_code.prm.scoring import PRM


def scatter_weights(model: PRMModel, seed: int = 0) -> PRMModel:
    """Give LoRA's B and the head values that matter: scores then differ widely."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in lora_parameters(model):
            if "lora_B" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
        model.head.weight.copy_(torch.randn(model.head.weight.shape, generator=generator) * 0.2)
        if model.head.bias is not None:
            model.head.bias.fill_(0.5)
    return model


def tiny_model(shape: str = "tiny", dtype: torch.dtype = torch.float32, **settings) -> PRMModel:
    return scatter_weights(build_model(f"random:{shape}", dtype=dtype, **settings))


def tiny_prm(tokenizer: PreTrainedTokenizerFast, **settings) -> PRM:
    prm = PRM.create("random:tiny", tokenizer=tokenizer, **settings)
    scatter_weights(prm.model)
    return prm


def plain_backbone(folder: Path, tokenizer, shape: str = "tiny", seed: int = 0) -> Path:
    """A folder of transformers with random weights and the tokenizer, as a base model on disk."""
    settings = dict(SHAPES[shape])
    torch.manual_seed(seed)
    AutoModelForCausalLM.from_config(AutoConfig.for_model(settings.pop("model_type"), **settings)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def assert_equal_scores(left: PRM, right: PRM, problem, tolerance: float = 1e-6) -> None:
    for one, other in zip(left.score(problem, PROGRAMS), right.score(problem, PROGRAMS), strict=True):
        assert one == pytest.approx(other, abs=tolerance)
