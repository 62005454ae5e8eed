"""What every writer of files needs: a write that survives a kill, a lock, and where a file's manifest lies."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO

LOCK_WAIT_S = 3.0  # a process killed a moment ago may hold its lock until its memory is freed


def manifest_path(output: str | Path) -> Path:
    """``<file>.meta.json`` beside a file."""
    output = Path(output)
    return output.with_name(output.name + ".meta.json")


def write_bytes_atomic(path: str | Path, chunks: Iterable[bytes]) -> None:
    """Write a file so that a reader or a kill sees the old file or the new one, never a part. An OSError names the file."""
    path = Path(path)
    if path.exists() and not (path.is_file() or path.is_dir()):  # a device or a pipe would be replaced by a file, for everybody
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
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
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # no space, say
            error.filename = str(path)
        raise


def lock(stream: IO[bytes]) -> bool:
    """Keep every other process that asks out of this open file until it is closed; False if one is in there."""
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
