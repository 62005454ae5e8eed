"""Tests by calls of a function: they share a process as long as they pass."""

from __future__ import annotations

import json
import os
import select
import socket
import time

from .jobs import GraderGone, Settings, Tests, WorkerBroken
from .judge import TestOutcome, goes_on, judge_missing_result, judge_result
from .orders import FUNCTIONAL, KILL, OFFICIAL_FUNCTIONAL, OFFICIAL_STDIN, End, Order
from .pipes import Feeder, Pipes, ResultReader, file_in_memory
from .wire import GraderLine
from .zygotes import GRACE_S, hear_end, tell

_LOOK_AT_RESULTS_S = 0.05


def grade_functional(
    grader: GraderLine, zygote: socket.socket, settings: Settings, tests: Tests, source: bytes, all_tests: bool
) -> list[TestOutcome]:
    """Run a program's tests up to the first failure, or more (see :func:`.judge.goes_on`), in another process then.

    Raises:
        GraderGone: the grader has hung up.
    """
    outcomes: list[TestOutcome] = []
    text = file_in_memory(source)
    try:
        while len(outcomes) < len(tests.inputs):
            _run(grader, zygote, settings, text, tests, outcomes, all_tests)
            if outcomes[-1].verdict == "compile_error" or not goes_on(outcomes, tests, settings, all_tests):
                break
    finally:
        os.close(text)
    return outcomes


def _order(settings: Settings, tests: Tests, first: int) -> Order:
    style = FUNCTIONAL
    if settings.official:
        style = OFFICIAL_STDIN if tests.func_name is None else OFFICIAL_FUNCTIONAL
    return Order(style, first == 0, num_tests=len(tests.inputs) - first, func_name=tests.func_name or "")


def _run(
    grader: GraderLine,
    zygote: socket.socket,
    settings: Settings,
    text: int,
    tests: Tests,
    outcomes: list[TestOutcome],
    all_tests: bool,
) -> None:
    """Call the program for the tests that have no outcome yet; stops at the first that ends the process."""
    first = len(outcomes)
    results, null = os.memfd_create("results", os.MFD_CLOEXEC), os.open(os.devnull, os.O_RDWR)
    order = _order(settings, tests, first)
    lines = "".join([json.dumps(given) + "\n" for given in tests.inputs[first:]])
    try:
        with Pipes(only_input=True) as pipes:
            feeder = Feeder(pipes.input_write, lines.encode())
            if not feeder.unfinished:
                pipes.close_input()
            tell(zygote, order.pack(), [pipes.input_read, null, null, text, results])
            pipes.close_other_ends()
            poller = select.poll()
            poller.register(zygote.fileno(), select.POLLIN)
            poller.register(grader.fileno(), 0)
            if feeder.unfinished:
                poller.register(pipes.input_write, select.POLLOUT)
            reader = ResultReader(results, max(settings.limits.output, 4 * sum(map(len, tests.outputs))))
            deadline = time.monotonic() + settings.limits.wall * max(1, order.num_tests) + GRACE_S
            end: End | None = None
            while end is None:
                grader.give_sign_of_life()
                events = [fd for fd, _ in poller.poll(_LOOK_AT_RESULTS_S * 1000)]
                if grader.fileno() in events:
                    raise GraderGone
                if pipes.input_write in events and not feeder.feed():
                    poller.unregister(pipes.input_write)
                    pipes.close_input()
                if zygote.fileno() in events:
                    end = hear_end(zygote)
                go_on = _take_results(reader, settings, tests, outcomes, all_tests)
                if not go_on and end is None:
                    tell(zygote, KILL, [])
                    end = hear_end(zygote)
                if not go_on:
                    break
                if end is None and time.monotonic() > deadline:
                    raise WorkerBroken("the zygote does not answer")
        assert end is not None
        told = sum(outcome.cpu for outcome in outcomes[first:])
        if go_on and len(outcomes) < len(tests.inputs) and not (outcomes[first:] and outcomes[-1].ends_process):
            outcomes.append(judge_missing_result(end, len(outcomes), settings))
            outcomes[-1].cpu = 0.0
        outcomes[-1].cpu += max(0.0, end.cpu - told)  # what the kernel saw and the program did not tell
    finally:
        os.close(results)
        os.close(null)


def _take_results(reader: ResultReader, settings: Settings, tests: Tests, outcomes: list[TestOutcome], all_tests: bool) -> bool:
    """Judge the results that have come; False when no more are wanted from this process."""
    for line in reader.lines():
        if len(outcomes) == len(tests.inputs):
            outcomes[-1] = TestOutcome("runtime_error", "the program wrote more results than there are tests")
            return False
        outcome = judge_result(line, tests, len(outcomes), settings)
        outcomes.append(outcome)
        if not goes_on(outcomes, tests, settings, all_tests):
            return False
    if reader.overflowed:
        outcomes.append(TestOutcome("output_limit", f"returned more than {settings.limits.output >> 20} MiB"))
        return False
    return True
