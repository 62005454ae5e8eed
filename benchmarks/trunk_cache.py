"""An epoch with and without the states below the trained layers kept: same trees, same run, equal bits.

    python benchmarks/trunk_cache.py                                              # LoRA in 8 of 24 layers, and the head alone
    python benchmarks/trunk_cache.py --hidden 896 --readout mean --threads 2
    python benchmarks/trunk_cache.py --problems problems.jsonl --solutions solutions.jsonl --tokenizer FOLDER

Three kinds of epoch over all trees, each after a first one: forward (validation), training (forward, backward, Adam), and label
correction (exact hypergradient: training, the outer level's pass, the forward-mode pass). In matrix products, a forward epoch
through j trained of L layers can cost j / L of the whole; a training epoch 2j / (L + j), as its backward pass ends above the
frozen layers anyway.
Ratios are of CPU time on CPUs (other processes disturb it less than wall clock) and of wall clock on GPUs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import engine_workload
import torch
from engine_costs import Measured, measure
from torch import Tensor

from dreamprm_code.bilevel import TrainingData, TrainSettings, Unit
from dreamprm_code.bilevel.trainer import BiLevelRun, set_dropout
from dreamprm_code.prm.backbone import SHAPES
from dreamprm_code.prm.model import PUBLISHED_LORA, PRMModel, build_model, freeze_lower_layers
from dreamprm_code.prm.readout import READOUTS, Reading
from dreamprm_code.prm.trees import TokenTree, TreeBatch, build_tree, collate
from dreamprm_code.prm.trunk import FrozenTrunk

Collate = Callable[[Sequence[TokenTree]], TreeBatch]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=256, help="hidden size of the random backbone (default: 256)")
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--trained-layers", type=int, nargs="+", default=[8, 0], help="0 = the head alone (default: 8 0)")
    parser.add_argument("--readout", default="last", choices=READOUTS)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--repeats", type=int, default=3, help="the best of so many epochs counts (default: 3)")
    engine_workload.add_arguments(parser)
    args = parser.parse_args()
    args.shape = "small"  # of generated token ids
    return args


def make_model(args: argparse.Namespace, trained_layers: int) -> PRMModel:
    shape = SHAPES["small"] | {
        "hidden_size": args.hidden,
        "num_hidden_layers": args.layers,
        "num_attention_heads": args.hidden // 64,
        "num_key_value_heads": args.hidden // 64,
        "intermediate_size": 5 * args.hidden,
    }
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(shape))
        lora = PUBLISHED_LORA if trained_layers else None
        model = build_model(f"random:{folder}", lora, getattr(torch, args.dtype), seed=args.seed, reading=Reading(args.readout))
    if trained_layers:
        freeze_lower_layers(model, trained_layers)
    return model.to(args.device)


@torch.no_grad()
def forward_epoch(model: PRMModel, trees: Sequence[TokenTree], make_batch: Collate) -> list[Tensor]:
    model.eval()
    return [model(make_batch([tree]).to(model.device)) for tree in trees]


def training_epoch(model: PRMModel, trees: Sequence[TokenTree], make_batch: Collate, optimizer: torch.optim.Optimizer) -> None:
    model.train()
    for tree in trees:
        logit_S = model(make_batch([tree]).to(model.device))
        target_S = torch.linspace(0, 1, len(logit_S), device=logit_S.device)
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(logit_S, target_S).backward()
        optimizer.step()


def correction(
    args: argparse.Namespace, model: PRMModel, trees: Sequence[TokenTree], make_batch: Collate, folder: Path
) -> BiLevelRun:
    """Inner steps over one tree each; the outer level reads the same number of other trees."""
    rows, inner, outer = 0, [], []
    for index, tree in enumerate(trees):
        steps = len(tree.read_at_S)
        if index % 2 == 0:
            inner.append(Unit(tree, rows=tuple(range(rows, rows + steps)), num_tokens=tree.num_tokens, question_id=f"q{index}"))
            rows += steps
        else:
            outcomes = tuple(float(step % 2) for step in range(steps))
            outer.append(Unit(tree, outcomes=outcomes, num_tokens=tree.num_tokens, question_id=f"q{index}"))
    keys = tuple(("inner", 0, row) for row in range(rows))
    mc_value = tuple((row % 5) / 4 for row in range(rows))
    data = TrainingData(keys, mc_value, (4,) * rows, tuple(inner), tuple(outer), (), make_batch)
    config = TrainSettings(
        inner_only_steps=0,
        bilevel_steps=1000,
        batch_programs=1,
        outer_programs=1,
        micro_tokens=2**20,
        device=args.device,
        checkpoint_every=0,
        progress=False,
        log_to=[],
    )
    run = BiLevelRun(config, data, folder, model, {})
    set_dropout(model, False)
    return run


def main() -> None:
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    trees = [build_tree(problem.sequences) for problem in engine_workload.load(args)]
    tokens, steps = sum(tree.num_tokens for tree in trees), sum(len(tree.read_at_S) for tree in trees)
    device = torch.device(args.device)
    print(f"{args.layers} layers of {args.hidden}, {args.dtype}, {device}, {args.threads} threads, readout {args.readout}")
    print(f"{len(trees)} trees, {tokens:,} tokens, {steps} steps")
    for trained_layers in args.trained_layers:
        run_case(args, trees, trained_layers, device)


def run_case(args: argparse.Namespace, trees: Sequence[TokenTree], trained_layers: int, device: torch.device) -> None:
    measured: dict[str, list[Measured]] = {}
    results: dict[str, list[Tensor]] = {}
    size = 0
    for name, bound in (("whole model", None), ("trunk, nothing kept", 0.0), ("trunk, kept", float("inf"))):
        model = make_model(args, trained_layers)
        trunk = None if bound is None else FrozenTrunk(model, bound)
        make_batch = collate if trunk is None else trunk.collate
        adam = torch.optim.Adam(model.trainable_parameters(), lr=1e-3)
        epochs = [
            measure(partial(forward_epoch, model, trees, make_batch), device, args.repeats),
            measure(partial(training_epoch, model, trees, make_batch, adam), device, args.repeats),
        ]
        with tempfile.TemporaryDirectory() as folder:
            run = correction(args, model, trees, make_batch, Path(folder))
            inner = len(run.data.inner)
            epochs.append(measure(lambda run=run, count=inner: [run.take_step() for _ in range(count)], device, args.repeats))
        results[name] = [*forward_epoch(model, trees, make_batch), *model.trainable_parameters(), run.table.value_R]
        measured[name] = epochs
        size = trunk.num_bytes if trunk is not None else size
    what = f"LoRA in the last {trained_layers} layers" if trained_layers else "the head alone"
    print(f"\n{what}; kept: {size / 2**20:,.1f} MiB")
    print(f"{'':<24}{'forward':>20}{'training':>20}{'label correction':>20}")
    for name, epochs in measured.items():
        cells = [
            f"{epoch.cost(device):.2f} s {base.cost(device) / epoch.cost(device):7.1f}x"
            for epoch, base in zip(epochs, measured["whole model"], strict=True)
        ]
        print(f"{name:<24}" + "".join(f"{cell:>20}" for cell in cells))
    equal = all(map(torch.equal, results["trunk, kept"], results["trunk, nothing kept"]))
    whole = zip(results["trunk, kept"], results["whole model"], strict=True)
    largest = max(float((one.detach() - other.detach()).abs().max()) for one, other in whole)
    print(f"logits, parameters and labels with and without keeping: {'equal bits' if equal else 'DIFFERENT'}")
    print(f"largest difference to the whole model in one pass: {largest:.1e}")


if __name__ == "__main__":
    main()
