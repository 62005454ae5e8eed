"""A process that has the sandbox and the usual imports ready, and forks a runner from itself for each program."""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import socket
import sys
from typing import Any

from . import isolation, runner
from . import syscalls as sc
from .isolation import Sandbox
from .program import prelude

USUAL_IMPORTS = (
    "string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics", "itertools",
    "functools", "operator", "io", "json", "typing", "decimal", "fractions", "threading", "dataclasses", "enum", "array",
    "cmath", "numbers", "textwrap", "collections.abc",
)  # fmt: skip

NEW_PROGRAM, NUMPY_ZYGOTE, KILL_RUNNER, RUNNER_GONE, READY = b"N", b"H", b"K", b"G", b"R"


class Zygote:
    def __init__(self, connection: socket.socket, sandbox: Sandbox):
        self.connection = connection
        self.sandbox = sandbox
        self._own_pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY) if sandbox.has_pid_namespace else -1
        self._own_proc = os.stat("/proc").st_dev
        self._names: dict[str, Any] = {}

    def main(self, extra_imports: tuple[str, ...] = ()) -> None:
        """Serve until the supervisor hangs up; never returns."""
        for name in (*USUAL_IMPORTS, *extra_imports):
            try:
                importlib.import_module(name)
            except ImportError:
                continue
        self._names = prelude()
        _forget_own_modules()
        gc.collect()
        gc.freeze()
        self.connection.send(READY)
        while True:
            message, fds, _, _ = socket.recv_fds(self.connection, 1, 1)
            if not message:
                os._exit(0)
            if message == NEW_PROGRAM:
                self._serve_program(fds[0])
            elif message == NUMPY_ZYGOTE:
                self._fork_numpy_zygote(fds[0])
            # a late KILL_RUNNER finds nobody

    def _fork_numpy_zygote(self, fd: int) -> None:
        if sc.fork() == 0:
            self.connection.close()
            Zygote(socket.socket(fileno=fd), self.sandbox).main(("numpy", "numpy.random"))
        os.close(fd)

    def _serve_program(self, fd: int) -> None:
        pid = self._fork_runner(fd)
        os.close(fd)
        handle = os.pidfd_open(pid)
        poller = select.poll()
        poller.register(handle, select.POLLIN)
        poller.register(self.connection, select.POLLIN)
        ended = False
        while not ended:
            for source, _ in poller.poll():
                if source == handle:
                    ended = True
                elif self.connection.recv(1) != KILL_RUNNER:
                    if not self.sandbox.has_pid_namespace:
                        runner.kill_descendants()
                    os._exit(0)
                else:
                    os.kill(pid, signal.SIGKILL)
        os.close(handle)
        os.waitpid(pid, 0)
        self._make_clean()
        self.connection.send(RUNNER_GONE)

    def _fork_runner(self, fd: int) -> int:
        if self.sandbox.has_pid_namespace:
            sc.unshare(sc.CLONE_NEWPID)  # for the next child
        pid = sc.fork()
        if pid == 0:
            self.connection.close()
            if self._own_pid_namespace >= 0:
                os.close(self._own_pid_namespace)
            runner.run(socket.socket(fileno=fd), self.sandbox, self._names)
        if self.sandbox.has_pid_namespace:
            sc.setns(self._own_pid_namespace, sc.CLONE_NEWPID)  # children are the zygote's neighbours again
        return pid

    def _make_clean(self) -> None:
        """After a program: its processes are gone; take away its /proc and its files."""
        if self.sandbox.has_pid_namespace:
            if os.stat("/proc").st_dev != self._own_proc:
                sc.umount("/proc")
            sc.umount(isolation.BOX)
            isolation.mount_box(self.sandbox.memory_folder_bytes)
        else:
            runner.kill_descendants()
            _reap_all()


def _reap_all() -> None:
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return


def _forget_own_modules() -> None:
    """Programs shall not find this package by its name."""
    package = __name__.partition(".")[0]
    for name in [name for name in sys.modules if name == package or name.startswith(package + ".")]:
        del sys.modules[name]
