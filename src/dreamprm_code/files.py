"""What every writer of files needs: a write that survives a kill, and where a file's manifest lies."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


def manifest_path(output: str | Path) -> Path:
    """``<file>.meta.json`` beside a file."""
    output = Path(output)
    return output.with_name(output.name + ".meta.json")


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
