"""Scores of programs that grow: keys, values and last hidden states of every token that was read are kept.

A search scores the same problem again after every function, with texts that mostly begin as earlier ones did. Here a token that
was computed once after the same tokens is not computed again, so that a round costs the tokens that are new in it. The tokens
form a trie, as in :mod:`dreamprm_code.prm.trees`, but one that grows: nodes stand in the order in which they came, and each new
run of nodes attends to the path above it and to itself.
"""

# T = new nodes, A = all nodes, N = nodes of a segment, L = keys of a segment, H = hidden size, D = head size

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dreamprm_code.prm.attention import plain_attention
from dreamprm_code.prm.encoding import EncodingError
from dreamprm_code.prm.readout import read_tokens
from dreamprm_code.prm.scoring import PRM
from dreamprm_code.prm.sharding import is_sharded
from dreamprm_code.prm.trees import StepTokens, TreeBatch, build_tree, group_sequences, shared_length
from dreamprm_code.records import Problem

_SEGMENT = 256  # queries at once: memory grows with this times the longest text


class _Segment(NamedTuple):
    """New nodes ``start:stop`` (0 is the first of them); ``keys_L``: among all nodes their ancestors, then they themselves."""

    start: int
    stop: int
    keys_L: Tensor


class _Path(NamedTuple):
    """A text that was read: its ids, and the node of each."""

    ids: np.ndarray
    nodes: np.ndarray


class _GrowingLayout:
    """What :func:`dreamprm_code.prm.attention.tree_attention` asks of a layout; keeps the keys and values of each layer."""

    implementation = "cached"

    def __init__(self) -> None:
        self.keys: dict[int, Tensor] = {}  # [1, heads, A, D] of each layer
        self.values: dict[int, Tensor] = {}
        self.segments: list[_Segment] = []

    def window(self, window: int | None) -> int | None:
        return window

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, window: int | None, scaling: float | None
    ) -> Tensor:
        """Attention [1, heads, T, D] of the new nodes."""
        if layer in self.keys:
            key, value = torch.cat([self.keys[layer], key], dim=2), torch.cat([self.values[layer], value], dim=2)
        self.keys[layer], self.values[layer] = key, value
        attended = []
        for start, stop, keys_L in self.segments:
            length, size = len(keys_L), stop - start
            behind_NL = length - size + torch.arange(size, device=query.device)[:, None]
            behind_NL = behind_NL - torch.arange(length, device=query.device)
            hidden_NL = behind_NL < 0 if window is None else (behind_NL < 0) | (behind_NL >= window)
            mask_NL = torch.zeros(hidden_NL.shape, dtype=query.dtype, device=query.device).masked_fill_(hidden_NL, -torch.inf)
            parts = query[:, :, start:stop], key[:, :, keys_L], value[:, :, keys_L]
            attended.append(plain_attention(*parts, mask_NL, scaling))
        return torch.cat(attended, dim=2)


