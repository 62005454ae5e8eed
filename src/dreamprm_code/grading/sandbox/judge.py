"""From how a process ended, and what it gave, to a verdict.

Where a test ran into several limits, one order decides, not which of them was noticed first: memory, CPU time, sleep,
output, files. A test that used up its CPU time while one of its processes held more than half of the memory limit (the
kernel's own peak, taken when the process has ended) counts as ``memory_limit``: a program that fills memory for ever is one,
whether a processor was quick enough to let it fill all of it, or not.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import signal
from dataclasses import dataclass
from typing import Any

from . import official
from .compare import compare_data, compare_output_officially, read_json, shorten
from .fingerprints import fingerprint_of_data, fingerprint_of_text
from .jobs import HarnessFailure, Settings, Tests
from .levels import Limits
from .orders import End

REASON_LENGTH = 300
_LONGEST_FOR_ITS_SIZE, _LONGEST_ANYWAY = 32, 1 << 16
"""No spelling of the expected data as JSON is longer than so many times its own, and some; what is longer is not even read."""

_NO_RESULT = "the program wrote into the channel of its results"

_OTHER_MEMORY_ERRORS = re.compile(
    r"java\.lang\.OutOfMemoryError|JavaScript heap out of memory|'std::bad_alloc'|^memory allocation of \d+ bytes failed"
    r"|^fatal error: (?:runtime: )?(?:out of memory|cannot allocate memory)"
)
"""What the runtimes of Java, JavaScript, C++, Rust and Go say."""

_MEMORY_ERRORS = ("MemoryError", "numpy._core._exceptions._ArrayMemoryError", "numpy.core._exceptions._ArrayMemoryError")


@dataclass
class TestOutcome:
    """``ends_process``: no further test was run in the same process. ``output`` is the output's fingerprint, if there was an
    output and fingerprints are wanted."""

    __test__ = False

    verdict: str
    reason: str
    cpu: float = 0.0
    ends_process: bool = False
    output: str | None = None

    def __post_init__(self) -> None:
        self.reason = printable(self.reason)


def printable(text: str) -> str:
    """A reason as it may be stored and shown: one line of at most 300 characters, without control characters and halves of
    surrogate pairs, whoever wrote it."""
    text = text[:REASON_LENGTH]
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


LIMITS = ("time_limit", "memory_limit", "output_limit")
"""Verdicts of a program that a limit stopped."""


def goes_on(outcomes: list[TestOutcome], tests: Tests, settings: Settings, all_tests: bool) -> bool:
    """Whether another test is run: after a failure only if all are wanted, or for the outputs of the remaining public ones.

    A program that ran into a limit is not run again for its outputs.
    """
    if all_tests or all(outcome.verdict == "passed" for outcome in outcomes):
        return True
    return settings.keep_outputs and len(outcomes) < tests.num_public and outcomes[-1].verdict not in LIMITS


def judge_end(end: End, errors: bytes, settings: Settings, cpu: float | None = None) -> TestOutcome:
    """How a program's process ended, comparison left out; ``errors`` is the tail of its standard error.

    ``cpu`` is the CPU time to judge by, if not that of the whole process.

    Raises:
        HarnessFailure: the host did not let the program run.
    """
    limits, cpu, exceeded = settings.limits, end.cpu if cpu is None else cpu, end.exceeded
    code = os.waitstatus_to_exitcode(end.status)
    if exceeded == "memory":
        return TestOutcome("memory_limit", f"used more than {limits.memory >> 20} MiB of memory", cpu)
    if exceeded == "cpu" or cpu > limits.cpu or code == -signal.SIGXCPU:
        if end.memory > limits.memory // 2:
            reason = f"used more than {limits.memory >> 21} MiB of memory by the end of its {limits.cpu:g} s of CPU time"
            return TestOutcome("memory_limit", reason, cpu)
        return TestOutcome("time_limit", f"used more than {limits.cpu:g} s of CPU time", cpu)
    if exceeded == "sleep":
        return TestOutcome("time_limit", f"slept for more than {limits.sleep:g} s", cpu)
    if exceeded == "output":
        return TestOutcome("output_limit", f"printed more than {limits.output >> 20} MiB", cpu)
    if exceeded == "files":
        return TestOutcome("output_limit", f"wrote more than {settings.memory_folder_bytes >> 20} MiB of files", cpu)
    if exceeded == "wall":
        raise HarnessFailure(f"the host gave the program only {cpu:.1f} s of CPU time in {limits.wall:g} s")
    if code == 0:
        return TestOutcome("passed", "", cpu)
    last = _last_line(errors)
    if code < 0:
        return _judge_signal(-code, end, limits, cpu, last)
    if _tells_of_memory(last):
        return TestOutcome("memory_limit", last, cpu)
    return TestOutcome("runtime_error", last or f"exit status {code}", cpu)


def _tells_of_memory(error: str) -> bool:
    told = error.split(":")[0] in _MEMORY_ERRORS or error.startswith(f"OSError: [Errno {errno.ENOMEM}]")
    return told or _OTHER_MEMORY_ERRORS.search(error) is not None


def _judge_signal(number: int, end: End, limits: Limits, cpu: float, last: str) -> TestOutcome:
    if number == signal.SIGXFSZ:
        return TestOutcome("output_limit", f"wrote a file of more than {limits.file >> 20} MiB", cpu)
    name = signal.Signals(number).name if number in signal.valid_signals() else str(number)
    if end.memory > 0.9 * limits.memory:
        return TestOutcome("memory_limit", f"killed by {name} near the memory limit", cpu)
    if number == signal.SIGABRT and last:  # the runtime of a language says why it gave up
        return TestOutcome("memory_limit" if _tells_of_memory(last) else "runtime_error", f"killed by {name}: {last}", cpu)
    return TestOutcome("runtime_error", f"killed by {name}", cpu)


def judge_missing_result(end: End, index: int, settings: Settings) -> TestOutcome:
    """Why there is no result for test ``index`` of a function."""
    cpu = end.cpu
    if end.exceeded is None:
        cpu = min(cpu, settings.limits.cpu)  # of all tests together, and each was within its limit
    outcome = judge_end(end, b"", settings, cpu)
    if outcome.verdict == "passed" or (outcome.verdict == "runtime_error" and os.waitstatus_to_exitcode(end.status) > 0):
        return TestOutcome("runtime_error", f"the program ended during test {index}", outcome.cpu)
    return outcome


def judge_result(line: bytes, tests: Tests, index: int, settings: Settings) -> TestOutcome:
    """A line of results (see :func:`.program.run_functional`) against the expectation of test ``index``."""
    try:
        status, seconds, text = line.split(b" ", 2)
        if not 0 <= (told := float(seconds[:20])) < math.inf:
            raise ValueError("not a time")
        cpu = min(told, settings.limits.cpu)  # what it used beyond, the zygote knows
        if len(text) > longest(tests.outputs[index]) and not (status == b"+" and settings.keep_results):
            if status != b"+":
                raise ValueError("no message")
            return TestOutcome("wrong_answer", f"returned {len(text)} bytes instead of {len(tests.outputs[index])}", cpu)
        value = read_json(text)
    except ValueError as error:
        if "digits" in str(error):
            return TestOutcome("wrong_answer", "returned an integer that is too long")
        if "nested" in str(error):
            return TestOutcome("wrong_answer", "returned a value that is nested too deeply")
        return TestOutcome("runtime_error", _NO_RESULT)
    if status == b"#":
        return TestOutcome("compile_error", str(value), cpu, ends_process=True)
    if status in (b"!", b"?"):
        kind = "memory_limit" if _tells_of_memory(str(value)) else "runtime_error"
        return TestOutcome(kind, ("" if status == b"!" else "while loading: ") + str(value), cpu, ends_process=True)
    if told > settings.limits.cpu:
        return TestOutcome("time_limit", f"used more than {settings.limits.cpu:g} s of CPU time", cpu)
    if status == b"-":
        return TestOutcome("wrong_answer", str(value), cpu)
    if status != b"+":
        return TestOutcome("runtime_error", _NO_RESULT)
    output = None
    if settings.keep_results:
        output = json.dumps(value)
    elif settings.keep_outputs and index < tests.num_public:
        output = _fingerprint(value, tests)
    expected = tests.expected_lines(index) if tests.func_name is None else tests.expected_value(index)
    try:
        if not settings.official:
            equal = compare_data(value, expected, tests.tolerance)
        elif tests.func_name is None:
            equal = isinstance(value, str) and compare_output_officially(value, expected)
        else:
            equal = bool(official.decode(value) == expected)
    except (RecursionError, ArithmeticError):
        equal = False
    if equal:
        return TestOutcome("passed", "", cpu, output=output)
    return TestOutcome("wrong_answer", f"returned {shorten(value)} instead of {shorten(expected)}", cpu, output=output)


def longest(expected: str) -> int:
    """How long an output or a result may be in which anything but its length is looked at."""
    return _LONGEST_FOR_ITS_SIZE * len(expected) + _LONGEST_ANYWAY


def _fingerprint(value: Any, tests: Tests) -> str | None:
    """Of a result; that of a stdin program (by the official rules they give results) is the text that it printed."""
    if tests.func_name is None and isinstance(value, str):
        return fingerprint_of_text(value)
    return fingerprint_of_data(value)


def _last_line(errors: bytes) -> str:
    lines = errors.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip()[:300] if lines else ""
