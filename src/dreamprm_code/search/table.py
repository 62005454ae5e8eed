"""Searches compared: on the same problems, at equal generated tokens and at equal PRM tokens.

Best-of-k is known for every k up to the number of its candidates, as an expectation over all subsets, and between whole numbers
by interpolation: so for each search there is the k at which best-of-k costs as much as it did. A problem's outcome is the mean
over the seeds with which it was searched; tests are paired by problem.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.jsonl import read_rows
from dreamprm_code.records import Problem, Solution, SolutionScores
from dreamprm_code.search.methods import Recipe
from dreamprm_code.search.run import SearchedProblem
from dreamprm_code.selection.baselines import Method, oracle_method, prm_method
from dreamprm_code.selection.best_of_n import expected_pass_at_n
from dreamprm_code.selection.candidates import CandidateSet, candidate_sets
from dreamprm_code.selection.metrics import PairedTest, bootstrap_interval, paired_test


class Searched(NamedTuple):
    """One finished search of a problem: its candidates and its counts."""

    found: CandidateSet
    counts: Mapping[str, int]

    def outcome(self, method: Method, n: int | None = None) -> float | None:
        return expected_pass_at_n(method.keys(self.found), self.found.passed, n or len(self.found.candidates))


Runs = Mapping[str, Sequence[Searched]]
"""A recipe's searches of each problem, one per seed, by question_id."""


class Comparison(NamedTuple):
    """Best-of-k at the cost of a search: ``k`` (``is_bounded``: it would be below one, or more than there are), what it solves,
    and the search against it."""

    k: float
    is_bounded: bool
    solved: float
    test: PairedTest


class Line(NamedTuple):
    """One recipe. ``solved`` is the sum over problems of the mean over seeds; what follows ``oracle`` are means per search."""

    name: str
    num_searches: int
    solved: float
    low: float
    high: float
    oracle: float
    num_candidates: float
    generated_tokens: float
    prm_tokens: float
    prm_tokens_uncached: float
    equal_tokens: Comparison | None = None
    equal_prm_tokens: Comparison | None = None


def read_searched(folder: Path, problems: Sequence[Problem]) -> dict[str, Searched]:
    """The problems of a folder that are done, by question_id; none where there is no folder."""
    if not (folder / "searched.jsonl").exists():
        return {}
    done = {row.question_id: row.counts for row in read_rows(folder / "searched.jsonl", SearchedProblem)}
    solutions = [row for row in read_rows(folder / "test_solutions.jsonl", Solution) if row.question_id in done]
    scores = {row.key: row for row in read_rows(folder / "test_scores.jsonl", SolutionScores)}
    return {item.question_id: Searched(item, done[item.question_id]) for item in candidate_sets(problems, solutions, scores)}


def read_runs(folder: Path, recipes: Iterable[str], problems: Sequence[Problem]) -> dict[str, dict[str, list[Searched]]]:
    """All that ``folder`` holds of these recipes, RECIPE/seed-N: by recipe and problem, one for each seed."""
    runs: dict[str, dict[str, list[Searched]]] = {}
    for name in recipes:
        for seed_folder in sorted((folder / name).glob("seed-*")):
            for question_id, searched in read_searched(seed_folder, problems).items():
                runs.setdefault(name, {}).setdefault(question_id, []).append(searched)
    return runs


def compare(runs: Mapping[str, Runs], recipes: Mapping[str, Recipe]) -> tuple[list[Line], list[str]]:
    """A line per recipe over the problems that all of them have searched, and the question_ids of these."""
    questions = sorted(set.intersection(*(set(run) for run in runs.values()))) if runs else []
    if not questions:
        return [], []
    reference = next((name for name in runs if recipes[name].method == "best_of_n"), None)
    lines = []
    for name, run in runs.items():
        outcomes = _means(run, questions, partial(Searched.outcome, method=prm_method(recipes[name].aggregation)))
        graded = [value for value in outcomes if value is not None]
        interval = bootstrap_interval(graded)
        line = Line(
            name=name,
            num_searches=sum(len(run[question_id]) for question_id in questions),
            solved=sum(graded),
            low=interval.low * len(graded),
            high=interval.high * len(graded),
            oracle=sum(filter(None, _means(run, questions, partial(Searched.outcome, method=oracle_method())))),
            num_candidates=_num_candidates(run, questions),
            generated_tokens=_mean_count(run, questions, "generated_tokens"),
            prm_tokens=_mean_count(run, questions, "prm_tokens"),
            prm_tokens_uncached=_mean_count(run, questions, "prm_tokens_uncached"),
        )
        if reference is not None and name != reference:
            best_of, method = runs[reference], prm_method(recipes[reference].aggregation)
            line = line._replace(
                equal_tokens=_comparison(_k_of_tokens(run, best_of, questions), outcomes, best_of, questions, method),
                equal_prm_tokens=_comparison(_k_of_prm_tokens(run, best_of, questions), outcomes, best_of, questions, method),
            )
        lines.append(line)
    return lines, questions


