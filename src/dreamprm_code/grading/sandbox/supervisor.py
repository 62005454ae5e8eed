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
import tempfile
import time
from dataclasses import dataclass, field
from typing import Any

from . import official, wire
from . import syscalls as sc
from . import zygote as zy
from .compare import Tolerance, compare_data, compare_output, compare_output_officially, lines_of, read_json, shorten
from .isolation import Limits, Sandbox, enter_folder_level, enter_namespaces, make_folder
from .program import NOT_COMPILED
from .seccomp import build_filter
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
    ends_process: bool = False


class HarnessFailure(Exception):
    """The worker failed, not the program."""


class WorkerBroken(HarnessFailure):
    """The zygote is gone or hangs: this worker must be replaced."""


class GraderGone(Exception):
    """Nobody waits for verdicts any more."""


def start_zygotes(settings: Settings) -> tuple[Zygotes, dict[str, str]]:
    """Enter the strongest level that is to be had; also says why each stronger one is not.

    Raises:
        HarnessFailure: none of the levels.
    """
    refused: dict[str, str] = {}
    for level in settings.levels:
        folder = "/sandbox" if level == "namespaces" else tempfile.mkdtemp(prefix="grading-")
        extra = official.EXTRA_IMPORTS if settings.official else ()
        numpy = _fork_zygote(level, folder, settings, (*extra, "numpy", "numpy.random"))
        plain = _fork_zygote(level, folder, settings, extra)
        try:
            _wake(plain)
        except HarnessFailure as error:
            refused[level] = str(error)
            plain.close()
            numpy.close()
            if level != "namespaces":
                shutil.rmtree(folder, ignore_errors=True)
        else:
            return Zygotes(level, folder, plain, numpy), refused
    raise HarnessFailure("; ".join(f"{level}: {reason}" for level, reason in refused.items()))


@dataclass
class Zygotes:
    """The one for most programs, and one that sleeps until a program wants numpy. One test runs at a time."""

    level: str
    folder: str
    plain: socket.socket
    numpy: socket.socket
    numpy_is_awake: bool = False

    def for_program(self, source: bytes) -> socket.socket:
        if not _NUMPY.search(source):
            return self.plain
        if not self.numpy_is_awake:
            try:
                _wake(self.numpy)
            except HarnessFailure as error:
                raise WorkerBroken(f"the zygote with numpy did not start: {error}") from None
            self.numpy_is_awake = True
        return self.numpy


