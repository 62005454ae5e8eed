"""The trusted side of a worker: takes jobs from the grader, has them run test by test, answers with verdicts.

Started by ``worker_start.py``: one process for each worker, one job at a time. Messages from and to the grader
are JSON lists, the first item of each its kind:

==========================================================  ===========================================================
grader says                                                 supervisor says
==========================================================  ===========================================================
settings (once, an object)                                  ``ready level refused`` or ``refused reasons`` (the worker ends)
``problem number func_name inputs outputs tolerance
num_public``
``forget number``
``grade job problem_number code all_tests language``        ``graded job answer``, ``failed job reason`` (try again) or
                                                            ``broken job reason`` (the worker ends); ``alive`` meanwhile
==========================================================  ===========================================================
"""

from __future__ import annotations

import time
from typing import Any

from . import syscalls as sc
from .built_tests import Toolchain, grade_built
from .compare import Tolerance
from .functional_tests import grade_functional
from .jobs import GraderGone, HarnessFailure, Settings, Tests, WorkerBroken
from .judge import TestOutcome, printable
from .levels import Limits
from .stdin_tests import grade_stdin
from .wire import GraderLine
from .zygotes import start_zygotes


class Supervisor:
    def __init__(self, grader: GraderLine, settings: Settings, toolchains: dict[str, Toolchain]):
        self.grader = grader
        self.settings = settings
        self.toolchains = toolchains
        self.problems: dict[int, Tests] = {}
        self.zygotes, self.refused = start_zygotes(settings)

    def grade(self, tests: Tests, code: str, all_tests: bool, language: str) -> dict[str, Any]:
        """Run a program's tests; the answer's fields are those of GradeResult."""
        started = time.monotonic()
        outcomes = self._outcomes(tests, code, all_tests, language)
        failed = next((index for index, outcome in enumerate(outcomes) if outcome.verdict != "passed"), None)
        first = outcomes[failed] if failed is not None else TestOutcome("passed", f"all {len(tests.inputs)} tests passed")
        return {
            "verdict": first.verdict,
            "reason": first.reason,
            "failed_test": None if first.verdict in ("passed", "no_code", "compile_error") else failed,
            "num_tests": len(tests.inputs),
            "cpu_seconds": round(sum(outcome.cpu for outcome in outcomes), 6),
            "wall_seconds": round(time.monotonic() - started, 6),
            "test_verdicts": [outcome.verdict for outcome in outcomes],
            "outputs": [outcome.output for outcome in outcomes]
            if self.settings.keep_outputs or self.settings.keep_results
            else None,
        }

    def _outcomes(self, tests: Tests, code: str, all_tests: bool, language: str) -> list[TestOutcome]:
        if not code.strip():
            return [TestOutcome("no_code", "there is no program")]
        if not tests.inputs:
            raise HarnessFailure("the problem has no tests")
        try:
            source = code.encode()
        except UnicodeEncodeError:
            return [TestOutcome("compile_error", "the text cannot be encoded as UTF-8")]
        if language in self.toolchains:
            arguments = (self.grader, self.zygotes.plain, self.settings, tests, source, all_tests)
            return grade_built(*arguments, self.toolchains[language])
        by_stdin = tests.func_name is None and not self.settings.official
        run = grade_stdin if by_stdin else grade_functional
        return run(self.grader, self.zygotes.for_program(source), self.settings, tests, source, all_tests)

    def serve(self) -> None:
        """Answer the grader's messages until it hangs up, or the worker breaks."""
        self.grader.send("ready", self.zygotes.level, self.refused)
        while True:
            kind, *content = self.grader.receive()
            self.grader.give_sign_of_life()
            if kind == "problem":
                number, func_name, inputs, outputs, tolerance, num_public = content
                self.problems[number] = Tests(func_name, inputs, outputs, Tolerance(*tolerance), num_public)
            elif kind == "forget":
                self.problems.pop(content[0], None)
            else:
                job, number, *program = content
                try:
                    answer = self.grade(self.problems[number], *program)
                except WorkerBroken as error:
                    self.zygotes.close()
                    self.grader.send("broken", job, printable(str(error)))
                    return
                except (HarnessFailure, OSError, ValueError) as error:
                    self.grader.send("failed", job, printable(f"{type(error).__name__}: {error}"))
                else:
                    self.grader.send("graded", job, answer)


def main(fd: int) -> None:
    sc.prctl(sc.PR_SET_PDEATHSIG, 9)  # of the grader's thread; one that has ended before has closed the socket
    grader = GraderLine(fd)
    received = grader.receive()
    toolchains = {name: Toolchain(**fields) for name, fields in received.pop("toolchains").items()}
    settings = Settings(**(received | {"limits": Limits(**received["limits"]), "shown": tuple(received["shown"])}))
    sc.prctl(sc.PR_SET_DUMPABLE, 0)
    sc.prctl(sc.PR_SET_CHILD_SUBREAPER, 1)  # what a zygote leaves behind comes here
    try:
        supervisor = Supervisor(grader, settings, toolchains)
    except HarnessFailure as error:
        grader.send("refused", str(error))
        return
    try:
        supervisor.serve()
    except (EOFError, ConnectionError, GraderGone):
        pass
    finally:
        supervisor.zygotes.close()
