"""Ancestors-only attention over a forest of tokens, as an attention function that transformers can call.

Node j sees node i if and only if ``i <= j < end[i]`` (see :mod:`dreamprm_code.prm.trees`), and, in a layer with a
sliding window W, ``depth[j] - depth[i] < W``: distances are distances in the sequence, not in memory. Three ways to
compute it:

* ``segments`` (default on CPUs): the forest is cut into runs of neighbouring nodes; each run attends to the path above it
  and to itself. No mask is larger than one run times the keys it needs, so memory grows with the tokens and not
  with their square, and almost no masked entry is computed.
* ``math``: the same segments with plain matrix products in place of the fused kernel, which has no forward-mode derivative:
  for ``torch.func.jvp`` and ``torch.autograd.forward_ad``. Also the default for bfloat16 on CPUs, where it is faster.
* ``flex`` (default on CUDA): FlexAttention; which of its blocks are empty, full or partial follows from the intervals.

``dense`` (one mask of T x T) is the reference of the tests.
"""

# T = nodes, N = nodes of a segment (queries), L = keys of a segment, D = head size; G = query heads per key/value head

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from dreamprm_code.prm.trees import TreeBatch

ATTENTION_NAME = "token_tree"
IMPLEMENTATIONS = ("auto", "segments", "math", "flex", "dense")

# A segment costs its queries times its keys, plus a call whose fixed cost is about that of this many entries.
_CALL_ENTRIES = 16384
_LONG_RUN = 256  # a chain below other nodes is cut at this length: its masked half is wasted work
_FLEX_BLOCK = 128


@dataclass(frozen=True)
class Segment:
    """Queries ``start:stop`` and the node ranges of their keys: the path above ``start``, then ``start:stop`` itself."""

    start: int
    stop: int
    key_ranges: tuple[tuple[int, int], ...]
    is_causal: bool  # one chain from a root: a plain causal sequence, which needs no mask

    @property
    def num_keys(self) -> int:
        return sum(stop - start for start, stop in self.key_ranges)


def plan_segments(depths_T: np.ndarray, causal_kernel: bool = True) -> list[Segment]:
    """Cut a forest in depth-first order into segments, merging small neighbours while that saves work.

    ``causal_kernel`` says that a chain from a root can be left whole, because a kernel exists that skips its masked half.

    Ancestors of any node of ``a..b`` that lie before a are ancestors of a (depth-first order), so the keys of a segment
    are the path above its first node and the segment itself.
    """
    num_nodes = len(depths_T)
    run_starts = np.flatnonzero(np.concatenate([[True], depths_T[1:] != depths_T[:-1] + 1]))
    run_stops = np.append(run_starts[1:], num_nodes)
    pieces: list[tuple[int, int]] = []
    for start, stop in zip(run_starts.tolist(), run_stops.tolist(), strict=True):
        step = stop - start if causal_kernel and depths_T[start] == 0 else _LONG_RUN
        pieces += [(piece, min(piece + step, stop)) for piece in range(start, stop, step)]

    def cost(start: int, stop: int) -> int:
        return (stop - start) * (int(depths_T[start]) + stop - start) + _CALL_ENTRIES

    merged: list[tuple[int, int]] = []
    for start, stop in pieces:
        if merged and depths_T[start] > 0 and depths_T[merged[-1][0]] > 0:
            previous = merged[-1]
            if cost(previous[0], stop) <= cost(*previous) + cost(start, stop):
                merged[-1] = (previous[0], stop)
                continue
        merged.append((start, stop))

    segments = []
    path: list[tuple[int, int]] = []  # node ranges of the path above the current run, outermost first
    runs = dict(zip(run_starts.tolist(), run_stops.tolist(), strict=True))
    paths: dict[int, list[tuple[int, int]]] = {}
    for start, stop in runs.items():
        depth = int(depths_T[start])
        kept: list[tuple[int, int]] = []
        for first, last in path:
            length = min(last - first, depth - sum(b - a for a, b in kept))
            if length > 0:
                kept.append((first, first + length))
        paths[start] = kept
        path = [*kept, (start, stop)]
    starts = np.fromiter(paths, dtype=np.int64)
    for start, stop in merged:
        run = int(starts[np.searchsorted(starts, start, side="right") - 1])
        above = paths[run] + ([(run, start)] if run < start else [])
        above = _join([*above, (start, stop)])
        is_causal = causal_kernel and start == run and not paths[run] and stop == runs[run]
        segments.append(Segment(start, stop, tuple(above), is_causal))
    return segments


