"""Three levels of isolation, strongest first, and how a process enters each.

``namespaces``
    A user, mount, pid, network, IPC and UTS namespace for each worker. The program sees a read-only system and
    interpreter, an empty private folder in memory (fresh for each program), a /proc without the host's processes and no
    network; seccomp and rlimits besides.
``landlock``
    Where user namespaces are switched off: landlock lets the program read the system and the interpreter and write to its
    own folder; seccomp refuses internet sockets, and signals to processes other than its own. Rlimits besides. Programs
    see the host's process list, and have no named semaphores (multiprocessing pools fail).
``rlimits``
    Rlimits, a process group of its own, and as root an unprivileged user: a guard against accidents, not against malice.

Every level is entered as an ordinary user or as root; as root the program runs as a user without privileges.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os
import resource
import socket
import sys

from . import syscalls as sc
from .levels import BOX_FOLDERS, Limits, Sandbox
from .seccomp import build_filter

BOX = "/sandbox"
"""The only writable folder at the level ``namespaces``: a file system in memory of its own."""

_UNPRIVILEGED_ID = 65534  # "nobody"
_INNER_ID = 1000
_CAP_DAC_READ_SEARCH = 2
_CAP_CHECKPOINT_RESTORE = 40
_SPARE_DATA = 4 << 30
_PENDING_SIGNALS = 1024

_FS_READ = 0b1101  # execute, read a file, read a folder
_FS_EXECUTE_READ_FILE = 0b0101
_FS_ALL = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_NET_ALL = 0b11  # bind and connect TCP
_ABI_WITH_SIGNALS = 6
_SCOPE_ALL = 0b11  # abstract Unix sockets, signals

_SYSTEM_FOLDERS = ("/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives", "/etc/ssl/openssl.cnf")
_DEVICES = ("null", "zero", "full", "random", "urandom")


def interpreter_folders() -> list[str]:
    """Everything that the running interpreter imports from, and nothing of ours."""
    found = {os.path.realpath(sys.base_prefix), os.path.realpath(sys.base_exec_prefix), os.path.abspath(sys.prefix)}
    for path in (sys.executable, os.path.realpath(sys.executable)):
        folder = os.path.dirname(path)
        if not any(_is_inside(folder, other) for other in found):
            found.add(folder)
    return sorted(path for path in found if path != "/" and not any(_is_inside(path, other) for other in _SYSTEM_FOLDERS))


def _with_interpreter(shown: tuple[str, ...]) -> list[str]:
    """The interpreter's folders, and of the others those that lie neither in them nor in the system's."""
    found = interpreter_folders()
    for path in sorted(shown):  # a folder before what lies in it
        if not any(_is_inside(path, other) for other in (*found, *_SYSTEM_FOLDERS)):
            found = [*(other for other in found if not _is_inside(other, path)), path]
    return found


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def enter_namespaces(memory_folder_bytes: int, shown: tuple[str, ...] = ()) -> Sandbox:
    """Leave the host behind, but for the system, the interpreter and the folders ``shown``; the caller comes back as the first
    process of a new pid namespace, in a child.

    The parent, outside that pid namespace, keeps the right to mount: it makes a new box when it is asked to, and ends with
    the child, never to return. The caller must have one thread.
    """
    as_root = os.geteuid() == 0
    if as_root:
        # The interpreter may lie where only root may look: mount it before the privileges go.
        sc.unshare(sc.CLONE_NEWNS)
        _build_root(shown)
        _drop_to(_UNPRIVILEGED_ID)
    sc.prctl(sc.PR_SET_DUMPABLE, 1)  # or /proc/self/uid_map would belong to root
    uid, gid = os.geteuid(), os.getegid()
    sc.unshare(sc.CLONE_NEWUSER | sc.CLONE_NEWNS | sc.CLONE_NEWPID | sc.CLONE_NEWNET | sc.CLONE_NEWIPC | sc.CLONE_NEWUTS)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{_INNER_ID} {uid} 1")
    _write("/proc/self/gid_map", f"{_INNER_ID} {gid} 1")
    keeper, asker = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child:
        sc.prctl(sc.PR_SET_DUMPABLE, 0)
        sc.prctl(sc.PR_SET_PDEATHSIG, 9)  # of the supervisor; takes the whole pid namespace along
        asker.close()
        os.closerange(3, keeper.fileno())
        os.closerange(keeper.fileno() + 1, 1 << 16)
        _keep_box(keeper, memory_folder_bytes)
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    keeper.close()
    sc.prctl(sc.PR_SET_PDEATHSIG, 9)
    if not as_root:
        _build_root(shown)
    mount_proc()
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    mount_proc("hidepid=2")  # a program sees its own processes; not the zygote, whose sums of CPU time tell of others
    mount_box(memory_folder_bytes)
    return Sandbox("namespaces", BOX, memory_folder_bytes, box_keeper=asker, proc=proc)


def _keep_box(keeper: socket.socket, memory_folder_bytes: int) -> None:
    """Replace the box by a new one whenever the zygote asks; returns when the zygote has ended."""
    while keeper.recv(1):
        try:
            sc.umount(BOX)
            mount_box(memory_folder_bytes)
        except OSError:
            return  # the zygote reads the end of the line, and ends
        keeper.send(b"+")


def ask_for_new_box(box_keeper: socket.socket) -> None:
    """Raises OSError if it is not to be had."""
    box_keeper.send(b"?")
    if not box_keeper.recv(1):
        raise OSError("no new folder in memory")


def _write(path: str, text: str) -> None:
    with open(path, "w") as stream:
        stream.write(text)


def _drop_to(number: int) -> None:
    os.setgroups([])
    os.setresgid(number, number, number)
    os.setresuid(number, number, number)


def _build_root(shown: tuple[str, ...]) -> None:
    """Make the mount namespace's root a small read-only tree: the system's libraries, the interpreter, a few devices."""
    sc.mount("none", "/", None, sc.MS_REC | sc.MS_SLAVE)
    sc.mount("sandbox", "/tmp", "tmpfs", sc.MS_NOSUID | sc.MS_NODEV, "mode=755,size=1m")
    os.mkdir("/tmp/host", 0o700)
    sc.pivot_root("/tmp", "/tmp/host")
    os.chdir("/")
    for path in _SYSTEM_FOLDERS:
        if os.path.islink("/host" + path):
            os.symlink(os.readlink("/host" + path), path)
        elif os.path.isdir("/host" + path):
            _bind_read_only(path)
    for path in _SYSTEM_FILES:
        if os.path.exists("/host" + path):
            _bind_read_only(path)
    for path in _with_interpreter(shown):
        _bind_read_only(path)
    _write_system_files()
    os.makedirs("/proc")
    sc.mount("/host/proc", "/proc", None, sc.MS_BIND | sc.MS_REC)
    os.mkdir(BOX)
    if not os.path.lexists("/tmp"):  # or the interpreter lies there; TMPDIR leads to a better place
        os.symlink(BOX + "/tmp", "/tmp")
    sc.umount("/host")
    os.rmdir("/host")
    sc.mount("none", "/", None, sc.MS_REMOUNT | sc.MS_BIND | sc.MS_RDONLY | sc.MS_NOSUID | sc.MS_NODEV)


def _bind_read_only(path: str) -> None:
    """Show the host's folder or file at the same path."""
    source = "/host" + path
    if os.path.isdir(source):
        os.makedirs(path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "x"):
            pass
    sc.mount(source, path, None, sc.MS_BIND | sc.MS_REC)
    sc.make_read_only(path)


