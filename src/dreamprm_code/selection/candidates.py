"""The candidates of a problem with everything that methods of selection look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from dreamprm_code.errors import UserError
from dreamprm_code.records import Problem, Solution, SolutionScores


class Candidate(NamedTuple):
    """One program.

    ``step_scores`` is None where the PRM has not read it; ``public_passed``, ``public_outputs`` and ``mean_logprob`` are None
    where they are not known (see :class:`dreamprm_code.records.Solution`). ``num_characters`` is 0 for an answer without a
    program.
    """

    solution_idx: int
    passed: bool | None
    step_scores: tuple[float, ...] | None
    public_passed: bool | None = None
    public_outputs: str | None = None
    mean_logprob: float | None = None
    num_characters: int = 1


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
            candidates.append(
                Candidate(
                    solution_idx=solution.solution_idx,
                    passed=solution.passed,
                    step_scores=_read_scores(scores[solution.key]),
                    public_passed=solution.public_passed,
                    public_outputs=solution.public_outputs,
                    mean_logprob=solution.mean_logprob,
                    num_characters=len(solution.code.strip()),
                )
            )
        if candidates:
            sets.append(CandidateSet(problem.question_id, problem.difficulty, tuple(candidates)))
    return sets


def _read_scores(found: SolutionScores | Sequence[float]) -> tuple[float, ...] | None:
    """A program's step scores, if all of its steps were read."""
    row = found.step_scores if isinstance(found, SolutionScores) else found
    scores = tuple(score for score in row if score is not None)
    return scores if len(scores) == len(row) else None