def _join(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Adjacent ranges become one."""
    joined: list[tuple[int, int]] = []
    for start, stop in ranges:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return joined


def may_attend(query: Tensor, key: Tensor, ends_T: Tensor, depths_T: Tensor, window: int | None) -> Tensor:
    """The one definition of who sees whom: boolean, elementwise over broadcast node indices."""
    allowed = (key <= query) & (query < ends_T[key])
    if window is not None:
        allowed = allowed & (depths_T[query] - depths_T[key] < window)
    return allowed


class Layout:
    """How attention over one batch is computed: built once per batch, used by every layer."""

    def __init__(self, batch: TreeBatch, implementation: str, smallest_window: int | None = None):
        self.implementation = implementation
        self.ends_T, self.depths_T = batch.ends_T, batch.depths_T
        self.max_depth = int(batch.depths_T.max()) + 1
        self._masks: dict[Any, Any] = {}
        if implementation in ("segments", "math"):
            causal_kernel = implementation == "segments" and self.window(smallest_window) is None
            self.segments = plan_segments(batch.depths_T.cpu().numpy(), causal_kernel)
            cuts = {0, batch.num_tokens}
            for segment in self.segments:
                cuts.update(edge for edges in segment.key_ranges for edge in edges)
                cuts.update((segment.start, segment.stop))
            self.cuts = sorted(cuts)
            self.piece_sizes = [right - left for left, right in zip(self.cuts, self.cuts[1:], strict=False)]
            piece_at = {cut: piece for piece, cut in enumerate(self.cuts)}
            self.key_pieces = [
                [piece for start, stop in segment.key_ranges for piece in range(piece_at[start], piece_at[stop])]
                for segment in self.segments
            ]

    def window(self, window: int | None) -> int | None:
        """A window that reaches over the deepest path hides nothing."""
        return None if window is None or window >= self.max_depth else window

    def segment_masks(self, window: int | None, dtype: torch.dtype) -> list[Tensor | None]:
        """Additive masks [N, L], one per segment; None where the plain causal kernel does."""
        key = (window, dtype)
        if key not in self._masks:
            device = self.ends_T.device
            masks: list[Tensor | None] = []
            for segment in self.segments:
                if segment.is_causal:
                    masks.append(None)
                    continue
                queries = torch.arange(segment.start, segment.stop, device=device)[:, None]
                keys = torch.cat([torch.arange(start, stop, device=device) for start, stop in segment.key_ranges])[None, :]
                allowed = may_attend(queries, keys, self.ends_T, self.depths_T, window)
                masks.append(torch.zeros(allowed.shape, dtype=dtype, device=device).masked_fill_(~allowed, float("-inf")))
            self._masks[key] = masks
        return self._masks[key]

    def dense_mask(self, window: int | None) -> Tensor:
        """Boolean [T, T]; True = sees."""
        key = ("dense", window)
        if key not in self._masks:
            nodes = torch.arange(len(self.ends_T), device=self.ends_T.device)
            self._masks[key] = may_attend(nodes[:, None], nodes[None, :], self.ends_T, self.depths_T, window)
        return self._masks[key]

    def block_mask(self, window: int | None) -> Any:
        """FlexAttention's block mask; blocks are classified from the intervals, without a mask of T x T."""
        key = ("flex", window)
        if key not in self._masks:
            self._masks[key] = _block_mask(self.ends_T, self.depths_T, window)
        return self._masks[key]


def layout_of(batch: TreeBatch, implementation: str, smallest_window: int | None = None) -> Layout:
    """The batch's layout for an implementation, made once. ``smallest_window`` is that of the backbone's layers.

    It keeps masks from pass to pass. Tensors made inside a transform of ``torch.func`` end with it, so such code runs the batch
    once outside before; ``torch.autograd.forward_ad`` needs no such care.
    """
    key = (implementation, smallest_window)
    if key not in batch.cache:
        batch.cache[key] = Layout(batch, implementation, smallest_window)
    return batch.cache[key]


def classify_blocks(ends_T: Tensor, depths_T: Tensor, window: int | None, size: int) -> tuple[Tensor, Tensor]:
    """Which (query block, key block) pairs hold any, and only, visible entries: two boolean [blocks, blocks] tensors.

    For a key block wholly before a query block that starts at q0 and stops at q1: some entry is visible iff the largest
    ``end`` of its keys exceeds q0, all are iff the smallest is at least q1. The diagonal block is always partial. A
    window turns full blocks into partial ones, which the elementwise mask then decides, and drops blocks that lie
    wholly beyond it.
    """
    num_nodes, device = len(ends_T), ends_T.device
    num_blocks = -(-num_nodes // size)
    padded = F.pad(ends_T, (0, num_blocks * size - num_nodes)).view(num_blocks, size)
    real = (torch.arange(num_blocks * size, device=device) < num_nodes).view(num_blocks, size)
    largest = padded.amax(1)
    smallest = padded.masked_fill(~real, 0).amin(1)
    first = torch.arange(num_blocks, device=device) * size
    before = first[None, :] < first[:, None]
    diagonal = first[None, :] == first[:, None]
    some = (before & (largest[None, :] > first[:, None])) | diagonal
    full = before & (smallest[None, :] >= (first[:, None] + size).clamp(max=num_nodes))
    # A query beyond the last node is never read, but a full block would let it see keys: harmless.
    if window is not None:
        depths = F.pad(depths_T, (0, num_blocks * size - num_nodes)).view(num_blocks, size)
        shallowest = depths.masked_fill(~real, torch.iinfo(torch.int64).max).amin(1)
        deepest = depths.masked_fill(~real, -1).amax(1)
        some = some & ((shallowest[:, None] - deepest[None, :] < window) | diagonal)
        full = full & (deepest[:, None] - shallowest[None, :] < window)
    return some, full & some


def _block_mask(ends_T: Tensor, depths_T: Tensor, window: int | None) -> Any:
    from torch.nn.attention.flex_attention import BlockMask

    num_nodes = len(ends_T)
    some, full = classify_blocks(ends_T, depths_T, window, _FLEX_BLOCK)
    # Nodes are padded up to whole blocks; a padding key ends at 0 and is seen by none but itself.
    padded = some.shape[0] * _FLEX_BLOCK
    ends = F.pad(ends_T, (0, padded - num_nodes))
    depths = F.pad(depths_T, (0, padded - num_nodes))

    def mask_mod(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return may_attend(query, key, ends, depths, window) | (query == key)

    def ordered(blocks: Tensor) -> tuple[Tensor, Tensor]:
        count = blocks.sum(1, dtype=torch.int32)
        index = blocks.to(torch.int32).argsort(dim=1, descending=True, stable=True).to(torch.int32)
        return count[None, None].contiguous(), index[None, None].contiguous()

    return BlockMask.from_kv_blocks(
        *ordered(some & ~full), *ordered(full), BLOCK_SIZE=_FLEX_BLOCK, mask_mod=mask_mod, seq_lengths=(padded, padded)
    )


_compiled_flex = None


def _flex(query: Tensor, key: Tensor, value: Tensor, layout: Layout, window: int | None, scaling: float | None) -> Tensor:
    from torch.nn.attention.flex_attention import flex_attention

    global _compiled_flex
    function: Any = flex_attention
    if query.is_cuda:
        if _compiled_flex is None:
            _compiled_flex = torch.compile(flex_attention, dynamic=True)
        function = _compiled_flex
    block_mask = layout.block_mask(window)
    num_nodes, groups = query.shape[2], query.shape[1] // key.shape[1]
    if groups & (groups - 1):  # the kernel groups heads by powers of two only
        key, value = (tensor.repeat_interleave(groups, dim=1) for tensor in (key, value))
    padding = (0, 0, 0, block_mask.seq_lengths[0] - num_nodes)
    query, key, value = (F.pad(tensor, padding) for tensor in (query, key, value))
    attended = function(query, key, value, block_mask=block_mask, scale=scaling, enable_gqa=key.shape[1] != query.shape[1])
    return attended[:, :, :num_nodes]


def _segmented(query: Tensor, key: Tensor, value: Tensor, layout: Layout, window: int | None, scaling: float | None) -> Tensor:
    """[1, heads, T, D]; splitting and joining keep the backward pass linear in the tokens."""
    masks = layout.segment_masks(window, query.dtype)
    queries = query.split([segment.stop - segment.start for segment in layout.segments], dim=2)
    keys, values = key.split(layout.piece_sizes, dim=2), value.split(layout.piece_sizes, dim=2)
    groups = query.shape[1] // key.shape[1]
    attended = []
    for segment_query, pieces, mask in zip(queries, layout.key_pieces, masks, strict=True):
        segment_key, segment_value = _gather(keys, pieces), _gather(values, pieces)
        if layout.implementation == "math":
            attended.append(plain_attention(segment_query, segment_key, segment_value, mask, scaling))
            continue
        if groups > 1:
            segment_key, segment_value = (part.repeat_interleave(groups, dim=1) for part in (segment_key, segment_value))
        attended.append(
            F.scaled_dot_product_attention(
                segment_query, segment_key, segment_value, attn_mask=mask, is_causal=mask is None, scale=scaling
            )
        )
    return torch.cat(attended, dim=2)


def _gather(pieces: tuple[Tensor, ...], wanted: list[int]) -> Tensor:
    return pieces[wanted[0]] if len(wanted) == 1 else torch.cat([pieces[piece] for piece in wanted], dim=2)


def plain_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float | None) -> Tensor:
    """Attention from plain products: query [1, heads, N, D], key and value [1, heads / G, L, D], mask [N, L].

    The G query heads of a key head are stacked along the queries, so that keys and values need not be repeated.
    """
    _, heads, num_queries, head_size = query.shape
    key_heads, num_keys = key.shape[1:3]
    scale = scaling if scaling is not None else head_size**-0.5
    stacked = (query * scale).reshape(key_heads, -1, head_size)
    weights = (stacked @ key[0].transpose(1, 2)).view(heads, num_queries, num_keys)
    weights = torch.softmax(weights if mask is None else weights + mask, dim=-1)
    return (weights.view(key_heads, -1, num_keys) @ value[0]).view(1, heads, num_queries, head_size)


def tree_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    tree_layout: Any = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """What transformers calls in every layer: query [1, heads, T, D] to [1, T, heads, D].

    Without a ``tree_layout`` (the reference path: separate padded sequences) this is transformers' own SDPA attention with the
    mask that transformers made.
    """
    if tree_layout is None:
        plain = ALL_ATTENTION_FUNCTIONS["sdpa"]
        return plain(module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **kwargs)
    window = tree_layout.window(sliding_window)
    if tree_layout.implementation == "cached":
        attended = tree_layout.attend(module.layer_idx, query, key, value, window, scaling)
    elif tree_layout.implementation == "flex":
        attended = _flex(query, key, value, tree_layout, window, scaling)
    elif tree_layout.implementation == "dense":
        groups = query.shape[1] // key.shape[1]
        key, value = (tensor.repeat_interleave(groups, dim=1) for tensor in (key, value))
        attended = F.scaled_dot_product_attention(query, key, value, tree_layout.dense_mask(window), scale=scaling)
    else:
        attended = _segmented(query, key, value, tree_layout, window, scaling)
    return attended.transpose(1, 2).contiguous(), None


def register() -> None:
    """Make the function known to transformers; may be called any number of times."""
    ALL_ATTENTION_FUNCTIONS.register(ATTENTION_NAME, tree_attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(ATTENTION_NAME, sdpa_mask)
