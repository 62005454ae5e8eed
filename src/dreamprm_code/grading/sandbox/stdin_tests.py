"""Tests by standard input and output: a process for each."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable

from .compare import compare_output
from .fingerprints import fingerprint_of_text
from .jobs import GraderGone, Settings, Tests, WorkerBroken
from .judge import TestOutcome, goes_on, judge_end, longest
from .orders import KILL, STDIN, End, Order
from .pipes import Feeder, Pipes, file_in_memory, read_some
from .program import NOT_COMPILED
from .wire import GraderLine
from .zygotes import GRACE_S, hear_end, tell

Judge = Callable[[bytes, float, Tests, int, Settings], TestOutcome]
"""From output, CPU time, tests, which test, and settings, of a program that ended as it should."""

_STDERR_KEPT = 8192
_QUIET_START_MS = 3
"""Most programs end within this time; until then nobody is woken by each line that they print."""


def grade_stdin(
    grader: GraderLine, zygote: socket.socket, settings: Settings, tests: Tests, source: bytes, all_tests: bool
) -> list[TestOutcome]:
    """Run a program's tests up to the first failure, or more (see :func:`.judge.goes_on`).

    Raises:
        GraderGone: the grader has hung up.
    """
    text, compiled = file_in_memory(source), os.memfd_create("code", os.MFD_CLOEXEC)

    def run(index: int) -> tuple[Order, list[int]]:
        order = Order(STDIN, index == 0, compiled=index > 0, keep_code=len(tests.inputs) > 1)
        return order, [text, compiled] if index == 0 else [compiled]

    def complaint() -> str | None:
        said = os.pread(compiled, 1000, 0)
        return said[len(NOT_COMPILED) :].decode("utf-8", "replace") if said.startswith(NOT_COMPILED) else None

    try:
        return run_tests(grader, zygote, settings, tests, all_tests, run, complaint)
    finally:
        os.close(text)
        os.close(compiled)


def run_tests(
    grader: GraderLine,
    zygote: socket.socket,
    settings: Settings,
    tests: Tests,
    all_tests: bool,
    run: Callable[[int], tuple[Order, list[int]]],
    complaint: Callable[[], str | None] = lambda: None,
    summary: Callable[[bytes], bytes] = bytes,
    judge: Judge | None = None,
) -> list[TestOutcome]:
    """Test by test: ``run`` says what to order, and with which descriptors; ``complaint``, after the first test, what the
    compiler said; ``summary``, which line of standard error tells of the error (the last, if there are several); ``judge``
    compares (by default what was printed)."""
    outcomes: list[TestOutcome] = []
    for index, given in enumerate(tests.inputs):
        cap = max(settings.limits.output, 2 * len(tests.outputs[index]))
        end, output, errors = run_test(grader, zygote, settings, *run(index), given.encode(), cap)
        outcome = judge_end(end, summary(errors), settings)
        if index == 0 and (said := complaint()) is not None:
            return [TestOutcome("compile_error", said)]
        if outcome.verdict == "passed":
            outcome = (judge or judge_printed)(output, outcome.cpu, tests, index, settings)
        outcomes.append(outcome)
        if not goes_on(outcomes, tests, settings, all_tests):
            break
    return outcomes


def judge_printed(output: bytes, cpu: float, tests: Tests, index: int, settings: Settings) -> TestOutcome:
    """What a program printed against the expectation of test ``index``."""
    printed = output.decode("utf-8", "replace")
    is_kept = settings.keep_outputs and index < tests.num_public
    kept = fingerprint_of_text(printed, longest(tests.outputs[index])) if is_kept else None
    difference = compare_output(printed, tests.expected_lines(index), tests.tolerance)
    return TestOutcome("passed" if difference is None else "wrong_answer", difference or "", cpu, output=kept)


def run_test(
    grader: GraderLine, zygote: socket.socket, settings: Settings, order: Order, fds: list[int], text: bytes, cap: int
) -> tuple[End, bytes, bytes]:
    """One test: feed, collect at most ``cap`` bytes, and wait for its end; returns that, the output, and of standard error the
    beginning and the end."""
    with Pipes() as pipes:
        feeder = Feeder(pipes.input_write, text)
        if not feeder.unfinished:
            pipes.close_input()
        tell(zygote, order.pack(), [pipes.input_read, pipes.output_write, pipes.error_write, *fds])
        pipes.close_other_ends()
        poller = select.poll()
        poller.register(zygote.fileno(), select.POLLIN)
        poller.register(grader.fileno(), 0)
        poller.poll(_QUIET_START_MS)
        for fd in (pipes.output_read, pipes.error_read):
            poller.register(fd, select.POLLIN)
        if feeder.unfinished:
            poller.register(pipes.input_write, select.POLLOUT)
        chunks: list[bytes] = []
        errors, size = b"", 0
        end: End | None = None
        deadline = time.monotonic() + settings.limits.wall + GRACE_S
        while True:
            grader.give_sign_of_life()
            progressed = False
            for fd, _ in poller.poll(0 if end is not None else 1000):
                if fd == pipes.output_read or fd == pipes.error_read:
                    data = read_some(fd)
                    if data == b"":
                        poller.unregister(fd)
                    elif data is not None:
                        progressed = True
                        if fd == pipes.error_read:
                            errors += data
                            if len(errors) > _STDERR_KEPT:
                                errors = errors[: _STDERR_KEPT // 2] + errors[-_STDERR_KEPT // 2 :]
                        else:
                            chunks.append(data)
                            size += len(data)
                elif fd == zygote.fileno():
                    end = hear_end(zygote)
                    poller.unregister(fd)
                    progressed = True
                elif fd == pipes.input_write:
                    if not feeder.feed():
                        poller.unregister(fd)
                        pipes.close_input()
                else:
                    raise GraderGone
            if size > cap:
                if end is None:
                    tell(zygote, KILL, [])
                    end = hear_end(zygote)
                if end.exceeded in (None, "killed"):  # or another limit comes first
                    end = end._replace(exceeded="output")
                return end, b"", errors
            if end is not None and not progressed:
                return end, b"".join(chunks), errors
            if time.monotonic() > deadline:
                raise WorkerBroken("the zygote does not answer")
