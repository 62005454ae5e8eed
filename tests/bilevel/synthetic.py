"""Small token-tree data for a tiny PRM: programs of random tokens that share a problem's head, some steps each."""

from __future__ import annotations

import torch

from dreamprm_code.bilevel.data import TrainingData, Unit
from dreamprm_code.prm.trees import build_tree, collate


def tree_data(
    num_inner: int = 8, num_outer: int = 6, num_validation: int = 4, seed: int = 0, vocabulary: int = 500
) -> TrainingData:
    """``num_inner`` problems of one or two programs with two or three labelled steps each; the others have one outcome each."""
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
        tree = build_tree(sequences)
        inner.append(Unit(tree, rows=rows, num_programs=1 + index % 2, num_tokens=tree.num_tokens, question_id=f"train{index}"))

    def clean(name: str, count: int) -> tuple[Unit, ...]:
        units = []
        for index in range(count):
            head = tokens(6, 12)
            tree = build_tree([program(head, 2)[-1], program(head, 3)[-1]])
            units.append(
                Unit(tree, outcomes=(1.0, 0.0), num_programs=2, num_tokens=tree.num_tokens, question_id=f"{name}{index}")
            )
        return tuple(units)

    return TrainingData(
        keys=tuple((f"train{unit}", 0, index) for unit, part in enumerate(inner) for index in range(len(part.rows))),
        mc_value=tuple(mc_value),
        num_rollouts=(4,) * len(mc_value),
        inner=tuple(inner),
        outer=clean("meta", num_outer),
        validation=clean("held-out", num_validation),
        collate=collate,
    )