def _write_system_files() -> None:
    os.makedirs("/dev", exist_ok=True)
    for name in _DEVICES:
        with open("/dev/" + name, "x"):
            pass
        sc.mount("/host/dev/" + name, "/dev/" + name, None, sc.MS_BIND)
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink("/proc/self/fd" + target, "/dev/" + name)
    os.symlink(BOX + "/shm", "/dev/shm")
    os.makedirs("/etc", exist_ok=True)
    _write("/etc/passwd", f"user:x:{_INNER_ID}:{_INNER_ID}::{BOX}/work:/bin/sh\n")
    _write("/etc/group", f"user:x:{_INNER_ID}:\n")
    _write("/etc/hosts", "127.0.0.1 localhost\n")


def mount_proc(options: str | None = None) -> None:
    """A /proc of the caller's pid namespace, over whatever is there."""
    sc.mount("proc", "/proc", "proc", sc.MS_NOSUID | sc.MS_NODEV | sc.MS_NOEXEC, options)


def mount_box(size: int) -> None:
    """A fresh, empty file system in memory with the three folders that a program may write to."""
    options = f"mode=755,size={size},nr_inodes=16384"
    sc.mount("sandbox", BOX, "tmpfs", sc.MS_NOSUID | sc.MS_NODEV | sc.MS_NOATIME, options)
    for name in BOX_FOLDERS:
        os.mkdir(f"{BOX}/{name}", 0o700)


