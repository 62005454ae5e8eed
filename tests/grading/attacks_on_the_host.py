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
)
