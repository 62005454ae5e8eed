"""A PRM without a language model: which runs of code tokens a prefix holds, and a linear head. For studies on known truth.

It reads exactly what tells a mutated function from a right one, trains in seconds on a CPU, and is one of the modules that
``bilevel.train`` accepts. What it cannot do is to judge code unlike any that it has seen.
"""

# S = prefixes, F = n-grams of the vocabulary

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

_DOCSTRING = re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"""|\'\'\'(?:[^\'\\]|\\.|\'(?!\'\'))*\'\'\'', re.DOTALL)
_COMMENT = re.compile(r"#[^\n\"']*$", re.MULTILINE)
_TOKEN = re.compile(r"[A-Za-z_]\w*|\d+|[^\w\s]")


@functools.lru_cache(maxsize=65536)
def code_tokens(text: str) -> tuple[str, ...]:
    """Names, numbers and marks of a piece of code; docstrings and comments are left out, and so is layout."""
    return tuple(_TOKEN.findall(_COMMENT.sub("", _DOCSTRING.sub("", text))))


class NgramEncoder:
    """Prefixes to feature rows: 1 / sqrt(number of texts with that n-gram) where the prefix holds it, scaled to mean norm 1.

    The problem's id counts as the first token. ``texts`` are (question_id, prefix) pairs; no label is looked at.
    """

    def __init__(self, texts: Iterable[tuple[str, str]], length: int = 4):
        self.length = length
        counts: Counter[tuple[str, ...]] = Counter()
        grams = [self._grams(*text) for text in texts]
        for found in grams:
            counts.update(found)
        self._index = {gram: place for place, gram in enumerate(counts)}
        self._value = {gram: 1.0 / math.sqrt(count) for gram, count in counts.items()}
        norms = [math.sqrt(sum(self._value[gram] ** 2 for gram in found)) for found in grams]
        self._scale = len(norms) / sum(norms)

    @property
    def num_features(self) -> int:
        return len(self._index)

    def _grams(self, question_id: str, prefix: str) -> tuple[tuple[str, ...], ...]:
        return _ngrams(question_id, prefix, self.length)

    def encode(self, texts: Sequence[tuple[str, str]]) -> Tensor:
        """feature_SF, float32; n-grams outside the vocabulary are left out."""
        feature_SF = torch.zeros(len(texts), len(self._index))
        seen: dict[tuple[str, str], int] = {}
        for row, text in enumerate(texts):
            if text in seen:
                feature_SF[row] = feature_SF[seen[text]]
                continue
            seen[text] = row
            grams = [gram for gram in self._grams(*text) if gram in self._index]
            feature_SF[row, [self._index[gram] for gram in grams]] = (
                torch.tensor([self._value[gram] for gram in grams]) * self._scale
            )
        return feature_SF


@functools.lru_cache(maxsize=65536)
def _ngrams(question_id: str, prefix: str, length: int) -> tuple[tuple[str, ...], ...]:
    """Each n-gram once, in the order of the text: the order of features must not depend on the hashes of a process."""
    tokens = (question_id, *code_tokens(prefix))
    padded = ("",) * (length - 1) + tokens
    return tuple(dict.fromkeys(padded[start : start + length] for start in range(len(tokens))))


class LinearPRM(nn.Module):
    """logit_S of feature_SF; ``dropout`` acts on the features. Starts at score 1/2 for everything."""

    def __init__(self, num_features: int, dropout: float = 0.0):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(num_features, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, feature_SF: Tensor) -> Tensor:
        return self.head(self.dropout(feature_SF)).squeeze(-1)
