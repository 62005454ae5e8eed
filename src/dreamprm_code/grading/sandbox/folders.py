"""The folders that programs may write to: are they as they should be, how much is in them, and how they are emptied."""

from __future__ import annotations

import contextlib
import os
import stat
import time

from .levels import BOX_FOLDERS, Sandbox


def box_state(sandbox: Sandbox) -> tuple[int, ...]:
    """All that a program could leave in its folders for the next test to read: what they are, their times, what is in them."""
    state: list[int] = []
    try:
        for path in (sandbox.folder, *sandbox.folders):
            found = os.stat(path)
            state += (found.st_ino, found.st_mode, found.st_nlink, found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns)
        if sandbox.has_pid_namespace:
            usage = os.statvfs(sandbox.folder)
            state += (usage.f_ffree, usage.f_bfree)
    except OSError:
        return ()
    return tuple(state)


def folder_bytes(sandbox: Sandbox, processes: list[str]) -> int:
    """Bytes in a folder on disk, files that have no name any more included; a folder in memory has a size of its own."""
    total = _unlinked_bytes(sandbox, processes)
    try:
        for top in BOX_FOLDERS:
            for parent, _, files in os.walk(os.path.join(sandbox.folder, top)):
                for name in files:
                    with contextlib.suppress(OSError):
                        total += os.lstat(os.path.join(parent, name)).st_blocks * 512
    except RecursionError:  # a program nests folders to hide in them
        return 1 << 62
    return total


def _unlinked_bytes(sandbox: Sandbox, processes: list[str]) -> int:
    """Of files of the folder's disk that only an open descriptor or a mapping of one of these processes keeps."""
    device = os.stat(sandbox.folder).st_dev
    files: dict[int, int] = {}
    for pid in processes:
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    found = os.stat(f"/proc/{pid}/fd/{name}")
                    if stat.S_ISREG(found.st_mode) and not found.st_nlink and found.st_dev == device:
                        files[found.st_ino] = found.st_blocks * 512
        with contextlib.suppress(OSError), open(f"/proc/{pid}/maps", errors="replace") as stream:
            for line in stream:
                if line.endswith("(deleted)\n") and sandbox.folder in line:
                    start, end = (int(address, 16) for address in line.split()[0].split("-"))
                    files.setdefault(int(line.split()[4]), end - start)
    return sum(files.values())


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
