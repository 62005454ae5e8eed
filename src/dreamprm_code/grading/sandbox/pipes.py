"""What runs between the supervisor and a program's process: pipes, files in memory, and who fills and empties them."""

from __future__ import annotations

import contextlib
import fcntl
import os

CHUNK = 1 << 18
_PIPE_BYTES, _LARGE_PIPE_BYTES = 1 << 16, 1 << 20


class Pipes:
    """The three pipes of a test (or only that of its input); closes whatever is still open at the end."""

    def __init__(self, only_input: bool = False):
        self.input_read, self.input_write = os.pipe()
        self.output_read, self.output_write = (-1, -1) if only_input else os.pipe()
        self.error_read, self.error_write = (-1, -1) if only_input else os.pipe()
        for fd in (self.input_write, self.output_read, self.error_read):
            if fd >= 0:
                os.set_blocking(fd, False)
                if os.geteuid() == 0:  # the program is another user then, and may want to open /dev/stdin
                    os.fchmod(fd, 0o666)

    def close_other_ends(self) -> None:
        """The ends that the program has now."""
        for name in ("input_read", "output_write", "error_write"):
            self._close(name)

    def close_input(self) -> None:
        self._close("input_write")

    def _close(self, name: str) -> None:
        fd = getattr(self, name)
        if fd >= 0:
            os.close(fd)
            setattr(self, name, -1)

    def __enter__(self) -> Pipes:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for name in ("input_read", "input_write", "output_read", "output_write", "error_read", "error_write"):
            self._close(name)


class Feeder:
    """Writes a test's input as fast as the program reads it."""

    def __init__(self, fd: int, data: bytes):
        self._fd, self._rest = fd, memoryview(data)
        if len(data) > _PIPE_BYTES:
            widen(fd)
        self.unfinished = self.feed()

    def feed(self) -> bool:
        """Write what fits; False when all is written or nobody will read it."""
        try:
            while self._rest:
                self._rest = self._rest[os.write(self._fd, self._rest) :]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


class ResultReader:
    """Complete lines of a file that the program may still be writing; reads each byte once, at most ``cap`` bytes."""

    def __init__(self, fd: int, cap: int):
        self._fd, self._cap, self._offset, self._rest = fd, cap, 0, b""
        self.overflowed = False

    def lines(self) -> list[bytes]:
        found: list[bytes] = []
        while self._offset < self._cap:
            data = os.pread(self._fd, min(CHUNK, self._cap - self._offset), self._offset)
            if not data:
                return found
            self._offset += len(data)
            *complete, self._rest = (self._rest + data).split(b"\n")
            found += complete
        self.overflowed = True
        return found


def file_in_memory(data: bytes) -> int:
    fd = os.memfd_create("source", os.MFD_CLOEXEC)
    os.write(fd, data)
    return fd


def widen(pipe: int) -> None:
    """For much data: the program shall not wait, which counts as sleep, each time that the supervisor has no processor."""
    with contextlib.suppress(OSError):  # the user has too many
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _LARGE_PIPE_BYTES)


def read_some(fd: int) -> bytes | None:
    """Some bytes, b"" at the end, None if there are none now."""
    try:
        data = os.read(fd, CHUNK)
    except BlockingIOError:
        return None
    if len(data) == _PIPE_BYTES:  # it was full
        widen(fd)
    return data
