"""What a supervisor and its zygotes say to each other: one packet an order, one packet an answer, in fixed binary form."""

from __future__ import annotations

import struct
from typing import NamedTuple

from .commands import Command

READY, FAILED, RUN, KILL = b"R", b"E", b"T", b"K"
"""First byte of a packet; RUN is followed by an :class:`Order`, FAILED by a reason."""

MESSAGE_BYTES = 4096
MAX_FDS = 5

STDIN, FUNCTIONAL, OFFICIAL_STDIN, OFFICIAL_FUNCTIONAL, BUILD, EXECUTE = range(6)
"""Styles of running a program."""

_END = struct.Struct("=iddqB")
_EXCEEDED = (None, "cpu", "memory", "sleep", "files", "wall", "killed", "output")


class Order(NamedTuple):
    """Run one process of a program; ``num_tests`` is how many tests it may run, ``first`` that the program is new."""

    style: int
    first: bool
    compiled: bool = False
    keep_code: bool = False
    num_tests: int = 1
    func_name: str = ""
    command: Command | None = None
    """Of the styles BUILD and EXECUTE; brings its own limits."""

    def pack(self) -> bytes:
        flags = bytes((self.style, self.first, self.compiled, self.keep_code))
        what = self.func_name.encode() if self.command is None else self.command.pack()
        return RUN + flags + self.num_tests.to_bytes(4, "little") + what

    @classmethod
    def unpack(cls, data: bytes) -> Order:
        order = cls(data[1], data[2] == 1, data[3] == 1, data[4] == 1, int.from_bytes(data[5:9], "little"))
        if order.style in (BUILD, EXECUTE):
            return order._replace(command=Command.unpack(data[9:]))
        return order._replace(func_name=data[9:].decode())


class End(NamedTuple):
    """How a program's process ended: wait status, CPU and wall time in seconds, and the peak memory of one process in bytes.

    ``exceeded`` names the limit at which the zygote stopped it (None: it ended by itself).
    """

    status: int
    cpu: float
    wall: float
    memory: int
    exceeded: str | None

    def pack(self) -> bytes:
        return _END.pack(*self[:4], _EXCEEDED.index(self.exceeded))

    @classmethod
    def unpack(cls, data: bytes) -> End:
        """Raises ValueError if it is none."""
        if len(data) != _END.size:
            raise ValueError(data[1:].decode(errors="replace") or "the zygote ended")
        status, cpu, wall, memory, exceeded = _END.unpack(data)
        return cls(status, cpu, wall, memory, _EXCEEDED[exceeded])
