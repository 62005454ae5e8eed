"""The supervisor's line to the grader: JSON lists, each after its length, and a sign of life while a program is graded."""

from __future__ import annotations

import json
import signal
import socket
import struct
import time
from typing import Any

_LENGTH = struct.Struct("=I")
_SIGN_OF_LIFE_EVERY_S = 10.0
_OWN_CPU_S = 60.0
"""CPU time that the supervisor may use between two signs of life; the kernel ends it beyond that, whatever it computes."""


class GraderLine:
    def __init__(self, fd: int):
        self._socket = socket.socket(fileno=fd)
        self._last_sign = 0.0

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, *message: Any) -> None:
        data = json.dumps(message).encode()
        self._socket.sendall(_LENGTH.pack(len(data)) + data)

    def receive(self) -> Any:
        """Raises EOFError if the grader has hung up."""
        return json.loads(self._receive_exactly(_LENGTH.unpack(self._receive_exactly(_LENGTH.size))[0]))

    def _receive_exactly(self, size: int) -> bytes:
        parts = []
        while size:
            part = self._socket.recv(min(size, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def give_sign_of_life(self) -> None:
        """To be called wherever the supervisor waits; the grader kills a worker that is silent for minutes."""
        now = time.monotonic()
        if now - self._last_sign > _SIGN_OF_LIFE_EVERY_S:
            self._last_sign = now
            self.send("alive")
            signal.setitimer(signal.ITIMER_PROF, _OWN_CPU_S)