def _fork_zygote(level: str, folder: str, settings: Settings, extra_imports: tuple[str, ...] = ()) -> socket.socket:
    """A process that will become a zygote when it is woken; it must be forked before any problem is known."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        _become_zygote(theirs, level, folder, settings, extra_imports)
    theirs.close()
    ours.settimeout(_GRACE_S)
    return ours


def _wake(zygote: socket.socket) -> None:
    try:
        zygote.send(zy.READY)
        answer = zygote.recv(4096)
    except OSError as error:
        answer = str(error).encode()
    if answer != zy.READY:
        raise HarnessFailure(answer[1:].decode(errors="replace") or "the process ended")


def _become_zygote(
    connection: socket.socket, level: str, folder: str, settings: Settings, extra_imports: tuple[str, ...]
) -> None:
    try:
        fd = connection.fileno()
        os.closerange(3, fd)
        os.closerange(fd + 1, 1 << 16)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if connection.recv(1) != zy.READY:
            os._exit(0)
        sc.prctl(sc.PR_SET_DUMPABLE, 1)  # nothing to hide yet, and /proc/self is to be written to
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as stream:
            stream.write("500")  # if the host runs out of memory, programs go first
        if level == "namespaces":
            enter_namespaces(settings.memory_folder_bytes)
            sandbox = Sandbox(level, folder, settings.memory_folder_bytes, seccomp=build_filter(network=True))
        else:
            make_folder(folder)
            sandbox = enter_folder_level(level, folder, settings.memory_folder_bytes)
        sc.prctl(sc.PR_SET_DUMPABLE, 0)
        os.environ |= {"HOME": sandbox.work, "TMPDIR": os.path.join(folder, "tmp")}
        Zygote(connection, sandbox, settings.limits).main(extra_imports)
    except (OSError, RuntimeError) as error:
        connection.send(zy.FAILED + str(error).encode()[:4000])
    finally:
        os._exit(1)


class Supervisor:
    def __init__(self, grader: socket.socket, settings: Settings):
        self.grader = grader
        self.settings = settings
        self.limits = settings.limits
        self.problems: dict[Any, Tests] = {}
        self.zygotes, self.refused = start_zygotes(settings)
        self._null = os.open(os.devnull, os.O_RDWR)

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
                zygote = self.zygotes.for_program(source)
                if self.settings.official:
                    outcomes = self._grade_functional(zygote, tests, source, all_tests)
                elif tests.func_name is None:
                    outcomes = self._grade_stdin(zygote, tests, source, all_tests)
                else:
                    outcomes = self._grade_functional(zygote, tests, source, all_tests)
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

    @staticmethod
    def _tell(zygote: socket.socket, message: bytes, fds: list[int]) -> None:
        try:
            socket.send_fds(zygote, [message], fds)
        except OSError as error:
            raise WorkerBroken(f"the zygote ended ({error})") from None

    @staticmethod
    def _hear(zygote: socket.socket) -> bytes:
        try:
            answer = zygote.recv(zy.MESSAGE_BYTES)
        except OSError as error:
            raise WorkerBroken(f"the zygote ended or hangs ({error})") from None
        if not answer:
            raise WorkerBroken("the zygote ended")
        return answer

    def _clean(self, zygote: socket.socket) -> None:
        self._tell(zygote, zy.CLEAN, [])
        if self._hear(zygote) != zy.CLEAN:
            raise WorkerBroken("the zygote could not clean up")

    def _style(self, tests: Tests) -> str:
        style = "stdin" if tests.func_name is None else "functional"
        return "official_" + style if self.settings.official else style

    # Standard input and output

    def _grade_stdin(self, zygote: socket.socket, tests: Tests, source: bytes, all_tests: bool) -> list[TestOutcome]:
        outcomes: list[TestOutcome] = []
        text, compiled = _file_in_memory(source), os.memfd_create("code", os.MFD_CLOEXEC)
        try:
            for index, given in enumerate(tests.inputs):
                first = index == 0
                test = {"style": "stdin", "compiled": not first}
                message = zy.RUN + json.dumps(test).encode()
                answer, output, errors = self._run_with_pipes(
                    zygote, message, [text, compiled] if first else [compiled], given.encode(), len(tests.outputs[index])
                )
                if not answer["clean"]:
                    self._clean(zygote)
                outcome = self._judge_end(answer, errors)
                if first and os.waitstatus_to_exitcode(answer["status"]) == NOT_COMPILED:
                    return [TestOutcome("compile_error", os.pread(compiled, 1000, 0).decode("utf-8", "replace"))]
                if outcome.verdict == "passed":
                    difference = compare_output(output.decode("utf-8", "replace"), tests.expected_lines(index), tests.tolerance)
                    if difference is not None:
                        outcome.verdict, outcome.reason = "wrong_answer", difference
                outcomes.append(outcome)
                if outcome.verdict != "passed" and not all_tests:
                    break
        finally:
            os.close(text)
            os.close(compiled)
        return outcomes

    def _run_with_pipes(
        self, zygote: socket.socket, message: bytes, fds: list[int], text: bytes, expected_size: int
    ) -> tuple[dict[str, Any], bytes, bytes]:
        """One test: feed, collect, and wait for the zygote's answer; returns it with the output and the last errors."""
        cap = max(self.limits.output, 2 * expected_size)
        with Pipes() as pipes:
            feeder = Feeder(pipes.input_write, text)
            if not feeder.unfinished:
                pipes.close_input()
            self._tell(zygote, message, [pipes.input_read, pipes.output_write, pipes.error_write, *fds])
            pipes.close_other_ends()
            poller = select.poll()
            for fd in (pipes.output_read, pipes.error_read, zygote.fileno()):
                poller.register(fd, select.POLLIN)
            poller.register(self.grader.fileno(), 0)
            if feeder.unfinished:
                poller.register(pipes.input_write, select.POLLOUT)
            chunks: list[bytes] = []
            errors, size = b"", 0
            answer: dict[str, Any] | None = None
            deadline = time.monotonic() + self.limits.wall + _GRACE_S
            while True:
                progressed = False
                for fd, _ in poller.poll(0 if answer is not None else 1000):
                    if fd == pipes.output_read or fd == pipes.error_read:
                        data = _read_some(fd)
                        if data == b"":
                            poller.unregister(fd)
                        elif data is not None:
                            progressed = True
                            if fd == pipes.error_read:
                                errors = (errors + data)[-_STDERR_KEPT:]
                            else:
                                chunks.append(data)
                                size += len(data)
                    elif fd == zygote.fileno():
                        answer = json.loads(self._hear(zygote))
                        poller.unregister(fd)
                        progressed = True
                    elif fd == pipes.input_write:
                        if not feeder.feed():
                            poller.unregister(fd)
                            pipes.close_input()
                    else:
                        raise GraderGone
                if size > cap:
                    if answer is None:
                        self._tell(zygote, zy.KILL, [])
                        answer = json.loads(self._hear(zygote))
                    return answer | {"exceeded": "output"}, b"", errors
                if answer is not None and not progressed:
                    return answer, b"".join(chunks), errors
                if time.monotonic() > deadline:
                    raise WorkerBroken("the zygote does not answer")

    def _judge_end(self, answer: dict[str, Any], errors: bytes) -> TestOutcome:
        """How a program's process ended, comparison left out."""
        cpu, exceeded, limits = answer["cpu"], answer["exceeded"], self.limits
        if exceeded == "cpu" or cpu > limits.cpu:
            return TestOutcome("time_limit", f"used more than {limits.cpu:g} s of CPU time", cpu)
        if exceeded == "sleep":
            return TestOutcome("time_limit", f"slept for more than {limits.sleep:g} s", cpu)
        if exceeded == "memory":
            return TestOutcome("memory_limit", f"used more than {limits.memory >> 20} MiB of memory", cpu)
        if exceeded == "output":
            return TestOutcome("output_limit", f"printed more than {limits.output >> 20} MiB", cpu)
        if exceeded == "files":
            return TestOutcome("output_limit", f"wrote more than {self.settings.memory_folder_bytes >> 20} MiB of files", cpu)
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

    def _grade_functional(self, zygote: socket.socket, tests: Tests, source: bytes, all_tests: bool) -> list[TestOutcome]:
        """Tests share a process as long as they pass; asked for all tests, the next process begins after a failure."""
        outcomes: list[TestOutcome] = []
        text = _file_in_memory(source)
        try:
            while len(outcomes) < len(tests.inputs):
                self._run_functional(zygote, text, tests, outcomes, all_tests)
                if outcomes[-1].verdict == "compile_error" or (outcomes[-1].verdict != "passed" and not all_tests):
                    break
        finally:
            os.close(text)
        return outcomes

    def _run_functional(
        self, zygote: socket.socket, text: int, tests: Tests, outcomes: list[TestOutcome], all_tests: bool
    ) -> None:
        """Call the program for the tests that have no outcome yet; stops at the first that ends the process."""
        first = len(outcomes)
        results = os.memfd_create("results", os.MFD_CLOEXEC)
        test = {"style": self._style(tests), "func_name": tests.func_name, "num_tests": len(tests.inputs) - first}
        lines = "".join(json.dumps(given) + "\n" for given in tests.inputs[first:])
        try:
            with Pipes(only_input=True) as pipes:
                feeder = Feeder(pipes.input_write, lines.encode())
                if not feeder.unfinished:
                    pipes.close_input()
                message = zy.RUN + json.dumps(test).encode()
                self._tell(zygote, message, [pipes.input_read, self._null, self._null, text, results])
                pipes.close_other_ends()
                poller = select.poll()
                poller.register(zygote.fileno(), select.POLLIN)
                poller.register(self.grader.fileno(), 0)
                if feeder.unfinished:
                    poller.register(pipes.input_write, select.POLLOUT)
                reader = ResultReader(results, max(self.limits.output, 4 * sum(map(len, tests.outputs))))
                deadline = time.monotonic() + self.limits.wall * max(1, test["num_tests"]) + _GRACE_S
                answer: dict[str, Any] | None = None
                while answer is None:
                    events = dict(poller.poll(_LOOK_AT_RESULTS_S * 1000))
                    if self.grader.fileno() in events:
                        raise GraderGone
                    if pipes.input_write in events and not feeder.feed():
                        poller.unregister(pipes.input_write)
                        pipes.close_input()
                    if zygote.fileno() in events:
                        answer = json.loads(self._hear(zygote))
                    go_on = self._take_results(reader, tests, outcomes, all_tests)
                    if not go_on and answer is None:
                        self._tell(zygote, zy.KILL, [])
                        answer = json.loads(self._hear(zygote))
                    if answer is not None and not answer["clean"]:
                        self._clean(zygote)
                    if not go_on:
                        return
                    if time.monotonic() > deadline:
                        raise WorkerBroken("the zygote does not answer")
            if len(outcomes) < len(tests.inputs) and not (outcomes[first:] and outcomes[-1].ends_process):
                outcomes.append(self._judge_functional_end(answer, len(outcomes)))
        finally:
            os.close(results)

    def _take_results(self, reader: ResultReader, tests: Tests, outcomes: list[TestOutcome], all_tests: bool) -> bool:
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
            if not cpu >= 0:
                raise ValueError("not a time")
            value = read_json(text)
        except ValueError as error:
            if "digits" in str(error):
                return TestOutcome("wrong_answer", "returned an integer that is too long")
            if "nested" in str(error):
                return TestOutcome("wrong_answer", "returned a value that is nested too deeply")
            return TestOutcome("runtime_error", "the program wrote into the channel of its results")
        if status == b"#":
            return TestOutcome("compile_error", str(value), cpu, ends_process=True)
        if status in (b"!", b"?"):
            kind = "memory_limit" if str(value).split(":")[0] in _MEMORY_ERRORS else "runtime_error"
            return TestOutcome(kind, ("" if status == b"!" else "while loading: ") + str(value), cpu, ends_process=True)
        if cpu > self.limits.cpu:
            return TestOutcome("time_limit", f"used more than {self.limits.cpu:g} s of CPU time", cpu)
        if status == b"-":
            return TestOutcome("wrong_answer", str(value), cpu)
        if status != b"+":
            return TestOutcome("runtime_error", "the program wrote into the channel of its results")
        expected = tests.expected_lines(index) if tests.func_name is None else tests.expected_value(index)
        try:
            if not self.settings.official:
                equal = compare_data(value, expected, tests.tolerance)
            elif tests.func_name is None:
                equal = isinstance(value, str) and compare_output_officially(value, expected)
            else:
                equal = bool(official.decode(value) == expected)
        except RecursionError:
            equal = False
        if equal:
            return TestOutcome("passed", "", cpu)
        return TestOutcome("wrong_answer", f"returned {shorten(value)} instead of {shorten(expected)}", cpu)

    def _judge_functional_end(self, answer: dict[str, Any], index: int) -> TestOutcome:
        """Why there is no result for a test."""
        if answer["exceeded"] is None:
            answer["cpu"] = min(answer["cpu"], self.limits.cpu)  # of all tests together, and each was within its limit
        outcome = self._judge_end(answer, b"")
        if outcome.verdict == "passed" or outcome.reason.startswith("exit status"):
            return TestOutcome("runtime_error", f"the program ended during test {index}", outcome.cpu)
        return outcome

    # Messages

    def serve(self) -> None:
        """Answer the grader's messages until it hangs up."""
        self._send(("ready", self.zygotes.level, self.refused))
        while True:
            message = pickle.loads(wire.receive(self.grader))
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
        wire.send(self.grader, pickle.dumps(message, protocol=5))