def enter_folder_level(level: str, folder: str, memory_folder_bytes: int, shown: tuple[str, ...] = ()) -> Sandbox:
    """Enter ``landlock`` or ``rlimits`` as far as the zygote goes: a folder, and as root another user.

    Raises:
        OSError: the level is not to be had here.
    """
    if level == "landlock":
        sc.landlock_abi()
        build_filter(own_world=False)
    sc.prctl(sc.PR_SET_CHILD_SUBREAPER, 1)
    keeps = False
    if os.geteuid() == 0:
        number = 2_000_000_000 + os.getpid() % 100_000_000  # a user of its own, so that process limits count apart
        for path in (folder, *(os.path.join(folder, name) for name in BOX_FOLDERS)):
            os.chown(path, number, number)
        for path in shown:
            if not _others_may_reach(path):  # and no privilege outlives the start of a compiler
                raise OSError(f"{path} lies in a folder that only root may enter")
        readable = all(_others_may_reach(path) for path in interpreter_folders())
        if not readable and level == "rlimits":
            raise OSError("the interpreter lies in a folder that only root may enter")
        sc.prctl(sc.PR_SET_KEEPCAPS, 0 if readable else 1)
        _drop_to(number)
        if not readable:  # landlock still names what may be read
            keeps = True
            sc.drop_capabilities(keep=1 << _CAP_DAC_READ_SEARCH)
    return Sandbox(level, folder, memory_folder_bytes, keeps, shown=shown)


def _others_may_reach(path: str) -> bool:
    while path != "/":
        if not os.stat(path).st_mode & 0o001:
            return False
        path = os.path.dirname(path)
    return True


def confine_zygote(sandbox: Sandbox, limits: Limits) -> None:
    """What can be laid down once, for the zygote and all that it forks, never to be taken back: no privileges, system calls,
    numbers of processes and files. The other levels know a program's process id or user only when it is there."""
    if sandbox.level == "namespaces":
        set_limits(sandbox, limits)
        sc.prctl(sc.PR_SET_NO_NEW_PRIVS, 1)
        sc.drop_capabilities(keep=1 << _CAP_CHECKPOINT_RESTORE)  # to give every program the same process ids
        sc.install_seccomp(build_filter(own_world=True))


