"""Programs that take more than they may: time, memory, output, processes, files."""

from __future__ import annotations

from attack import HARMLESS, Attack

HOGS = (
    Attack(
        "child that prints for ever",
        ("output_limit",),
        """
import os
n = int(input())
print(2 * n, flush=True)
if os.fork() == 0:
    while True:
        os.write(1, b"x" * 65536)
os.wait()
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
        "a byte of results now and then instead of an answer",
        ("time_limit",),
        """
import os, time
def solve(n):
    while True:
        os.write(4, b"x")
        time.sleep(0.4)
""",
        "double_function",
    ),
    Attack(
        "CPU time hidden behind bytes of results",
        ("time_limit",),
        """
import os, threading, time
def drip():
    while True:
        os.write(4, b" ")
        time.sleep(0.2)
def solve(n):
    threading.Thread(target=drip, daemon=True).start()
    until = time.process_time() + 4
    while time.process_time() < until:
        pass
    time.process_time = lambda: 0.0
    return 2 * n
""",
        "double_function",
    ),
    Attack(
        "CPU time of many short-lived children of a parent that ignores their death",
        ("time_limit",),
        """
import os, signal, time
n = int(input())
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(300):
    if os.fork() == 0:
        until = time.process_time() + 0.012
        while time.process_time() < until:
            pass
        os._exit(0)
    try:
        os.wait()
    except ChildProcessError:
        pass
print(2 * n)
""",
        needs="landlock",
    ),
    Attack(
        "a chain of forks, each process too short-lived to be seen",
        ("time_limit", "runtime_error"),
        """
import os, signal
n = int(input())
if os.fork() == 0:
    while True:
        try:
            if os.fork():
                os._exit(0)
        except OSError:
            pass
signal.pause()
""",
    ),
    Attack(
        "files without a name",
        ("output_limit", "runtime_error"),
        """
import os, time
n = int(input())
kept = []
for number in range(3):
    stream = open(f"file{number}", "wb", buffering=0)
    os.unlink(stream.name)
    for _ in range(40):
        stream.write(bytes(1 << 20))
    kept.append(stream)
time.sleep(0.6)
print(2 * n)
""",
    ),
    Attack(
        "eight gigabytes that nobody touches",
        ("memory_limit",),
        "import mmap\nn = int(input())\nmmap.mmap(-1, 8 << 30)\nprint(2 * n)",
    ),
)
