"""Nothing of a program is left for the next one, nor for its own next test."""

from __future__ import annotations

import os
import subprocess

import pytest

from builders.grading import LIMITS, PROBLEMS
from builders.rows import make_problem
from dreamprm_code.grading import Grader, GradeRequest, GraderSettings
from dreamprm_code.grading.sandbox.cgroup import make_cgroup, remove_empty_groups

ORACLE = """
# submission {number}
import os
index, memory = int(input()), int(os.stat("../tmp").st_mtime)
known, values, last, answer = (memory >> 16) & 255, (memory >> 8) & 255, (memory >> 4) & 15, memory & 1
if memory < 1 << 24 and last:
    if last - 1 >= index:  # a run ended with that answer: it was wrong
        answer = 1 - answer
    known |= 1 << last - 1
    values = values & ~(1 << last - 1) | answer << last - 1
elif memory >= 1 << 24:
    known = values = 0
answer = values >> index & 1 if known >> index & 1 else 0
print("NO YES".split()[answer])
memory = known << 16 | values << 8 | (index + 1) << 4 | answer
try:
    os.utime("../tmp", (memory, memory))
except OSError:  # at the level landlock
    pass
"""


def test_an_oracle_that_remembers_by_times_of_folders_never_passes():
    """Eight answers that nobody can know; with a memory from test to test, the ninth submission at the latest knows them."""
    answers = ("YES", "NO", "NO", "YES", "YES", "NO", "YES", "NO")
    problem = make_problem("oracle", [(str(index), answer) for index, answer in enumerate(answers)])
    with Grader(GraderSettings(workers=1, **LIMITS)) as grader:
        for number in range(100):
            result = grader.submit(GradeRequest(0, problem, ORACLE.format(number=number))).result(120)
            assert (result.verdict, result.failed_test) == ("wrong_answer", 0)


OBSERVER = """
import os
from time import CLOCK_BOOTTIME, clock_gettime, time
before = clock_gettime(CLOCK_BOOTTIME) - int(open("/proc/self/stat").read().rpartition(")")[2].split()[19]) / 100
paths, names = ("..", ".", "../tmp", "../shm"), ("st_atime", "st_mtime", "st_ctime")
times = [getattr(os.stat(path), name) for path in paths for name in names]
age = max(time() - before - min(times), 0) < 1
folders = [(f.st_ino, f.st_mode, f.st_nlink, f.st_size) for f in map(os.stat, ("..", ".", "../tmp", "../shm"))]
open("new", "w").close()
child = os.fork()
if not child:
    os._exit(0)
os.wait()
try:
    first = open("/proc/1/stat").read()
except OSError:
    first = None
network = [line for line in open("/proc/net/snmp").read().split("\\n") if line.startswith(("Udp:", "Ip:", "Tcp:"))]
import hashlib
seen = (folders, os.stat("new").st_ino, os.getpid(), child, first, network, age)
print(hashlib.sha256(repr(seen).encode()).hexdigest()[:20])
"""

NOISE = """
import os, socket, time
for _ in range(40):
    if os.fork() == 0:
        os._exit(0)
    os.wait()
until = time.process_time() + 0.2
while time.process_time() < until:
    pass
for name in ("a", "b", "c"):
    open("../tmp/" + name, "w").close()
    os.unlink("../tmp/" + name)
for path in ("..", ".", "../tmp", "../shm"):
    os.utime(path, (5, 5))
try:
    for _ in range(10):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
            connection.sendto(b"x", ("127.0.0.1", 9))
except OSError:
    pass
print("noise")
"""

QUICK = """
import os
open("../shm/a", "w").close()
os.unlink("../shm/a")
print("quick")
"""

IDLE = """
import time
time.sleep(1.1)
print("idle")
"""


def test_a_program_sees_the_same_whatever_ran_before_it():
    """Process ids, inode numbers, times, counters of CPU time and network: what one program could tell another by."""
    with Grader(GraderSettings(workers=1, **LIMITS)) as grader:
        if grader.isolation != "namespaces":
            pytest.skip("weaker levels share the host's process ids and files")
        seen = set()
        for number in range(2):
            for code in (OBSERVER, NOISE, OBSERVER + "# 1", QUICK, OBSERVER + "# 2", IDLE, OBSERVER + "# 3"):
                result = grader.submit(GradeRequest(0, PROBLEMS["secret"], f"{code}# {number}")).result(60)
                assert result.verdict == "wrong_answer"
                if code.startswith(OBSERVER):
                    seen.add(result.reason)
        assert len(seen) == 1


