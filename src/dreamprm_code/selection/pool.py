"""The candidates of an evaluation: a file's programs that belong to problems of the test part."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from dreamprm_code.errors import UserError
from dreamprm_code.problems import iter_problems
from dreamprm_code.problems.livecodebench import problems_of_results
from dreamprm_code.problems.programs import iter_programs
from dreamprm_code.problems.settings import RunSettings
from dreamprm_code.records import Problem, Solution


class CandidatePool(NamedTuple):
    """``problems`` are those of the test part that have programs, ``train_problems`` the wanted ones of the training part.

    ``num_outside`` programs belong to another part, ``num_unknown`` to a problem that is nowhere.
    """

    problems: list[Problem]
    train_problems: list[Problem]
    candidates: list[Solution]
    num_outside: int
    num_unknown: int


def read_pool(settings: RunSettings, path: Path, train_ids: Iterable[str] = ()) -> CandidatePool:
    """Read programs and the problems that they and ``train_ids`` need; without a split every problem is a test problem.

    Raises:
        UserError: a file cannot be read, or no program is of a known test problem, or none has a verdict.
    """
    solutions = list(iter_programs(path))
    problems, train_problems, known = _problems(settings, {row.question_id for row in solutions}.union(train_ids), path)
    in_test = {problem.question_id for problem in problems}
    candidates = [row for row in solutions if row.question_id in in_test]
    unknown = [row.question_id for row in solutions if row.question_id not in known]
    if not candidates and len(unknown) == len(solutions) > 0:
        raise UserError(f"{path}: its problems are unknown ({unknown[0]!r} ...): not among {settings.problems}")
    if not candidates:
        raise UserError(
            f"{path}: no candidate belongs to a problem of the test part; check problems and windows (or split_file)"
        )
    if all(row.passed is None for row in candidates):
        raise UserError(f"{path}: no candidate has a verdict; grade them with src/grade.py, and name its output")
    num_outside = len(solutions) - len(candidates) - len(unknown)
    return CandidatePool(problems, train_problems, candidates, num_outside, len(unknown))


def _problems(settings: RunSettings, wanted: set[str], path: Path) -> tuple[list[Problem], list[Problem], set[str]]:
    """The wanted test and training problems, and the question_ids of all that are known; other problems are not held."""
    if settings.problems is not None:
        rows: Iterable[Problem] = iter_problems(settings.problems, settings.release)
    elif path.suffix == ".json":
        rows = problems_of_results(path)
    else:
        raise UserError(f"set 'problems' (--problems): {path} is no results file, which would hold them")
    if not settings.windows and settings.split_file is None:
        test = [row for row in rows if row.question_id in wanted]
        return test, [], {row.question_id for row in test}
    split = settings.window_split(wanted, rows)
    has_strangers = "test" in split and not wanted <= split.known  # if nothing else is left, the caller says so
    return split["test"] if has_strangers else split.require("test"), split.get("train", []), split.known
