"""What a pass must cost at least, and how time and memory are measured."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
import torch

from dreamprm_code.prm.model import PRMModel
from dreamprm_code.prm.trees import TokenTree


@dataclass(frozen=True)
class Measured:
    """Best of several repeats. ``seconds`` is wall clock; ``cpu_seconds`` (this process, all threads) ignores other load."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    result: Any

    def cost(self, device: torch.device) -> float:
        """The figure that ratios are made of: CPU time on CPUs, which other processes disturb less, else wall clock."""
        return self.cpu_seconds if device.type == "cpu" else self.seconds


def linear_weights(model: PRMModel) -> int:
    """Weights that every token is multiplied with: all matrices of the layers (LoRA included)."""
    return sum(
        parameter.numel()
        for name, parameter in model.backbone.named_parameters()
        if ".layers." in name and parameter.dim() == 2
    )


def forward_flops(model: PRMModel, num_tokens: int, num_pairs: int) -> float:
    """Multiplications and additions of one forward pass: 2 per weight and token, 4 per attended pair and query dimension."""
    config = model.decoder.config
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    width = config.num_attention_heads * head_size
    return 2.0 * linear_weights(model) * num_tokens + 4.0 * width * config.num_hidden_layers * num_pairs


def tree_flops(model: PRMModel, trees: list[TokenTree]) -> float:
    """A node attends to itself and its ancestors: depth + 1 pairs."""
    tokens = sum(tree.num_tokens for tree in trees)
    return forward_flops(model, tokens, sum(int((tree.depths_T + 1).sum()) for tree in trees))


def sequence_flops(model: PRMModel, sequences: list[list[int]]) -> float:
    """The same for separate sequences without padding."""
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    return forward_flops(model, int(lengths.sum()), int((lengths * (lengths + 1) // 2).sum()))


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextlib.contextmanager
def _peak_memory(device: torch.device) -> Iterator[list[int]]:
    """Largest memory above what was in use at entry, in the list's only item: allocated on CUDA, resident (sampled) on CPUs."""
    peak = [0]
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield peak
        peak[0] = torch.cuda.max_memory_allocated(device) - before
        return
    process, stop = psutil.Process(), threading.Event()
    before = process.memory_info().rss

    def sample() -> None:
        while not stop.wait(0.005):
            peak[0] = max(peak[0], process.memory_info().rss - before)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def measure(work: Callable[[], Any], device: torch.device, repeats: int, warm_up: bool = True) -> Measured:
    """Run ``work`` and keep the best of ``repeats``."""
    if warm_up:
        work()
    best_wall = best_cpu = float("inf")
    peak_bytes, result = 0, None
    for _ in range(repeats):
        _synchronize(device)
        with _peak_memory(device) as peak:
            wall, cpu = time.perf_counter(), time.process_time()
            result = work()
            _synchronize(device)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        best_wall, best_cpu = min(best_wall, wall), min(best_cpu, cpu)
        peak_bytes = max(peak_bytes, peak[0])
    return Measured(best_wall, best_cpu, peak_bytes, result)


def matmul_rate(model: PRMModel, num_tokens: int, device: torch.device, dtype: torch.dtype) -> float:
    """FLOP per second (of ``Measured.cost``) of the model's largest matrix product, [tokens, hidden] x [hidden, mlp]."""
    config = model.decoder.config
    left = torch.randn(num_tokens, config.hidden_size, device=device, dtype=dtype)
    right = torch.randn(config.intermediate_size, config.hidden_size, device=device, dtype=dtype)
    flops = 2.0 * num_tokens * config.hidden_size * config.intermediate_size
    times = max(1, int(2e10 // flops)) if device.type == "cpu" else 20

    def work() -> None:
        for _ in range(times):
            torch.nn.functional.linear(left, right)

    return flops * times / measure(work, device, repeats=3).cost(device)
