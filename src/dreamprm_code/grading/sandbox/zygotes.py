"""A worker's two zygotes as the supervisor sees them: how they start, how they are spoken to."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
from dataclasses import dataclass, replace

from . import meter, official
from . import syscalls as sc
from .cgroup import Cgroup, make_cgroup, remove_empty_groups
from .folders import make_folder
from .isolation import enter_folder_level, enter_namespaces
from .jobs import HarnessFailure, Settings, WorkerBroken
from .orders import FAILED, MESSAGE_BYTES, READY, End
from .zygote import Zygote

GRACE_S = 60.0
"""How long a zygote may take beyond the limits of what it runs."""

_END_S = 5.0
_NUMPY = re.compile(rb"\b(?:numpy|scipy|pandas)\b")


@dataclass
class Zygotes:
    """The one for most programs, and one that sleeps until a program wants numpy. One test runs at a time."""

    level: str
    folder: str
    plain: socket.socket
    numpy: socket.socket
    numpy_is_awake: bool = False

    def for_program(self, source: bytes) -> socket.socket:
        if not _NUMPY.search(source):
            return self.plain
        if not self.numpy_is_awake:
            try:
                _wake(self.numpy)
            except HarnessFailure as error:
                raise WorkerBroken(f"the zygote with numpy did not start: {error}") from None
            self.numpy_is_awake = True
        return self.numpy

    def close(self) -> None:
        """Hang up: the zygotes kill what they run and end. Whatever is left of a zygote that was killed ends here."""
        self.plain.close()
        self.numpy.close()
        meter.wait_for_children(_END_S)
        remove_empty_groups()
        if self.level != "namespaces":
            meter.kill_descendants()
            import subprocess

            # not shutil.rmtree: what programs have left may be nested deeper than the interpreter's stack
            subprocess.run(["rm", "-rf", "--", self.folder], check=False, stderr=subprocess.DEVNULL)


def start_zygotes(settings: Settings) -> tuple[Zygotes, dict[str, str]]:
    """Enter the strongest level that is to be had; also says why each stronger one is not.

    Raises:
        HarnessFailure: none of the levels.
    """
    refused: dict[str, str] = {}
    for level in settings.levels:
        folder = _make_top_folder(level)
        extra = official.EXTRA_IMPORTS if settings.official else ()
        numpy = _fork_zygote(level, folder, settings, (*extra, "numpy", "numpy.random"))
        plain = _fork_zygote(level, folder, settings, extra)
        zygotes = Zygotes(level, folder, plain, numpy)
        try:
            _wake(plain)
        except HarnessFailure as error:
            refused[level] = str(error)
            zygotes.close()
        else:
            return zygotes, refused
    raise HarnessFailure("; ".join(f"{level}: {reason}" for level, reason in refused.items()))


def _make_top_folder(level: str) -> str:
    if level == "namespaces":
        return "/sandbox"
    import tempfile  # only here: it brings compression libraries with it, and every mapped file makes each fork dearer

    return tempfile.mkdtemp(prefix="grading-")


def _fork_zygote(level: str, folder: str, settings: Settings, extra_imports: tuple[str, ...] = ()) -> socket.socket:
    """A process that will become a zygote when it is woken; it must be forked before any problem is known."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        _become_zygote(theirs, level, folder, settings, extra_imports)
    theirs.close()
    ours.settimeout(GRACE_S)
    return ours


def _wake(zygote: socket.socket) -> None:
    try:
        zygote.send(READY)
        answer = zygote.recv(MESSAGE_BYTES)
    except OSError as error:
        answer = FAILED + str(error).encode()
    if answer != READY:
        raise HarnessFailure(answer[1:].decode(errors="replace") or "the process ended")


def _become_zygote(
    connection: socket.socket, level: str, folder: str, settings: Settings, extra_imports: tuple[str, ...]
) -> None:
    try:
        fd = connection.fileno()
        os.closerange(3, fd)
        os.closerange(fd + 1, 1 << 16)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if connection.recv(1) != READY:
            os._exit(0)
        sc.prctl(sc.PR_SET_DUMPABLE, 1)  # nothing to hide yet, and /proc/self is to be written to
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as stream:
            stream.write("500")  # if the host runs out of memory, programs go first
        cgroup = _own_cgroup()
        if level == "namespaces":
            sandbox = enter_namespaces(settings.memory_folder_bytes, settings.shown)
        else:
            make_folder(folder)
            sandbox = enter_folder_level(level, folder, settings.memory_folder_bytes, settings.shown)
        sc.prctl(sc.PR_SET_DUMPABLE, 0)
        os.environ |= {"HOME": sandbox.work, "TMPDIR": os.path.join(folder, "tmp")}
        Zygote(connection, replace(sandbox, cgroup=cgroup), settings.limits).main(extra_imports)
    except (OSError, RuntimeError) as error:
        connection.send(FAILED + str(error).encode()[: MESSAGE_BYTES - 1])
    finally:
        os._exit(1)


def _own_cgroup() -> Cgroup | None:
    try:
        cgroup = make_cgroup()
        if cgroup is not None:
            cgroup.join()
        return cgroup
    except OSError:  # may be made, but not be moved to
        return None


def tell(zygote: socket.socket, message: bytes, fds: list[int]) -> None:
    try:
        socket.send_fds(zygote, [message], fds)
    except OSError as error:
        raise WorkerBroken(f"the zygote ended ({error})") from None


def hear_end(zygote: socket.socket) -> End:
    try:
        return End.unpack(zygote.recv(MESSAGE_BYTES))
    except (OSError, ValueError) as error:
        raise WorkerBroken(f"the zygote ended or hangs ({error})") from None
