"""The folders that programs may write to: are they as they should be, how much is in them, and how they are emptied."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .isolation import Sandbox

BOX_FOLDERS = ("work", "tmp", "shm")


def is_box_clean(sandbox: Sandbox) -> bool:
    """Whether a program has left its folders as it found them: empty, and with their modes."""
    in_memory = sandbox.has_pid_namespace
    try:
        if os.stat(sandbox.folder).st_mode & 0o7777 != (0o755 if in_memory else 0o700):
            return False
        for path in sandbox.folders:
            if os.stat(path).st_mode & 0o7777 != 0o700 or (not in_memory and os.listdir(path)):
                return False
        usage = os.statvfs(sandbox.folder)
    except OSError:
        return False
    return not in_memory or usage.f_files - usage.f_ffree == 1 + len(BOX_FOLDERS)


def folder_bytes(sandbox: Sandbox) -> int:
    """Bytes in a folder on disk, as far as they can be counted; a folder in memory has a size of its own."""
    total = 0
    try:
        for top in BOX_FOLDERS:
            for parent, _, files in os.walk(os.path.join(sandbox.folder, top)):
                for name in files:
                    with contextlib.suppress(OSError):
                        total += os.lstat(os.path.join(parent, name)).st_blocks * 512
    except RecursionError:  # a program nests folders to hide in them
        return 1 << 62
    return total


def make_folder(folder: str) -> None:
    """Empty a worker's folder on disk (levels below ``namespaces``) and make its three parts anew."""
    os.chmod(folder, 0o700)
    for name in BOX_FOLDERS:
        path = os.path.join(folder, name)
        if os.path.lexists(path):
            remove(path)
        if os.path.lexists(path):  # too deep to remove: out of the way of the next program
            os.rename(path, os.path.join(folder, f"left-{time.monotonic_ns()}"))
        os.mkdir(path, 0o700)


def remove(path: str) -> None:
    """Remove a tree whose folders may have lost their modes."""
    import shutil  # brings compression libraries with it, and every mapped file makes each fork dearer

    def allow(_function: object, failed: str, _error: object) -> None:
        with contextlib.suppress(OSError):
            os.chmod(os.path.dirname(failed), 0o700)
            if not os.path.islink(failed) and os.path.isdir(failed):
                os.chmod(failed, 0o700)
                shutil.rmtree(failed, ignore_errors=True)
            else:
                os.unlink(failed)

    with contextlib.suppress(OSError, RecursionError):
        if os.path.islink(path) or not os.path.isdir(path):
            os.unlink(path)
            return
        os.chmod(path, 0o700)
        shutil.rmtree(path, onerror=allow)