class Pipes:
    """The three pipes of a test (or only that of its input); closes whatever is still open at the end."""

    def __init__(self, only_input: bool = False):
        self.input_read, self.input_write = os.pipe()
        self.output_read, self.output_write = (-1, -1) if only_input else os.pipe()
        self.error_read, self.error_write = (-1, -1) if only_input else os.pipe()
        for fd in (self.input_write, self.output_read, self.error_read):
            if fd >= 0:
                os.set_blocking(fd, False)
                os.fchmod(fd, 0o666)  # as root: the program is another user, and may want to open /dev/stdin

    def close_other_ends(self) -> None:
        """The ends that the program has now."""
        for name in ("input_read", "output_write", "error_write"):
            self._close(name)

    def close_input(self) -> None:
        self._close("input_write")

    def _close(self, name: str) -> None:
        fd = getattr(self, name)
        if fd >= 0:
            os.close(fd)
            setattr(self, name, -1)

    def __enter__(self) -> Pipes:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for name in ("input_read", "input_write", "output_read", "output_write", "error_read", "error_write"):
            self._close(name)


class Feeder:
    """Writes a test's input as fast as the program reads it."""

    def __init__(self, fd: int, data: bytes):
        self._fd, self._rest = fd, memoryview(data)
        self.unfinished = self.feed()

    def feed(self) -> bool:
        """Write what fits; False when all is written or nobody will read it."""
        try:
            while self._rest:
                self._rest = self._rest[os.write(self._fd, self._rest) :]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


class ResultReader:
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


def _file_in_memory(data: bytes) -> int:
    fd = os.memfd_create("source", os.MFD_CLOEXEC)
    os.write(fd, data)
    return fd


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
    received = pickle.loads(wire.receive(grader))
    settings = Settings(**(received | {"limits": Limits(**received["limits"])}))
    sc.prctl(sc.PR_SET_DUMPABLE, 0)
    try:
        supervisor = Supervisor(grader, settings)
    except HarnessFailure as error:
        wire.send(grader, pickle.dumps(("refused", str(error))))
        return
    try:
        supervisor.serve()
    except (EOFError, ConnectionError, BrokenPipeError, GraderGone):
        pass
    finally:
        supervisor.zygotes.plain.close()
        supervisor.zygotes.numpy.close()
        if supervisor.zygotes.level != "namespaces":
            shutil.rmtree(supervisor.zygotes.folder, ignore_errors=True)
