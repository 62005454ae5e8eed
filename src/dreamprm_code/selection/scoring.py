"""Score every step of every candidate, resumably: one problem after the other into a file of ``SolutionScores`` rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from dreamprm_code.jsonl import RowAppender
from dreamprm_code.prm import PRM
from dreamprm_code.prm.encoding import EncodingError
from dreamprm_code.records import Problem, Solution, SolutionScores

SolutionKey = tuple[str, int]

UNREADABLE_SCORE = 0.0
"""What a candidate gets that the PRM cannot read (no program in the answer, or longer than the model's input): chosen last."""


def score_solutions(
    open_prm: Callable[[], PRM],
    problems: Sequence[Problem],
    solutions: Iterable[Solution],
    path: str | Path,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[SolutionKey, SolutionScores], Counter[str]]:
    """Add the rows that ``path`` lacks and return the rows of ``solutions`` by (question_id, solution_idx).

    ``open_prm`` is called only if a program has to be scored; ``progress`` gets the number of missing programs done and of all.
    Counts over all rows returned: ``no_code`` answers without a program and ``too_long`` programs for the model, which get
    :data:`UNREADABLE_SCORE`. Counts of this call: ``scored`` programs, ``statements_shortened`` to make room for code, and
    ``resumed`` rows that were there.
    """
    by_id = {problem.question_id: problem for problem in problems}
    wanted = [solution for solution in solutions if solution.question_id in by_id]
    rows: dict[SolutionKey, SolutionScores] = {}
    counts: Counter[str] = Counter(scored=0, no_code=0, too_long=0, statements_shortened=0, resumed=0)

    def keep(row: SolutionScores) -> None:
        rows[(row.question_id, row.solution_idx)] = row

    with RowAppender(path, SolutionScores, on_row=keep) as file:
        missing = [solution for solution in wanted if solution.key not in file.keys]
        counts["resumed"] = len(wanted) - len(missing)
        if missing:
            for batch in _scored(open_prm, by_id, missing, counts):
                file.append(*batch)
                for row in batch:
                    keep(row)
                if progress is not None:
                    progress(sum(solution.key in file.keys for solution in missing), len(missing))
    for solution in wanted:
        if not solution.code.strip():
            counts["no_code"] += 1
        elif rows[(solution.question_id, solution.solution_idx)].step_scores == [UNREADABLE_SCORE]:
            counts["too_long"] += 1
    return {solution.key: rows[(solution.question_id, solution.solution_idx)] for solution in wanted}, counts


def _scored(
    open_prm: Callable[[], PRM], by_id: dict[str, Problem], missing: Sequence[Solution], counts: Counter[str]
) -> Iterator[list[SolutionScores]]:
    """The missing rows, problem by problem."""
    grouped: dict[str, list[Solution]] = {}
    unreadable: list[SolutionScores] = []
    for solution in missing:
        if solution.code.strip():
            grouped.setdefault(solution.question_id, []).append(solution)
        else:
            unreadable.append(_row(solution, [UNREADABLE_SCORE]))
    if unreadable:
        yield unreadable
    if not grouped:
        return
    prm = open_prm()
    groups = list(grouped.values())
    readable: list[list[Solution]] = []

    def requests() -> Iterator[tuple[Problem, list[str]]]:
        for group in groups:
            problem = by_id[group[0].question_id]
            readable.append([solution for solution in group if _fits(prm, problem, solution.code, counts)])
            yield problem, [solution.code for solution in readable[-1]]

    for position, scores in enumerate(prm.score_problems(requests())):
        batch = [_row(solution, found) for solution, found in zip(readable[position], scores, strict=True)]
        fitting_keys = {solution.key for solution in readable[position]}
        too_long = [_row(solution, [UNREADABLE_SCORE]) for solution in groups[position] if solution.key not in fitting_keys]
        counts["scored"] += len(batch)
        yield batch + too_long


def _fits(prm: PRM, problem: Problem, code: str, counts: Counter[str]) -> bool:
    shortened = prm.encoder.counts["statements_shortened"]
    try:
        prm.encoder.encode_program(problem, code, prm.steps.max_functions, prm.steps.granularity)
    except EncodingError:
        return False
    counts["statements_shortened"] += prm.encoder.counts["statements_shortened"] - shortened
    return True


def _row(solution: Solution, step_scores: list[float]) -> SolutionScores:
    return SolutionScores(
        question_id=solution.question_id,
        solution_idx=solution.solution_idx,
        num_steps=len(step_scores),
        step_scores=step_scores,
    )
