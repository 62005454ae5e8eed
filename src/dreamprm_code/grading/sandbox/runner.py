"""One program: compile it, then fork a process for each test, measure all that descends from it, and stop it at a limit."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
import types
import warnings
from typing import Any

from . import program as prog
from . import syscalls as sc
from .isolation import Limits, Sandbox, confine_program, confine_runner, is_box_clean

FIRST_LOOK_S = 0.1
LOOK_EVERY_S = 0.05
KILL_S = 5.0
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SHARED_WITH_ZYGOTE = 24 << 20  # bytes of every process that are the zygote's pages, not its own


def receive_exactly(connection: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = connection.recv(min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def send_message(connection: socket.socket, message: dict[str, Any]) -> None:
    data = json.dumps(message).encode()
    connection.sendall(struct.pack("=I", len(data)) + data)


def receive_message(connection: socket.socket) -> dict[str, Any]:
    return json.loads(receive_exactly(connection, struct.unpack("=I", receive_exactly(connection, 4))[0]))


class Meter:
    """CPU time, sleeping time and memory of every process that descends from the runner.

    Sleeping time is the wall time in which no thread ran or waited for a processor: it does not grow because the host is
    busy. CPU time of processes that were waited for comes from the kernel's exact sums, of the living from /proc.
    """

    def __init__(self, whole_namespace: bool):
        self._whole_namespace = whole_namespace
        self._cpu_before = self._waited_for()
        self._started = time.monotonic()
        self._last_total = self._lost = 0.0
        self._threads: dict[str, int] = {}  # thread -> nanoseconds running or waiting for a processor
        self._own_pid = os.getpid()
        self.cpu = self.sleep = 0.0
        self.memory = 0
        self.is_runnable = False

    @staticmethod
    def _waited_for() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    def wall(self) -> float:
        return time.monotonic() - self._started

    def finish(self) -> None:
        """Bring the CPU time up to date when no process is left."""
        self._add(self._waited_for() - self._cpu_before)

    def _add(self, total: float) -> None:
        # A process whose parent ignores SIGCHLD leaves all sums when it dies; its last known time is kept.
        self._lost += max(0.0, self._last_total - total - 0.02)
        self._last_total = total
        self.cpu = max(self.cpu, total + self._lost)

    def look(self) -> None:
        total = 0.0
        memory = 0
        self.is_runnable = False
        for pid in self._processes():
            try:
                with open(f"/proc/{pid}/stat", "rb") as stream:
                    fields = stream.read().rpartition(b")")[2].split()
                total += sum(map(int, fields[11:15])) / _TICKS
                memory += max(0, int(fields[21]) * _PAGE - _SHARED_WITH_ZYGOTE)
                self._look_at_threads(pid)
            except (OSError, ValueError, IndexError):
                continue
        self.memory = memory
        self._add(total + self._waited_for() - self._cpu_before)
        busy = max(sum(self._threads.values()) / 1e9, self.cpu)
        self.sleep = max(0.0, self.wall() - busy) if self._threads else 0.0

    def _look_at_threads(self, pid: str) -> None:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat", "rb") as stream:
                running, waiting, _ = stream.read().split()
            with open(f"/proc/{pid}/task/{thread}/stat", "rb") as stream:
                state = stream.read().rpartition(b")")[2].split()[0]
            self.is_runnable |= state in (b"R", b"D")
            self._threads[thread] = int(running) + int(waiting)

    def _processes(self) -> list[str]:
        if self._whole_namespace:
            return [name for name in os.listdir("/proc") if name.isdigit() and name != "1"]
        return descendants(self._own_pid)

    def restart_sleep_clock(self) -> None:
        """Count sleeping time from now (a functional test has ended, the next one begins)."""
        self._started = time.monotonic()
        self._threads = {}


def descendants(pid: int) -> list[str]:
    """All living descendants of a process that may see its whole family in /proc."""
    found, waiting = [], [str(pid)]
    while waiting:
        parent = waiting.pop()
        try:
            for thread in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{thread}/children") as stream:
                    children = stream.read().split()
                found += children
                waiting += children
        except OSError:
            continue
    return found


class Runner:
    def __init__(self, connection: socket.socket, sandbox: Sandbox, names: dict[str, Any]):
        self.connection = connection
        self.sandbox = sandbox
        self.names = names

    def main(self) -> None:
        """Serve one program's tests until the supervisor hangs up."""
        try:
            confine_runner(self.sandbox)
            os.chdir(self.sandbox.work)
        except OSError as error:
            send_message(self.connection, {"harness": f"the sandbox could not be entered: {error}"})
            return
        message = receive_message(self.connection)
        limits = Limits(**message["limits"])
        source = receive_exactly(self.connection, message["size"])
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
        code, problem = compile_program(source, message["style"])
        if code is None:
            send_message(self.connection, {"compile": problem})
            return
        if message["compile_only"]:
            send_message(self.connection, {"compile": ""})
            return
        while True:
            header, fds, _, _ = socket.recv_fds(self.connection, 1, 5)
            if not header:
                return
            self._run_test(code, message, limits, list(fds))

    def _run_test(self, code: types.CodeType, message: dict[str, Any], limits: Limits, fds: list[int]) -> None:
        style = message["style"]
        total_cpu = limits.cpu * (message["num_tests"] if style != "stdin" else 1)
        results_fd = fds[4] if style != "stdin" else None
        meter = Meter(self.sandbox.has_pid_namespace)
        pid = sc.fork()
        if pid == 0:
            self._become_program(code, message, limits, total_cpu, fds)
        try:
            outcome = self._watch(pid, meter, limits, total_cpu, results_fd)
        finally:
            for fd in fds:
                os.close(fd)
        outcome["wall"] = round(meter.wall(), 6)
        send_message(self.connection, outcome)

    def _become_program(
        self, code: types.CodeType, message: dict[str, Any], limits: Limits, total_cpu: float, fds: list[int]
    ) -> None:
        status = 70
        try:
            depth = 8
            fds = [fcntl.fcntl(fd, fcntl.F_DUPFD, 16) for fd in fds]
            prog.prepare_interpreter(*fds[:3], depth)
            style = message["style"]
            keep = list(range(3, len(fds)))
            for number in keep:
                os.dup2(fds[number], number)
            os.closerange(len(fds), 1 << 16)
            confine_program(self.sandbox, limits, total_cpu)
            if style == "stdin":
                status = prog.run_as_main(code)
            elif style == "functional":
                status = prog.run_functional(code, self.names, message["func_name"], *keep)
            else:
                from . import official

                status = official.run(code, style, message["func_name"], *keep)
        except BaseException as error:
            os.write(2, f"{prog.describe(error)}\n".encode())
        finally:
            os._exit(status)

    def _watch(self, pid: int, meter: Meter, limits: Limits, total_cpu: float, results_fd: int | None) -> dict[str, Any]:
        """Wait for the program's first process; stop everything at a limit."""
        poller = select.poll()
        handle = os.pidfd_open(pid)
        poller.register(handle, select.POLLIN)
        timeout, exceeded, progress, cpu_before, _wall_before = FIRST_LOOK_S, None, 0, 0.0, 0.0
        try:
            while not poller.poll(timeout * 1000):
                timeout = LOOK_EVERY_S
                self._reap_orphans(pid)
                meter.look()
                if results_fd is not None and (size := os.fstat(results_fd).st_size) != progress:
                    progress, cpu_before, _wall_before = size, meter.cpu, time.monotonic()
                    meter.restart_sleep_clock()
                exceeded = self._exceeded(meter, limits, cpu_before, total_cpu)
                if exceeded is not None:
                    self._kill_all()
                    break
        finally:
            os.close(handle)
        _, status, usage = os.wait4(pid, 0)
        left = False
        if exceeded is None:
            left = self._anyone_left()
        meter.finish()
        return {
            "status": status,
            "cpu": round(meter.cpu, 6),
            "memory": usage.ru_maxrss * 1024,
            "exceeded": exceeded,
            "stale": left or exceeded is not None or not is_box_clean(self.sandbox),
        }

    @staticmethod
    def _exceeded(meter: Meter, limits: Limits, cpu_before: float, total_cpu: float) -> str | None:
        if meter.cpu - cpu_before > limits.cpu or meter.cpu > total_cpu:
            return "cpu"
        if meter.memory > limits.memory:
            return "memory"
        if meter.sleep > limits.sleep and not meter.is_runnable:
            return "sleep"
        return "wall" if meter.wall() > limits.wall else None

    @staticmethod
    def _reap_orphans(pid: int) -> None:
        """Collect whoever was left to the runner and has ended, but not the program's first process."""
        while True:
            try:
                info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if info is None or info.si_pid == pid:
                return
            os.waitpid(info.si_pid, 0)

    @staticmethod
    def _anyone_left() -> bool:
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    return True
            except ChildProcessError:
                return False

    def _kill_all(self) -> None:
        """Kill every process but this one; the program's first process is left to be waited for."""
        if self.sandbox.has_pid_namespace:
            os.kill(-1, signal.SIGKILL)
        else:
            kill_descendants()


