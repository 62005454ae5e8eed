"""Which candidates pass a problem's public tests, and which behave alike on them.

A verdict that names the first failing test already says it (tests are graded in order, public ones first). Only candidates
whose verdict does not are run again, on the public tests alone.

Candidates of one *cluster* have the same result on the public tests: all pass, or the same test fails first, with the same
verdict and the same message (which for a wrong answer quotes the first line that differs). Programs that pass all public
tests print the same on the public inputs; for failing ones this is what a grader tells of their outputs, which it does not
keep.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, cast

from dreamprm_code.grading import Grader, GradeRequest
from dreamprm_code.problems import test_cases
from dreamprm_code.records import Problem, Solution, Verdict
from dreamprm_code.selection.scoring import SolutionKey

Result = tuple[int | None, Verdict | None, str]
"""First failing public test, verdict and message; (None, PASSED, "") if all pass."""

ALL_PASS: Result = (None, Verdict.PASSED, "")


class PublicResults(NamedTuple):
    """Per solution whether it passes the public tests (None: not known) and, where known, the number of its cluster within
    its problem. ``counts``: results ``known`` from the verdict, programs ``run``, results ``unknown``."""

    passed: dict[SolutionKey, bool | None]
    clusters: dict[SolutionKey, int]
    counts: Counter[str]


def public_results(
    problems: Sequence[Problem], solutions: Iterable[Solution], open_grader: Callable[[], Grader] | None
) -> PublicResults:
    """Results of all solutions of problems that have public tests; without ``open_grader`` nothing is run."""
    by_id = {problem.question_id: problem for problem in problems}
    num_public = {question_id: len(test_cases(public_only(problem)).public) for question_id, problem in by_id.items()}
    results: dict[SolutionKey, Result | None] = {}
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
                key = cast(SolutionKey, answer.key)
                if answer.passed is not None:
                    results[key] = ALL_PASS if answer.passed else (answer.failed_test, answer.verdict, answer.reason)
        counts["run"] = len(requests)
    counts["unknown"] = sum(result is None for result in results.values())
    numbers: dict[tuple[str, Result], int] = {}
    clusters = {
        key: numbers.setdefault((key[0], result), len(numbers))
        for key, result in results.items()
        if result is not None and result[1] is not Verdict.NO_CODE
    }
    passed = {key: None if result is None else result == ALL_PASS for key, result in results.items()}
    return PublicResults(passed, clusters, counts)


def known_result(solution: Solution, num_public: int) -> Result | None:
    """What the verdict over all tests says about the public ones; None if nothing."""
    if solution.passed:
        return ALL_PASS
    if not solution.code.strip():
        return (0, Verdict.NO_CODE, "")
    if solution.failed_test is None:
        return None
    if solution.failed_test >= num_public:
        return ALL_PASS
    return None if solution.passed is None else (solution.failed_test, solution.verdict, solution.reason)


def public_only(problem: Problem) -> Problem:
    """The problem with its private tests taken away."""
    return problem.model_copy(update={"private_test_cases": "[]"})
