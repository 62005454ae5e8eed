"""The candidates of a problem with everything that methods of selection look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from dreamprm_code.errors import UserError
from dreamprm_code.records import Problem, Solution, SolutionScores


class Candidate(NamedTuple):
    """One program. ``public_passed`` is None where the result on the public tests is not known, ``cluster`` where the outputs
    are not; it numbers the groups of programs with equal outputs (see ``public_tests``)."""

    solution_idx: int
    passed: bool | None
    step_scores: tuple[float, ...]
    public_passed: bool | None = None
    cluster: int | None = None


class CandidateSet(NamedTuple):
    """The candidates of one problem, in the order of their solution_idx; never empty."""

    question_id: str
    difficulty: str
    candidates: tuple[Candidate, ...]

    @property
    def passed(self) -> list[bool | None]:
        return [candidate.passed for candidate in self.candidates]


def candidate_sets(
    problems: Iterable[Problem],
    solutions: Iterable[Solution],
    scores: Mapping[tuple[str, int], SolutionScores | Sequence[float]],
    public_passed: Mapping[tuple[str, int], bool | None] | None = None,
    clusters: Mapping[tuple[str, int], int] | None = None,
) -> list[CandidateSet]:
    """Join problems, solutions and scores by (question_id, solution_idx); problems without a solution are left out.

    Raises:
        UserError: a solution of one of the problems has no scores.
    """
    grouped: dict[str, list[Solution]] = {}
    for solution in solutions:
        grouped.setdefault(solution.question_id, []).append(solution)
    sets = []
    for problem in problems:
        candidates = []
        for solution in sorted(grouped.get(problem.question_id, []), key=lambda row: row.solution_idx):
            if solution.key not in scores:
                raise UserError(f"solution {solution.solution_idx} of {problem.question_id} has no step scores; score it first")
            found = scores[solution.key]
            candidates.append(
                Candidate(
                    solution_idx=solution.solution_idx,
                    passed=solution.passed,
                    step_scores=tuple(found.step_scores if isinstance(found, SolutionScores) else found),
                    public_passed=(public_passed or {}).get(solution.key),
                    cluster=(clusters or {}).get(solution.key),
                )
            )
        if candidates:
            sets.append(CandidateSet(problem.question_id, problem.difficulty, tuple(candidates)))
    return sets
