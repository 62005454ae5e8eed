"""Which candidates pass a problem's public tests.

A verdict that names the first failing test already says it (tests are graded in order, public ones first). Only candidates
whose verdict does not are run again, on the public tests alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import cast

from dreamprm_code.grading import Grader, GradeRequest
from dreamprm_code.problems import test_cases
from dreamprm_code.records import Problem, Solution
from dreamprm_code.selection.scoring import SolutionKey


def public_results(
    problems: Sequence[Problem], solutions: Iterable[Solution], open_grader: Callable[[], Grader] | None
) -> tuple[dict[SolutionKey, bool | None], Counter[str]]:
    """Whether each solution passes the public tests; None where that is not known.

    Without ``open_grader`` nothing is run. Problems without public tests are left out. The counts: results ``known`` from the
    verdict, programs ``run``, results ``unknown``.
    """
    by_id = {problem.question_id: problem for problem in problems}
    num_public = {question_id: len(test_cases(problem).public) for question_id, problem in by_id.items()}
    results: dict[SolutionKey, bool | None] = {}
    requests = []
    counts: Counter[str] = Counter(known=0, run=0, unknown=0)
    for solution in solutions:
        if not num_public.get(solution.question_id):
            continue
        key = (solution.question_id, solution.solution_idx)
        results[key] = known_result(solution, num_public[solution.question_id])
        if results[key] is not None:
            counts["known"] += 1
        else:
            requests.append(GradeRequest(key, public_only(by_id[solution.question_id]), solution.code))
    if requests and open_grader is not None:
        with open_grader() as grader:
            for answer in grader.grade(requests):
                results[cast(SolutionKey, answer.key)] = answer.passed
        counts["run"] = len(requests)
    counts["unknown"] = sum(result is None for result in results.values())
    return results, counts


def known_result(solution: Solution, num_public: int) -> bool | None:
    """What the verdict over all tests says about the public ones; None if nothing."""
    if solution.passed:
        return True
    if not solution.code.strip():
        return False
    if solution.failed_test is None:
        return None
    if solution.failed_test < num_public:
        return None if solution.passed is None else False
    return True


def public_only(problem: Problem) -> Problem:
    """The problem with its private tests taken away."""
    return problem.model_copy(update={"private_test_cases": "[]"})
