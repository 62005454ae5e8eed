"""JSON Lines files of typed rows: every error names file and line, every write survives a kill.

Two ways to write, both used by all stages:

* :func:`write_rows` replaces a whole file atomically (temporary file, fsync, rename).
* :class:`RowAppender` adds rows to a file that a killed run may have left behind. A torn last line (a kill in the
  middle of a write) is cut off when the file is opened, rows whose key is already there are refused, and a lock keeps a
  second process out.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from dreamprm_code.errors import UserError
from dreamprm_code.records import Record, RecordError

RecordT = TypeVar("RecordT", bound=Record)
LOCK_WAIT_S = 3.0  # a process killed a moment ago may hold its lock until its memory is freed


class JsonlError(UserError):
    """A file that cannot be read or written as asked; the message names file, line and remedy."""


def _parse_line(line: bytes, path: Path, line_number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise JsonlError(f"{path}:{line_number}: not valid JSON ({error}); repair or delete this line") from None
    if not isinstance(row, dict):
        raise JsonlError(f"{path}:{line_number}: expected a JSON object, found {type(row).__name__}")
    return row


def read_dicts(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield ``(line_number, object)`` for each non-empty line.

    Raises:
        JsonlError: the file is missing, or a line is not a JSON object.
    """
    path = Path(path)
    try:
        stream = path.open("rb")
    except OSError as error:
        raise JsonlError(f"{path}: cannot be read ({error.strerror}); make it with the stage before this one") from None
    with stream:
        for line_number, line in enumerate(stream, start=1):
            if line.strip():
                yield line_number, _parse_line(line, path, line_number)


def iter_rows(path: str | Path, record: type[RecordT]) -> Iterator[RecordT]:
    """Yield the typed rows of a file one by one, without holding them.

    Raises:
        JsonlError: as :func:`read_dicts`, or a row lacks a field, has an unknown one or a wrong type.
    """
    for line_number, row in read_dicts(path):
        try:
            yield record.from_dict(row)
        except RecordError as error:
            raise JsonlError(f"{path}:{line_number}: {error}") from None


def read_rows(path: str | Path, record: type[RecordT]) -> list[RecordT]:
    """Read a whole file; keys must be unique.

    Raises:
        JsonlError: as :func:`iter_rows`, or two rows have one key.
    """
    rows: list[RecordT] = []
    seen: dict[tuple, int] = {}
    for number, row in enumerate(iter_rows(path, record), start=1):
        first = seen.setdefault(row.key, number)
        if first != number:
            raise JsonlError(f"{path}: row {number} repeats the key {row.key} of row {first}; delete one of them")
        rows.append(row)
    return rows


def dump_row(row: Record) -> bytes:
    """One line of a file: compact JSON, fields in declaration order, newline at the end."""
    return row.model_dump_json().encode() + b"\n"


def write_bytes_atomic(path: str | Path, chunks: Iterable[bytes]) -> None:
    """Write a file so that a reader or a kill sees the old file or the new one, never a part."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            for chunk in chunks:
                stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_rows(path: str | Path, rows: Iterable[Record]) -> None:
    """Replace ``path`` atomically with these rows."""
    write_bytes_atomic(path, (dump_row(row) for row in rows))


class RowAppender:
    """Append rows to a file that grows over several, possibly killed, runs.

    ``keys`` holds the keys that the file already has: a stage does only what is missing from it. Each ``append`` reaches
    the operating system before it returns, so a killed process loses at most the row being written.

    Raises:
        JsonlError: the file holds a broken line before its end, repeated keys, or is being written by another process.
    """

    def __init__(self, path: str | Path, record: type[RecordT], on_row: Callable[[RecordT], None] | None = None):
        self.path = Path(path)
        self.record = record
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = self.path.open("ab+")
        try:
            self._lock()
            self._cut_torn_line()
            self.keys: set[tuple] = set()
            for number, row in enumerate(iter_rows(self.path, record), start=1):
                if row.key in self.keys:
                    raise JsonlError(f"{self.path}: row {number} repeats the key {row.key}; delete one of them")
                self.keys.add(row.key)
                if on_row is not None:
                    on_row(row)
        except BaseException:
            self._stream.close()
            raise

    def _lock(self) -> None:
        deadline = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise JsonlError(f"{self.path}: another process is writing this file; wait for it or stop it") from None
                time.sleep(0.05)

    def _cut_torn_line(self) -> None:
        size = self._stream.seek(0, os.SEEK_END)
        end = size
        while end > 0:
            start = max(0, end - 65536)
            self._stream.seek(start)
            newline = self._stream.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end != size:
            self._stream.truncate(end)
        self._stream.seek(0, os.SEEK_END)

    def append(self, *rows: Record) -> None:
        """Add rows; several rows given together are written in one system call."""
        for row in rows:
            if not isinstance(row, self.record):
                raise TypeError(f"{self.path} holds {self.record.__name__} rows, not {type(row).__name__}")
            if row.key in self.keys:
                raise JsonlError(f"{self.path}: a row with the key {row.key} is already there")
            self.keys.add(row.key)
        self._stream.write(b"".join(map(dump_row, rows)))
        self._stream.flush()

    def sync(self) -> None:
        """Force the rows to disk."""
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def close(self) -> None:
        if not self._stream.closed:
            self.sync()
            self._stream.close()

    def __enter__(self) -> RowAppender:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def sort_file(path: str | Path, record: type[Record]) -> None:
    """Rewrite a finished file in key order, so that two runs of one seed give identical bytes."""
    write_rows(path, sorted(read_rows(path, record), key=lambda row: row.key))
