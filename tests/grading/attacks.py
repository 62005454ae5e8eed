"""Programs that try to break a grader: get a verdict that they do not deserve, reach beyond the sandbox, or outlive it.

Each is graded on ``double`` (read N, print 2N; tests 3 and 10) or ``secret`` (nobody can know the answer).
``@SCRATCH@`` stands for a folder of the host that everybody may write to. Verdicts are all that a fair grader may give.
"""

from __future__ import annotations

from typing import NamedTuple


class Attack(NamedTuple):
    name: str
    verdicts: tuple[str, ...]
    code: str
    problem: str = "double"
    needs: str = "rlimits"
    """Weakest isolation level that withstands it."""


FAILS = ("wrong_answer", "runtime_error", "time_limit", "memory_limit", "output_limit")
HARMLESS = ("passed", *FAILS)

ATTACKS = (
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
        "write a verdict into every inherited descriptor",
        ("wrong_answer", "runtime_error"),
        """
import json, os
forged = json.dumps({"status": 0, "cpu": 0, "memory": 0, "exceeded": None, "clean": True}).encode()
for fd in range(3, 256):
    for data in (forged, b"C", b"R", b"K", b"+ 0.0 6\\n"):
        try:
            os.write(fd, data)
        except OSError:
            pass
print("?")
""",
    ),
    Attack(
        "forge results of a function through its channel",
        ("wrong_answer", "runtime_error"),
        """
import os
os.write(4, b'+ 0.000001 "guess"\\n' * 2)
os._exit(0)
def solve(n):
    return 1
""",
        "secret_function",
    ),
    Attack(
        "more results than tests",
        ("wrong_answer", "runtime_error"),
        """
import os
def solve(n):
    os.write(4, b"\\n\\n\\x00\\xff garbage\\n" * 100)
    return 2 * n
""",
        "double_function",
    ),
    Attack(
        "results that say no CPU time was used",
        ("wrong_answer", "runtime_error"),
        """
import os
def solve(n):
    os.write(4, b"+ nan 6\\n")
    os.write(4, b"+ -1 20\\n")
    os._exit(0)
""",
        "double_function",
    ),
    Attack(
        "exit quietly before the answer",
        ("wrong_answer",),
        "import os\nn = int(input())\nos._exit(0)",
    ),
    Attack(
        "exit quietly within a function",
        ("runtime_error",),
        "import os\ndef solve(n):\n    os._exit(0)",
        "double_function",
    ),
    Attack(
        "search own memory for the answer",
        ("wrong_answer", "runtime_error"),
        """
import re
found = set()
for line in open("/proc/self/maps"):
    span, mode, *_ = line.split()
    if "r" not in mode or "[v" in line:
        continue
    low, high = (int(part, 16) for part in span.split("-"))
    with open("/proc/self/mem", "rb") as memory:
        memory.seek(low)
        try:
            found |= set(re.findall(rb"hidden-answer-[0-9]{6}-[a-z]+", memory.read(min(high - low, 1 << 26))))
        except (OSError, ValueError, OverflowError):
            pass
print(found.pop().decode() if found else "nothing")
""",
        "secret",
    ),
    Attack(
        "search the memory of all other processes",
        ("wrong_answer", "runtime_error"),
        """
import os, re
found = None
for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ("mem", "environ", "fd", "maps"):
        try:
            if name == "mem" and int(pid) != os.getpid():
                open(f"/proc/{pid}/mem", "rb").close()
                found = "opened the memory of " + pid
        except OSError:
            pass
print("hidden-answer" if found is None else found)
""",
        "secret",
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
        "look for the tests in files",
        ("wrong_answer", "runtime_error", "time_limit"),
        """
import os, re
for top in ("/", "/tmp", "/root", "/home", "/work", "@SCRATCH@"):
    for parent, names, files in os.walk(top):
        names[:] = [name for name in names if name not in ("usr", "lib", "lib64", "proc", "sys", "dev")][:50]
        if "python" in parent or parent.count("/") > 4:
            names[:] = []
        for name in files[:200]:
            try:
                found = re.search(rb"hidden-answer-[0-9]{6}-[a-z]+", open(os.path.join(parent, name), "rb").read(100000))
            except OSError:
                continue
            if found:
                print(found[0].decode())
                raise SystemExit
print("nothing")
""",
        "secret",
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
        "child that prints for ever",
        HARMLESS,
        """
import os
n = int(input())
print(2 * n, flush=True)
if os.fork() == 0:
    while True:
        os.write(1, b"x" * 65536)
""",
    ),
    Attack(
        "fork bomb",
        ("passed", "runtime_error", "time_limit", "memory_limit"),
        """
import os
n = int(input())
try:
    while True:
        os.fork()
except OSError:
    pass
while True:
    try:
        os.fork()
    except OSError:
        pass
""",
    ),
    Attack(
        "CPU time burnt in children that nobody waits for",
        ("time_limit",),
        """
import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
n = int(input())
import time
while True:
    if os.fork() == 0:
        until = time.process_time() + 0.3
        while time.process_time() < until:
            pass
        os._exit(0)
    time.sleep(0.3)
""",
    ),
    Attack(
        "CPU time in threads of children",
        ("time_limit",),
        """
import os, threading
n = int(input())
def spin():
    while True:
        pass
if os.fork() == 0:
    for _ in range(3):
        threading.Thread(target=spin).start()
else:
    os.wait()
""",
    ),
    Attack(
        "stop oneself",
        ("time_limit",),
        "import os, signal\nn = int(input())\nos.kill(os.getpid(), signal.SIGSTOP)\nprint(2 * n)",
    ),
    Attack(
        "sleep in a child and wait for it",
        ("time_limit",),
        "import subprocess\nn = int(input())\nsubprocess.run(['sleep', '1000'])\nprint(2 * n)",
    ),
    Attack(
        "fill the memory from many processes",
        ("memory_limit", "runtime_error", "time_limit", "wrong_answer"),
        """
import os
n = int(input())
for _ in range(20):
    if os.fork() == 0:
        data = bytearray(300 << 20)
        for position in range(0, len(data), 4096):
            data[position] = 1
        import time
        time.sleep(60)
import time
time.sleep(60)
""",
    ),
    Attack(
        "fill the folder in memory",
        HARMLESS,
        """
n = int(input())
number = 0
try:
    while number < 400:
        with open(f"file{number}", "wb") as stream:
            stream.write(b"x" * (1 << 20))
        number += 1
except OSError:
    pass
print(2 * n)
""",
    ),
    Attack(
        "hold memory outside the limits",
        ("passed",),
        """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
n = int(input())
shared = libc.shmget(0, 1 << 20, 0o1600)
memory = libc.memfd_create(b"x", 0)
print(2 * n if shared == -1 and memory == -1 else "got it")
""",
        needs="landlock",
    ),
    Attack(
        "print one gigabyte",
        ("output_limit",),
        "import os\nn = int(input())\nblock = b'x' * (1 << 20)\nfor _ in range(1024):\n    os.write(1, block)",
    ),
    Attack(
        "complain at length, then answer",
        ("passed",),
        "import os\nn = int(input())\nblock = b'x' * (1 << 20)\nfor _ in range(64):\n    os.write(2, block)\nprint(2 * n)",
    ),
    Attack(
        "write one huge file",
        ("output_limit", "runtime_error"),
        "n = int(input())\nwith open('big', 'wb') as stream:\n    for _ in range(200):\n        stream.write(bytes(1 << 20))",
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
        "a value that equals everything",
        ("wrong_answer", "runtime_error"),
        """
class Any(str):
    def __eq__(self, other):
        return True
    __hash__ = str.__hash__
def solve(n):
    return Any("x")
""",
        "secret_function",
    ),
    Attack(
        "a json module of one's own",
        ("wrong_answer", "runtime_error"),
        """
import json, sys
for module in list(sys.modules.values()):
    for name in ("loads", "dumps", "_dumps", "_loads", "compare_data"):
        if hasattr(module, name):
            try:
                setattr(module, name, lambda *a, **k: True)
            except Exception:
                pass
def solve(n):
    return "?"
""",
        "secret_function",
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
        "find the grader's modules",
        ("passed",),
        """
import sys
n = int(input())
mine = [name for name in sys.modules if "sandbox" in name or "dreamprm" in name]
try:
    import dreamprm_code
    mine.append("importable")
except ImportError:
    pass
print(mine if mine else 2 * n)
""",
    ),
    Attack(
        "return what cannot be read",
        ("wrong_answer", "runtime_error", "output_limit", "memory_limit", "time_limit"),
        """
def solve(n):
    value = []
    for _ in range(100000):
        value = [value]
    return value
""",
        "double_function",
    ),
    Attack(
        "return an integer of ten million digits",
        ("wrong_answer", "runtime_error", "time_limit"),
        "def solve(n):\n    return 1 << 33000000",
        "double_function",
    ),
    Attack(
        "sleep uninterruptibly in vfork",
        ("time_limit",),
        """
import ctypes
n = int(input())
libc = ctypes.PyDLL(None)
if libc.vfork() == 0:
    libc.pause()
""",
    ),
    Attack(
        "folders nested too deep to walk",
        HARMLESS,
        """
import os
n = int(input())
try:
    for _ in range(3000):
        os.mkdir("d")
        os.chdir("d")
except OSError:
    pass
import time
time.sleep(0.3)
print(2 * n)
""",
    ),
    Attack(
        "wait on a pipe that nobody fills",
        ("time_limit",),
        "import os\nn = int(input())\nr, w = os.pipe()\nos.read(r, 1)\nprint(2 * n)",
    ),
    Attack(
        "replace the exit",
        ("passed", "runtime_error", "wrong_answer"),
        """
import atexit, os, sys
n = int(input())
os._exit = lambda status: None
sys.exit = lambda status: None
atexit.register(lambda: os.kill(os.getpid(), 11))
print(2 * n, flush=True)
""",
    ),
)
