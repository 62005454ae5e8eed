"""How much the processes of a program use, and how all of them are killed."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time

KILL_S = 5.0
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SHARED_WITH_ZYGOTE = 24 << 20  # bytes of every process that are the zygote's pages, not its own


class Meter:
    """CPU time, sleeping time and memory of every process that descends from the zygote.

    Sleeping time is the wall time in which no thread ran or waited for a processor: it does not grow because the host is
    busy. CPU time of processes that were waited for comes from the kernel's exact sums, of the living from /proc.
    """

    def __init__(self, whole_namespace: bool, started: float, cpu_before: float):
        """``started`` is the program's start, ``cpu_before`` the CPU time of all processes waited for until then."""
        self._whole_namespace = whole_namespace
        self._cpu_before = cpu_before
        self._started = started
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

    def finish(self, waited_for: float) -> float:
        """The program's CPU time when no process is left, from the CPU time of all processes waited for."""
        self._add(waited_for - self._cpu_before)
        return self.cpu

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
            self.is_runnable |= state == b"R"
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


def reap_orphans(first: int) -> None:
    """Collect whoever was left to this process and has ended, but not the program's first process."""
    while True:
        try:
            info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if info is None or info.si_pid == first:
            return
        os.waitpid(info.si_pid, 0)


def anyone_left() -> bool:
    """Whether a child lives; collects those that have ended."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return True
        except ChildProcessError:
            return False


def wait_for_children(seconds: float) -> None:
    """Until no child is left, but at most so long."""
    deadline = time.monotonic() + seconds
    while anyone_left() and time.monotonic() < deadline:
        time.sleep(0.01)


def reap_everyone() -> None:
    """Wait for killed processes; returns when no child is left."""
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return
