"""A process that has the sandbox and the usual imports ready, and forks a program's process from itself for each test.

It never holds a problem, a program or a result: the program's process reads its own text and input. At the level
``namespaces`` it is the first process of its pid namespace, so no signal from a program reaches it, and one call kills
whatever a program left behind.
"""

from __future__ import annotations

import _signal
import contextlib
import fcntl
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from typing import Any

from . import isolation, meter, official, program
from . import syscalls as sc
from .isolation import Limits, Sandbox
from .meter import Meter

USUAL_IMPORTS = (
    "string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics", "itertools",
    "functools", "operator", "io", "json", "typing", "decimal", "fractions", "threading", "dataclasses", "enum", "array",
    "cmath", "numbers", "textwrap", "collections.abc",
)  # fmt: skip

RUN, KILL, CLEAN, READY, FAILED = b"T", b"K", b"C", b"R", b"E"
STYLES = ("stdin", "functional", "official_stdin", "official_functional")
MESSAGE_BYTES = 512
MAX_FDS = 6

_exit = os._exit  # a program may replace os._exit
FIRST_LOOK_S = 0.1
LOOK_EVERY_S = 0.05


class Zygote:
    def __init__(self, connection: socket.socket, sandbox: Sandbox, limits: Limits):
        self.connection = connection
        self.sandbox = sandbox
        self.limits = limits
        self._names: dict[str, Any] = {}

    def main(self, extra_imports: tuple[str, ...] = ()) -> None:
        """Serve until the supervisor hangs up; never returns."""
        for name in (*USUAL_IMPORTS, *extra_imports):
            try:
                importlib.import_module(name)
            except ImportError:
                continue
        self._names = program.names_with_prelude()
        program.make_streams()
        program.prepare_interpreter()
        _forget_own_modules()
        gc.collect()
        gc.freeze()
        self.connection.send(READY)
        while True:
            message, fds, _, _ = socket.recv_fds(self.connection, MESSAGE_BYTES, MAX_FDS)
            if not message:
                self._kill_all()
                os._exit(0)
            if message[:1] == RUN:
                self._run_test(json.loads(message[1:]), fds)
            elif message == CLEAN:
                self._make_clean()
                self.connection.send(CLEAN)
            # a late KILL finds nobody

    def _run_test(self, test: dict[str, Any], fds: list[int]) -> None:
        functional = test["style"] != "stdin"
        total_cpu = self.limits.cpu * (test["num_tests"] if functional else 1)
        watch = Meter(self.sandbox.has_pid_namespace)
        pid = sc.fork()
        if pid == 0:
            self._become_program(test, fds, total_cpu)
        try:
            outcome = self._watch(pid, watch, total_cpu, fds[4] if functional else None)
        finally:
            for fd in fds:
                os.close(fd)
        outcome["wall"] = round(watch.wall(), 6)
        self.connection.send(json.dumps(outcome).encode())

    def _become_program(self, test: dict[str, Any], fds: list[int], total_cpu: float) -> None:
        status = 1
        try:
            self.connection.close()
            for number, fd in enumerate([fcntl.fcntl(fd, fcntl.F_DUPFD, 16) for fd in fds]):
                os.dup2(fd, number)
            os.closerange(len(fds), 1 << 16)
            os.chdir(self.sandbox.work)
            _signal.signal(_signal.SIGINT, _signal.default_int_handler)
            isolation.confine_program(self.sandbox, self.limits, total_cpu)
            style = test["style"]
            if style == "stdin":
                status = program.run_stdin(test["compiled"])
            elif style == "functional":
                status = program.run_functional(self._names, test["func_name"])
            else:
                status = official.run(style, test["func_name"])
        except BaseException as error:
            os.write(2, f"{program.describe(error)}\n".encode("utf-8", "replace"))
        finally:
            _exit(status)

    def _watch(self, pid: int, watch: Meter, total_cpu: float, results_fd: int | None) -> dict[str, Any]:
        """Wait for the program's first process; stop everything at a limit or when the supervisor says so."""
        poller = select.poll()
        handle = os.pidfd_open(pid)
        poller.register(handle, select.POLLIN)
        poller.register(self.connection, select.POLLIN)
        timeout, exceeded, progress, cpu_before = FIRST_LOOK_S, None, 0, 0.0
        ended = False
        while not ended and exceeded is None:
            for source, _ in poller.poll(timeout * 1000):
                if source == handle:
                    ended = True
                elif self.connection.recv(1) == KILL:
                    exceeded = "killed"
                else:
                    self._kill_all()
                    os._exit(0)
            if ended or exceeded:
                break
            timeout = LOOK_EVERY_S
            meter.reap_orphans(pid)
            watch.look()
            if results_fd is not None and (size := os.fstat(results_fd).st_size) != progress:
                progress, cpu_before = size, watch.cpu
                watch.restart_sleep_clock()
            exceeded = self._exceeded(watch, cpu_before, total_cpu)
        os.close(handle)
        if not ended:
            self._kill_all()
        _, status, usage = os.wait4(pid, 0)
        left = meter.anyone_left() if ended else True
        if left:
            self._kill_all()
            meter.reap_everyone()
        watch.finish()
        return {
            "status": status,
            "cpu": round(watch.cpu, 6),
            "memory": usage.ru_maxrss * 1024,
            "exceeded": exceeded,
            "clean": not left and isolation.is_box_clean(self.sandbox),
        }

    def _exceeded(self, watch: Meter, cpu_before: float, total_cpu: float) -> str | None:
        limits = self.limits
        if watch.cpu - cpu_before > limits.cpu or watch.cpu > total_cpu:
            return "cpu"
        if watch.memory > limits.memory:
            return "memory"
        if watch.sleep > limits.sleep and not watch.is_runnable:
            return "sleep"
        if not self.sandbox.has_pid_namespace and isolation.folder_bytes(self.sandbox) > self.sandbox.memory_folder_bytes:
            return "files"
        if watch.wall() > limits.wall:
            return "sleep" if watch.sleep > limits.sleep else "wall"
        return None

    def _kill_all(self) -> None:
        if self.sandbox.has_pid_namespace:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
        else:
            meter.kill_descendants()

    def _make_clean(self) -> None:
        """Between two programs: nobody is left; take away the files."""
        if self.sandbox.has_pid_namespace:
            sc.umount(isolation.BOX)
            isolation.mount_box(self.sandbox.memory_folder_bytes)
        else:
            isolation.make_folder(self.sandbox.folder)


def _forget_own_modules() -> None:
    """Programs shall not find this package by its name."""
    package = __name__.partition(".")[0]
    for name in [name for name in sys.modules if name == package or name.startswith(package + ".")]:
        del sys.modules[name]