def _means(run: Runs, questions: Sequence[str], value: Callable[[Searched], float | None]) -> list[float | None]:
    """Per problem the mean over its seeds, None where no seed could be graded."""
    found = [[item for searched in run[question_id] if (item := value(searched)) is not None] for question_id in questions]
    return [sum(items) / len(items) if items else None for items in found]


def _mean_count(run: Runs, questions: Sequence[str], count: str) -> float:
    return sum(filter(None, _means(run, questions, lambda s: s.counts.get(count, 0)))) / len(questions)


def _num_candidates(run: Runs, questions: Sequence[str]) -> float:
    return sum(filter(None, _means(run, questions, lambda s: len(s.found.candidates)))) / len(questions)


def _k_of_tokens(run: Runs, best_of: Runs, questions: Sequence[str]) -> float:
    """Generated tokens of best-of-k grow in proportion to k."""
    tokens = _mean_count(best_of, questions, "generated_tokens")
    return _mean_count(run, questions, "generated_tokens") / tokens * _num_candidates(best_of, questions)


def _k_of_prm_tokens(run: Runs, best_of: Runs, questions: Sequence[str]) -> float:
    """Read together, k programs of a problem cost its statement once and their own tokens; read alone, the statement each."""
    together, alone = (_mean_count(best_of, questions, count) for count in ("prm_tokens", "prm_tokens_uncached"))
    num_candidates = _num_candidates(best_of, questions)
    statement = (alone - together) / max(1.0, num_candidates - 1)
    return (_mean_count(run, questions, "prm_tokens") - statement) / (together - statement) * num_candidates


def _comparison(
    k: float, outcomes: Sequence[float | None], best_of: Runs, questions: Sequence[str], method: Method
) -> Comparison:
    bounded = min(max(k, 1.0), float(max(len(s.found.candidates) for question_id in questions for s in best_of[question_id])))
    low, share = math.floor(bounded), bounded - math.floor(bounded)

    def expected(searched: Searched) -> float | None:
        below, above = searched.outcome(method, low), searched.outcome(method, low + 1)
        return None if below is None or above is None else (1 - share) * below + share * above

    reference = _means(best_of, questions, expected)
    return Comparison(bounded, bounded != k, sum(filter(None, reference)), paired_test(outcomes, reference))


def write_table(folder: Path, recipes: Mapping[str, Recipe], problems: Sequence[Problem]) -> str:
    """Compare all that ``folder`` holds of these recipes, in table.md and table.json; returns the former."""
    lines, questions = compare(read_runs(folder, recipes, problems), recipes)
    table = to_markdown(lines, questions)
    write_bytes_atomic(folder / "table.md", [table.encode()])
    write_bytes_atomic(folder / "table.json", [json.dumps(to_json(lines, questions), indent=2).encode(), b"\n"])
    return table


def to_markdown(lines: Sequence[Line], questions: Sequence[str]) -> str:
    """The table with a line that says over what it is."""
    rows = [
        f"{len(questions)} problems; solved: of these, mean over seeds; tokens: means per search; differences: share of "
        "problems; 95% intervals over problems.",
        "",
        "| recipe | searches | solved | oracle | candidates | generated tokens | PRM tokens | saved by the cache "
        "| best-of-k, equal generated tokens | difference | best-of-k, equal PRM tokens | difference |",
        "|---" * 12 + "|",
    ]
    for line in lines:
        saved = line.prm_tokens_uncached / line.prm_tokens if line.prm_tokens else 1.0
        against = " | ".join(_compared(item) for item in (line.equal_tokens, line.equal_prm_tokens))
        rows.append(
            f"| {line.name} | {line.num_searches} | {line.solved:.1f} [{line.low:.1f}, {line.high:.1f}] | {line.oracle:.1f} "
            f"| {line.num_candidates:.1f} | {line.generated_tokens:.0f} | {line.prm_tokens:.0f} "
            f"| {saved:.1f}x of {line.prm_tokens_uncached:.0f} | {against} |"
        )
    return "\n".join(rows) + "\n"


def _compared(item: Comparison | None) -> str:
    if item is None:
        return "- | -"
    bound = " (bound)" if item.is_bounded else ""
    test = item.test
    difference = f"{test.difference:+.3f} [{test.low:+.3f}, {test.high:+.3f}], p = {test.p_value:.2f}"
    return f"k = {item.k:.1f}{bound}: {item.solved:.1f} | {difference}"


def to_json(lines: Sequence[Line], questions: Sequence[str]) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        return {name: plain(item) for name, item in value._asdict().items()} if hasattr(value, "_asdict") else value

    return {"questions": list(questions), "lines": [plain(line) for line in lines]}
