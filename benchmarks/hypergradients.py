"""How good is a hypergradient? Each way of computing it against double backward, on one tiny PRM over token trees.

    python benchmarks/hypergradients.py

float64, one inner step of a window of eight trees, moments warmed by two steps. "relative error" is of the gradient itself for
the exact way; Betty's leave out the optimizer and are scaled as well as possible. Medians over seeds, the worst in brackets.
"as released": dropout 0.05 in the two passes of the difference and only the last of eight micro-batches (the rows of the
others get nothing).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "bilevel"))

import torch
from betty.hypergradient import jvp_fn_mapping
from betty.hypergradient.darts import darts
from synthetic import tree_data
from torch import Tensor

from dreamprm_code.bilevel import TrainConfig
from dreamprm_code.bilevel.data import Window, Windows
from dreamprm_code.bilevel.reference import double_backward
from dreamprm_code.bilevel.trainer import BiLevelRun, set_dropout
from dreamprm_code.prm.model import LoraSettings, build_model

WARM = 2


def darts_as(dropout: bool, last_only: bool) -> Any:
    def hypergradient(vector: Sequence[Tensor], curr: Any, prev: Any, sync: bool) -> Any:
        window = curr.cur_batch
        if last_only:
            curr.cur_batch = Window(window.units[-1:])
        set_dropout(curr.module, dropout)
        curr.config.type = "darts"
        try:
            return darts(vector, curr, prev, sync)
        finally:
            curr.cur_batch = window
            set_dropout(curr.module, False)

    return hypergradient


WAYS = {
    "exact (ours)": "exact",
    "Betty darts, no dropout, whole window": "darts",
    "Betty darts, dropout 0.05, whole window": "darts_dropout",
    "Betty darts, no dropout, last micro-batch": "darts_last",
    "Betty darts as released": "darts_released",
}


def compare(config: TrainConfig, seed: int) -> tuple[float, float]:
    """``(relative error, cosine)`` of one step against double backward."""
    data = tree_data(seed=seed)
    model = build_model("random:tiny", LoraSettings(dropout=0.05), dtype=torch.float64, attention="math", seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(seed)
        run = BiLevelRun(config, data, Path(folder), model, {})
        set_dropout(model, False)
        for _ in range(WARM):
            run.engine.train_step()
        inner = Windows(data.inner, config.window_programs, config.seed)
        inner.skip_to(WARM)
        outer = Windows(data.outer, config.meta_programs, config.seed + 1)
        rows = torch.arange(len(data.mc_value))
        tables = run.table.labels(rows), run.table.weights(rows)
        both = double_backward(config, model, run.prm.optimizer, run.reader, inner.next(), outer.next(), *tables)
        expected = both[0 if config.upper == "labels" else 1]
        run.engine.train_step()
        found = run.outer.last_gradient_R
    cosine = torch.cosine_similarity(found, expected, dim=0).item()
    scale = 1.0 if config.hypergradient == "exact" else (found @ expected / (found @ found)).item()
    return ((scale * found - expected).norm() / expected.norm()).item(), cosine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--upper", nargs="*", default=["labels", "weights"])
    args = parser.parse_args()
    torch.set_num_threads(1)
    jvp_fn_mapping["darts_dropout"] = darts_as(dropout=True, last_only=False)
    jvp_fn_mapping["darts_last"] = darts_as(dropout=False, last_only=True)
    jvp_fn_mapping["darts_released"] = darts_as(dropout=True, last_only=True)
    print(f"{'outer':<9}{'loss':<6}{'inner':<13}{'micro':<7}{'way':<43}{'relative error':>22}{'cosine':>18}")
    for upper in args.upper:
        for loss in ("bce", "mse"):
            for optimizer, clip in (("sgd", 0.0), ("adam", 0.01)):
                for micro_tokens, batches in ((100_000, 1), (1, 8)):
                    for name, hypergradient in WAYS.items():
                        if batches == 1 and "darts" in hypergradient and hypergradient != "darts":
                            continue
                        config = TrainConfig(
                            upper=upper, loss=loss, optimizer=optimizer, clip=clip, hypergradient=hypergradient, lr=1e-3,
                            micro_tokens=micro_tokens, warmup_steps=WARM, bilevel_steps=1, window_programs=12,
                            meta_programs=8, device="cpu", checkpoint_every=0, progress=False, tensorboard=False,
                        )  # fmt: skip
                        errors, cosines = zip(*(compare(config, seed) for seed in range(args.seeds)), strict=True)
                        inner = optimizer + (" + clip" if clip else "")
                        print(
                            f"{upper:<9}{loss:<6}{inner:<13}{batches:<7}{name:<43}"
                            f"{statistics.median(errors):>11.1e} ({max(errors):.1e})"
                            f"{statistics.median(cosines):>9.3f} ({min(cosines):.3f})",
                            flush=True,
                        )


if __name__ == "__main__":
    main()
