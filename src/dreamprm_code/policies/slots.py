"""Sampling many answers at once from a local causal language model: a fixed batch of slots that are refilled one by one.

Each slot holds one answer in the making. Its keys and values start at column 0 of its own row, so a slot that ends is given to
the next answer at once, and no answer sees another. A prompt is encoded once for all its answers; the blocks of tokens that it
shares with prompts before it (the instructions, the statement, the program so far) are not encoded again, while they are kept.

An answer depends on its own seed. Blocks start at fixed columns, the batch always has all its slots and lengths are rounded, so
that the arithmetic of a row does not change with its neighbours: on one machine, equal seeds give equal answers in any order of
sampling, after any restart (tests/policies/test_local.py).
"""

# B = slots, T = columns of the cache, H = key/value heads, D = head size, V = vocabulary; N blocks of K tokens hold it

from __future__ import annotations

import random
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, PreTrainedModel
from transformers.cache_utils import CacheLayerMixin

PREFILL_BLOCK = 128
KEPT_BLOCKS = 64  # a search goes on from several programs in turn
INVERSION_BLOCK = 128  # divides most vocabularies
LENGTH_STEP = 128


@dataclass
class SlotJob:
    """One answer to sample. ``must_start`` holds the token ids that may come first, or None for any.

    ``on_done`` gets the token ids, the finish reason and the mean of their log-probabilities (natural logarithm, temperature 1,
    no nucleus; None for an empty answer).
    """

    prompt_ids: Sequence[int]
    seed: int
    max_tokens: int
    temperature: float
    top_p: float
    is_complete: Callable[[list[int]], bool]
    on_done: Callable[[list[int], str, float | None], None]
    must_start: Tensor | None = None
    token_ids: list[int] = field(default_factory=list)
    logprob: float = 0.0
    generator: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.generator = random.Random(self.seed)


class _SlotLayer(CacheLayerMixin):
    """Keys and values [B, H, T, D] of one layer, one token per slot and step written at the slot's own position."""

    is_sliding = False
    keys: Tensor
    values: Tensor

    def __init__(self, slots: _SlotCache):
        super().__init__()
        self.slots = slots

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        num_slots, heads, _, size = key_states.shape
        self.keys = key_states.new_zeros(num_slots, heads, self.slots.num_columns, size)
        self.values = value_states.new_zeros(num_slots, heads, self.slots.num_columns, value_states.shape[-1])
        self.is_initialized = True

    def grow(self, num_columns: int) -> None:
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_zeros(*old.shape[:2], num_columns, old.shape[3])
            new[:, :, : old.shape[2]] = old
            setattr(self, name, new)

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        rows = self.slots.rows_B
        self.keys[rows, :, self.slots.positions_B] = key_states[:, :, 0]
        self.values[rows, :, self.slots.positions_B] = value_states[:, :, 0]
        return self.keys[:, :, : self.slots.length], self.values[:, :, : self.slots.length]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.slots.length, 0

    def get_seq_length(self) -> int:
        return self.slots.length

    def get_max_length(self) -> int:
        return -1


