"""Scoring: every prefix as a separate padded sequence against one token tree per problem, same work, same run."""

from __future__ import annotations

import argparse
import warnings

import torch
from engine_costs import Measured, matmul_rate, measure, sequence_flops, tree_flops
from engine_workload import ProblemTokens, load

from dreamprm_code.prm.model import PRMModel, build_model, cast_lora
from dreamprm_code.prm.readout import Reading
from dreamprm_code.prm.trees import build_tree, collate, group_sequences


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--batch-size", type=int, default=8, help="sequences per batch of the reference path (default: 8)")
    parser.add_argument("--max-tokens", type=int, default=32768, help="tree tokens per pass; larger trees are split")
    parser.add_argument("--attention", default="auto", help="auto, segments, math, flex or dense")
    parser.add_argument("--repeats", type=int, default=3, help="the best of so many runs counts (default: 3)")
    parser.add_argument("--skip-reference", action="store_true", help="measure the tree alone")
    parser.add_argument("--released", action="store_true", help="also the released script's way: float32, vocabulary head")


def score_trees(model: PRMModel, problems: list[ProblemTokens], max_tokens: int, attention: str) -> torch.Tensor:
    """Scores in the order of the sequences; building the trees is part of the work."""
    scores = []
    for problem in problems:
        sequences = problem.sequences
        found = torch.empty(len(sequences))
        for group in group_sequences(sequences, max_tokens):
            batch = collate([build_tree([sequences[index] for index in group])])
            found[group] = torch.sigmoid(model(batch, attention).float()).cpu()
        scores.append(found)
    return torch.cat(scores)


def score_separately(model: PRMModel, problems: list[ProblemTokens], batch_size: int) -> torch.Tensor:
    """The reference path. Sequences of like length share a batch, so that little is lost to padding."""
    sequences = [sequence for problem in problems for sequence in problem.sequences]
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index]))
    found = torch.empty(len(sequences))
    for start in range(0, len(order), batch_size):
        members = order[start : start + batch_size]
        found[members] = torch.sigmoid(model.reference_logits([sequences[index] for index in members]).float()).cpu()
    return found


def score_as_released(model: torch.nn.Module, head: torch.nn.Linear, problems: list[ProblemTokens], batch_size: int) -> None:
    """The released evaluation: a causal language model with vocabulary logits and all hidden states, padded, in float32."""
    device = head.weight.device
    for problem in problems:
        sequences = problem.sequences
        for start in range(0, len(sequences), batch_size):
            members = [torch.tensor(sequence) for sequence in sequences[start : start + batch_size]]
            ids = torch.nn.utils.rnn.pad_sequence(members, batch_first=True).to(device)
            real = torch.nn.utils.rnn.pad_sequence([torch.ones_like(member) for member in members], batch_first=True).to(device)
            hidden = model(input_ids=ids, attention_mask=real, output_hidden_states=True).hidden_states[-1]
            torch.sigmoid(head(hidden[torch.arange(len(members), device=device), real.sum(1) - 1])).cpu()


def _print_row(name: str, tokens: int, measured: Measured, baseline: float, device: torch.device) -> None:
    cost = measured.cost(device)
    print(
        f"{name:<34}{tokens:>10,}{measured.seconds:>10.3f}{measured.cpu_seconds:>10.3f}{tokens / cost:>12,.0f}"
        f"{measured.peak_bytes / 2**20:>10,.0f}{baseline / cost:>9.2f}x"
    )


@torch.inference_mode()
def main(args: argparse.Namespace) -> None:
    device = torch.device(args.device)
    dtype = getattr(torch, args.dtype)
    problems = load(args)
    with device:  # billions of random weights are drawn on the GPU at once
        model = build_model(f"random:{args.shape}", dtype=dtype, seed=args.seed).eval()
    cast_lora(model, dtype)
    torch.nn.init.normal_(model.head.weight, std=0.05)
    sequences = [sequence for problem in problems for sequence in problem.sequences]
    groups = [
        [problem.sequences[i] for i in g] for problem in problems for g in group_sequences(problem.sequences, args.max_tokens)
    ]
    trees = [build_tree(group) for group in groups]
    tree_tokens = sum(tree.num_tokens for tree in trees)
    sequence_tokens = sum(map(len, sequences))
    flop_ratio = sequence_flops(model, sequences) / tree_flops(model, trees)
    num_programs = sum(len(problem.programs) for problem in problems)
    print(f"{args.shape}, {args.dtype}, {device}, {torch.get_num_threads()} threads, {args.format} format")
    largest = max(tree.num_tokens for tree in trees)
    print(f"{len(problems)} problems, {num_programs} programs, {len(sequences)} prefixes; largest tree {largest:,} tokens")
    token_ratio = sequence_tokens / tree_tokens
    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    print(f"weights: {weights / 2**20:,.0f} MiB; peak memory below is what a pass needs beside them")
    print(f"tokens: separate {sequence_tokens:,}, trees {tree_tokens:,}: {token_ratio:.2f}x; FLOP {flop_ratio:.2f}x")
    print(f"{'':<34}{'tokens':>10}{'wall s':>10}{'CPU s':>10}{'tokens/s':>12}{'peak MiB':>10}{'ratio':>10}")

    tree = measure(lambda: score_trees(model, problems, args.max_tokens, args.attention), device, args.repeats)
    if not args.skip_reference:
        separate = measure(lambda: score_separately(model, problems, args.batch_size), device, args.repeats, warm_up=False)
        baseline = separate.cost(device)
        _print_row("separate padded sequences", sequence_tokens, separate, baseline, device)
        _print_row("token trees", tree_tokens, tree, baseline, device)
        ratio = baseline / tree.cost(device)
        print(f"share of the FLOP ratio: {ratio / flop_ratio:.0%}")
        print(f"largest difference of scores: {(tree.result - separate.result).abs().max():.1e}")
    else:
        _print_row("token trees", tree_tokens, tree, tree.cost(device), device)
    model.reading = Reading("mean")
    mean = measure(lambda: score_trees(model, problems, args.max_tokens, args.attention), device, args.repeats)
    _print_row("token trees, mean of the code", tree_tokens, mean, tree.cost(device), device)
    model.reading = Reading()
    rate = matmul_rate(model, largest, device, dtype)
    bound = tree_flops(model, trees) / rate
    reached = bound / tree.cost(device)
    print(
        f"matrix products: {rate / 1e12:,.2f} TFLOP/s; bound of one forward over the trees {bound:.3f} s, reached {reached:.0%}"
    )
    if args.released:
        _measure_released(args, model, problems, tree, device)


def _measure_released(
    args: argparse.Namespace, model: PRMModel, problems: list[ProblemTokens], tree: Measured, device: torch.device
) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = type(model.decoder.config).from_dict(model.decoder.config.to_dict())
    config._attn_implementation = "sdpa"
    targets = ["q_proj", "k_proj", "v_proj", "o_proj"]
    with device, warnings.catch_warnings():
        # PEFT asks transformers for an attribute by its old name.
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
        lm = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        lm = get_peft_model(lm, LoraConfig(r=8, lora_alpha=16, target_modules=targets)).eval()
    head = torch.nn.Linear(config.hidden_size, 1, device=device)
    released = measure(lambda: score_as_released(lm, head, problems, args.batch_size), device, 1, warm_up=device.type == "cuda")
    tokens = sum(len(sequence) for problem in problems for sequence in problem.sequences)
    _print_row("released script's way (float32)", tokens, released, released.cost(device), device)
    print(f"token trees against it: {released.cost(device) / tree.cost(device):.1f}x")
