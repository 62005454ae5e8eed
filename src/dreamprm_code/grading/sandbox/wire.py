"""Messages between the grader, a supervisor and its zygotes: a length and that many bytes."""

from __future__ import annotations

import socket
import struct

_LENGTH = struct.Struct("=I")


def receive_exactly(connection: socket.socket, size: int) -> bytes:
    """Raises EOFError if the other side hangs up first."""
    parts = []
    while size:
        part = connection.recv(min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def send(connection: socket.socket, data: bytes) -> None:
    connection.sendall(_LENGTH.pack(len(data)) + data)


def receive(connection: socket.socket) -> bytes:
    return receive_exactly(connection, _LENGTH.unpack(receive_exactly(connection, _LENGTH.size))[0])
