"""JSON Lines files of typed rows: every error names file and line, every write survives a kill.

Two ways to write, both used by all stages:

* :func:`write_rows` replaces a whole file atomically (temporary file, fsync, rename).
* :class:`RowAppender` adds rows to a file that a killed run may have left behind. A torn last row (a kill in the
  middle of a write) is cut off when the file is opened, rows whose key is already there are refused, and a lock keeps a
  second process out. A file that holds anything but such rows is refused and stays as it is.
"""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from dreamprm_code.errors import UserError
from dreamprm_code.files import lock, manifest_path, write_bytes_atomic
from dreamprm_code.records import Record, RecordError

RecordT = TypeVar("RecordT", bound=Record)


class JsonlError(UserError):
    """A file that cannot be read or written as asked; the message names file, line and remedy."""


def parse_line(line: bytes | str, path: Path | str, line_number: int) -> dict[str, Any]:
    """The JSON object of one line; ``path`` is what an error calls its source.

    Raises:
        JsonlError: it is none.
    """
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
            if line_number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if line.strip():
                yield line_number, parse_line(line, path, line_number)


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


def write_rows(path: str | Path, rows: Iterable[Record]) -> None:
    """Replace ``path`` atomically with these rows."""
    write_bytes_atomic(path, (dump_row(row) for row in rows))


class RowAppender:
    """Append rows to a file that grows over several, possibly killed, runs.

    ``keys`` holds the keys that the file already has: a stage does only what is missing from it. Each ``append`` reaches
    the operating system before it returns, so a killed process loses at most the row being written.

    A last line without its newline is completed where it is a whole row. It is cut off where it is the beginning of a row
    and the file is one of ours: a row before it or a manifest beside it says so.

    Raises:
        JsonlError: the file holds anything but rows of the type, repeats a key, cannot be opened, or is being written by
            another process; it has not been changed.
    """

    def __init__(self, path: str | Path, record: type[RecordT], on_row: Callable[[RecordT], None] | None = None):
        self.path = Path(path)
        self.record = record
        self.keys: set[tuple] = set()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self.path.open("ab+")
        except OSError as error:
            raise JsonlError(f"{self.path}: cannot be written ({error.strerror}); choose another output file") from None
        try:
            if not lock(self._stream):
                raise JsonlError(f"{self.path}: another process is writing this file; wait for it or stop it")
            self._read(on_row)
        except BaseException:
            self._stream.close()
            raise

    def _read(self, on_row: Callable[[Any], None] | None) -> None:
        """Read the rows; only when every line is known to be one is the file's end mended."""
        line, end = b"\n", 0
        self._stream.seek(0)
        for line_number, line in enumerate(self._stream, start=1):
            if not line.endswith(b"\n") and self._is_torn(line):
                self._stream.truncate(end)
                break
            end += len(line)
            if not line.strip():
                continue
            try:
                row = self.record.from_dict(parse_line(line, self.path, line_number))
                if row.key in self.keys:
                    raise RecordError(f"this row repeats the key {row.key}")
            except (JsonlError, RecordError) as error:
                where = f"{self.path}:{line_number}: "
                raise JsonlError(
                    f"{where}{str(error).removeprefix(where)}; rows are only added to a file of {self.record.__name__} rows: "
                    "choose another output file, or repair or move this one (it has not been changed)"
                ) from None
            self.keys.add(row.key)
            if on_row is not None:
                on_row(row)
        else:
            if not line.endswith(b"\n"):
                self._stream.write(b"\n")
                self._stream.flush()
        self._stream.seek(0, os.SEEK_END)

    def _is_torn(self, tail: bytes) -> bool:
        """Whether an unterminated last line is what a kill leaves of a row: its beginning, or zeros after a power failure."""
        if tail.lstrip(b"\0")[:1] not in (b"", b"{"):
            return False
        try:
            json.loads(tail)
        except (ValueError, RecursionError):
            return bool(self.keys) or manifest_path(self.path).exists()
        return False

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
