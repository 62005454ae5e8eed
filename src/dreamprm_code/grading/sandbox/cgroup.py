"""Memory as the kernel itself counts it, for a zygote and its programs: a control group, where one may be made.

That is so for root, and for users to whom a part of the tree is delegated; version 2 or 1. Only a control group knows memory
that no process maps: shared pages that were unmapped, buffers of sockets and pipes.
"""

from __future__ import annotations

import contextlib
import os

_PREFIX = "grading-"
_FILES = {2: ("memory.current", "memory.stat"), 1: ("memory.usage_in_bytes", "memory.stat")}
_NOT_HELD = {
    2: (b"inactive_file", b"active_file", b"slab_reclaimable"),
    1: (b"total_inactive_file", b"total_active_file"),
}


class Cgroup:
    def __init__(self, folder: str, version: int):
        self._folder, self._version = folder, version
        self._usage, self._stat = (os.open(f"{folder}/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in _FILES[version])
        self._floor = 0

    def join(self) -> None:
        """Take the calling process in, and all that it will fork."""
        with open(f"{self._folder}/cgroup.procs", "w") as stream:
            stream.write(str(os.getpid()))

    def move_descriptors(self, first: int) -> None:
        """To numbers from ``first`` on, out of the way of a program's."""
        import fcntl

        self._usage, self._stat = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, first) for fd in (self._usage, self._stat))

    def set_floor(self) -> None:
        """What is held now is no program's."""
        self._floor = self._in_use()

    def held(self) -> int:
        """Bytes that the programs hold: their memory, files in memory, the kernel's buffers; not the cache of files."""
        return max(0, self._in_use() - self._floor)

    def _in_use(self) -> int:
        lines = (line.split() for line in os.pread(self._stat, 1 << 14, 0).splitlines())
        cached = sum(int(words[1]) for words in lines if words[0] in _NOT_HELD[self._version])
        return int(os.pread(self._usage, 64, 0)) - cached


def make_cgroup() -> Cgroup | None:
    """A group below the caller's own, which the caller does not join; None where there is none to be had."""
    for version, folder in _own_groups():
        group = f"{folder}/{_PREFIX}{os.getpid()}"
        try:
            remove_empty_groups(folder)
            os.mkdir(group)
            try:
                return Cgroup(group, version)
            except OSError:  # version 2 does not count memory in it
                os.rmdir(group)
        except OSError:
            continue
    return None


def remove_empty_groups(folder: str | None = None) -> None:
    """Of zygotes that have ended, of this worker or of others that were killed."""
    for parent in [folder] if folder else [parent for _, parent in _own_groups()]:
        with contextlib.suppress(OSError):
            for name in os.listdir(parent):
                if name.startswith(_PREFIX) and not os.path.exists(f"/proc/{name.removeprefix(_PREFIX)}"):
                    with contextlib.suppress(OSError):
                        os.rmdir(f"{parent}/{name}")


def _own_groups() -> list[tuple[int, str]]:
    """(version, folder) of the caller's groups that may count memory."""
    mounts: dict[int, tuple[str, str]] = {}
    found = []
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/self/mountinfo") as stream:
            for line in stream:
                left, _, right = line.partition(" - ")
                root, point = left.split()[3:5]
                kind, _, options = right.split()[:3]
                if kind == "cgroup2" or (kind == "cgroup" and "memory" in options.split(",")):
                    mounts[2 if kind == "cgroup2" else 1] = (root, point)
        with open("/proc/self/cgroup") as stream:
            for line in stream:
                number, controllers, path = line.rstrip("\n").split(":", 2)
                version = 2 if number == "0" else 1 if "memory" in controllers.split(",") else 0
                if version in mounts:
                    root, point = mounts[version]
                    found.append((version, os.path.normpath(f"{point}/{os.path.relpath(path, root)}")))
    return sorted(found, reverse=True)
