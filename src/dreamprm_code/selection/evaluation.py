"""From candidates and methods to selections, table rows, paired tests and the sweep over N.

Tables hold expected values over ties (see ``best_of_n``), so a count can be a fraction: "first sample" always solves whole
problems, a random choice does not. ``overall`` is over problems, not the mean of the strata.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from dreamprm_code.records import Selection, TableRow
from dreamprm_code.selection.aggregation import DEFAULT_AGGREGATION, aggregate
from dreamprm_code.selection.baselines import Method, aggregation_methods, available_methods, prm_method
from dreamprm_code.selection.best_of_n import expected_pass_at_n, select
from dreamprm_code.selection.candidates import CandidateSet
from dreamprm_code.selection.metrics import PairedTest, auroc, bootstrap_interval, gap_recovered, paired_test

OVERALL = "overall"
DIFFICULTIES = ("easy", "medium", "hard")
DEFAULT_SWEEP = (1, 2, 4, 8, 16)

Outcomes = dict[str, list[float | None]]
"""Per method the expected pass of each problem, in the order of the candidate sets; None where no choice could be graded."""


class PoolCounts(NamedTuple):
    """What the reader of a table has to know about the candidates. ``num_fewer`` problems have fewer than ``num_candidates``
    (they use all that they have); ``num_ungraded`` candidates have no verdict, ``num_unread`` no scores."""

    num_problems: int
    num_candidates: int
    num_fewer: int
    num_ungraded: int
    num_unread: int


def pool_counts(sets: Sequence[CandidateSet]) -> PoolCounts:
    sizes = [len(candidate_set.candidates) for candidate_set in sets]
    largest = max(sizes, default=0)
    candidates = [candidate for candidate_set in sets for candidate in candidate_set.candidates]
    ungraded = sum(candidate.passed is None for candidate in candidates)
    unread = sum(candidate.step_scores is None for candidate in candidates)
    return PoolCounts(len(sets), largest, sum(size < largest for size in sizes), ungraded, unread)


def selections(sets: Iterable[CandidateSet], methods: Sequence[Method]) -> list[Selection]:
    """The candidate that each method chooses among all candidates of a problem; a random choice has none and is left out."""
    rows = []
    for candidate_set in sets:
        for method in methods:
            if method.name == "random":
                continue
            choice = select(method.keys(candidate_set))
            chosen = candidate_set.candidates[choice.position]
            rows.append(
                Selection(
                    method=method.name,
                    question_id=candidate_set.question_id,
                    num_candidates=len(candidate_set.candidates),
                    selected_idx=chosen.solution_idx,
                    num_tied=choice.num_tied,
                    passed=chosen.passed,
                )
            )
    return rows


def outcomes(sets: Sequence[CandidateSet], methods: Sequence[Method], n: int | None = None) -> Outcomes:
    """Expected pass of each problem under each method with ``n`` candidates drawn at random (default: all of them)."""
    return {
        method.name: [
            expected_pass_at_n(method.keys(candidate_set), candidate_set.passed, n or len(candidate_set.candidates))
            for candidate_set in sets
        ]
        for method in methods
    }


def table_row(method: str, num_candidates: int, difficulty: str, values: Sequence[float | None], seed: int = 0) -> TableRow:
    """Count and interval of one method in one stratum."""
    graded = [value for value in values if value is not None]
    interval = bootstrap_interval(graded, seed)
    return TableRow(
        method=method,
        num_candidates=num_candidates,
        difficulty=difficulty,
        num_problems=len(graded),
        num_ungraded=len(values) - len(graded),
        num_solved=float(sum(graded)),
        low=interval.low,
        high=interval.high,
    )


def strata(difficulties: Iterable[str]) -> list[str]:
    """The strata that occur, easy to hard, others after them by name; ``overall`` last."""
    found = set(difficulties)
    return [*(name for name in DIFFICULTIES if name in found), *sorted(found - set(DIFFICULTIES)), OVERALL]


def table_rows(
    difficulties: Sequence[str], values: Mapping[str, Sequence[float | None]], num_candidates: int, seed: int = 0
) -> list[TableRow]:
    """Every method in every stratum; ``difficulties`` is aligned with the values of each method."""
    rows = []
    for method, column in values.items():
        for stratum in strata(difficulties):
            chosen = [value for value, difficulty in zip(column, difficulties, strict=True) if stratum in (OVERALL, difficulty)]
            rows.append(table_row(method, num_candidates, stratum, chosen, seed))
    return rows


def sweep_rows(
    sets: Sequence[CandidateSet], methods: Sequence[Method], sizes: Sequence[int] = DEFAULT_SWEEP, seed: int = 0
) -> list[TableRow]:
    """Expected results with n candidates for each n below the largest number there is, and with that, for methods whose keys
    hold in any subset."""
    largest = pool_counts(sets).num_candidates
    fitting = [method for method in methods if method.any_subset]
    rows: list[TableRow] = []
    for n in sorted({*(size for size in sizes if size < largest), largest}):
        rows += table_rows([candidate_set.difficulty for candidate_set in sets], outcomes(sets, fitting, n), n, seed)
    return rows


def comparisons(values: Mapping[str, Sequence[float | None]], method: str, seed: int = 0) -> dict[str, PairedTest]:
    """``method`` against every other method, paired by problem."""
    return {name: paired_test(values[method], column, seed) for name, column in values.items() if name != method}


def gaps_recovered(values: Mapping[str, Sequence[float | None]]) -> dict[str, float | None]:
    """Share of the gap from random to oracle that each method closes, over the problems that all three could be graded on."""
    gaps = {}
    for name, column in values.items():
        if name in ("random", "oracle"):
            continue
        rows = zip(column, values["random"], values["oracle"], strict=True)
        triples = [row for row in rows if None not in row]
        selected, mean, oracle = (sum(part) for part in zip(*triples, strict=True)) if triples else (0.0, 0.0, 0.0)
        gaps[name] = gap_recovered(selected, mean, oracle)
    return gaps


class Ranking(NamedTuple):
    """How well scores tell passing programs from failing ones: ``auroc`` over all candidates, ``pair_accuracy`` over the
    ``num_pairs`` of a passing and a failing candidate of one problem (ties count half). None without such pairs; only what was
    graded and read counts."""

    auroc: float | None
    pair_accuracy: float | None
    num_pairs: int


def ranking(sets: Iterable[CandidateSet], aggregation: str = DEFAULT_AGGREGATION) -> Ranking:
    scores: list[float] = []
    passed: list[bool] = []
    right = num_pairs = 0.0
    for candidate_set in sets:
        known = [
            (aggregate(item.step_scores, aggregation), item.passed)
            for item in candidate_set.candidates
            if item.step_scores is not None and item.passed is not None
        ]
        good, bad = ([score for score, outcome in known if outcome is wanted] for wanted in (True, False))
        if good and bad:
            pairs = len(good) * len(bad)
            right += pairs * (auroc(good + bad, [True] * len(good) + [False] * len(bad)) or 0.0)
            num_pairs += pairs
        scores += [score for score, _ in known]
        passed += [outcome for _, outcome in known]
    return Ranking(auroc(scores, passed), right / num_pairs if num_pairs else None, int(num_pairs))


def num_tied_problems(rows: Iterable[Selection]) -> dict[str, int]:
    """Per method the problems whose highest key is shared by several candidates."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.method] = counts.get(row.method, 0) + (row.num_tied > 1)
    return counts


