"""Token trees: the prefixes of all candidates of a problem, with every shared token held once.

The sequences of a problem (one per step prefix) form a trie of token ids. Its nodes are stored in depth-first order, so
that the descendants of node i are exactly the nodes i < j < end[i], and node j may attend to node i if and only if ``i
<= j < end[i]`` (its ancestors and itself). A node's position is its depth: what it would be in each of the sequences
that run through it. A causal model therefore computes at a node exactly what it would compute there for every such
sequence alone.

The trie is built from each text's own tokens: where a byte-pair merge spans the place at which two texts part, they
simply part one token earlier, and nothing about the result changes.

Several trees stand one after another in a :class:`TreeBatch` (a forest); there is no padding.
"""

# T = nodes of a tree or of a forest, S = sequences (scored steps)

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor


class StepTokens(tuple[int, ...]):
    """Token ids of a text that ends with a step, and where its program is: equal to another by the ids alone.

    ``span``: index of the program's first token, of the step's first token, and one past the last token of both.
    ``separator`` is the id of the tokens within that belong to no step (the step tokens), if there are any.
    """

    span: tuple[int, int, int]
    separator: int | None

    def __new__(cls, ids: Iterable[int], span: tuple[int, int, int], separator: int | None = None) -> StepTokens:
        self = super().__new__(cls, ids)
        self.span, self.separator = span, separator
        return self

    def __getnewargs__(self) -> tuple[tuple[int, ...], tuple[int, int, int], int | None]:
        return tuple(self), self.span, self.separator


@dataclass(frozen=True)
class TokenTree:
    """One trie. Arrays are int64, ``separators_T`` is boolean; ``read_at_S[s]`` is the node at which sequence s ends, in the
    order given. ``spans_S3`` are the sequences' spans; None, like ``separators_T``, if they were not all :class:`StepTokens`.
    """

    token_ids_T: np.ndarray
    depths_T: np.ndarray
    ends_T: np.ndarray
    read_at_S: np.ndarray
    num_sequence_tokens: int  # what separate, unpadded sequences would take
    spans_S3: np.ndarray | None = None
    separators_T: np.ndarray | None = None

    @property
    def num_tokens(self) -> int:
        return len(self.token_ids_T)


def shared_length(left: np.ndarray, right: np.ndarray) -> int:
    """Number of leading tokens that two sequences share."""
    length = min(len(left), len(right))
    differs = left[:length] != right[:length]
    first = int(differs.argmax()) if length else 0
    return first if length and differs[first] else length


def _sorted_with_shared(sequences: Sequence[Sequence[int]]) -> tuple[list[int], list[np.ndarray], list[int]]:
    """Lexicographic order, the sorted arrays, and how many leading tokens each shares with the one before it."""
    if not sequences or not all(len(sequence) for sequence in sequences):
        raise ValueError("a tree needs at least one sequence, and no sequence may be empty")
    order = sorted(range(len(sequences)), key=lambda index: list(sequences[index]))
    arrays = [np.asarray(sequences[index], dtype=np.int64) for index in order]
    shared = [0] + [shared_length(left, right) for left, right in itertools.pairwise(arrays)]
    return order, arrays, shared


def build_tree(sequences: Sequence[Sequence[int]]) -> TokenTree:
    """The trie of these token sequences (lists of ints, non-empty; repeated ones and prefixes of others are fine).

    In lexicographic order a sequence adds to the trie exactly the nodes behind what it shares with its predecessor, and the
    nodes are met in depth-first order.
    """
    order, arrays, shared = _sorted_with_shared(sequences)
    num_nodes = sum(len(array) - common for array, common in zip(arrays, shared, strict=True))
    token_ids, depths, ends = (np.empty(num_nodes, dtype=np.int64) for _ in range(3))
    read_at = np.empty(len(order), dtype=np.int64)
    path = np.empty(max(map(len, arrays)), dtype=np.int64)  # the open node at each depth
    open_length = count = 0
    for index, array, common in zip(order, arrays, shared, strict=True):
        ends[path[common:open_length]] = count
        added = len(array) - common
        token_ids[count : count + added] = array[common:]
        depths[count : count + added] = np.arange(common, len(array))
        path[common : len(array)] = np.arange(count, count + added)
        count += added
        open_length = len(array)
        read_at[index] = path[len(array) - 1]
    ends[path[:open_length]] = count
    spans, separators = _spans(sequences, token_ids)
    return TokenTree(token_ids, depths, ends, read_at, sum(map(len, arrays)), spans, separators)