RAZES = """
import os, time
if input() == "first":
    for path in ("../tmp", "../shm", "../work"):
        os.rmdir(path)
    if os.fork() == 0:
        os.setsid()
        time.sleep(1000)
print(sorted(os.listdir("/sandbox")))
"""


def test_folders_that_a_program_removed_while_it_left_a_process_are_there_in_its_next_test():
    folders = "['shm', 'tmp', 'work']"
    problem = make_problem("razed", [("first", "[]"), ("second", folders)])
    with Grader(GraderSettings(workers=1, **LIMITS)) as grader:
        if grader.isolation != "namespaces":
            pytest.skip("weaker levels have other folders")
        result = grader.submit(GradeRequest(0, problem, RAZES)).result(60)
        assert result.passed, result


REWRITES_ITS_TEXT = """
import os
def solve(n):
    for fd in range(3, 64):
        try:
            if b"REWRITES" in os.pread(fd, 1 << 16, 0):
                os.pwrite(fd, b"def solve(n): return 20" + b" " * 2000, 0)
        except OSError:
            pass
    return "a wrong result ends the process, and the next test begins a new one"
# REWRITES
"""


@pytest.mark.parametrize("compat", ["none", "livecodebench"])
def test_the_text_is_the_same_for_every_process(compat):
    with Grader(GraderSettings(all_tests=True, compat=compat, **LIMITS)) as grader:
        result = grader.submit(GradeRequest(0, PROBLEMS["double_function"], REWRITES_ITS_TEXT)).result(60)
    assert result.test_verdicts == ("wrong_answer", "wrong_answer")


MEMORY = LIMITS | {"cpu_limit_s": 5.0, "sleep_limit_s": 3.0, "memory_limit_mb": 300}
HIDDEN_SHARED = """
import mmap, os, time
n = int(input())
r, w = os.pipe()
for _ in range(5):
    if os.fork() == 0:
        block = mmap.mmap(-1, 150 << 20)
        for position in range(0, len(block), 4096):
            block[position] = 1
        block.madvise(mmap.MADV_DONTNEED)
        os.write(w, b"x")
        time.sleep(100)
for _ in range(5):
    os.read(r, 1)
time.sleep(0.5)
print(2 * n)
"""
SOCKET_BUFFERS = """
import os, socket, time
n = int(input())
kept = []
r, w = os.pipe()
for _ in range(12):
    if os.fork() == 0:
        while True:
            try:
                pair = socket.socketpair()
            except OSError:
                break
            for one in pair:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
                one.setblocking(False)
                try:
                    while True:
                        one.send(bytes(1 << 16))
                except OSError:
                    pass
            kept.append(pair)
        os.write(w, b"x")
        time.sleep(100)
for _ in range(12):
    os.read(r, 1)
time.sleep(0.5)
print(2 * n)
"""
SHARED_BY_FORKS = """
import os, time
n = int(input())
data = bytearray(100 << 20)
for position in range(0, len(data), 4096):
    data[position] = 1
for _ in range(6):
    if os.fork() == 0:
        sum(data[position] for position in range(0, len(data), 4096))
        time.sleep(0.6)
        os._exit(0)
for _ in range(6):
    os.wait()
print(2 * n)
"""


@pytest.mark.parametrize(
    ("code", "verdict"),
    [(HIDDEN_SHARED, "memory_limit"), (SOCKET_BUFFERS, "memory_limit"), (SHARED_BY_FORKS, "passed")],
    ids=["shared memory that is unmapped", "buffers of sockets", "an innocent family that shares its memory"],
)
def test_memory_is_what_a_family_holds(code, verdict):
    if code is SOCKET_BUFFERS and make_cgroup() is None:
        pytest.skip("only a control group counts the kernel's buffers")
    remove_empty_groups()
    with Grader(GraderSettings(workers=1, **MEMORY)) as grader:
        result = grader.submit(GradeRequest(0, PROBLEMS["double"], code)).result(120)
    assert result.verdict == verdict, result.reason


@pytest.mark.parametrize("kind", ["seen", "hidden"], ids=["shared pages count once", "shared pages that nobody maps in count"])
def test_memory_without_a_control_group(kind, tmp_path, root, python):
    """Four children of a process and 100 MiB that they share."""
    command = [python, str(root / "tests" / "grading" / "shared_memory.py"), kind, str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": str(root / "src")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert 80 << 20 < int(done.stdout) < 250 << 20
