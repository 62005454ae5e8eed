"""A process that has the sandbox and the usual imports ready, and forks a program's process from itself for each test.

It never holds a problem, a program or a result: the program's process reads its own text and input. At the level
``namespaces`` it is the first process of its pid namespace, so no signal from a program reaches it, and one call kills
whatever a program left behind.

What a test costs beyond the program is above all the memory pages that the two processes touch after the fork (each is
copied, some 3 microseconds). So the zygote lives under the program's restrictions itself, that its forks inherit, and little
Python runs on the way to the program's first instruction.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import os
import select
import signal
import socket
import struct
import sys
import time
from dataclasses import replace
from resource import RLIMIT_STACK, RUSAGE_CHILDREN, getrlimit, getrusage, setrlimit
from typing import NoReturn

from . import commands, folders, isolation, meter, official, program
from . import syscalls as sc
from .levels import Limits, Sandbox
from .meter import Meter, Progress
from .orders import BUILD, EXECUTE, FUNCTIONAL, KILL, MAX_FDS, MESSAGE_BYTES, READY, RUN, STDIN, End, Order

USUAL_IMPORTS = (
    "string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics", "itertools",
    "functools", "operator", "io", "json", "typing", "decimal", "fractions", "threading", "dataclasses", "enum", "array",
    "cmath", "numbers", "textwrap", "collections.abc",
)  # fmt: skip

_exit = os._exit  # a program may replace os._exit
_FDS_SPACE = socket.CMSG_SPACE(4 * MAX_FDS)
_THREAD_STACK = 8 << 20  # as everywhere; else the C library takes the stack limit, which is the whole memory here
_FIRST_LOOK_MS = 100
_LOOK_EVERY_MS = 50


class Zygote:
    def __init__(self, connection: socket.socket, sandbox: Sandbox, limits: Limits):
        self.connection = connection
        self.sandbox = sandbox
        self.limits = limits
        self._names: dict[str, object] = {}
        self._box: tuple[int, ...] | None = None  # how the program found its folders; None: nobody knows
        self._times_tell = False
        self._last_pid = -1
        self._poller = select.poll()
        self._waited_for = 0.0

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
        sc.set_thread_stack(_THREAD_STACK)
        hard = getrlimit(RLIMIT_STACK)[1]
        setrlimit(RLIMIT_STACK, (hard, hard))  # from "unlimited", threads of what a program executes get usual stacks, too
        isolation.confine_zygote(self.sandbox, self.limits)
        os.chdir(self.sandbox.work)
        _forget_own_modules()
        if self.sandbox.has_pid_namespace:
            with contextlib.suppress(OSError):
                self._last_pid = os.open("/proc/sys/kernel/ns_last_pid", os.O_WRONLY)
        self._clear_low_descriptors()
        self._times_tell = self.sandbox.has_pid_namespace and folders.every_change_shows(self.sandbox)
        self._poller.register(self.connection, select.POLLIN)
        gc.collect()
        gc.freeze()
        if self.sandbox.cgroup is not None:
            self.sandbox.cgroup.set_floor()
        self.connection.send(READY)
        receive = self.connection.recvmsg
        while True:
            message, ancillary, _, _ = receive(MESSAGE_BYTES, _FDS_SPACE)
            if not message:
                self._end()
            if message[:1] == RUN:
                fds = ancillary[0][2]
                self._run_test(Order.unpack(message), list(struct.unpack(f"={len(fds) // 4}i", fds)))
            # a late KILL finds nobody

    def _clear_low_descriptors(self) -> None:
        """Descriptors that come with an order get the lowest free numbers: those that they shall have in the program."""
        self.connection = _moved_up(self.connection)
        if self.sandbox.box_keeper is not None:
            proc = fcntl.fcntl(self.sandbox.proc, fcntl.F_DUPFD_CLOEXEC, 2 * MAX_FDS)
            self.sandbox = replace(self.sandbox, box_keeper=_moved_up(self.sandbox.box_keeper), proc=proc)
        if self.sandbox.cgroup is not None:
            self.sandbox.cgroup.move_descriptors(2 * MAX_FDS)
        if self._last_pid >= 0:
            self._last_pid = fcntl.fcntl(self._last_pid, fcntl.F_DUPFD_CLOEXEC, 2 * MAX_FDS)
        os.closerange(0, 2 * MAX_FDS)

    def _run_test(self, order: Order, fds: list[int]) -> None:
        if fds != list(range(len(fds))):
            raise RuntimeError(f"descriptors {fds}")
        limits = self.limits if order.command is None else order.command.limits
        total_cpu = limits.cpu * order.num_tests
        if order.first:
            self._begin_program()
        self._reset_pids()
        started = time.monotonic()
        pid = sc.fork()
        if pid == 0:
            self._become_program(order, len(fds), limits, total_cpu)
        has_results = order.style not in (STDIN, BUILD, EXECUTE)
        end = self._watch(pid, limits, started, total_cpu, Progress(fds[4], order.num_tests) if has_results else None)
        os.closerange(0, len(fds))
        self.connection.send(end.pack())
        if self._box != folders.box_state(self.sandbox):
            self._make_clean()

    def _become_program(self, order: Order, num_fds: int, limits: Limits, total_cpu: float) -> None:
        status = 1
        try:
            os.closerange(num_fds, 1 << 16)
            is_vm = order.command is not None and order.command.is_vm
            isolation.confine_program(self.sandbox, limits, total_cpu, is_vm)
            if order.command is not None:
                status = (commands.build if order.style == BUILD else commands.execute)(order.command)
            elif order.style == STDIN:
                status = program.run_stdin(order.compiled, order.keep_code)
            elif order.style == FUNCTIONAL:
                status = program.run_functional(self._names, order.func_name)
            else:
                status = official.run(order.style, order.func_name)
        except BaseException as error:
            os.write(2, f"{program.describe(error)}\n".encode("utf-8", "replace"))
        finally:
            _exit(status)

    def _watch(self, pid: int, limits: Limits, started: float, total_cpu: float, results: Progress | None) -> End:
        """Wait for the program's first process; stop everything at a limit or when the supervisor says so."""
        handle = os.pidfd_open(pid)
        self._poller.register(handle, select.POLLIN)
        watch: Meter | None = None  # most programs end before anyone looks
        timeout, exceeded, cpu_before = _FIRST_LOOK_MS, None, 0.0
        ended = False
        while not ended and exceeded is None:
            for source, _ in self._poller.poll(timeout):
                if source == handle:
                    ended = True
                elif self.connection.recv(1) == KILL:
                    exceeded = "killed"
                else:
                    self._end()
            if ended or exceeded:
                break
            if watch is None:
                watch = Meter(self.sandbox, limits.memory, started, self._waited_for, streams=True)
            timeout = _LOOK_EVERY_MS
            meter.reap_orphans(pid)
            watch.look()
            if results is not None and results.has_moved():
                cpu_before = watch.cpu
                watch.restart_clock()
            exceeded = self._exceeded(watch, limits, cpu_before, total_cpu)
        self._poller.unregister(handle)
        os.close(handle)
        if not ended:
            self._kill_all()
        _, status, usage = os.wait4(pid, 0)
        left = meter.anyone_left() if ended else True
        if left:
            self._kill_all()
            meter.reap_everyone()
            self._box = None
        sums = getrusage(RUSAGE_CHILDREN)
        before, self._waited_for = self._waited_for, sums.ru_utime + sums.ru_stime
        cpu = self._waited_for - before if watch is None else watch.finish(self._waited_for)
        if watch is not None and exceeded is None and results is not None and not results.has_moved():
            exceeded = "cpu" if cpu - cpu_before > limits.cpu else None
        return End(status, cpu, time.monotonic() - started, usage.ru_maxrss * 1024, exceeded)

    def _exceeded(self, watch: Meter, limits: Limits, cpu_before: float, total_cpu: float) -> str | None:
        if watch.memory > limits.memory:
            return "memory"
        if watch.cpu - cpu_before > limits.cpu or watch.cpu > total_cpu:
            return "cpu"
        if watch.has_slept(limits.sleep):
            return "sleep"
        if not self.sandbox.has_pid_namespace:
            written = folders.folder_bytes(self.sandbox, watch.processes)
            if written > self.sandbox.memory_folder_bytes:
                return "files"
        if watch.wall() > limits.wall:
            return "wall"
        return None

    def _end(self) -> NoReturn:
        """The supervisor has hung up, or is dead."""
        self._kill_all()
        if not self.sandbox.has_pid_namespace:
            folders.remove(self.sandbox.folder)
        _exit(0)

    def _kill_all(self) -> None:
        if self.sandbox.has_pid_namespace:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
        else:
            meter.kill_descendants()

    def _begin_program(self) -> None:
        """New folders, or those that nobody has touched since they were new, which then tell the same: not even their age."""
        if self._times_tell:
            folders.renew_times(self.sandbox)
            self._box = folders.box_state(self.sandbox)
        else:
            self._make_clean()

    def _make_clean(self) -> None:
        """Nobody is left: folders of which nothing tells what was in the last ones, or when they were left."""
        if self.sandbox.box_keeper is not None:
            os.chdir("/")  # with nobody in it the old one is gone at once, and the new one gets the same numbers
            isolation.ask_for_new_box(self.sandbox.box_keeper)
        else:
            folders.make_folder(self.sandbox.folder)
        os.chdir(self.sandbox.work)
        self._box = folders.box_state(self.sandbox)

    def _reset_pids(self) -> None:
        """Process ids count all forks: every program starts at the same number, or one could tell the next something."""
        if self._last_pid >= 0:
            try:
                os.pwrite(self._last_pid, b"1", 0)
            except OSError:  # not allowed here (kernels before 5.9)
                self._last_pid = -1


def _moved_up(line: socket.socket) -> socket.socket:
    fd = fcntl.fcntl(line.fileno(), fcntl.F_DUPFD_CLOEXEC, 2 * MAX_FDS)
    line.close()
    return socket.socket(fileno=fd)


def _forget_own_modules() -> None:
    """Programs shall not find this package by its name."""
    package = __name__.partition(".")[0]
    for name in [name for name in sys.modules if name == package or name.startswith(package + ".")]:
        del sys.modules[name]
