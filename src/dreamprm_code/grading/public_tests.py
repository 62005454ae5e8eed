"""What candidates do on the public tests, for rows whose grading has not told it (LiveCodeBench's results, other graders)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace

from dreamprm_code.grading import open_grader
from dreamprm_code.grading.grader import GradeRequest
from dreamprm_code.grading.grader_settings import GraderSettings
from dreamprm_code.problems import test_cases
from dreamprm_code.records import Problem, Solution


def run_public_tests(
    problems: Iterable[Problem],
    solutions: Sequence[Solution],
    settings: GraderSettings,
    say: Callable[[str], None] | None = None,
) -> tuple[list[Solution], Counter[str]]:
    """The solutions with ``public_passed`` and ``public_outputs``; those that lack one are run on the public tests alone.

    Counts: programs ``run``, and of these the ``unknown`` ones, which could not be graded. An answer without a program is not
    run: it fails. Solutions of problems without public tests stay as they are. ``say`` is told the isolation level reached.
    """
    public = {problem.question_id: public_only(problem) for problem in problems if test_cases(problem).public}
    found: dict[Hashable, Solution] = {solution.key: solution for solution in solutions}
    counts: Counter[str] = Counter(run=0, unknown=0)
    requests = []
    for solution in solutions:
        if solution.question_id not in public or None not in (solution.public_passed, solution.public_outputs):
            continue
        if solution.code.strip():
            requests.append(GradeRequest(solution.key, public[solution.question_id], solution.code, solution.language))
        else:
            found[solution.key] = solution.model_copy(update={"public_passed": False})
    if requests:
        languages = tuple(dict.fromkeys(request.language for request in requests))
        with open_grader(replace(settings, keep_outputs=True, languages=languages), say=say) as grader:
            for result in grader.grade(requests):
                known = {"public_passed": result.public_passed, "public_outputs": result.public_outputs}
                found[result.key] = found[result.key].model_copy(update=known)
                counts.update(run=1, unknown=int(result.public_passed is None))
    return [found[solution.key] for solution in solutions], counts


def public_only(problem: Problem) -> Problem:
    """The problem with its private tests taken away."""
    return problem.model_copy(update={"private_test_cases": "[]"})
