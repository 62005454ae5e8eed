"""Which candidates pass a problem's public tests, and which have the same outputs on them.

A verdict that names the first failing test already says whether the public ones pass (tests are graded in order, public ones
first). What a candidate that fails one of them does on the others has to be seen in a run on the public tests alone.

Candidates of one *cluster* have equal outputs on all public inputs. Two outputs that the test accepts are equal, others if the
grader's normal form of them is (stripped lines or JSON data, numbers as numbers). A program that crashes on an input has that
as its output; one that runs into a limit has that as its output on this input and the later ones, and is not run again to see
what it does there. Clusters are known only where programs may be run; an answer without a program is in none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, cast

from dreamprm_code.grading import Grader, GraderConfig, GradeRequest, GradeResult
from dreamprm_code.problems import test_cases
from dreamprm_code.records import Problem, Solution, Verdict
from dreamprm_code.selection.scoring import SolutionKey

Outputs = tuple[str, ...]
"""Per public test ``passed``, or the fingerprint of a wrong output, or the verdict of a program that gave none."""

_LIMITS = (Verdict.TIME_LIMIT, Verdict.MEMORY_LIMIT, Verdict.OUTPUT_LIMIT)


class PublicResults(NamedTuple):
    """Per solution whether it passes the public tests (None: not known) and, where known, the number of its cluster within
    its problem. ``counts``: results ``known`` from the verdict, programs ``run``, results ``unknown`` and, where programs are
    run, ``outputs_unknown``."""

    passed: dict[SolutionKey, bool | None]
    clusters: dict[SolutionKey, int]
    counts: Counter[str]


def public_results(problems: Sequence[Problem], solutions: Iterable[Solution], grader: GraderConfig | None) -> PublicResults:
    """Results of all solutions of problems that have public tests; without ``grader`` nothing is run."""
    public = {problem.question_id: public_only(problem) for problem in problems}
    num_public = {question_id: len(test_cases(problem).public) for question_id, problem in public.items()}
    passed: dict[SolutionKey, bool | None] = {}
    outputs: dict[SolutionKey, Outputs | None] = {}
    requests = []
    for solution in solutions:
        if not num_public.get(solution.question_id):
            continue
        passed[solution.key] = known_result(solution, num_public[solution.question_id])
        if solution.code.strip() or solution.passed:
            outputs[solution.key] = known_outputs(solution, num_public[solution.question_id])
            if outputs[solution.key] is None:
                requests.append(GradeRequest(solution.key, public[solution.question_id], solution.code))
    counts = Counter(known=sum(result is not None for result in passed.values()), run=0)
    if grader is None:
        outputs.clear()
    elif requests:
        counts["run"] = len(requests)
        with Grader(replace(grader, all_tests=True, keep_outputs=True)) as opened:
            for answer in opened.grade(requests):
                key = cast(SolutionKey, answer.key)
                outputs[key] = outputs_of(answer)
                if passed[key] is None:
                    passed[key] = answer.passed
    counts["unknown"] = sum(result is None for result in passed.values())
    counts["outputs_unknown"] = sum(found is None for found in outputs.values())
    numbers: dict[tuple[str, Outputs], int] = {}
    clusters = {key: numbers.setdefault((key[0], found), len(numbers)) for key, found in outputs.items() if found is not None}
    return PublicResults(passed, clusters, counts)


def outputs_of(answer: GradeResult) -> Outputs | None:
    """What a program did on each test, in terms that can be compared; None if it could not be graded."""
    if answer.outputs is None:
        return None
    found: list[str] = []
    for verdict, output in zip(answer.test_verdicts, answer.outputs, strict=True):
        if verdict in _LIMITS:
            return (*found, *[verdict.value] * (len(answer.outputs) - len(found)))
        found.append(verdict.value if output is None or verdict.passed else output)
    return tuple(found)


def known_outputs(solution: Solution, num_public: int) -> Outputs | None:
    """The outputs of a program that passes the public tests or runs into a limit on them; None for any other."""
    if known_result(solution, num_public):
        return (Verdict.PASSED.value,) * num_public
    if solution.failed_test is None or solution.verdict not in _LIMITS:
        return None
    return (*[Verdict.PASSED.value] * solution.failed_test, *[solution.verdict.value] * (num_public - solution.failed_test))


def known_result(solution: Solution, num_public: int) -> bool | None:
    """Whether the public tests pass, as far as the verdict over all tests says it; None if it does not."""
    if solution.passed:
        return True
    if not solution.code.strip():
        return False
    if solution.failed_test is None:
        return None
    if solution.failed_test >= num_public:
        return True
    return None if solution.passed is None else False


def public_only(problem: Problem) -> Problem:
    """The problem with its private tests taken away."""
    return problem.model_copy(update={"private_test_cases": "[]"})
