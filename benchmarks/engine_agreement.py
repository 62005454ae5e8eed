"""Token trees and separate sequences give the same scores and the same gradients: the largest differences over all programs.

The backbone is small and random, with the tokenizer's vocabulary, so that a whole file can be checked in minutes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import torch
from engine_workload import ProblemTokens, load

from dreamprm_code.prm.backbone import SHAPES
from dreamprm_code.prm.model import PRMModel, build_model, lora_parameters
from dreamprm_code.prm.trees import build_tree, collate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--attention", default="auto", help="auto, segments, math, flex or dense")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--gradients", type=int, default=8, help="problems over which gradients are compared")


def make_model(args: argparse.Namespace, problems: list[ProblemTokens], dtype: torch.dtype) -> PRMModel:
    largest = max(max(sequence) for problem in problems for sequence in problem.sequences)
    shape = {"vocab_size": largest + 1, "hidden_size": args.hidden, "num_hidden_layers": args.layers}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(SHAPES["tiny"] | shape))
        model = build_model(f"random:{folder}", dtype=dtype, seed=args.seed).to(args.device)
    generator = torch.Generator().manual_seed(args.seed)
    with torch.no_grad():
        for _, parameter in lora_parameters(model):
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
        model.head.weight.copy_(torch.randn(model.head.weight.shape, generator=generator) / args.hidden**0.5)
    return model


@torch.no_grad()
def largest_score_difference(model: PRMModel, problems: list[ProblemTokens], attention: str) -> tuple[float, float]:
    """Largest absolute difference over all steps, and the spread of the scores, without which it would mean nothing."""
    largest, scores = 0.0, []
    for problem in problems:
        tree = torch.sigmoid(model(collate([build_tree(problem.sequences)]), attention))
        separate = torch.cat(
            [torch.sigmoid(model.reference_logits(problem.sequences[start : start + 8])) for start in range(0, len(tree), 8)]
        )
        largest = max(largest, float((tree - separate).abs().max()))
        scores.append(separate)
    return largest, float(torch.cat(scores).std())


def gradient_difference(model: PRMModel, problems: list[ProblemTokens], attention: str) -> float:
    """|difference| / |gradient| of a training step's loss on these problems' steps."""
    sequences = [sequence for problem in problems for sequence in problem.sequences]
    target = torch.linspace(0, 1, len(sequences), device=model.device, dtype=model.head.weight.dtype)
    found = []
    for logits in (
        torch.cat([model.reference_logits(sequences[start : start + 8]) for start in range(0, len(sequences), 8)]),
        model(collate([build_tree(problem.sequences) for problem in problems]), attention),
    ):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
        gradients = torch.autograd.grad(loss, model.trainable_parameters())
        found.append(torch.cat([gradient.flatten().double() for gradient in gradients]))
    return float((found[0] - found[1]).norm() / found[0].norm())


def main(args: argparse.Namespace) -> None:
    for format in ("native", "released"):
        args.format = format
        problems = load(args)
        programs = sum(len(problem.programs) for problem in problems)
        steps = sum(len(problem.sequences) for problem in problems)
        print(f"{format} format: {len(problems)} problems, {programs} programs, {steps} steps")
        for dtype in (torch.float32, torch.float64):
            model = make_model(args, problems, dtype)
            difference, spread = largest_score_difference(model, problems, args.attention)
            gradient = gradient_difference(model, problems[: args.gradients], args.attention)
            name = str(dtype).removeprefix("torch.")
            print(f"  {name}: scores differ by at most {difference:.1e} (spread {spread:.2f}); gradients by {gradient:.1e}")