class PrefixCache:
    """The PRM's scores of one problem's programs, in as many calls as one likes.

    Scores equal those of :meth:`PRM.score` but for rounding. ``counts`` holds ``prm_tokens`` that went through the model,
    ``prm_tokens_uncached`` that would have if every program of every call were read alone, and programs ``unread`` because they
    are longer than the model's input or hold nothing. What is kept is forgotten when it exceeds the PRM's ``max_tokens``.
    """

    def __init__(self, prm: PRM, problem: Problem):
        self.prm, self.problem, self.steps = prm, problem, prm.steps
        self.counts: Counter[str] = Counter()
        self._forget()

    def _forget(self) -> None:
        self._layout = _GrowingLayout()
        self._paths: list[_Path] = []
        self._states_AH: Tensor | None = None
        self._scores: dict[StepTokens, float] = {}

    def score(self, programs: Sequence[str]) -> list[tuple[float, ...] | None]:
        """Step scores of each program, None for one that cannot be read."""
        encoded = [self._encode(program) for program in programs]
        self.counts["unread"] += encoded.count(None)
        distinct = {tuple(sequences): None for sequences in encoded if sequences is not None}
        self.counts["prm_tokens_uncached"] += sum(self._tokens_alone(sequences) for sequences in distinct)
        new = list(dict.fromkeys(s for sequences in distinct for s in sequences if s not in self._scores))
        if new:
            self._read(new)
        return [None if sequences is None else tuple(map(self._scores.__getitem__, sequences)) for sequences in encoded]

    def _encode(self, program: str) -> tuple[StepTokens, ...] | None:
        if not program.strip():
            return None
        try:
            encoder = self.prm.encoder
            return tuple(encoder.encode_program(self.problem, program, self.steps.max_functions, self.steps.granularity))
        except EncodingError:
            return None

    def _tokens_alone(self, sequences: Sequence[StepTokens]) -> int:
        """Native texts hold all steps of a program in one pass; of the released format each step is a text."""
        return sum(map(len, sequences)) if self.prm.encoder.format == "released" else len(sequences[-1])

    def _read(self, sequences: Sequence[StepTokens]) -> None:
        """Compute and keep the scores of these sequences."""
        if is_sharded(self.prm.model):  # every process would have to hold the same cache
            self._read_alone(sequences)
            return
        token_ids, depths, segments, paths = self._grow(sequences)
        num_known = 0 if self._states_AH is None else len(self._states_AH)
        if num_known + len(token_ids) > self.prm.max_tokens:
            if num_known == 0:
                self._read_alone(sequences)
            else:
                self._forget()
                self._read(sequences)
            return
        try:
            scores = self.prm.probabilities(lambda: self._logits(token_ids, depths, segments, paths, sequences))
        except BaseException:
            self._forget()  # layers may hold different nodes now
            raise
        self.counts["prm_tokens"] += len(token_ids)
        self._scores |= zip(sequences, scores, strict=True)

    def _read_alone(self, sequences: Sequence[StepTokens]) -> None:
        """Without the cache: for one that cannot be had, or a round that exceeds it."""
        for group in group_sequences(sequences, self.prm.max_tokens):
            members = [sequences[index] for index in group]
            self._scores |= zip(members, self.prm.score_sequences(members), strict=True)
            self.counts["prm_tokens"] += build_tree(members).num_tokens

    def _grow(self, sequences: Sequence[StepTokens]) -> tuple[list[int], list[int], list[_Segment], list[_Path]]:
        """Ids and depths of the nodes that these sequences add, how they attend, and the sequences' paths."""
        token_ids: list[int] = []
        depths: list[int] = []
        segments: list[_Segment] = []
        found: dict[int, _Path] = {}
        known = list(self._paths)
        first = 0 if self._states_AH is None else len(self._states_AH)
        for index in sorted(range(len(sequences)), key=lambda index: len(sequences[index])):
            ids = np.asarray(sequences[index], dtype=np.int64)
            above, shared = np.empty(0, dtype=np.int64), 0
            for path in known:
                if (common := shared_length(path.ids, ids)) > shared:
                    above, shared = path.nodes[:common], common
            start = len(token_ids)
            token_ids += ids[shared:].tolist()
            depths += range(shared, len(ids))
            nodes = np.concatenate([above, first + np.arange(start, len(token_ids))])
            for low in range(start, len(token_ids), _SEGMENT):
                high = min(low + _SEGMENT, len(token_ids))
                keys = torch.from_numpy(nodes[: shared + high - start]).to(self.prm.model.device)
                segments.append(_Segment(low, high, keys))
            found[index] = _Path(ids, nodes)
            known.append(found[index])
        return token_ids, depths, segments, [found[index] for index in range(len(sequences))]

    def _logits(
        self,
        token_ids: list[int],
        depths: list[int],
        segments: list[_Segment],
        paths: list[_Path],
        sequences: Sequence[StepTokens],
    ) -> Tensor:
        """logit_S; the new nodes are part of the cache afterwards."""
        model, layout = self.prm.model, self._layout
        if token_ids:
            layout.segments = segments
            nothing = torch.empty(0, dtype=torch.long, device=model.device)
            ids_T, depths_T = (torch.tensor(numbers, device=model.device) for numbers in (token_ids, depths))
            states_TH = model.hidden_states(TreeBatch(ids_T, depths_T, nothing, nothing, layout=layout))
            self._states_AH = states_TH if self._states_AH is None else torch.cat([self._states_AH, states_TH])
        assert self._states_AH is not None
        self._paths += paths
        features = []
        for path, sequence in zip(paths, sequences, strict=True):
            nodes = torch.from_numpy(path.nodes[read_tokens(sequence, model.reading.readout)])
            read_NH = self._states_AH[nodes.to(model.device)]
            features.append(read_NH.to(torch.promote_types(read_NH.dtype, torch.float32)).mean(0))
        return model.read(torch.stack(features))
