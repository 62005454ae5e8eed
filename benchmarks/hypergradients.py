"""How good is a hypergradient? Each way of computing it against double backward, on one tiny PRM over token trees.

    python benchmarks/hypergradients.py        # about five minutes on one core; writes benchmarks/results/hypergradients.md

float64, one inner step of a batch of eight trees after twenty warm-up steps, LoRA and head of the size of trained ones (a new
LoRA is zero: dropout before it would change nothing). "relative error" is of the gradient itself for the exact way; Betty's
leave out the optimizer and are scaled as well as possible. Medians over seeds, the worst in brackets. "as released": dropout
0.05 in the two passes of the difference and only the last of eight micro-batches (the rows of the others get nothing).
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.extend(str(Path(__file__).resolve().parent.parent / folder) for folder in ("src", "tests", "tests/bilevel"))

import torch
from betty.hypergradient import jvp_fn_mapping
from betty.hypergradient.darts import darts
from reference import double_backward
from torch import Tensor

from builders.token_trees import tree_data
from dreamprm_code.bilevel import TrainSettings
from dreamprm_code.bilevel.batches import Batch, Batches
from dreamprm_code.bilevel.trainer import BiLevelRun, set_dropout
from dreamprm_code.prm.model import LoraSettings, PRMModel, build_model, lora_parameters

WARM = 20


def darts_as(dropout: bool, last_only: bool) -> Any:
    """Betty's darts with the training's dropout on, or with only the last micro-batch in view."""

    def hypergradient(vector: Sequence[Tensor], curr: Any, prev: Any, sync: bool) -> Any:
        batch = curr.cur_batch
        if last_only:
            curr.cur_batch = Batch(batch.units[-1:])
        set_dropout(curr.module, dropout)
        try:
            return darts(vector, curr, prev, sync)
        finally:
            curr.cur_batch = batch
            set_dropout(curr.module, False)

    return hypergradient


EXACT = "exact (ours)"
WAYS = {
    EXACT: darts,
    "Betty darts, no dropout, whole batch": darts,
    "Betty darts, dropout 0.05, whole batch": darts_as(dropout=True, last_only=False),
    "Betty darts, no dropout, last micro-batch": darts_as(dropout=False, last_only=True),
    "Betty darts as released": darts_as(dropout=True, last_only=True),
}
"""What stands under the name of ``darts`` at Betty's; the exact way does not ask Betty."""


def scattered(model: PRMModel) -> PRMModel:
    """Random values of a trained model's size for LoRA's second matrix and the head."""
    with torch.no_grad():
        for name, parameter in lora_parameters(model):
            if "lora_B" in name:
                parameter.normal_(std=0.1)
        model.head.weight.normal_(std=0.2)
    return model


def compare(config: TrainSettings, seed: int) -> tuple[float, float]:
    """``(relative error, cosine)`` of one step against double backward."""
    data = tree_data(seed=seed)
    model = build_model("random:tiny", LoraSettings(dropout=0.05), dtype=torch.float64, attention="math", seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(seed)
        run = BiLevelRun(config, data, Path(folder), scattered(model), {})
        set_dropout(model, False)
        for _ in range(WARM):
            run.take_step()
        inner = Batches(data.inner, config.batch_programs, config.seed)
        inner.skip_to(WARM)
        outer = Batches(data.outer, config.outer_programs, config.seed + 1)
        rows = torch.arange(len(data.mc_value))
        tables = run.table.labels(rows), run.table.weights(rows)
        both = double_backward(config, run.passes, run.inner.optimizer, inner.next(), outer.next(), *tables)
        expected = both[0 if config.learn == "labels" else 1]
        run.take_step()
        found = run.outer.last_gradient_R
    cosine = torch.cosine_similarity(found, expected, dim=0).item()
    scale = 1.0 if config.hypergradient == "exact" else (found @ expected / (found @ found)).item()
    return ((scale * found - expected).norm() / expected.norm()).item(), cosine


def rows(learned: Sequence[str], seeds: int) -> Iterator[tuple[str, ...]]:
    """One row of the table after the other."""
    cases = itertools.product(learned, ("bce", "mse"), (("sgd", 0.0), ("adam", 0.01)), ((100_000, 1), (1, 8)))
    for learn, loss, (optimizer, clip), (micro_tokens, batches) in cases:
        for name, jvp_fn_mapping["darts"] in WAYS.items():
            if batches == 1 and ("last" in name or "released" in name):
                continue  # the last micro-batch is the whole batch
            config = TrainSettings(
                learn=learn, loss=loss, optimizer=optimizer, clip=clip, lr=1e-3,
                hypergradient="exact" if name == EXACT else "darts", micro_tokens=micro_tokens,
                inner_only_steps=WARM, bilevel_steps=1, batch_programs=12, outer_programs=8, device="cpu",
                checkpoint_every=0, progress=False, log_to=[],
            )  # fmt: skip
            errors, cosines = zip(*(compare(config, seed) for seed in range(seeds)), strict=True)
            inner = optimizer + (" + clipping" if clip else "")
            error = f"{statistics.median(errors):.1e} ({max(errors):.1e})"
            yield learn, loss, inner, str(batches), name, error, f"{statistics.median(cosines):.3f} ({min(cosines):.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--learn", nargs="*", default=["labels", "weights"], choices=["labels", "weights"])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "hypergradients.md")
    args = parser.parse_args()
    torch.set_num_threads(1)
    start = time.process_time()
    header = ("outer", "loss", "inner optimizer", "micro-batches", "hypergradient", "relative error", "cosine")
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    print("\n".join(lines), flush=True)
    for row in rows(args.learn, args.seeds):
        lines.append("| " + " | ".join(row) + " |")
        print(lines[-1], flush=True)
    about = " ".join(__doc__.split("\n\n")[2].split())
    command = f"python benchmarks/hypergradients.py --seeds {args.seeds} --learn {' '.join(args.learn)}"
    minutes = (time.process_time() - start) / 60
    made_by = f"`{command}` (torch {torch.__version__}, {minutes:.1f} minutes of one core)"
    parts = ["# Hypergradients against double backward", made_by, about, "\n".join(lines)]
    args.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
