"""Tests of programs in other languages: built once, then a process for each test."""

from __future__ import annotations

import fcntl
import os
import re
import socket
from dataclasses import dataclass, field, replace

from .commands import NOT_STARTED, Command
from .jobs import HarnessFailure, Settings, Tests
from .judge import TestOutcome, judge_result
from .levels import Limits
from .orders import BUILD, EXECUTE, End, Order
from .pipes import file_in_memory
from .stdin_tests import judge_printed, run_test, run_tests
from .wire import GraderLine

_BUILD_OUTPUT = 1 << 20
_RESULT = b"\n\x1e"
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_ERROR = re.compile(
    rb"^(Exception in thread .*|panic: .*|fatal error: .*|FATAL ERROR: .*|memory allocation of .*"
    rb"|(?:[A-Z]\w*)?(?:Error|Exception)\b.*|thread '.*' (?:\(\d+\) )?panicked at .*|terminate called .*)"
    rb"(?:\n( +what\(\): .*|(?<=:\n).*))?",
    re.MULTILINE,
)
_COMPLAINTS = (re.compile(r"\b(error|Error|SyntaxError)\b"), re.compile(r"^[\w./]+:\d+:"))
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class Toolchain:
    """A language's commands on this host; the fields are those of :class:`dreamprm_code.languages.Toolchain`."""

    title: str
    source: str
    build: list[str]
    made: str
    run: list[str]
    environment: dict[str, str]
    is_vm: bool
    named: list[list[str]] = field(default_factory=list)

    def commands(self, code: str, limits: Limits) -> tuple[Command, Command]:
        """Building a program, and running what was built."""
        source, text = self.source, _COMMENT.sub(" ", code) if self.named else ""
        for pattern, name in self.named:
            if found := re.search(pattern, text, re.MULTILINE):
                source = found.expand(name)
                break
        values = {"{source}": source, "{memory_mb}": str(limits.memory >> 20)}
        filled = [_filled(self.build, values), _filled(self.run, values)]
        made = _filled([self.made], values)[0]
        of_build = replace(limits, cpu=limits.build_cpu, sleep=2 * limits.build_cpu, memory=limits.build_memory)
        return (
            Command(filled[0], self.environment, source, made, of_build, is_vm=True),
            Command(filled[1] or [made], self.environment, made if self.run else "", "", limits, self.is_vm),
        )


def _filled(texts: list[str], values: dict[str, str]) -> list[str]:
    for name, value in values.items():
        texts = [text.replace(name, value) for text in texts]
    return texts


def grade_built(
    grader: GraderLine,
    zygote: socket.socket,
    settings: Settings,
    tests: Tests,
    source: bytes,
    all_tests: bool,
    toolchain: Toolchain,
) -> list[TestOutcome]:
    """Build a program, then run its tests up to the first failure, or more (see :func:`.judge.goes_on`).

    Raises:
        GraderGone: the grader has hung up.
        HarnessFailure: the compiler could not be started.
    """
    build, run = toolchain.commands(source.decode(), settings.limits)
    text, made = file_in_memory(source), os.memfd_create("main", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        order = Order(BUILD, first=True, command=build)
        end, _, errors = run_test(grader, zygote, settings, order, [text, made], b"", _BUILD_OUTPUT)
        complaint = _complaint(end, errors.decode("utf-8", "replace"), build.limits)
        if complaint is not None:
            return [TestOutcome("compile_error", complaint)]
        fcntl.fcntl(made, fcntl.F_ADD_SEALS, _SEALS)
        order = Order(EXECUTE, first=False, command=run)
        judge = judge_printed if tests.func_name is None else _judge_returned
        return run_tests(
            grader, zygote, settings, tests, all_tests, lambda index: (order, [made]), summary=error_in, judge=judge
        )
    finally:
        os.close(text)
        os.close(made)


def _judge_returned(output: bytes, cpu: float, tests: Tests, index: int, settings: Settings) -> TestOutcome:
    """By the line that the driver printed (see ``grading/drivers.py``)."""
    result = output.rpartition(_RESULT)[2].split(b"\n", 1)[0]
    if _RESULT not in output:
        return TestOutcome("runtime_error", "the program ended before its function returned", cpu)
    return judge_result(b"+ %.6f %s" % (cpu, result), tests, index, settings)


def error_in(errors: bytes) -> bytes:
    """The line that tells of an error, before the trace of calls that most languages print after it."""
    found = _ERROR.search(errors)
    if found is None:
        return errors
    return b" ".join(b" ".join(part for part in found.groups() if part).split())


def _complaint(end: End, errors: str, limits: Limits) -> str | None:
    """Why there is nothing to run, None if there is.

    Raises:
        HarnessFailure: not the program's fault.
    """
    code = os.waitstatus_to_exitcode(end.status)
    if end.exceeded == "wall" or code == NOT_STARTED:
        raise HarnessFailure(f"the compiler did not run: {errors or end.exceeded}")
    if end.exceeded == "memory":
        return f"the compiler used more than {limits.memory >> 20} MiB of memory"
    if end.exceeded == "cpu" or end.cpu > limits.cpu:
        return f"the compiler used more than {limits.cpu:g} s of CPU time"
    if end.exceeded is not None:
        return f"the compiler was stopped ({end.exceeded})"
    if code == 0:
        return None
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    found = (line for pattern in _COMPLAINTS for line in lines if pattern.search(line))
    return next(found, lines[0] if lines else "the compiler failed")
