"""The trusted side of a worker: takes jobs from the grader, runs them test by test, compares, answers with verdicts.

Started as ``python supervisor_start.py FD``: one process for each worker, one job at a time.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import re
import select
import shutil
import signal
import socket
import struct
import tempfile
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from . import syscalls as sc
from . import zygote as zy
from .compare import Tolerance, compare_data, compare_output, lines_of, read_json, shorten
from .isolation import Limits, Sandbox, enter_folder_level, enter_namespaces, make_folder
from .runner import receive_exactly, receive_message, send_message
from .zygote import Zygote

_CHUNK = 1 << 18
_STDERR_KEPT = 4096
_LOOK_AT_RESULTS_S = 0.05
_GRACE_S = 60.0
_NUMPY = re.compile(rb"\b(?:numpy|scipy|pandas)\b")
_MEMORY_ERRORS = ("MemoryError", "numpy._core._exceptions._ArrayMemoryError", "numpy.core._exceptions._ArrayMemoryError")


@dataclass
class Settings:
    """What the grader asks of a worker; ``levels`` are tried in turn."""

    levels: tuple[str, ...]
    limits: Limits
    official: bool = False
    memory_folder_bytes: int = 64 << 20


@dataclass
class Tests:
    """A problem's tests as the worker keeps them; expectations are prepared when they are first needed."""

    func_name: str | None
    inputs: list[str]
    outputs: list[str]
    tolerance: Tolerance
    _prepared: dict[int, Any] = field(default_factory=dict)

    def expected_lines(self, index: int) -> list[str]:
        if index not in self._prepared:
            self._prepared[index] = lines_of(self.outputs[index])
        return self._prepared[index]

    def expected_value(self, index: int) -> Any:
        if index not in self._prepared:
            self._prepared[index] = read_json(self.outputs[index])
        return self._prepared[index]


@dataclass
class TestOutcome:
    __test__ = False

    verdict: str
    reason: str
    cpu: float = 0.0


class HarnessFailure(Exception):
    """The worker failed, not the program."""


class WorkerBroken(HarnessFailure):
    """The zygote is gone or hangs: this worker must be replaced."""


class GraderGone(Exception):
    """Nobody waits for verdicts any more."""


def start_zygote(settings: Settings) -> tuple[socket.socket, Sandbox, dict[str, str]]:
    """Enter the strongest level that is to be had; also says why each stronger one is not.

    Raises:
        HarnessFailure: none of the levels.
    """
    refused: dict[str, str] = {}
    for level in settings.levels:
        folder = "/sandbox" if level == "namespaces" else tempfile.mkdtemp(prefix="grading-")
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            _become_zygote(theirs, level, folder, settings)
        theirs.close()
        ours.settimeout(_GRACE_S)
        answer = ours.recv(1)
        if answer == zy.READY:
            return ours, Sandbox(level, folder, settings.memory_folder_bytes), refused
        refused[level] = ours.recv(4096).decode(errors="replace") if answer else "the process ended"
        os.waitpid(pid, 0)
        ours.close()
        if level != "namespaces":
            shutil.rmtree(folder, ignore_errors=True)
    raise HarnessFailure("; ".join(f"{level}: {reason}" for level, reason in refused.items()))


def _become_zygote(connection: socket.socket, level: str, folder: str, settings: Settings) -> None:
    try:
        fd = connection.fileno()
        os.closerange(3, fd)
        os.closerange(fd + 1, 1 << 16)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if level == "namespaces":
            enter_namespaces(settings.memory_folder_bytes)
            sandbox = Sandbox(level, folder, settings.memory_folder_bytes)
        else:
            make_folder(folder)
            sandbox = enter_folder_level(level, folder, settings.memory_folder_bytes)
        sc.prctl(sc.PR_SET_DUMPABLE, 0)
        os.environ |= {"HOME": sandbox.work, "TMPDIR": os.path.join(folder, "tmp")}
        zygote = Zygote(connection, sandbox)
    except (OSError, RuntimeError) as error:
        connection.send(b"E" + str(error).encode()[:4000])
        os._exit(1)
    zygote.main()


