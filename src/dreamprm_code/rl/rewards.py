"""Rewards for the steps (lines or functions) of a program, from a PRM's scores. Pure functions.

A *score* here is 2 p - 1 in [-1, 1], p being the PRM's probability of success after a step. Each function takes the scores of
one program's steps in order and gives one reward per step; the outcome of the unit tests comes on top, at the last token.

* ``dense``: PSGPO (arXiv 2410.17621): lambda / T times the score, lambda by the outcome, T the number of steps. Comments, blank
  lines and docstrings are no steps (:mod:`dreamprm_code.steps`), so they earn nothing; many lines earn no more than few.
* ``differences``: potential-based shaping (Ng, Harada and Russell 1999): what the score gained. Changes no optimal policy.
* ``min``: PURE (arXiv 2504.15275): the scores' soft minimum, credited where it arises.
* ``clip``: arXiv 2410.15115: only what lies below a threshold counts, so that no step is worth adding.
"""

# B = programs, T = response tokens

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from dreamprm_code.errors import UserError
from dreamprm_code.steps.python_source import functions_of, parse

FAILED_WEIGHT, PASSED_WEIGHT = 0.25, 0.025
"""lambda of a program that fails its tests and of one that passes (arXiv 2410.17621, in digests of it)."""


class RewardError(UserError):
    """Scores or rewards that cannot be used; the message says which."""


def dense(scores: Sequence[float], passed: bool) -> list[float]:
    """lambda / T times each score: at most lambda in all, however many steps there are."""
    weight = PASSED_WEIGHT if passed else FAILED_WEIGHT
    return [weight * score / len(scores) for score in scores]


def differences(scores: Sequence[float], start: float = 0.0) -> list[float]:
    """Potential of a step's end minus that of its start; ``start`` is the empty program's potential, and the end's is 0.

    The sum is -start for every program of a problem, whatever it says: so without discounting the best policy is that of the
    outcome alone. The last step's own score is not used: what the whole program is worth, the tests say.
    """
    potentials = [start, *scores[:-1], 0.0]
    return [after - before for before, after in pairwise(potentials)]


def min_form(scores: Sequence[float], temperature: float = 0.1) -> list[float]:
    """softmax(-score / temperature) times the score: the sum is near the lowest score, and stands where it is."""
    lowest = min(scores, default=0.0)
    weights = [math.exp((lowest - score) / temperature) for score in scores]
    return [weight / sum(weights) * score for weight, score in zip(weights, scores, strict=True)]


def clipped(scores: Sequence[float], threshold: float = 0.5) -> list[float]:
    """min(score - threshold, 0): never positive, so that more steps never earn more."""
    return [min(score - threshold, 0.0) for score in scores]


FORMS: dict[str, Callable[[Sequence[float], bool], list[float]]] = {
    "outcome": lambda scores, passed: [0.0] * len(scores),
    "dense": dense,
    "differences": lambda scores, passed: differences(scores),
    "min": lambda scores, passed: min_form(scores),
    "clip": lambda scores, passed: [reward / len(scores) for reward in clipped(scores)],
}
"""Reward forms by name; ``outcome`` is none at all, ``clip`` the mean over the steps."""


def step_rewards(form: str, probabilities: Sequence[float], passed: bool, scale: float = 1.0) -> list[float]:
    """``scale`` times the rewards of a form, from probabilities of success in [0, 1] as ``PRM.score`` gives them.

    Raises:
        RewardError: an unknown form, or a probability that is no number in [0, 1].
    """
    if form not in FORMS:
        raise RewardError(f"reward form '{form}' is not known; choose from {', '.join(FORMS)}")
    if not all(0.0 <= probability <= 1.0 for probability in probabilities):
        raise RewardError(f"step scores must be probabilities in [0, 1], found {list(probabilities)}")
    if not probabilities:
        return []
    return [scale * reward for reward in FORMS[form]([2.0 * probability - 1.0 for probability in probabilities], passed)]


def step_end_tokens(pieces: Sequence[str], step_ends: Sequence[int]) -> list[int]:
    """The token that holds the last character of each step.

    ``pieces`` are the texts of a response's tokens, joined the response; ``step_ends`` are growing offsets in it, each just
    behind a step. A step that ends behind the last token (an answer cut short) ends with it.
    """
    ends, places, token = [], 0, 0
    for end in step_ends:
        while token < len(pieces) - 1 and places + len(pieces[token]) < end:
            places += len(pieces[token])
            token += 1
        ends.append(token)
    return ends


def token_rewards(
    rewards: Sequence[Sequence[float]], ends: Sequence[Sequence[int]], outcomes: Sequence[float], lengths: Sequence[int]
) -> Tensor:
    """reward_BT: each step's reward at the token that ends it, the outcome's at the last token; float32, 0 behind the end.

    Raises:
        RewardError: a reward is not finite.
    """
    reward_BT = torch.zeros(len(lengths), max(lengths, default=0))
    for row, (steps, tokens, outcome, length) in enumerate(zip(rewards, ends, outcomes, lengths, strict=True)):
        for reward, token in zip(steps, tokens, strict=True):
            reward_BT[row, token] += reward
        reward_BT[row, length - 1] += outcome
    if not reward_BT.isfinite().all():
        raise RewardError("a reward is not a finite number; check the PRM's scores and the reward's scale")
    return reward_BT


def hack_monitors(programs: Iterable[str]) -> dict[str, float]:
    """What a policy changes when it games step rewards: means over the programs.

    ``comment_share`` is the share of non-blank lines that are only a comment or a docstring; ``lines`` counts the other ones,
    ``functions`` those that lie in no other; ``unparsable`` is the share of programs that Python cannot read.
    """
    names = ("comment_share", "lines", "functions", "characters", "unparsable")
    rows = []
    for program in programs:
        tree = parse(program)
        lines = [number for number, line in enumerate(program.split("\n"), 1) if line.strip()]
        silent = {number for number, line in enumerate(program.split("\n"), 1) if line.lstrip().startswith("#")}
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                silent |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        spoken = sum(number not in silent for number in lines)
        functions = len(functions_of(tree)) if tree is not None else 0
        rows.append((1 - spoken / max(1, len(lines)), spoken, functions, len(program), tree is None))
    return {name: sum(row[place] for row in rows) / max(1, len(rows)) for place, name in enumerate(names)}
