"""Problems, programs, a small real tokenizer and tiny models for the PRM's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

from dreamprm_code.prm.backbone import SHAPES
from dreamprm_code.prm.model import PRMModel, build_model, lora_parameters
from dreamprm_code.prm.scoring import PRM
from dreamprm_code.records import Problem

TWO_STEPS = """def main():
    \"\"\"Read, solve, print.\"\"\"
    print(total(list(map(int, input().split()))))


def total(numbers):
    \"\"\"Sum of the numbers.\"\"\"
    return sum(numbers)


main()
"""
OTHER_END = TWO_STEPS.replace(
    "return sum(numbers)", "result = 0\n    for n in numbers:\n        result += n\n    return result"
)
ONE_STEP = "def main():\n    print(0)\n\n\nmain()\n"
NOT_PYTHON = "def main(:\n    print('\n"
PROGRAMS = [TWO_STEPS, OTHER_END, ONE_STEP, "", NOT_PYTHON, TWO_STEPS, "print(1)\n"]


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE with merges learned from two programs, for the rest as Qwen's: split into words, reserved tokens."""
    inner = Tokenizer(models.BPE())
    inner.normalizer = normalizers.NFC()
    words = pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated")
    inner.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    inner.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_end|>", "<|quad_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    inner.train_from_iterator([TWO_STEPS * 3, OTHER_END * 3, "Given two numbers, print their sum.\n" * 3], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<|endoftext|>", eos_token="<|im_end|>")


def make_problem(statement: str = "Given numbers, print their sum.", **fields: str) -> Problem:
    defaults = dict(
        question_id="sum",
        question_title="Sum",
        platform="atcoder",
        contest_id="abc1",
        contest_date="2024-01-01T00:00:00",
        starter_code="",
        difficulty="easy",
        public_test_cases="[]",
        private_test_cases="[]",
        metadata="{}",
    )
    return Problem(question_content=statement, **(defaults | fields))


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
