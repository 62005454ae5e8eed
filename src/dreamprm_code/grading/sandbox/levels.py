"""The levels of isolation by name, what a test may use, and what a zygote knows of its sandbox."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cached_property

from .cgroup import Cgroup

LEVELS = ("namespaces", "landlock", "rlimits")
"""Strongest first."""

BOX_FOLDERS = ("work", "tmp", "shm")


@dataclass(frozen=True)
class Limits:
    """What one test of a program may use; times in seconds, sizes in bytes."""

    cpu: float
    sleep: float
    wall: float
    memory: int
    output: int
    file: int
    processes: int
    open_files: int = 256
    build_cpu: float = 30.0
    build_memory: int = 2 << 30


@dataclass(frozen=True)
class Sandbox:
    """The zygote's level, and what its programs need to know to go on from it."""

    level: str
    folder: str
    memory_folder_bytes: int
    keeps_read_capability: bool = False
    box_keeper: socket.socket | None = None
    """Level ``namespaces``: the line to the process that may still mount."""
    proc: int = -1
    """Level ``namespaces``: a descriptor of a /proc that shows every process of the namespace."""
    cgroup: Cgroup | None = None
    shown: tuple[str, ...] = ()
    """Folders that programs may read besides the system's and the interpreter's."""

    @property
    def has_pid_namespace(self) -> bool:
        return self.level == "namespaces"

    @property
    def work(self) -> str:
        return self.folders[0]

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """What a program may write to: its working folder, that for temporary files, that for shared memory."""
        return tuple(os.path.join(self.folder, name) for name in BOX_FOLDERS)
