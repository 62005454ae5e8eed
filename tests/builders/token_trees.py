"""Small token-tree data for a tiny PRM: programs of random tokens that share a problem's head, some steps each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from dreamprm_code.bilevel.units import TrainingData, Unit, fold_of_each
from dreamprm_code.prm.trees import build_tree, collate


def tree_data(
    num_inner: int = 8,
    num_outer: int = 6,
    num_validation: int = 4,
    seed: int = 0,
    vocabulary: int = 500,
    outcomes_inside: bool = False,
    folds: int = 1,
) -> TrainingData:
    """``num_inner`` problems of one or two programs with two or three labelled steps each; the others have one outcome each.

    ``outcomes_inside``: every inner program also ends in a whole one with an outcome, and four units hold outcomes
    alone. With ``folds`` these four are outer problems too.
    """
    generator = torch.Generator().manual_seed(seed)

    def tokens(low: int, high: int) -> list[int]:
        length = int(torch.randint(low, high, (1,), generator=generator))
        return torch.randint(0, vocabulary, (length,), generator=generator).tolist()

    def program(head: list[int], num_steps: int) -> list[list[int]]:
        sequences, text = [], list(head)
        for _ in range(num_steps):
            text = text + tokens(3, 8)
            sequences.append(text)
        return sequences

    inner: list[Unit] = []
    mc_value: list[float] = []
    for index in range(num_inner):
        head = tokens(6, 12)
        sequences = [s for _ in range(1 + index % 2) for s in program(head, 2 + index % 2)]
        rows = tuple(range(len(mc_value), len(mc_value) + len(sequences)))
        mc_value += (torch.randint(0, 5, (len(sequences),), generator=generator) / 4).tolist()
        outcomes = tuple(float(k) for k in range(1 + index % 2)) if outcomes_inside else ()
        tree = build_tree(sequences + [sequences[-1] + tokens(3, 8) for _ in outcomes])
        inner.append(
            Unit(
                tree,
                rows=rows,
                outcomes=outcomes,
                num_programs=1 + index % 2,
                num_tokens=tree.num_tokens,
                question_id=f"train{index}",
            )
        )

    def clean(name: str, count: int) -> tuple[Unit, ...]:
        units = []
        for index in range(count):
            head = tokens(6, 12)
            tree = build_tree([program(head, 2)[-1], program(head, 3)[-1]])
            units.append(
                Unit(tree, outcomes=(1.0, 0.0), num_programs=2, num_tokens=tree.num_tokens, question_id=f"{name}{index}")
            )
        return tuple(units)

    outer, validation = clean("meta", num_outer), clean("held-out", num_validation)
    if outcomes_inside:
        inner += outer[:4] if folds > 1 else clean("inside", 4)
    dealt = fold_of_each([unit.question_id for unit in outer], folds) if folds > 1 else {}
    inner = [replace(unit, fold=dealt.get(unit.question_id, -1)) for unit in inner]
    outer = tuple(replace(unit, fold=dealt.get(unit.question_id, -1)) for unit in outer)
    return TrainingData(
        keys=tuple((unit.question_id, 0, index) for unit in inner for index in range(len(unit.rows))),
        mc_value=tuple(mc_value),
        num_rollouts=(4,) * len(mc_value),
        inner=tuple(inner),
        outer=outer,
        validation=validation,
        collate=collate,
    )


def random_sequences(seed: int, num_programs: int = 5) -> list[list[int]]:
    """A common head, programs that share parts, prefixes of each, closing tokens that make leaf branches."""
    generator = np.random.default_rng(seed)
    head = generator.integers(0, 500, 40).tolist()
    sequences: list[list[int]] = []
    for program in range(num_programs):
        tokens = list(head) if program % 2 == 0 else sequences[-1][:50]
        for _ in range(3):
            tokens = tokens + generator.integers(0, 500, generator.integers(3, 30)).tolist()
            sequences.append(tokens + [7, 8] * (program % 3))
    return sequences
