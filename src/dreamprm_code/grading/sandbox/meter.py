"""How much the processes of a program use, and how all of them are killed."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import time

from .levels import Sandbox

KILL_S = 5.0
_LONGEST_STEP_S = 0.2  # between two looks, four times as long as they are apart where processors are to be had
_LONGEST_WAIT_S = 3.0  # for a processor, in which nothing is told yet
_TAKING_TURNS = 8
_MOST_EXCUSED_S = 30.0  # for a program can have its pipes look so
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SHARED_WITH_ZYGOTE = 24 << 20  # bytes of every process that are the zygote's pages, not its own


class Meter:
    """CPU time, sleeping time and memory of every process that descends from the zygote.

    Sleeping time is the wall time in which no thread ran or waited for a processor: it does not grow because the host is
    busy. Where the zygote looks too late, the host lacks processors: only a part of that time counts. How long a thread
    waited the kernel tells when the wait is over: as long as one waits, nothing is counted yet. Of many threads the busiest
    few count, or a crowd that wakes up together could pay with one wait for minutes of sleep; of one that ends before the
    next look, what was seen of its wait. Where the pipes show that the program waits for the supervisor, it does not sleep
    either. CPU time of processes that were waited for comes from the kernel's exact sums, of the
    living from /proc.
    """

    def __init__(self, sandbox: Sandbox, memory_limit: int, started: float, cpu_before: float, streams: bool = False):
        """``started`` is the program's start, ``cpu_before`` the CPU time of all processes waited for until then. ``streams``:
        descriptors 0, 1 and 2 are the program's."""
        self._whole_namespace = sandbox.has_pid_namespace
        self._proc = f"/proc/self/fd/{sandbox.proc}" if sandbox.proc >= 0 else "/proc"
        self._cgroup = sandbox.cgroup
        self._memory_limit = memory_limit
        self._cpu_before = cpu_before
        self._started = self._looked = started
        self._untold = self._busy = 0.0  # since sleep was last counted: the time, and how much of it threads were busy
        self._cpu_then = 0.0
        self._doubtful = 0.0  # counted as sleep although a thread was waiting
        self._last_total = self._lost = 0.0
        self._threads: dict[str, int] = {}  # thread -> nanoseconds running or waiting for a processor
        self._gains: dict[str, int] = {}  # of each living thread since the last look
        self._waiting: set[str] = set()
        self._waits: dict[str, float] = {}  # of those that are waiting: seconds, as far as they were seen
        self._own_pid = os.getpid()
        self.processes: list[str] = []
        self.cpu = self.sleep = 0.0
        self.memory = 0
        self._excused = 0.0
        self._streams = select.poll()
        self._num_streams = 3 if streams else 0
        for fd in range(self._num_streams):
            self._streams.register(fd, select.POLLIN if fd == 0 else select.POLLOUT)

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
        # Where a program may ignore SIGCHLD, a process leaves all sums when it dies; its last known time is kept.
        self._lost += max(0.0, self._last_total - total - 0.02)
        self._last_total = total
        self.cpu = max(self.cpu, total + self._lost)

    def look(self) -> None:
        total, resident, virtual = 0.0, 0, 0
        self._waiting.clear()
        self._gains.clear()
        self.processes = self._find_processes()
        for pid in self.processes:
            try:
                with open(f"{self._proc}/{pid}/stat", "rb") as stream:
                    fields = stream.read().rpartition(b")")[2].split()
                total += sum(map(int, fields[11:15])) / _TICKS
                resident += max(0, int(fields[21]) * _PAGE - _SHARED_WITH_ZYGOTE)
                virtual += int(fields[20])
                self._look_at_threads(pid)
            except (OSError, ValueError, IndexError):
                continue
        self.memory = self._held(resident, virtual)
        self._add(total + self._waited_for() - self._cpu_before)
        now = time.monotonic()
        step = min(now - self._looked, _LONGEST_STEP_S)
        if self._excused < _MOST_EXCUSED_S and len(self._streams.poll(0)) < self._num_streams:
            self._excused += step  # its input is still to come, or nobody has taken its output
            step = 0.0
        self._count_sleep(step)
        self._looked = now

    def _count_sleep(self, step: float) -> None:
        self._untold += step
        self._busy += sum(sorted(self._gains.values())[-_TAKING_TURNS:]) / 1e9
        self._busy += max((wait for thread, wait in self._waits.items() if thread not in self._gains), default=0.0)
        self._waits = {thread: self._waits.get(thread, 0.0) + step for thread in self._waiting}
        if not self._waiting or self._untold > _LONGEST_WAIT_S:
            slept = max(self._untold - max(self._busy, self.cpu - self._cpu_then), -self._doubtful)
            self.sleep += slept
            self._doubtful = self._doubtful + slept if self._waiting else 0.0
            self._begin_to_count()

    def _begin_to_count(self) -> None:
        self._untold, self._busy, self._cpu_then = 0.0, 0.0, self.cpu

    def _held(self, resident: int, virtual: int) -> int:
        if self._cgroup is not None:
            return self._cgroup.held()
        if max(resident, virtual) <= self._memory_limit:
            return resident
        # Pages that processes share count once, and shared memory even where nobody has it mapped in any more.
        shared: dict[bytes, int] = {}
        private = 0
        for pid in self.processes:
            try:
                with open(f"{self._proc}/{pid}/smaps_rollup", "rb") as stream:
                    sizes = {line.split(b":")[0]: int(line.split()[1]) << 10 for line in stream if line.endswith(b" kB\n")}
                private += sizes.get(b"Pss_Anon", sizes[b"Pss"])
                with open(f"{self._proc}/{pid}/maps", "rb") as stream:
                    for span, _, offset, _, inode, *name in map(bytes.split, stream):
                        if name[:1] == [b"/dev/zero"]:
                            start, end = (int(address, 16) for address in span.split(b"-"))
                            shared[inode] = max(shared.get(inode, 0), int(offset, 16) + end - start)
            except PermissionError:
                return resident
            except (OSError, ValueError, KeyError):
                continue
        return private + sum(shared.values())

    def _look_at_threads(self, pid: str) -> None:
        for thread in os.listdir(f"{self._proc}/{pid}/task"):
            with open(f"{self._proc}/{pid}/task/{thread}/schedstat", "rb") as stream:
                running, waiting, _ = stream.read().split()
            with open(f"{self._proc}/{pid}/task/{thread}/stat", "rb") as stream:
                state = stream.read().rpartition(b")")[2].split()[0]
            busy = int(running) + int(waiting)
            before = self._threads.get(thread, 0)
            if state == b"R" and busy == before:
                self._waiting.add(thread)
            self._gains[thread] = busy - before
            self._threads[thread] = busy

    def _find_processes(self) -> list[str]:
        if self._whole_namespace:
            return [name for name in os.listdir(self._proc) if name.isdigit() and name != "1"]
        return descendants(self._own_pid)

    def has_slept(self, seconds: float) -> bool:
        """Whether it is beyond doubt; a wait for a processor may still turn out to be one, but not for ever."""
        return self.sleep - min(self._doubtful, _MOST_EXCUSED_S) > seconds

    def restart_clock(self) -> None:
        """Count sleeping and wall time from now (a functional test has ended, the next one begins)."""
        self._started = time.monotonic()
        self.sleep = self._doubtful = 0.0
        self._begin_to_count()


class Progress:
    """How many results a program has written: complete lines, each of which the supervisor will judge, and no more than it
    has tests. A program that writes anything else does not get more time by it."""

    def __init__(self, fd: int, num_tests: int):
        self._fd, self._left, self._offset = fd, num_tests, 0

    def has_moved(self) -> bool:
        before = self._left
        while data := os.pread(self._fd, 1 << 18, self._offset):
            self._offset += len(data)
            self._left -= data.count(b"\n")
        self._left = max(0, self._left)
        return self._left < before


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
