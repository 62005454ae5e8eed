"""From the scores of arms on real candidates to the table: who chooses better programs, and is it more than noise?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Annotated, NamedTuple

from pydantic import Field

from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.records import Index, Record, Solution
from dreamprm_code.report.markdown import table_lines
from dreamprm_code.selection.baselines import Method, baselines, oracle_method, prm_method
from dreamprm_code.selection.candidates import Candidate, CandidateSet
from dreamprm_code.selection.evaluation import outcomes
from dreamprm_code.selection.metrics import auroc, bootstrap_interval, paired_test
from dreamprm_code.steps import split_program


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

    @classmethod
    def of(cls, row: Solution) -> CandidateFacts:
        return cls(
            question_id=row.question_id,
            solution_idx=row.solution_idx,
            passed=bool(row.passed),
            public_passed=row.public_passed,
            num_functions=len(split_program(row.code, language=row.language).steps),
            num_characters=len(row.code),
            mean_logprob=row.mean_logprob,
        )


class ArmScores(Record):
    """The score that an arm trained from ``seed`` gives to each candidate of a problem, in the order of ``solution_idx``."""

    key_fields = ("arm", "seed", "question_id")

    arm: str
    seed: Index
    question_id: str
    scores: list[Annotated[float, Field(allow_inf_nan=False)]]


def score_rows(arm: str, seed: int, scores: Mapping[tuple[str, int], float]) -> list[ArmScores]:
    """Of scores by question_id and solution_idx, with five digits."""
    grouped: dict[str, list[float]] = {}
    for (question_id, _), score in sorted(scores.items()):
        grouped.setdefault(question_id, []).append(round(score, 5))
    return [ArmScores(arm=arm, seed=seed, question_id=question_id, scores=own) for question_id, own in grouped.items()]


def candidate_sets(facts: Iterable[CandidateFacts]) -> list[CandidateSet]:
    """By question_id."""
    grouped: dict[str, list[Candidate]] = {}
    for row in sorted(facts, key=lambda row: row.key):
        candidate = Candidate(
            row.solution_idx,
            row.passed,
            step_scores=None,
            public_passed=row.public_passed,
            mean_logprob=row.mean_logprob,
            num_characters=row.num_characters,
        )
        grouped.setdefault(row.question_id, []).append(candidate)
    return [CandidateSet(question_id, "", tuple(candidates)) for question_id, candidates in grouped.items()]


_KNOWN = baselines()
RANDOM, LOGPROB = "random (expected)", "mean log-likelihood"
CONTROLS: dict[str, Method] = {
    RANDOM: _KNOWN["random"],
    "first sample": _KNOWN["first"],
    "shortest": _KNOWN["shortest"],
    "longest": _KNOWN["longest"],
    LOGPROB: _KNOWN["logprob"],
    "public test": _KNOWN["public"],
    "public test, log-likelihood": Method(
        "public_logprob",
        "public tests, log-likelihood",
        lambda own: list(zip(_KNOWN["public"].keys(own), _KNOWN["logprob"].keys(own), strict=True)),
    ),
    "oracle": oracle_method(),
}


def with_scores(sets: Sequence[CandidateSet], scores: Mapping[str, Sequence[float]]) -> list[CandidateSet]:
    """An arm's score as the score of each candidate's one step."""
    return [
        own._replace(
            candidates=tuple(
                candidate._replace(step_scores=(score,))
                for candidate, score in zip(own.candidates, scores[own.question_id], strict=True)
            )
        )
        for own in sets
    ]


def within_auroc(sets: Sequence[CandidateSet], method: Method) -> list[float]:
    """AUROC of each problem that has both kinds of candidates."""
    found = []
    for own in sets:
        keys = method.keys(own)
        order = {key: rank for rank, key in enumerate(sorted(set(keys)))}
        value = auroc([order[key] for key in keys], [passed is True for passed in own.passed])
        if value is not None:
            found.append(value)
    return found


class Line(NamedTuple):
    """One method: problems solved per seed, and per problem its outcome (mean over seeds) and AUROC."""

    name: str
    solved: tuple[float, ...]
    outcomes: list[float]
    aurocs: list[float]


def lines_of(sets: Sequence[CandidateSet], scores: Iterable[ArmScores]) -> list[Line]:
    """Controls first, then each arm alone, together with the log-likelihood, and behind the public test."""
    lines = [_line(name, method, [sets]) for name, method in CONTROLS.items()]
    by_arm: dict[str, dict[int, dict[str, list[float]]]] = {}
    for row in scores:
        by_arm.setdefault(row.arm, {}).setdefault(row.seed, {})[row.question_id] = row.scores
    for arm, seeds in by_arm.items():
        scored = [with_scores(sets, found) for _, found in sorted(seeds.items())]
        lines.append(_line(arm, prm_method(), scored))
        lines.append(_line(f"{arm}, log-likelihood", _KNOWN["prm_logprob"], scored))
        lines.append(_line(f"public test, {arm}", _KNOWN["public_prm"], scored))
    return lines


def _line(name: str, method: Method, seeds: Sequence[Sequence[CandidateSet]]) -> Line:
    solved = [[float(value or 0.0) for value in outcomes(sets, [method])[method.name]] for sets in seeds]
    aurocs = [within_auroc(sets, method) for sets in seeds]
    return Line(
        name,
        tuple(sum(own) for own in solved),
        [mean(values) for values in zip(*solved, strict=True)],
        [mean(values) for values in zip(*aurocs, strict=True)],
    )


def markdown(sets: Sequence[CandidateSet], lines: Sequence[Line], seed: int = 0) -> str:
    """The table: solved problems, differences to a random choice and to the log-likelihood, AUROC within problems."""
    known = {line.name: line for line in lines}
    mixed = sum(len(set(own.passed)) > 1 for own in sets)
    rows = []
    for line in lines:
        cells = [line.name, _counts(line.solved)]
        for other in (RANDOM, LOGPROB):
            if line.name == other:
                cells += ["", ""]
                continue
            test = paired_test(line.outcomes, known[other].outcomes, seed)
            low, difference, high = (len(sets) * value for value in (test.low, test.difference, test.high))
            cells += [f"{difference:+.1f} [{low:+.1f}, {high:+.1f}]", f"{test.p_value:.3f}"]
        interval = bootstrap_interval(line.aurocs, seed)
        cells.append(f"{mean(line.aurocs):.3f} [{interval.low:.3f}, {interval.high:.3f}]" if line.aurocs else "")
        rows.append(cells)
    heads = ["method", "solved", "against random", "p", "against log-likelihood", "p", "AUROC within problems"]
    return (
        f"{len(sets)} problems, {len(sets[0].candidates)} candidates each; {mixed} problems have both right and wrong ones. "
        "Differences are in problems, with 95% bootstrap intervals over problems and paired sign-flip tests.\n\n"
    ) + "\n".join(table_lines(heads, rows))


def write_table(folder: Path, facts: Sequence[CandidateFacts], scores: Sequence[ArmScores], seed: int = 0) -> str:
    """``table.md`` of both, with the random choice and the arms alone by number of functions; returns its text."""
    sets = candidate_sets(facts)
    lines = lines_of(sets, scores)
    arms = {RANDOM, *(row.arm for row in scores)}
    text = markdown(sets, lines, seed) + "\n" + by_functions(facts, [line for line in lines if line.name in arms])
    write_bytes_atomic(folder / "table.md", [text.encode()])
    return text


def by_functions(facts: Iterable[CandidateFacts], lines: Sequence[Line], most: int = 3) -> str:
    """Solved problems by the mean number of functions of a problem's candidates, whose ``facts`` the lines were made from."""
    num_functions: dict[str, list[int]] = {}
    for row in sorted(facts, key=lambda row: row.key):
        num_functions.setdefault(row.question_id, []).append(row.num_functions)
    groups: dict[int, list[int]] = {}
    for index, numbers in enumerate(num_functions.values()):
        groups.setdefault(min(most, round(mean(numbers))), []).append(index)
    rows = []
    for size, members in sorted(groups.items()):
        solved = [f"{sum(line.outcomes[index] for index in members):.1f}" for line in lines]
        rows.append([f"{size} or more" if size == most else str(size), str(len(members)), *solved])
    return "\n".join(table_lines(["functions per candidate", "problems", *(line.name for line in lines)], rows))


def _counts(solved: Sequence[float]) -> str:
    each = [f"{value:.1f}".removesuffix(".0") for value in solved]
    return each[0] if len(set(each)) == 1 else f"{mean(solved):.1f} ({', '.join(each)})"
