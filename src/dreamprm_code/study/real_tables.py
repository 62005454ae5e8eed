"""From the scores of arms on real candidates to the table: who chooses better programs, and is it more than noise?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import mean
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from dreamprm_code.records import Index, Record
from dreamprm_code.selection.metrics import auroc, bootstrap_interval, paired_test


class CandidateFacts(Record):
    """What is known of a candidate without its text: its outcome and what the controls read."""

    key_fields = ("question_id", "solution_idx")

    question_id: str
    solution_idx: Index
    passed: bool
    public_passed: bool | None
    num_functions: Index
    num_characters: Index
    mean_logprob: float | None


class ArmScores(Record):
    """The score that an arm trained from ``seed`` gives to each candidate of a problem, in the order of ``solution_idx``."""

    key_fields = ("arm", "seed", "question_id")

    arm: str
    seed: Index
    question_id: str
    scores: list[Annotated[float, Field(allow_inf_nan=False)]]


class Pool(NamedTuple):
    """The candidates of one problem."""

    question_id: str
    candidates: tuple[CandidateFacts, ...]

    @property
    def passed(self) -> np.ndarray:
        return np.array([candidate.passed for candidate in self.candidates])


Keys = Callable[[Pool], Sequence[tuple[float, ...]]]

CONTROLS: dict[str, Keys] = {
    "random (expected)": lambda pool: [(0.0,)] * len(pool.candidates),
    "first sample": lambda pool: [(-float(candidate.solution_idx),) for candidate in pool.candidates],
    "shortest": lambda pool: [(-float(candidate.num_characters),) for candidate in pool.candidates],
    "longest": lambda pool: [(float(candidate.num_characters),) for candidate in pool.candidates],
    "mean log-likelihood": lambda pool: [(_logprob(candidate),) for candidate in pool.candidates],
    "public test": lambda pool: [(_public(candidate),) for candidate in pool.candidates],
    "public test, log-likelihood": lambda pool: [(_public(c), _logprob(c)) for c in pool.candidates],
    "oracle": lambda pool: [(float(candidate.passed),) for candidate in pool.candidates],
}


def _logprob(candidate: CandidateFacts) -> float:
    return float("-inf") if candidate.mean_logprob is None else candidate.mean_logprob


def _public(candidate: CandidateFacts) -> float:
    return float(candidate.public_passed is True)


def pools_of(candidates: Iterable[CandidateFacts]) -> list[Pool]:
    grouped: dict[str, list[CandidateFacts]] = {}
    for candidate in candidates:
        grouped.setdefault(candidate.question_id, []).append(candidate)
    return [
        Pool(question_id, tuple(sorted(members, key=lambda row: row.solution_idx)))
        for question_id, members in sorted(grouped.items())
    ]


def chosen_outcome(keys: Sequence[tuple[float, ...]], passed: np.ndarray) -> float:
    """Expected outcome of the candidate with the highest key; equal ones are equally likely."""
    best = max(keys)
    return float(passed[[key == best for key in keys]].mean())


def within_auroc(keys: Sequence[Sequence[tuple[float, ...]]], pools: Sequence[Pool]) -> list[float]:
    """AUROC of each problem that has both kinds of candidates."""
    found = []
    for own, pool in zip(keys, pools, strict=True):
        order = {key: rank for rank, key in enumerate(sorted(set(own)))}
        value = auroc([order[key] for key in own], pool.passed.tolist())
        if value is not None:
            found.append(value)
    return found


class Line(NamedTuple):
    """One method: problems solved per seed, and per problem its outcome (mean over seeds) and AUROC."""

    name: str
    solved: tuple[float, ...]
    outcomes: list[float]
    aurocs: list[float]


def lines_of(pools: Sequence[Pool], scores: Iterable[ArmScores]) -> list[Line]:
    """Controls first, then each arm alone and behind the public test."""
    lines = [_line(name, [[keys(pool) for pool in pools]], pools) for name, keys in CONTROLS.items()]
    by_arm: dict[str, dict[int, dict[str, list[float]]]] = {}
    for row in scores:
        by_arm.setdefault(row.arm, {}).setdefault(row.seed, {})[row.question_id] = row.scores
    for arm, seeds in by_arm.items():
        alone = [[[(value,) for value in of[pool.question_id]] for pool in pools] for _, of in sorted(seeds.items())]
        behind = [
            [
                [(_public(candidate), value) for candidate, value in zip(pool.candidates, of[pool.question_id], strict=True)]
                for pool in pools
            ]
            for _, of in sorted(seeds.items())
        ]
        lines += [_line(arm, alone, pools), _line(f"public test, {arm}", behind, pools)]
    return lines


def _line(name: str, seeds: Sequence[Sequence[Sequence[tuple[float, ...]]]], pools: Sequence[Pool]) -> Line:
    outcomes = [[chosen_outcome(keys, pool.passed) for keys, pool in zip(of, pools, strict=True)] for of in seeds]
    aurocs = [within_auroc(of, pools) for of in seeds]
    return Line(
        name,
        tuple(sum(own) for own in outcomes),
        [mean(values) for values in zip(*outcomes, strict=True)],
        [mean(values) for values in zip(*aurocs, strict=True)],
    )


def markdown(pools: Sequence[Pool], lines: Sequence[Line], seed: int = 0) -> str:
    """The table: solved problems, differences to a random choice and to the log-likelihood, AUROC within problems."""
    known = {line.name: line for line in lines}
    mixed = sum(0 < pool.passed.sum() < len(pool.passed) for pool in pools)
    rows = [
        f"{len(pools)} problems, {len(pools[0].candidates)} candidates each; {mixed} problems have both right and wrong ones. "
        "Differences are in problems, with 95% bootstrap intervals over problems and paired sign-flip tests.",
        "",
        "| method | solved | against random | p | against log-likelihood | p | AUROC within problems |",
        "|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        cells = [line.name, _counts(line.solved)]
        for other in ("random (expected)", "mean log-likelihood"):
            if line.name == other:
                cells += ["", ""]
                continue
            test = paired_test(line.outcomes, known[other].outcomes, seed)
            low, difference, high = (len(pools) * value for value in (test.low, test.difference, test.high))
            cells += [f"{difference:+.1f} [{low:+.1f}, {high:+.1f}]", f"{test.p_value:.3f}"]
        interval = bootstrap_interval(line.aurocs, seed)
        cells.append(f"{mean(line.aurocs):.3f} [{interval.low:.3f}, {interval.high:.3f}]" if line.aurocs else "")
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def by_functions(pools: Sequence[Pool], lines: Sequence[Line], most: int = 3) -> str:
    """Solved problems by the mean number of functions of a problem's candidates."""
    random = _line("random (expected)", [[CONTROLS["random (expected)"](pool) for pool in pools]], pools)
    shown = [random, *lines]
    groups: dict[int, list[int]] = {}
    for index, pool in enumerate(pools):
        groups.setdefault(min(most, round(mean(row.num_functions for row in pool.candidates))), []).append(index)
    rows = ["| functions per candidate | problems | " + " | ".join(line.name for line in shown) + " |"]
    rows.append("|---" * (2 + len(shown)) + "|")
    for size, members in sorted(groups.items()):
        cells = [f"{size} or more" if size == most else str(size), str(len(members))]
        rows.append(
            "| " + " | ".join([*cells, *(f"{sum(line.outcomes[index] for index in members):.1f}" for line in shown)]) + " |"
        )
    return "\n".join(rows) + "\n"


def _counts(solved: Sequence[float]) -> str:
    each = [f"{value:.1f}".removesuffix(".0") for value in solved]
    return each[0] if len(set(each)) == 1 else f"{mean(solved):.1f} ({', '.join(each)})"
