"""One bi-level step: Betty's darts on separate padded prefixes against the exact hypergradient on token trees.

Same rows, same model, same run. Both cover every label of the batch (the released code's accumulation covers the last of eight
micro-batches). A step is: training gradient of a batch of prefixes, optimizer step, outer gradient on whole programs of
another problem, hypergradient, label step. "no hypergradient" does all but the last two on trees: the bound.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from betty.hypergradient import jvp_fn_mapping
from betty.hypergradient.darts import darts
from engine_costs import Measured, measure
from engine_workload import ProblemTokens, load
from torch import Tensor, nn

from dreamprm_code.bilevel import TrainingData, TrainSettings, Unit
from dreamprm_code.bilevel.trainer import BiLevelRun, set_dropout
from dreamprm_code.prm.model import PRMModel, build_model
from dreamprm_code.prm.trees import build_tree, collate


class Sequences(list):
    """A batch of separate sequences."""

    def to(self, device: Any) -> Sequences:
        return self


class SeparatePrefixes(nn.Module):
    """The reference path as a model of its own."""

    def __init__(self, prm: PRMModel):
        super().__init__()
        self.prm = prm

    def forward(self, batch: Sequences) -> Tensor:
        return self.prm.reference_logits(batch)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--batch-size", type=int, default=8, help="sequences per batch of the separate path (default: 8)")
    parser.add_argument("--max-tokens", type=int, default=32768, help="tree tokens per pass")
    parser.add_argument("--meta-candidates", type=int, default=8, help="whole programs of the outer level (default: 8)")
    parser.add_argument(
        "--keep-gib", type=float, default=2.0, help="GiB of activations kept for the hypergradient (default: 2)"
    )
    parser.add_argument("--repeats", type=int, default=2, help="the best of so many steps counts (default: 2)")
    parser.add_argument("--skip-reference", action="store_true", help="token trees alone")
    parser.add_argument("--optimizer", default="adam", choices=("adam", "sgd"))


def tree_data(inner: ProblemTokens, outer: ProblemTokens, meta_candidates: int) -> TrainingData:
    """One tree of all prefixes but the last of each program; one of the other problem's whole programs."""
    prefixes = [prefix for program in inner.programs for prefix in program[:-1]]
    whole = [program[-1] for program in outer.programs[:meta_candidates]]
    return _data(
        (Unit(build_tree(prefixes), rows=tuple(range(len(prefixes))), question_id="inner"),),
        (Unit(build_tree(whole), outcomes=_outcomes(len(whole)), question_id="outer"),),
        len(prefixes),
        collate,
    )


def sequence_data(inner: ProblemTokens, outer: ProblemTokens, meta_candidates: int) -> TrainingData:
    """The same rows, one unit per sequence; neighbours in length share a batch."""
    prefixes = [prefix for program in inner.programs for prefix in program[:-1]]
    whole = [program[-1] for program in outer.programs[:meta_candidates]]
    by_length = sorted(range(len(prefixes)), key=lambda index: len(prefixes[index]))
    outcomes = _outcomes(len(whole))
    return _data(
        tuple(Unit(prefixes[index], rows=(index,), question_id="inner") for index in by_length),
        tuple(
            Unit(sequence, outcomes=(outcome,), question_id="outer") for sequence, outcome in zip(whole, outcomes, strict=True)
        ),
        len(prefixes),
        Sequences,
    )


def _outcomes(count: int) -> tuple[float, ...]:
    return tuple(float(index % 2) for index in range(count))


def _data(inner: Sequence[Unit], outer: Sequence[Unit], num_rows: int, make_batch: Any) -> TrainingData:
    keys = tuple(("inner", 0, index) for index in range(num_rows))
    mc_value = tuple((index % 5) / 4 for index in range(num_rows))
    return TrainingData(keys, mc_value, (4,) * num_rows, tuple(inner), tuple(outer), (), make_batch)


def no_hypergradient(vector: Sequence[Tensor], curr: Any, prev: Any, sync: bool) -> None:
    prev.set_grads(prev.trainable_parameters(), [torch.zeros_like(param) for param in prev.trainable_parameters()])


def step_of(
    args: argparse.Namespace, model: nn.Module, data: TrainingData, hypergradient: str, micro_tokens: int, folder: Path
) -> tuple[Measured, BiLevelRun]:
    """Time one step; on trees after one that is not timed."""
    config = TrainSettings(
        hypergradient=hypergradient,
        optimizer=args.optimizer,
        inner_only_steps=0,
        bilevel_steps=args.repeats + 1,
        batch_programs=len(data.inner),
        outer_programs=len(data.outer),
        micro_tokens=micro_tokens,
        keep_gib=args.keep_gib,
        device=args.device,
        checkpoint_every=0,
        progress=False,
        log_to=[],
    )
    run = BiLevelRun(config, data, folder, model, {})
    set_dropout(model, False)
    return measure(run.take_step, run.passes.device, args.repeats, warm_up=not isinstance(model, SeparatePrefixes)), run


def main(args: argparse.Namespace) -> None:
    problems = load(args)
    inner, outer = problems[0], problems[1 % len(problems)]
    device = torch.device(args.device)
    trees, separate = (make(inner, outer, args.meta_candidates) for make in (tree_data, sequence_data))
    tokens = [sum(unit.item.num_tokens for unit in side) for side in (trees.inner, trees.outer)]
    plain = [sum(len(unit.item) for unit in side) for side in (separate.inner, separate.outer)]
    print(f"{args.shape}, {args.dtype}, {device}, {torch.get_num_threads()} threads, inner optimizer {args.optimizer}")
    print(f"batch: {len(inner.programs)} programs, {len(trees.keys)} labels; outer: {len(separate.outer)} programs")
    print(f"tokens (inner + outer): separate {plain[0]:,} + {plain[1]:,}, trees {tokens[0]:,} + {tokens[1]:,}")
    print(f"{'':<44}{'wall s':>10}{'CPU s':>10}{'peak MiB':>10}{'against darts':>15}{'labels updated':>16}")
    ways = (
        ("Betty darts, separate prefixes", separate, "darts", darts, args.batch_size),
        ("Betty darts, token trees", trees, "darts", darts, args.max_tokens),
        ("exact, token trees (ours)", trees, "exact", darts, args.max_tokens),
        ("no hypergradient, token trees (bound)", trees, "darts", no_hypergradient, args.max_tokens),
    )
    baseline = None
    if args.skip_reference:
        ways = ways[1:]
    for name, data, hypergradient, jvp_fn_mapping["darts"], micro_tokens in ways:  # the fourth: what Betty does under that name
        gc.collect()  # the model before, which refers to itself
        with device:  # billions of random weights are drawn on the GPU at once
            prm = build_model(f"random:{args.shape}", dtype=getattr(torch, args.dtype), seed=args.seed)
        model = SeparatePrefixes(prm) if data is separate else prm
        with tempfile.TemporaryDirectory() as folder:
            measured, run = step_of(args, model, data, hypergradient, micro_tokens, Path(folder))
        cost = measured.cost(device)
        baseline = baseline or cost
        updated = int((run.outer.last_gradient_R != 0).sum())
        del prm, model, run
        peak = measured.peak_bytes / 2**20
        print(
            f"{name:<44}{measured.seconds:>10.2f}{measured.cpu_seconds:>10.2f}{peak:>10,.0f}{baseline / cost:>14.2f}x"
            f"{updated:>11} of {len(data.keys)}"
        )