class Supervisor:
    def __init__(self, grader: socket.socket, settings: Settings):
        self.grader = grader
        self.settings = settings
        self.limits = settings.limits
        self.problems: dict[Any, Tests] = {}
        self.zygote, self.sandbox, self.refused = start_zygote(settings)
        self.numpy_zygote: socket.socket | None = None
        self._busy: socket.socket | None = None  # the zygote that serves a program now
        self._runner: socket.socket | None = None
        self._null = os.open(os.devnull, os.O_RDWR)

    # Programs

    def _pick_zygote(self, source: bytes) -> socket.socket:
        if not _NUMPY.search(source):
            return self.zygote
        if self.numpy_zygote is None:
            ours, theirs = socket.socketpair()
            socket.send_fds(self.zygote, [zy.NUMPY_ZYGOTE], [theirs.fileno()])
            theirs.close()
            ours.settimeout(_GRACE_S)
            if ours.recv(1) != zy.READY:
                raise WorkerBroken("the zygote with numpy did not start")
            self.numpy_zygote = ours
        return self.numpy_zygote

    def _start_runner(self, source: bytes, tests: Tests, compile_only: bool = False) -> None:
        self._end_runner()
        zygote = self._pick_zygote(source)
        if not self.sandbox.has_pid_namespace:
            make_folder(self.sandbox.folder)
        ours, theirs = socket.socketpair()
        socket.send_fds(zygote, [zy.NEW_PROGRAM], [theirs.fileno()])
        theirs.close()
        ours.settimeout(_GRACE_S)
        self._busy, self._runner = zygote, ours
        style = "stdin" if tests.func_name is None else "functional"
        message = {
            "limits": asdict(self.limits),
            "style": "official_" + style if self.settings.official else style,
            "func_name": tests.func_name,
            "num_tests": len(tests.inputs),
            "size": len(source),
            "compile_only": compile_only,
        }
        try:
            send_message(ours, message)
            ours.sendall(source)
        except (ConnectionError, BrokenPipeError):
            pass  # what the runner said before it ended is still to be read

    def _end_runner(self, kill: bool = False) -> None:
        """Make sure that nothing of the last program is left."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None
        if self._busy is not None:
            try:
                if kill:
                    self._busy.send(zy.KILL_RUNNER)
                answer = self._busy.recv(1)
            except TimeoutError:
                try:
                    self._busy.send(zy.KILL_RUNNER)
                    answer = self._busy.recv(1)
                except OSError:
                    answer = b""
            except OSError:
                answer = b""
            self._busy = None
            if answer != zy.RUNNER_GONE:
                raise WorkerBroken("the zygote ended or hangs")

    def grade(self, tests: Tests, code: str, all_tests: bool) -> dict[str, Any]:
        """Run a program's tests; the answer's fields are those of GradeResult."""
        started = time.monotonic()
        outcomes: list[TestOutcome]
        if not code.strip():
            outcomes = [TestOutcome("no_code", "there is no program")]
        elif not tests.inputs:
            raise HarnessFailure("the problem has no tests")
        else:
            try:
                source = code.encode()
            except UnicodeEncodeError:
                outcomes = [TestOutcome("compile_error", "the text cannot be encoded as UTF-8")]
            else:
                try:
                    if tests.func_name is None:
                        outcomes = self._grade_stdin(tests, source, all_tests)
                    else:
                        outcomes = self._grade_functional(tests, source, all_tests)
                finally:
                    self._end_runner(kill=True)
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
        }

    # Standard input and output

    def _grade_stdin(self, tests: Tests, source: bytes, all_tests: bool) -> list[TestOutcome]:
        outcomes: list[TestOutcome] = []
        for index, text in enumerate(tests.inputs):
            if self._runner is None:
                self._start_runner(source, tests)
            answer, output, errors = self._run_with_pipes(text.encode(), len(tests.outputs[index]))
            outcome = self._without_answer(source, tests) if answer is None else self._judge_end(answer, errors)
            if outcome.verdict == "passed":
                difference = compare_output(output.decode("utf-8", "replace"), tests.expected_lines(index), tests.tolerance)
                if difference is not None:
                    outcome.verdict, outcome.reason = "wrong_answer", difference
            outcomes.append(outcome)
            if outcome.verdict == "compile_error" or (outcome.verdict != "passed" and not all_tests):
                break
            if answer is None or answer.get("stale"):
                self._end_runner(kill=True)
        return outcomes

    def _run_with_pipes(self, text: bytes, expected_size: int) -> tuple[dict[str, Any] | None, bytes, bytes]:
        """One test: feed, collect, and wait for the runner's answer (None: the runner is gone)."""
        assert self._runner is not None
        cap = max(self.limits.output, 2 * expected_size)
        input_read, input_write = os.pipe()
        output_read, output_write = os.pipe()
        error_read, error_write = os.pipe()
        chunks: list[bytes] = []
        errors = b""
        size = 0
        poller = select.poll()
        try:
            for fd in (input_write, output_read, error_read):
                os.set_blocking(fd, False)
            pending = memoryview(text)
            pending = pending[_write_some(input_write, pending) :]
            if pending:
                poller.register(input_write, select.POLLOUT)
            else:
                os.close(input_write)
                input_write = -1
            with contextlib.suppress(ConnectionError, BrokenPipeError):
                socket.send_fds(self._runner, [b"T"], [input_read, output_write, error_write])
            for fd in (input_read, output_write, error_write):
                os.close(fd)
            input_read = output_write = error_write = -1
            runner = self._runner.fileno()
            for fd in (output_read, error_read, runner):
                poller.register(fd, select.POLLIN)
            poller.register(self.grader.fileno(), 0)
            answer: dict[str, Any] | None = None
            deadline = time.monotonic() + self.limits.wall + _GRACE_S
            done = False
            while True:
                events = poller.poll(0 if done else 1000)
                if not events:
                    if done:
                        return answer, b"".join(chunks), errors
                    if time.monotonic() > deadline:
                        raise HarnessFailure("a runner did not answer")
                    continue
                progressed = False
                for fd, _event in events:
                    if fd in (output_read, error_read):
                        data = _read_some(fd)
                        if data == b"":
                            poller.unregister(fd)
                        elif data is not None:
                            progressed = True
                            if fd == error_read:
                                errors = (errors + data)[-_STDERR_KEPT:]
                            else:
                                chunks.append(data)
                                size += len(data)
                    elif fd == runner:
                        if not done:
                            answer = self._receive_answer()
                            poller.unregister(fd)
                            done = progressed = True
                            if answer is not None and answer.get("stale"):
                                self._end_runner(kill=True)  # whoever is left would go on printing
                    elif fd == input_write:
                        pending = pending[_write_some(fd, pending) :]
                        if not pending:
                            poller.unregister(fd)
                            os.close(fd)
                            input_write = -1
                    else:
                        raise GraderGone
                if size > cap:
                    self._end_runner(kill=True)
                    return {"exceeded": "output", "cpu": 0.0, "status": 0, "stale": True}, b"", errors
                if done and not progressed:
                    return answer, b"".join(chunks), errors
        finally:
            for fd in (input_read, input_write, output_read, output_write, error_read, error_write):
                if fd >= 0:
                    os.close(fd)

    def _receive_answer(self) -> dict[str, Any] | None:
        assert self._runner is not None
        try:
            return receive_message(self._runner)
        except (EOFError, OSError, ValueError):
            return None

    def _without_answer(self, source: bytes, tests: Tests) -> TestOutcome:
        """The runner went without a word: find out whether the compiler or the program brought it down."""
        self._start_runner(source, tests, compile_only=True)
        answer = self._receive_answer()
        self._end_runner(kill=True)
        if answer is None:
            return TestOutcome("compile_error", "the compiler crashed on it")
        if "harness" in answer:
            raise HarnessFailure(answer["harness"])
        return TestOutcome("runtime_error", "the program killed the process that measures it")

    def _judge_end(self, answer: dict[str, Any], errors: bytes) -> TestOutcome:
        """How a program's process ended, comparison left out."""
        if "harness" in answer:
            raise HarnessFailure(answer["harness"])
        if "compile" in answer:
            return TestOutcome("compile_error", answer["compile"])
        cpu, exceeded, limits = answer["cpu"], answer["exceeded"], self.limits
        if exceeded == "cpu" or cpu > limits.cpu:
            return TestOutcome("time_limit", f"used more than {limits.cpu:g} s of CPU time", cpu)
        if exceeded == "sleep":
            return TestOutcome("time_limit", f"slept for more than {limits.sleep:g} s", cpu)
        if exceeded == "memory":
            return TestOutcome("memory_limit", f"used more than {limits.memory >> 20} MiB of memory", cpu)
        if exceeded == "output":
            return TestOutcome("output_limit", f"printed more than {limits.output >> 20} MiB", cpu)
        if exceeded == "wall":
            raise HarnessFailure(f"the host gave the program only {cpu:.1f} s of CPU time in {limits.wall:g} s")
        status = answer["status"]
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return TestOutcome("passed", "", cpu)
        last = _last_line(errors)
        if code < 0:
            if -code == signal.SIGXCPU:
                return TestOutcome("time_limit", f"used more than {limits.cpu:g} s of CPU time", cpu)
            if -code == signal.SIGXFSZ:
                return TestOutcome("output_limit", f"wrote a file of more than {limits.file >> 20} MiB", cpu)
            name = signal.Signals(-code).name if -code in signal.valid_signals() else str(-code)
            if answer["memory"] > 0.9 * limits.memory:
                return TestOutcome("memory_limit", f"killed by {name} near the memory limit", cpu)
            return TestOutcome("runtime_error", f"killed by {name}", cpu)
        if last.split(":")[0] in _MEMORY_ERRORS:
            return TestOutcome("memory_limit", last, cpu)
        return TestOutcome("runtime_error", last or f"exit status {code}", cpu)

    # Functional tests

    def _grade_functional(self, tests: Tests, source: bytes, all_tests: bool) -> list[TestOutcome]:
        outcomes: list[TestOutcome] = []
        while len(outcomes) < len(tests.inputs):
            self._start_runner(source, tests)
            self._run_functional(tests, source, outcomes, all_tests)
            if outcomes and outcomes[-1].verdict == "compile_error":
                break
            if outcomes[-1].verdict != "passed" and not all_tests:
                break
            self._end_runner(kill=True)
        return outcomes

    def _run_functional(self, tests: Tests, source: bytes, outcomes: list[TestOutcome], all_tests: bool) -> None:
        """Call the program for the tests that have no outcome yet; stops at the first that ends the process."""
        assert self._runner is not None
        results = os.memfd_create("results", os.MFD_CLOEXEC)
        input_read, input_write = os.pipe()
        poller = select.poll()
        try:
            os.set_blocking(input_write, False)
            lines = "".join(json.dumps(text) + "\n" for text in tests.inputs[len(outcomes) :])
            pending = memoryview(lines.encode())
            pending = pending[_write_some(input_write, pending) :]
            if pending:
                poller.register(input_write, select.POLLOUT)
            else:
                os.close(input_write)
                input_write = -1
            with contextlib.suppress(ConnectionError, BrokenPipeError):
                socket.send_fds(self._runner, [b"T"], [self._null, self._null, self._null, input_read, results])
            os.close(input_read)
            input_read = -1
            poller.register(self._runner.fileno(), select.POLLIN)
            poller.register(self.grader.fileno(), 0)
            reader = _ResultReader(results, self.limits.output)
            deadline = time.monotonic() + self.limits.wall + _GRACE_S
            answer: dict[str, Any] | None = None
            while True:
                events = poller.poll(_LOOK_AT_RESULTS_S * 1000)
                if any(fd == self.grader.fileno() for fd, _ in events):
                    raise GraderGone
                for fd, _ in events:
                    if fd == input_write:
                        pending = pending[_write_some(fd, pending) :]
                        if not pending:
                            poller.unregister(fd)
                            os.close(fd)
                            input_write = -1
                ended = any(fd == self._runner.fileno() for fd, _ in events)
                if ended:
                    answer = self._receive_answer()
                if not self._take_results(reader, tests, outcomes, all_tests):
                    return
                if ended:
                    break
                if time.monotonic() > deadline:
                    raise HarnessFailure("a runner did not answer")
            if len(outcomes) < len(tests.inputs):
                outcomes.append(self._judge_functional_end(answer, source, tests, len(outcomes)))
        finally:
            for fd in (input_read, input_write, results):
                if fd >= 0:
                    os.close(fd)

    def _take_results(self, reader: _ResultReader, tests: Tests, outcomes: list[TestOutcome], all_tests: bool) -> bool:
        """Judge the results that have come; False when no more are wanted from this process."""
        for line in reader.lines():
            if len(outcomes) == len(tests.inputs):
                outcomes[-1] = TestOutcome("runtime_error", "the program wrote more results than there are tests")
                return False
            outcome = self._judge_result(line, tests, len(outcomes))
            outcomes.append(outcome)
            if outcome.verdict != "passed" and not all_tests:
                return False
        if reader.overflowed:
            outcomes.append(TestOutcome("output_limit", f"returned more than {self.limits.output >> 20} MiB"))
            return False
        return True

    def _judge_result(self, line: bytes, tests: Tests, index: int) -> TestOutcome:
        try:
            status, seconds, text = line.split(b" ", 2)
            cpu = float(seconds)
            value = read_json(text)
        except ValueError as error:
            if "digits" in str(error):
                return TestOutcome("wrong_answer", "returned an integer that is too long")
            if "nested" in str(error):
                return TestOutcome("wrong_answer", "returned a value that is nested too deeply")
            return TestOutcome("runtime_error", "the program wrote into the channel of its results")
        if status == b"!":
            kind = "memory_limit" if str(value).split(":")[0] in _MEMORY_ERRORS else "runtime_error"
            return TestOutcome(kind, str(value), max(0.0, cpu))
        if status == b"?":
            kind = "memory_limit" if str(value).split(":")[0] in _MEMORY_ERRORS else "runtime_error"
            return TestOutcome(kind, f"while loading: {value}", max(0.0, cpu))
        if not 0 <= cpu <= self.limits.cpu:
            return TestOutcome("time_limit", f"used more than {self.limits.cpu:g} s of CPU time", max(0.0, cpu))
        if status == b"-":
            return TestOutcome("wrong_answer", str(value), cpu)
        if status != b"+":
            return TestOutcome("runtime_error", "the program wrote into the channel of its results")
        expected = tests.expected_value(index)
        try:
            equal = compare_data(value, expected, tests.tolerance)
        except RecursionError:
            equal = False
        if equal:
            return TestOutcome("passed", "", cpu)
        return TestOutcome("wrong_answer", f"returned {shorten(value)} instead of {shorten(expected)}", cpu)

    def _judge_functional_end(self, answer: dict[str, Any] | None, source: bytes, tests: Tests, index: int) -> TestOutcome:
        """Why there is no result for a test."""
        if answer is None:
            return self._without_answer(source, tests)
        cpu_before = answer.get("cpu", 0.0)
        limits = self.limits
        if answer.get("exceeded") is None and "cpu" in answer:
            answer["cpu"] = min(cpu_before, limits.cpu)  # of all tests together, and each was within its limit
        outcome = self._judge_end(answer, b"")
        if outcome.verdict == "passed" or outcome.reason.startswith("exit status"):
            return TestOutcome("runtime_error", f"the program ended during test {index}", outcome.cpu)
        return outcome

    # Messages

    def serve(self) -> None:
        """Answer the grader's messages until it hangs up."""
        self._send(("ready", self.sandbox.level, self.refused))
        while True:
            message = pickle.loads(self._receive())
            if message[0] == "problem":
                _, key, func_name, inputs, outputs, tolerance = message
                self.problems[key] = Tests(func_name, inputs, outputs, Tolerance(*tolerance))
            elif message[0] == "forget":
                self.problems.pop(message[1], None)
            else:
                _, job, key, code, all_tests = message
                try:
                    answer = self.grade(self.problems[key], code, all_tests)
                except WorkerBroken as error:
                    self._send(("broken", job, str(error)))
                    return
                except (HarnessFailure, OSError, ValueError) as error:
                    self._send(("failed", job, f"{type(error).__name__}: {error}"))
                else:
                    self._send(("graded", job, answer))

    def _send(self, message: tuple) -> None:
        data = pickle.dumps(message, protocol=5)
        self.grader.sendall(struct.pack("=I", len(data)) + data)

    def _receive(self) -> bytes:
        return receive_exactly(self.grader, struct.unpack("=I", receive_exactly(self.grader, 4))[0])