def _spans(sequences: Sequence[Sequence[int]], token_ids_T: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
    marked = [sequence for sequence in sequences if isinstance(sequence, StepTokens)]
    if len(marked) < len(sequences):
        return None, None
    separators = [sequence.separator for sequence in marked if sequence.separator is not None]
    return np.array([sequence.span for sequence in marked], dtype=np.int64), np.isin(token_ids_T, separators)


def group_sequences(sequences: Sequence[Sequence[int]], max_tokens: int) -> list[list[int]]:
    """Split sequences into groups whose tries hold at most ``max_tokens`` nodes each.

    Neighbours in lexicographic order share most, so groups are runs of that order; a sequence that exceeds the budget alone
    has a group to itself. Returns indices into ``sequences``.
    """
    order, arrays, shared = _sorted_with_shared(sequences)
    groups: list[list[int]] = []
    size = max_tokens + 1
    for index, array, common in zip(order, arrays, shared, strict=True):
        added = len(array) - common
        if size + added > max_tokens:
            groups.append([])
            size, added = 0, len(array)
        groups[-1].append(index)
        size += added
    return groups


@dataclass
class TreeBatch:
    """Trees one after another. ``read_at_S`` follows the order of the trees and, within each, of its sequences."""

    token_ids_T: Tensor
    depths_T: Tensor
    ends_T: Tensor
    read_at_S: Tensor
    num_sequence_tokens: int = 0
    num_steps: list[int] = field(default_factory=list)  # scored sequences of each tree
    spans_S3: Tensor | None = None
    separators_T: Tensor | None = None
    states_TH: Tensor | None = None  # hidden states after ``states_after`` layers, where they are known (trunk.py)
    states_after: int = 0
    feature_SH: Tensor | None = None  # what the head reads, where that is known (trunk.py)
    layout: Any = None  # how its nodes attend, where that does not follow from the trees (prefix_cache.py)
    cache: dict[Any, Any] = field(default_factory=dict, repr=False)  # attention layouts and reading weights

    @property
    def num_tokens(self) -> int:
        return self.token_ids_T.numel()

    def to(self, device: torch.device | str) -> TreeBatch:
        """The same batch with its tensors on a device."""
        if self.token_ids_T.device == torch.device(device):
            return self
        moved: dict[str, Any] = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, cache={}, **moved)


def collate(trees: Sequence[TokenTree]) -> TreeBatch:
    """Put trees one after another; node indices are shifted, depths are not."""
    offsets = np.cumsum([0, *(tree.num_tokens for tree in trees)])[:-1]
    return TreeBatch(
        torch.from_numpy(np.concatenate([tree.token_ids_T for tree in trees])),
        torch.from_numpy(np.concatenate([tree.depths_T for tree in trees])),
        torch.from_numpy(np.concatenate([tree.ends_T + offset for tree, offset in zip(trees, offsets, strict=True)])),
        torch.from_numpy(np.concatenate([tree.read_at_S + offset for tree, offset in zip(trees, offsets, strict=True)])),
        sum(tree.num_sequence_tokens for tree in trees),
        [len(tree.read_at_S) for tree in trees],
        _joined([tree.spans_S3 for tree in trees]),
        _joined([tree.separators_T for tree in trees]),
    )


def _joined(arrays: Sequence[np.ndarray | None]) -> Tensor | None:
    known = [array for array in arrays if array is not None]
    return torch.from_numpy(np.concatenate(known)) if len(known) == len(arrays) else None
