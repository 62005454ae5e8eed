"""The smallest real tokenizer: one token per byte, then the special ones from id 256 on."""

from __future__ import annotations

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast


def byte_tokenizer(special: dict[str, str]) -> PreTrainedTokenizerFast:
    """``special`` maps eos_token, pad_token and the like to their texts; other names are reserved tokens without a role."""
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
