"""Small real tokenizers."""

from __future__ import annotations

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

from builders.programs import OTHER_END, TWO_STEPS


def byte_tokenizer(special: dict[str, str]) -> PreTrainedTokenizerFast:
    """One token per byte, then the special ones from id 256 on.

    ``special`` maps eos_token, pad_token and the like to their texts; other names are reserved tokens without a role.
    """
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {text: number for number, text in enumerate([*letters, *special.values()])}
    inner = Tokenizer(models.BPE(vocabulary, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = decoders.ByteLevel()
    roles = {name: text for name, text in special.items() if name.endswith("_token")}
    reserved = [text for name, text in special.items() if name not in roles]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, **roles)
    if reserved:
        tokenizer.add_special_tokens({"additional_special_tokens": reserved})
    return tokenizer


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
