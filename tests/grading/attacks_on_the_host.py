"""Programs that reach for the grader, the host, or the program after them."""

from __future__ import annotations

from attack import HARMLESS, Attack

BREAK_OUTS = (
    Attack(
        "signals to everything in sight",
        ("runtime_error", "passed"),
        """
import os, signal
n = int(input())
for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD, signal.SIGKILL):
    for pid in (1, os.getppid()):
        try:
            os.kill(pid, number)
        except OSError:
            pass
print(2 * n)
""",
        needs="landlock",
    ),
    Attack(
        "kill every process",
        ("runtime_error", "passed"),
        "import os, signal\nn = int(input())\nprint(2 * n, flush=True)\nos.kill(-1, signal.SIGKILL)",
        needs="landlock",
    ),
    Attack(
        "attach to the parent with ptrace and process_vm_readv",
        ("passed",),
        """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
n = int(input())
here = ctypes.create_string_buffer(64)
vector = (ctypes.c_size_t * 2)(ctypes.addressof(here), 64)
pid = os.getppid()
attached = libc.ptrace(16, pid, None, None)
read = libc.process_vm_readv(pid, vector, 1, vector, 1, 0)
print(2 * n if attached == -1 and read == -1 else "reached")
""",
        needs="landlock",
    ),
    Attack(
        "write to the host",
        HARMLESS,
        """
import os, pathlib
n = int(input())
for path in ("@SCRATCH@/planted", "/tmp/planted", "/etc/planted", "/dev/shm/planted", "@SCRATCH@/keep"):
    try:
        pathlib.Path(path).write_text("planted")
    except OSError:
        pass
try:
    os.remove("@SCRATCH@/keep")
except OSError:
    pass
print(2 * n)
""",
        needs="landlock",
    ),
    Attack(
        "change the mode of the host's files",
        HARMLESS,
        """
import os
n = int(input())
for path in ("@SCRATCH@/keep", "@SCRATCH@", "/tmp", "/"):
    try:
        os.chmod(path, 0)
        os.utime(path, (0, 0))
    except OSError:
        pass
print(2 * n)
""",
        needs="landlock",
    ),
    Attack(
        "daemon by double fork",
        ("passed", "runtime_error"),
        """
import os, time
n = int(input())
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        import signal
        for number in range(1, 32):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        while True:
            try:
                open("@SCRATCH@/daemon", "a").write("alive")
            except OSError:
                pass
            time.sleep(0.01)
    os._exit(0)
print(2 * n)
""",
    ),
    Attack(
        "child that stops itself and holds the output open",
        ("passed", "runtime_error"),
        """
import os, signal
n = int(input())
print(2 * n, flush=True)
if os.fork() == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
""",
    ),
    Attack(
        "new user namespace with all capabilities",
        ("passed",),
        """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
n = int(input())
CLONE_NEWUSER = 0x10000000
made = [libc.unshare(CLONE_NEWUSER), libc.mount(b"none", b"/tmp", b"tmpfs", 0, None), libc.umount2(b"/proc", 2)]
print("escaped" if 0 in made else 2 * n)
""",
        needs="landlock",
    ),
    Attack(
        "take away the zygote's limits and priority",
        ("passed",),
        """
import os, resource
n = int(input())
reached = []
for pid in {1, os.getppid()}:
    for what in (
        lambda: resource.prlimit(pid, resource.RLIMIT_NPROC, (0, 0)),
        lambda: resource.prlimit(pid, resource.RLIMIT_CPU, (1, 1)),
        lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
        lambda: os.setpriority(os.PRIO_USER, 0, 19),
        lambda: os.setpriority(os.PRIO_PGRP, pid, 19),
        lambda: os.sched_setaffinity(pid, {0}),
        lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)),
    ):
        try:
            what()
            reached.append(pid)
        except OSError:
            pass
print("reached" if reached else 2 * n)
""",
        needs="landlock",
    ),
    Attack(
        "network",
        ("passed",),
        """
import socket
n = int(input())
reached = False
for address in (("127.0.0.1", @PORT@), ("1.1.1.1", 53), "\\0@ABSTRACT@"):
    try:
        with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as connection:
            connection.settimeout(1)
            connection.connect(address)
            reached = True
    except OSError:
        pass
print("reached" if reached else 2 * n)
""",
        needs="landlock",
    ),
    Attack(
        "leave the folder unreadable for the next program",
        ("passed",),
        """
import os
n = int(input())
open("left", "w").write("behind")
os.makedirs("../tmp/a/b")
for path in ("../tmp/a", ".", "..", "/sandbox"):
    try:
        os.chmod(path, 0)
    except OSError:
        pass
print(2 * n)
""",
    ),
    Attack(
        "a service of the user, by the path of its socket",
        ("passed",),
        """
import socket
n = int(input())
reached = []
def attempt(name, what):
    try:
        what()
        reached.append(name)
    except OSError:
        pass
attempt("connect", lambda: socket.socket(socket.AF_UNIX).connect("@SOCKET@"))
attempt("datagram", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"x", "@DATAGRAMS@"))
for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
    attempt(f"pair {kind}", lambda: socket.socketpair(socket.AF_UNIX, kind)[0].connect("@DATAGRAMS@"))
    attempt(f"pair to {kind}", lambda: socket.socketpair(socket.AF_UNIX, kind)[0].sendto(b"x", "@DATAGRAMS@"))
print(reached or 2 * n)
""",
        needs="landlock",
    ),
    Attack(
        "signals by the kernel's hand",
        ("passed",),
        """
import fcntl, os
n = int(input())
reached = []
r, w = os.pipe()
for name, command, value in (("F_SETSIG", 10, 9), ("F_SETOWN", 8, os.getppid()), ("F_NOTIFY", 1026, 1), ("FIOSETOWN", None, 0)):
    try:
        fcntl.ioctl(r, 0x8901, b"1234") if command is None else fcntl.fcntl(r, command, value)
        reached.append(name)
    except OSError:
        pass
print(reached or 2 * n)
""",
        needs="landlock",
    ),
    Attack(
        "files emptied or marked without being opened for writing",
        ("passed",),
        """
import ctypes, os
n = int(input())
libc = ctypes.CDLL(None, use_errno=True)
open("own", "w").write("content")
reached = []
for path in ("own", "@SCRATCH@/keep"):
    for name, what in (
        ("truncate", lambda: os.truncate(path, 3)),
        ("O_TRUNC", lambda: os.open(path, os.O_RDONLY | os.O_TRUNC)),
        ("setxattr", lambda: os.setxattr(path, "user.planted", b"x")),
        ("O_TMPFILE", lambda: os.open(".", os.O_TMPFILE | os.O_RDWR)),
    ):
        try:
            what()
            reached.append(name)
        except OSError:
            pass
    value = (ctypes.c_uint64 * 2)(ctypes.addressof(ctypes.create_string_buffer(b"x")), 1)
    if libc.syscall(463, -100, path.encode(), 0, b"user.planted", value, 16) == 0:
        reached.append("setxattrat")
print(reached or 2 * n)
""",
        needs="landlock",
    ),
    Attack(
        "the environment and memory of whoever started it",
        ("passed",),
        """
import os
n = int(input())
found = []
others = range(1, 2000)
try:
    others = [int(name) for name in os.listdir("/proc") if name.isdigit()]
except OSError:
    pass
for pid in {os.getppid(), *others} - {os.getpid()}:
    for name in ("environ", "mem", "maps", "fd", "cwd"):
        try:
            path = f"/proc/{pid}/{name}"
            found.append(os.listdir(path) if name in ("fd", "cwd") else open(path, "rb").read(1))
        except OSError:
            pass
print(found or 2 * n)
""",
        needs="landlock",
    ),
)