def confine_program(sandbox: Sandbox, limits: Limits, total_cpu: float, is_vm: bool = False) -> None:
    """For the program's process, before its first instruction: its own session, and what the zygote could not do for it.

    The kernel counts RLIMIT_CPU in sampled ticks, which on a busy virtual machine include stolen time (measured: 8 s for
    5.5 s used), so it is set far above the limit proper, which is the zygote's; it holds where the zygote looks too late.
    So is that of what a virtual machine may write to: stacks of threads count in it, which are hardly used.
    """
    if sandbox.level != "namespaces":
        sc.prctl(sc.PR_SET_DUMPABLE, 1)  # it may look at itself in /proc, and be measured there; the zygote stays hidden
    os.setsid()
    # Only here: a handler in the zygote would let signals of programs through to it, the first process of a namespace.
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    if sandbox.level == "namespaces":
        sc.drop_capabilities()
    else:
        _confine_on_host(sandbox, limits)
    if sandbox.level == "namespaces" and resource.getrlimit(resource.RLIMIT_CORE)[0] == 1:
        sc.prctl(sc.PR_SET_DUMPABLE, 1)
    seconds = int(3 * total_cpu) + 10
    _lower_limit(resource.RLIMIT_CPU, seconds, seconds + 1)
    number, most = (resource.RLIMIT_DATA, 2 * limits.memory + _SPARE_DATA) if is_vm else (resource.RLIMIT_AS, limits.memory)
    _lower_limit(number, most, most)


def _confine_on_host(sandbox: Sandbox, limits: Limits) -> None:
    sc.prctl(sc.PR_SET_PDEATHSIG, 9)
    set_limits(sandbox, limits)
    sc.prctl(sc.PR_SET_NO_NEW_PRIVS, 1)
    if sandbox.level == "landlock":
        _restrict_by_landlock(sandbox)
        sc.drop_capabilities(keep=1 << _CAP_DAC_READ_SEARCH if sandbox.keeps_read_capability else 0)
        signal_only = os.getpid() if sc.landlock_abi() < _ABI_WITH_SIGNALS else None
        sc.install_seccomp(build_filter(own_world=False, signal_only=signal_only))


def set_limits(sandbox: Sandbox, limits: Limits) -> None:
    """Rlimits that a zygote can live under as well."""
    processes = 2 + limits.processes + (0 if sandbox.has_pid_namespace else _processes_of_user())
    _lower_limit(resource.RLIMIT_FSIZE, limits.file, limits.file)
    _lower_limit(resource.RLIMIT_NPROC, processes, processes)
    _lower_limit(resource.RLIMIT_NOFILE, limits.open_files, limits.open_files)
    _lower_limit(resource.RLIMIT_CORE, 1, 1)  # unlike 0, keeps the host's crash handler from being run
    _lower_limit(resource.RLIMIT_SIGPENDING, _PENDING_SIGNALS, _PENDING_SIGNALS)  # the kernel counts them for the whole user


def _lower_limit(number: int, soft: int, hard: int) -> None:
    try:
        resource.setrlimit(number, (soft, hard))
    except (ValueError, OSError):  # above what this process may have
        ceiling = resource.getrlimit(number)[1]
        resource.setrlimit(number, (min(soft, ceiling), ceiling))


def _processes_of_user() -> int:
    uid, count = os.getuid(), 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat("/proc/" + name).st_uid == uid:
                    count += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                pass
    return count


def _restrict_by_landlock(sandbox: Sandbox) -> None:
    abi = sc.landlock_abi()
    handled = _FS_ALL[max(version for version in _FS_ALL if version <= abi)]
    ruleset = sc.landlock_create_ruleset(handled, _NET_ALL if abi >= 4 else 0, _SCOPE_ALL if abi >= 6 else 0, abi)
    for path in (*_SYSTEM_FOLDERS, *_with_interpreter(sandbox.shown)):
        sc.landlock_allow_path(ruleset, path, _FS_READ)
    for path in _SYSTEM_FILES:
        sc.landlock_allow_path(ruleset, path, _FS_READ if os.path.isdir(path) else _FS_EXECUTE_READ_FILE)
    for path in ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"):
        sc.landlock_allow_path(ruleset, path, 0b110 & handled)
    sc.landlock_allow_path(ruleset, f"/proc/{os.getpid()}", _FS_READ)
    for name in BOX_FOLDERS:
        sc.landlock_allow_path(ruleset, os.path.join(sandbox.folder, name), handled)
    sc.landlock_restrict_self(ruleset)
    os.close(ruleset)
