"""A file of graded programs while it grows over one or more runs: each row is written as soon as its verdict is known."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from pathlib import Path

from dreamprm_code.grading.grader import GradeRequest, GradeResult
from dreamprm_code.grading.grader_settings import GradingError
from dreamprm_code.jsonl import RowAppender
from dreamprm_code.records import Problem, Solution


class GradedFile:
    """A context manager; ``counts`` are the verdicts of all its rows. With ``all_tests`` a row holds the verdict of each test.

    Raises:
        JsonlError: the file is broken or in use.
    """

    def __init__(self, path: Path, all_tests: bool):
        self.counts: Counter[str] = Counter()
        self._all_tests = all_tests
        self._digests: dict[tuple, bytes] = {}
        self._waiting: dict[Hashable, Solution] = {}
        self._rows = RowAppender(path, Solution, self._note)

    def __enter__(self) -> GradedFile:
        self._rows.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._rows.__exit__(*exc_info)

    def _note(self, row: Solution) -> None:
        self._digests[row.key] = _digest(row.code)
        self.counts[str(row.verdict)] += 1

    def missing(self, programs: Iterable[Solution], source: Path, problems: Mapping[str, Problem]) -> Iterator[GradeRequest]:
        """Requests for the programs of ``source`` that have no row; each program is held until :meth:`add` gets its result.

        Raises:
            GradingError: a row is of another program than the one that has its key now.
        """
        for program in programs:
            if program.key not in self._digests:
                self._waiting[program.key] = program
                yield GradeRequest(program.key, problems[program.question_id], program.code, program.language)
            elif self._digests[program.key] != _digest(program.code):
                raise GradingError(
                    f"{source}: program {program.key} has changed since it was graded; choose another --out, or delete its row"
                )

    def add(self, result: GradeResult) -> None:
        fields = result.solution_fields()
        if self._all_tests:
            fields["test_verdicts"] = list(result.test_verdicts)
        row = self._waiting.pop(result.key).model_copy(update=fields)
        self._rows.append(row)
        self.counts[str(row.verdict)] += 1


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
