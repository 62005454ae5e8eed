"""What the engine benchmarks work on: token sequences of step prefixes, per problem and program, from files or generated."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import read_dicts
from dreamprm_code.prm.backbone import SHAPES, find_backbone, load_tokenizer
from dreamprm_code.prm.encoding import StepEncoder
from dreamprm_code.prm.trees import StepTokens
from dreamprm_code.records import Problem

_VOCABULARY = 40000  # generated ids stay below this, so that every full-size shape can embed them
_STEP_TOKEN = 5  # they begin at 16


@dataclass(frozen=True)
class ProblemTokens:
    """``programs[p][k]``: ids of the k-th prefix of program p."""

    name: str
    programs: list[list[StepTokens]]

    @property
    def sequences(self) -> list[StepTokens]:
        return [prefix for program in self.programs for prefix in program]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--problems", type=Path, help="problems.jsonl; with --solutions and --tokenizer, in place of generated data"
    )
    parser.add_argument("--solutions", type=Path, help="JSON Lines with question_id and code")
    parser.add_argument("--tokenizer", help="folder, hub name or GGUF file of the tokenizer")
    parser.add_argument("--num-problems", type=int, default=4)
    parser.add_argument("--candidates", type=int, default=8, help="programs per problem (default: 8)")
    parser.add_argument("--format", default="native", choices=("native", "released"))
    parser.add_argument("--seed", type=int, default=0)


def load(args: argparse.Namespace) -> list[ProblemTokens]:
    """Problems as the arguments ask for.

    Raises:
        UserError: one of the three file arguments without the others, or problems without programs.
    """
    given = [name for name in ("problems", "solutions", "tokenizer") if getattr(args, name)]
    if given and len(given) < 3:
        raise UserError("--problems, --solutions and --tokenizer belong together")
    if not given:
        generator = np.random.default_rng(args.seed)
        vocabulary = min(_VOCABULARY, SHAPES[args.shape]["vocab_size"]) if args.shape in SHAPES else _VOCABULARY
        return [generate(generator, args.candidates, args.format, vocabulary) for _ in range(args.num_problems)]
    problems = list(_from_files(args))
    if not problems:
        raise UserError(f"{args.solutions}: no programs for the problems of {args.problems}")
    return problems


def generate(generator: np.random.Generator, candidates: int, format: str, vocabulary: int = _VOCABULARY) -> ProblemTokens:
    """Chain-of-Function-shaped data: independent programs of 3 to 5 functions that share the problem text alone.

    Lengths follow LiveCodeBench with Qwen's tokenizer: a statement has a median of 473 tokens and a 95th percentile of 924,
    hence a log-normal spread of 0.41; a function with its docstring has about 60 to 160 tokens. In the released format a
    closing tag of 6 tokens follows every prefix, in the native format one step token.
    """

    def tokens(count: int) -> list[int]:
        return generator.integers(16, vocabulary, count).tolist()

    head = tokens(int(np.clip(generator.lognormal(np.log(473), 0.41), 100, 3000)))
    closing = tokens(6)
    programs = []
    for _ in range(candidates):
        text, prefixes = list(head), []
        for _ in range(int(generator.integers(3, 6))):
            step = len(text)
            text = text + tokens(int(generator.integers(60, 161)))
            span = (len(head), step, len(text))
            text = text + ([_STEP_TOKEN] if format == "native" else [])
            prefixes.append(StepTokens(text + (closing if format == "released" else []), span, _STEP_TOKEN))
        programs.append(prefixes)
    return ProblemTokens("generated", programs)


def _from_files(args: argparse.Namespace) -> Iterator[ProblemTokens]:
    encoder = StepEncoder(load_tokenizer(find_backbone(args.tokenizer)), args.format)
    programs: dict[str, list[str]] = {}
    for _, row in read_dicts(args.solutions):
        programs.setdefault(row["question_id"], []).append(row["code"])
    count = 0
    for _, row in read_dicts(args.problems):
        codes = programs.get(row["question_id"], [])[: args.candidates]
        if codes and count < args.num_problems:
            count += 1
            problem = Problem.from_dict(row)
            yield ProblemTokens(problem.question_id, [encoder.encode_program(problem, code) for code in codes])