class _ResultReader:
    """Complete lines of a file that the program may still be writing; reads each byte once, at most ``cap`` bytes."""

    def __init__(self, fd: int, cap: int):
        self._fd, self._cap, self._offset, self._rest = fd, cap, 0, b""
        self.overflowed = False

    def lines(self) -> list[bytes]:
        found: list[bytes] = []
        while self._offset < self._cap:
            data = os.pread(self._fd, min(_CHUNK, self._cap - self._offset), self._offset)
            if not data:
                return found
            self._offset += len(data)
            *complete, self._rest = (self._rest + data).split(b"\n")
            found += complete
        self.overflowed = True
        return found


def _write_some(fd: int, data: memoryview) -> int:
    """Bytes written; all of them if the reader has gone."""
    try:
        return os.write(fd, data) if data else 0
    except BlockingIOError:
        return 0
    except (BrokenPipeError, ConnectionError):
        return len(data)


def _read_some(fd: int) -> bytes | None:
    """Some bytes, b"" at the end, None if there are none now."""
    try:
        return os.read(fd, _CHUNK)
    except BlockingIOError:
        return None


def _last_line(errors: bytes) -> str:
    lines = errors.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip()[:300] if lines else ""


def main(fd: int) -> None:
    grader = socket.socket(fileno=fd)
    size = struct.unpack("=I", receive_exactly(grader, 4))[0]
    settings_fields = pickle.loads(receive_exactly(grader, size))
    settings = Settings(**(settings_fields | {"limits": Limits(**settings_fields["limits"])}))
    sc.prctl(sc.PR_SET_DUMPABLE, 0)
    try:
        supervisor = Supervisor(grader, settings)
    except HarnessFailure as error:
        data = pickle.dumps(("refused", str(error)))
        grader.sendall(struct.pack("=I", len(data)) + data)
        return
    try:
        supervisor.serve()
    except (EOFError, ConnectionError, BrokenPipeError, GraderGone):
        pass
    finally:
        supervisor.zygote.close()
        if not supervisor.sandbox.has_pid_namespace:
            shutil.rmtree(supervisor.sandbox.folder, ignore_errors=True)
