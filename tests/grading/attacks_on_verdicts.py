"""Programs that try to get a verdict that they do not deserve."""

from __future__ import annotations

from attack import Attack

FORGERIES = (
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