class _SlotCache(Cache):
    """The cache of all slots; ``positions_B`` is the column that each slot writes next, ``length`` the columns in use."""

    def __init__(self, num_slots: int, num_layers: int, device: torch.device):
        self.num_columns = LENGTH_STEP
        self.length = LENGTH_STEP
        self.rows_B = torch.arange(num_slots, device=device)
        self.positions_B = torch.zeros(num_slots, dtype=torch.long, device=device)
        self.slot_layers = [_SlotLayer(self) for _ in range(num_layers)]
        super().__init__(layers=list(self.slot_layers))

    def require(self, length: int) -> None:
        """Make room for ``length`` columns; the columns in use are rounded up."""
        self.length = -(-length // LENGTH_STEP) * LENGTH_STEP
        if self.length > self.num_columns:
            self.num_columns = self.length
            for layer in self.slot_layers:
                if layer.is_initialized:
                    layer.grow(self.num_columns)

    def put(self, slot: int, prompt: DynamicCache, length: int) -> None:
        """Copy the first ``length`` columns of an encoded prompt into a slot."""
        for layer, source in zip(self.slot_layers, prompt.layers, strict=True):
            assert isinstance(source, CacheLayerMixin) and source.keys is not None and source.values is not None
            if not layer.is_initialized:
                num_slots = len(self.rows_B)
                layer.lazy_initialization(
                    source.keys.expand(num_slots, -1, -1, -1), source.values.expand(num_slots, -1, -1, -1)
                )
            layer.keys[slot, :, :length] = source.keys[0, :, :length]
            layer.values[slot, :, :length] = source.values[0, :, :length]


class SlotSampler:
    """Runs jobs on a model; call :meth:`step` as long as it says that there is work.

    Not thread-safe: one thread submits and steps.
    """

    def __init__(self, model: PreTrainedModel, num_slots: int, eos_token_ids: Sequence[int]):
        self.model = model
        self.eos_token_ids = frozenset(eos_token_ids)
        self.device = next(model.parameters()).device
        self.jobs: list[SlotJob | None] = [None] * num_slots
        self.waiting: deque[SlotJob] = deque()
        self._cache = _SlotCache(num_slots, model.config.num_hidden_layers, self.device)
        self._next_ids_B1 = torch.zeros(num_slots, 1, dtype=torch.long, device=self.device)
        self.num_encoded = 0  # tokens of prompts, without those that were known
        self._prompt_ids: list[int] = []
        self._prompt_cache = DynamicCache()
        self._prompt_logits_V = torch.empty(0)
        self._blocks: OrderedDict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = OrderedDict()

    def submit(self, job: SlotJob) -> None:
        self.waiting.append(job)

    @torch.inference_mode()
    def step(self) -> bool:
        """Fill free slots, then sample one token in every slot; returns whether anything is left to do."""
        self._refill()
        active = [slot for slot, job in enumerate(self.jobs) if job is not None]
        if not active:
            return bool(self.waiting)
        cache = self._cache
        cache.require(int(cache.positions_B[active].max()) + 1)
        columns_T = torch.arange(cache.length, device=self.device)
        mask_B11T = (columns_T[None, :] <= cache.positions_B[:, None])[:, None, None, :]
        logits_BV = self.model(
            input_ids=self._next_ids_B1,
            attention_mask=mask_B11T,
            position_ids=cache.positions_B[:, None],
            past_key_values=cache,
            use_cache=True,
        ).logits[:, -1]
        cache.positions_B[active] += 1
        if len(active) < len(self.jobs):
            logits_BV = logits_BV[active]
        chosen = self._choose(logits_BV, [job for job in self.jobs if job is not None])
        for slot, (token_id, logprob) in zip(active, chosen, strict=True):
            self._accept(slot, token_id, logprob)
        return True

    def _refill(self) -> None:
        for slot, job in enumerate(self.jobs):
            while job is None and self.waiting:
                job = self.waiting.popleft()
                self._encode(job.prompt_ids)
                length = len(job.prompt_ids)
                self._cache.require(max(length, self._cache.length))
                self._cache.put(slot, self._prompt_cache, length)
                self._cache.positions_B[slot] = length
                self.jobs[slot] = job
                self._accept(slot, *self._choose(self._prompt_logits_V[None], [job])[0])
                job = self.jobs[slot]

    def _encode(self, prompt_ids: Sequence[int]) -> None:
        """Encode a prompt in blocks that start at multiples of PREFILL_BLOCK; known ones are taken from those that are kept.

        A block's keys and values depend on the ids up to its end alone, so these are what it is found by. At least one token is
        computed: the answer's first one is chosen from what follows it.
        """
        prompt_ids = list(prompt_ids)
        if prompt_ids == self._prompt_ids:
            return
        self._prompt_ids, self._prompt_cache = [], DynamicCache()
        start = self._recall(prompt_ids)
        while start < len(prompt_ids):
            block = prompt_ids[start : start + PREFILL_BLOCK]
            output = self.model(
                input_ids=torch.tensor([block], device=self.device),
                past_key_values=self._prompt_cache,
                use_cache=True,
                logits_to_keep=1,
            )
            self.num_encoded += len(block)
            start += len(block)
            if len(block) == PREFILL_BLOCK:
                self._keep(tuple(prompt_ids[:start]))
        self._prompt_ids = prompt_ids
        self._prompt_logits_V = output.logits[0, -1]

    def _recall(self, prompt_ids: Sequence[int]) -> int:
        """Begin the prompt's cache with the blocks that are kept of it; returns their number of tokens."""
        known = []
        for end in range(PREFILL_BLOCK, len(prompt_ids), PREFILL_BLOCK):
            block = self._blocks.get(tuple(prompt_ids[:end]))
            if block is None:
                break
            self._blocks.move_to_end(tuple(prompt_ids[:end]))
            known.append(block)
        for layer, parts in enumerate(zip(*known, strict=True)):
            keys, values = (torch.cat(tensors, dim=2) for tensors in zip(*parts, strict=True))
            self._prompt_cache.update(keys, values, layer)
        return PREFILL_BLOCK * len(known)

    def _keep(self, ids: tuple[int, ...]) -> None:
        """Keep the block of the prompt's cache that ends with these ids; of too many the least recently used is dropped."""
        layers: list[Any] = self._prompt_cache.layers
        self._blocks[ids] = [
            (layer.keys[:, :, -PREFILL_BLOCK:].clone(), layer.values[:, :, -PREFILL_BLOCK:].clone()) for layer in layers
        ]
        if len(self._blocks) > KEPT_BLOCKS:
            self._blocks.popitem(last=False)

    def _choose(self, logits_BV: Tensor, jobs: Sequence[SlotJob]) -> list[tuple[int, float]]:
        """One token per row by inversion of the cumulative distribution, with one uniform number of the job's own generator;
        and its log-probability."""
        logits_BV = logits_BV.float()
        total_B = logits_BV.logsumexp(dim=-1)
        for row, job in enumerate(jobs):
            if job.must_start is not None and not job.token_ids:
                allowed_V = torch.zeros(logits_BV.shape[1], dtype=torch.bool, device=self.device)
                allowed_V[job.must_start] = True
                logits_BV[row] = logits_BV[row].masked_fill(~allowed_V, -torch.inf)
        uniform_B = torch.tensor([job.generator.random() for job in jobs], device=self.device)
        temperature_B = torch.tensor([max(job.temperature, 1e-4) for job in jobs], device=self.device)
        probs_BV = torch.softmax(logits_BV / temperature_B[:, None], dim=-1)
        for row, job in enumerate(jobs):
            if job.top_p < 1.0:
                probs_BV[row] = _nucleus(probs_BV[row], job.top_p)
        sampled_B = invert(probs_BV, uniform_B)
        best_B = logits_BV.argmax(dim=-1)
        greedy_B = torch.tensor([job.temperature == 0 for job in jobs], device=self.device)
        chosen_B = torch.where(greedy_B, best_B, sampled_B)
        logprob_B = logits_BV.gather(1, chosen_B[:, None])[:, 0] - total_B
        return list(zip(chosen_B.tolist(), logprob_B.tolist(), strict=True))

    def _accept(self, slot: int, token_id: int, logprob: float) -> None:
        job = self.jobs[slot]
        assert job is not None
        self._next_ids_B1[slot, 0] = token_id
        finish_reason = None
        if token_id in self.eos_token_ids:
            finish_reason = "stop"
        else:
            job.token_ids.append(token_id)
            job.logprob += logprob
            if job.is_complete(job.token_ids):
                finish_reason = "stop"
            elif len(job.token_ids) >= job.max_tokens:
                finish_reason = "length"
        if finish_reason is not None:
            self.jobs[slot] = None
            self._cache.positions_B[slot] = 0
            mean_logprob = min(0.0, round(job.logprob / len(job.token_ids), 5)) if job.token_ids else None
            job.on_done(job.token_ids, finish_reason, mean_logprob)


def _nucleus(probs_V: Tensor, top_p: float) -> Tensor:
    """Zero all but the fewest most probable tokens whose probabilities reach ``top_p``."""
    sorted_V, order_V = probs_V.sort(descending=True)
    dropped_V = sorted_V.cumsum(0) - sorted_V >= top_p
    return probs_V.masked_fill(dropped_V.scatter(0, order_V, dropped_V), 0.0)


def invert(probs_BV: Tensor, uniform_B: Tensor) -> Tensor:
    """The tokens [B] at which the cumulative distributions pass ``uniform_B``, numbers in [0, 1).

    First the block of tokens, then the token in it: a running sum over a whole vocabulary takes three times as long on a CPU.
    ``probs_BV`` need not sum to one.
    """
    num_rows, num_tokens = probs_BV.shape
    missing = -num_tokens % INVERSION_BLOCK
    padded_BV = torch.nn.functional.pad(probs_BV, (0, missing)) if missing else probs_BV
    blocks_BNK = padded_BV.view(num_rows, -1, INVERSION_BLOCK)
    cumulative_BN = blocks_BNK.sum(-1).cumsum(-1)
    target_B1 = (uniform_B * cumulative_BN[:, -1])[:, None]
    block_B = torch.searchsorted(cumulative_BN, target_B1, right=True)[:, 0].clamp(max=cumulative_BN.shape[1] - 1)
    rows_B = torch.arange(num_rows, device=probs_BV.device)
    before_B = torch.where(block_B > 0, cumulative_BN[rows_B, block_B - 1], 0.0)
    within_BK = blocks_BNK[rows_B, block_B].cumsum(-1) + before_B[:, None]
    inside_B = torch.searchsorted(within_BK, target_B1, right=True)[:, 0].clamp(max=INVERSION_BLOCK - 1)
    return (block_B * INVERSION_BLOCK + inside_B).clamp(max=num_tokens - 1)
