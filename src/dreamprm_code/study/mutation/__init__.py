"""Programs with one wrong function, made from correct ones: ground on which the first wrong step is known.

A *mutation* changes one function by one semantic operator (off by one, comparison, wrong variable, dropped branch ...). A
*rewrite* changes one function and not its meaning (renamed variable, mirrored comparison ...): without rewrites a model could
tell wrong functions from right ones by "differs from the one text that I know". Both are edits of single spans of the source:
every byte outside the function stays as it is, and so does its layout.

Nothing here runs a program. Whether a mutation is wrong is what the unit tests say: see ``make_controlled.py``.
"""

from __future__ import annotations

import ast
import random
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from dreamprm_code.study.mutation.operators import MUTATIONS
from dreamprm_code.study.mutation.rewrites import REWRITES
from dreamprm_code.study.mutation.source import Edit, FunctionNode, FunctionSource, Source


class Mutation(NamedTuple):
    """A program in which one function was changed by one operator."""

    function: str
    operator: str
    line: int
    """1-based line of the first change."""
    before: str
    after: str
    code: str


def _changed(code: str, makers: Sequence, rng: random.Random, per_function: int) -> list[Mutation]:
    source = Source(code)
    original = [ast.dump(function) for function in source.functions()]
    found: list[Mutation] = []
    for position, node in enumerate(source.functions()):
        by_operator: dict[str, list[list[Edit]]] = defaultdict(list)
        function = FunctionSource(source, node)
        for maker in makers:
            for operator, edits in maker(function):
                by_operator[operator].append(edits)
        queues = [(operator, rng.sample(edits, len(edits))) for operator, edits in sorted(by_operator.items())]
        rng.shuffle(queues)
        taken: list[Mutation] = []
        seen = {code}
        while queues and len(taken) < per_function:  # one of each operator in turn
            for operator, edits in queues:
                mutation = _mutation(source, node, operator, edits.pop(), original, position)
                if mutation is not None and mutation.code not in seen and len(taken) < per_function:
                    seen.add(mutation.code)
                    taken.append(mutation)
            queues = [queue for queue in queues if queue[1]]
        found.extend(taken)
    return found


def _mutation(
    source: Source, node: FunctionNode, operator: str, edits: list[Edit], original: list[str], position: int
) -> Mutation | None:
    """Apply the edits; None unless exactly the function at ``position`` became another one and the program still parses."""
    code = source.apply(edits)
    try:
        changed = [ast.dump(function) for function in Source(code).functions()]
    except (SyntaxError, ValueError):
        return None
    differing = [k for k, pair in enumerate(zip(original, changed, strict=False)) if pair[0] != pair[1]]
    if len(changed) != len(original) or differing != [position]:
        return None
    first = min(edits)
    return Mutation(
        function=node.name,
        operator=operator,
        line=source.line_of(first.start),
        before=" ... ".join(source.data[edit.start : edit.end].decode().strip() for edit in sorted(edits)),
        after=" ... ".join(edit.text for edit in sorted(edits)),
        code=code,
    )


def mutations(code: str, seed: int, per_function: int) -> list[Mutation]:
    """At most ``per_function`` probably wrong versions of each function, spread over the operators; the same for the same seed.

    Raises:
        SyntaxError, ValueError: the code does not parse.
    """
    return _changed(code, MUTATIONS, random.Random(seed), per_function)


def rewrites(code: str, seed: int, per_function: int) -> list[Mutation]:
    """At most ``per_function`` versions of each function that should mean the same; the same for the same seed.

    Raises:
        SyntaxError, ValueError: the code does not parse.
    """
    return _changed(code, REWRITES, random.Random(seed), per_function)
