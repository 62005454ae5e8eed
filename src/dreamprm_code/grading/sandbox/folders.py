"""The folders that programs may write to: are they as they should be, how much is in them, and how they are emptied."""

from __future__ import annotations

import contextlib
import os
import stat
import time

from .levels import BOX_FOLDERS, Sandbox

_LEAST_BYTES = 4096
_HIDDEN = 1 << 62


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


def every_change_shows(sandbox: Sandbox) -> bool:
    """Whether a folder's times tell of every change of it since they were last read: Linux 6.13 and later. Before, two
    changes within some milliseconds have the same time."""
    for _ in range(3):
        before = os.stat(sandbox.work).st_ctime_ns
        os.chmod(sandbox.work, 0o700)
        if os.stat(sandbox.work).st_ctime_ns == before:
            return False
    return True


def renew_times(sandbox: Sandbox) -> None:
    """As if the folders had been made now."""
    for path in (sandbox.folder, *sandbox.folders):
        os.utime(path)


def folder_bytes(sandbox: Sandbox, processes: list[str]) -> int:
    """Bytes in a folder on disk, files that have no name any more included; a folder in memory has a size of its own.

    An entry counts at least 4 KiB. Stops counting beyond the size of a folder in memory. What a program hides (in folders that
    cannot be read or named, in a process that cannot be looked at) counts as more than any limit.
    """
    total = _unlinked_bytes(sandbox, processes)
    waiting = list(sandbox.folders)
    while waiting and total <= sandbox.memory_folder_bytes:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):
                        total += max(_LEAST_BYTES, entry.stat(follow_symlinks=False).st_blocks * 512)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    if total > sandbox.memory_folder_bytes:
                        break
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return _HIDDEN
    return total


def _unlinked_bytes(sandbox: Sandbox, processes: list[str]) -> int:
    """Of files of the folder's disk that only an open descriptor or a mapping of one of these processes keeps."""
    device = os.stat(sandbox.folder).st_dev
    files: dict[int, int] = {}
    for pid in processes:
        try:
            names = os.listdir(f"/proc/{pid}/fd")
        except PermissionError:
            if _hides(pid):
                return _HIDDEN
            continue
        except OSError:
            continue
        with contextlib.suppress(OSError):
            for name in names:
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


def _hides(pid: str) -> bool:
    """Whether a process that may not be looked at executes a file that cannot be read; or else it has yet to become the
    program, or is ending."""
    try:
        with open(f"/proc/{pid}/statm") as stream:
            has_memory = not stream.read().startswith("0 ")
        return has_memory and os.getsid(int(pid)) != os.getsid(0)
    except OSError:
        return False


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