def kill_descendants() -> None:
    """Kill a family that may fork while it is being killed: stop first, kill when nobody new appears."""
    deadline = time.monotonic() + KILL_S
    stopped: set[str] = set()
    while time.monotonic() < deadline:
        living = set(descendants(os.getpid()))
        for number in living:
            with contextlib.suppress(OSError):
                os.kill(int(number), signal.SIGSTOP if number not in stopped else signal.SIGKILL)
        if living <= stopped:
            break
        stopped |= living
    for number in descendants(os.getpid()):
        with contextlib.suppress(OSError):
            os.kill(int(number), signal.SIGKILL)


def compile_program(source: bytes, style: str) -> tuple[types.CodeType | None, str]:
    """The program's code, or None and why it is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if style.startswith("official"):
                from . import official

                return official.compile_program(source.decode(), style), ""
            return compile(source, "solution.py", "exec", dont_inherit=True), ""
    except BaseException as error:
        line = getattr(error, "lineno", None)
        return None, prog.describe(error) + (f" (line {line})" if line and "line" not in str(error) else "")


def run(connection: socket.socket, sandbox: Sandbox, names: dict[str, Any]) -> None:
    """Life of a runner process; never returns."""
    try:
        Runner(connection, sandbox, names).main()
    except (EOFError, ConnectionError, BrokenPipeError):
        pass
    except BaseException as error:
        print(f"grading: a runner failed: {prog.describe(error)}", file=sys.stderr, flush=True)
    finally:
        if not sandbox.has_pid_namespace:
            kill_descendants()
        os._exit(0)