class Evaluation(NamedTuple):
    """All figures of an evaluation. ``main`` names the method that ``tests`` compare with each other one; ``rows`` hold every
    method with all candidates, ``sweep`` the methods that allow it with fewer. ``methods`` are the table's, ``aggregations``
    the PRM's."""

    main: str
    methods: list[Method]
    aggregations: list[Method]
    pool: PoolCounts
    rows: list[TableRow]
    sweep: list[TableRow]
    chosen: list[Selection]
    tests: dict[str, PairedTest]
    gaps: dict[str, float | None]
    ties: dict[str, int]
    ranking: Ranking

    @property
    def all_rows(self) -> list[TableRow]:
        """Rows and sweep without repetition, for ``table.jsonl``."""
        return list({row.key: row for row in [*self.rows, *self.sweep]}.values())

    def solved(self, method: str) -> TableRow:
        """A method's overall row."""
        return next(row for row in self.rows if row.method == method and row.difficulty == OVERALL)


def evaluate(
    sets: Sequence[CandidateSet],
    aggregation: str = DEFAULT_AGGREGATION,
    sizes: Sequence[int] = DEFAULT_SWEEP,
    seed: int = 0,
) -> Evaluation:
    """Every method that the candidates have data for, every aggregation, the sweep, and the PRM against each of them."""
    methods, aggregations = available_methods(sets, aggregation), aggregation_methods()
    everything = list({method.name: method for method in [*methods, *aggregations]}.values())
    pool = pool_counts(sets)
    values = outcomes(sets, everything)
    chosen = selections(sets, everything)
    main = prm_method(aggregation).name
    return Evaluation(
        main=main,
        methods=methods,
        aggregations=aggregations,
        pool=pool,
        rows=table_rows([item.difficulty for item in sets], values, pool.num_candidates, seed),
        sweep=sweep_rows(sets, methods, sizes, seed),
        chosen=chosen,
        tests=comparisons(values, main, seed),
        gaps=gaps_recovered(values),
        ties=num_tied_problems(chosen),
        ranking=ranking(sets, aggregation),
    )
