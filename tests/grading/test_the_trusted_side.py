"""No program makes the grader itself slow, stuck, fat or dead."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import psutil
import pytest

from builders.grading import LIMITS, PROBLEMS
from builders.rows import make_problem
from dreamprm_code.grading import Grader, GradeRequest, GraderSettings, GradingError, pool
from dreamprm_code.grading.sandbox.compare import stated_tolerance
from dreamprm_code.grading.worker import ENVIRONMENT
from dreamprm_code.records import Verdict

DOUBLE = "print(2 * int(input()))"
NASTY = "\ud800\n\x1b[31m\u202e" + "x" * 1_000_000

FORGED_LINE = "import json, os\nos.write(4, b'{} 0.1 ' + json.dumps({!a}).encode() + b'\\n')"


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        ("double", f"import sys\nsys.stderr = open(2, 'w', errors='surrogatepass')\nraise ValueError({NASTY[:9]!r})"),
        ("double_function", f"def solve(n): raise ValueError({NASTY[:9]!r})"),
        ("double_function", f"def solve(n): return {NASTY[:9]!r}"),
        *(("double_function", FORGED_LINE.format(status, NASTY)) for status in "!#-?"),
    ],
)
def test_a_reason_is_one_short_printable_line(grade, problem, code):
    result = grade(problem, code)
    assert result.verdict in ("runtime_error", "wrong_answer", "compile_error")
    assert 0 < len(result.reason) <= 300
    assert result.reason.isprintable()
    result.reason.encode()


@pytest.mark.parametrize("seconds", ["inf", "1e999", "1e300", "nan", "-1"])
def test_a_forged_time_gives_a_row_that_can_be_stored(grade, seconds):
    result = grade("double_function", f"import os\ndef solve(n):\n    os.write(4, b'+ {seconds} 6\\n')\n    os._exit(0)")
    assert result.verdict in ("runtime_error", "time_limit")
    assert 0 <= result.cpu_seconds < 10


def test_long_reasons_and_large_problems_do_not_wait_for_each_other():
    """Before the answer of a program is read, the next problem must be sent: neither may wait for the other."""
    numbers = json.dumps(list(range(60_000)))
    problems = [make_problem(f"large {n}", [(numbers, str(n))], func_name="solve") for n in range(6)]
    code = f"import os\nos.write(4, b'! 0.1 \"' + b'x' * {400_000} + b'\"\\n')  # "
    with Grader(GraderSettings(workers=1, **LIMITS)) as grader:
        futures = [grader.submit(GradeRequest(n, problem, code + str(n))) for n, problem in enumerate(problems)]
        assert [future.result(60).verdict for future in futures] == ["runtime_error"] * 6


def test_a_large_problem_for_a_busy_worker_holds_nobody_up():
    """One worker sleeps, its next problem of 16 MB cannot be sent yet; the other worker goes on."""
    large = make_problem("large", [("1\n" + " " * (16 << 20), "2")])
    with Grader(GraderSettings(workers=2, cpu_limit_s=6, sleep_limit_s=30)) as grader:
        sleeper = grader.submit(GradeRequest(0, PROBLEMS["double"], "import time\ntime.sleep(6)\n" + DOUBLE))
        time.sleep(0.5)
        others = [grader.submit(GradeRequest(n, large, f"{DOUBLE}  # {n}")) for n in (1, 2)]
        light = [grader.submit(GradeRequest(n, PROBLEMS["double"], f"{DOUBLE}  # {n}")) for n in range(40)]
        # of the light ones, one at most waits behind the sleeper
        assert sum(future.result(60).passed for future in light[:-1]) == 39
        late = sum(not future.done() for future in light)
        assert not sleeper.done() and late <= 1
        assert all(future.result(60).passed for future in (sleeper, *others))


def test_numbers_that_nobody_can_write_out_are_wrong_answers():
    problem = make_problem("number", [("3", "6")], func_name="solve")
    with Grader(GraderSettings(compat="livecodebench", **LIMITS)) as grader:
        for number, verdict in (("1E+400000000", "wrong_answer"), ("1E-400000000", "wrong_answer"), ("6.00", "passed")):
            code = f"from decimal import Decimal\ndef solve(n): return Decimal('{number}')"
            assert grader.submit(GradeRequest(0, problem, code)).result(60).verdict == verdict
        forged = "import os\ndef solve(n):\n    os.write(4, b'+ 0.1 [\"number\", Infinity]\\n')\n    while True: pass"
        assert grader.submit(GradeRequest(0, problem, forged)).result(60).verdict == "wrong_answer"


def test_numbers_too_large_for_a_tolerance_are_compared_exactly():
    """Neither kills the judge: an expected integer beyond all floating-point numbers, a result that is one."""
    given = 10**400
    problem = make_problem("large", [("3", str(given))], func_name="solve", question_content="Absolute error at most 1e-6.")
    assert stated_tolerance(problem.question_content)
    with Grader(GraderSettings(**LIMITS)) as grader:
        for code, verdict in (("1.5", "wrong_answer"), ("1e308", "wrong_answer"), ("10**400", "passed")):
            result = grader.submit(GradeRequest(0, problem, f"def solve(n): return {code}")).result(60)
            assert result.verdict == verdict


@pytest.mark.parametrize("text", ["b'1\\n' * 8000000", "b'x' * 16000000", "b'0.10 ' * 3000000"])
def test_outputs_of_megabytes_cost_the_judge_little(text):
    """Sixteen megabytes where one byte is expected: their fingerprint is not worth seconds and gigabytes."""
    code = f"import os\ninput()\ndata = memoryview({text})\nwhile data: data = data[os.write(1, data):]"
    with Grader(GraderSettings(keep_outputs=True, **LIMITS | {"sleep_limit_s": 20.0})) as grader:
        (worker,) = workers(grader)
        before = worker.cpu_times()
        result = grader.submit(GradeRequest(0, PROBLEMS["double"], code)).result(60)
        used = sum(worker.cpu_times()[:2]) - sum(before[:2])
        with open(f"/proc/{worker.pid}/status") as stream:
            peak = next(int(line.split()[1]) for line in stream if line.startswith("VmHWM"))
    assert result.verdict == "wrong_answer"
    assert used < 1.5 and peak < 200 << 10  # KiB


def test_a_silent_worker_is_replaced_and_its_program_graded_once_more(monkeypatch):
    monkeypatch.setattr(pool, "SILENCE_S", 4.0)  # a busy machine leaves a worker waiting for a while
    with Grader(GraderSettings(workers=1, **LIMITS)) as grader:
        innocent = GradeRequest(0, PROBLEMS["double"], "import time\ntime.sleep(0.3)\n" + DOUBLE)
        (first,) = workers(grader)
        first.suspend()
        assert grader.submit(innocent).result(60).passed
        assert not first.is_running()
        future = grader.submit(innocent._replace(code=innocent.code + "  # again"))
        stopped = set()
        while not future.done():
            for process in workers(grader):
                if process.pid not in stopped and grader._pool._workers[0].is_ready:
                    process.suspend()
                    stopped.add(process.pid)
            time.sleep(0.02)
        result = future.result()
        assert (result.verdict, result.passed) == (Verdict.HARNESS_ERROR, None)
        assert "silent" in result.reason
        assert len(stopped) >= 2


def workers(grader: Grader) -> list[psutil.Process]:
    return [psutil.Process(worker._process.pid) for worker in grader._pool._workers]


def test_workers_die_with_the_grader(root, python):
    """Whatever they do: this one is stopped, and never reads that its socket was closed."""
    code = (
        "import sys, time\nfrom dreamprm_code.grading import Grader\nimport psutil\n"
        "with Grader():\n"
        " family = psutil.Process().children(recursive=True)\n [one.suspend() for one in family]\n"
        " print(*[one.pid for one in family], flush=True)\n time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [python, "-c", code], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": f"{root}/src"}
    )
    pids = [int(pid) for pid in process.stdout.readline().split()]
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in pids[:1]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert pids and not alive(pids[0])
    for pid in pids[1:]:  # the zygotes see it as soon as they may run
        if alive(pid):
            psutil.Process(pid).resume()
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in pids)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("level", ["namespaces", "landlock", "rlimits"])
def test_programs_die_with_their_zygote_and_leave_nothing(level, monkeypatch):
    """As when the host runs out of memory; the program is graded again, and the host is as it was."""
    folder = tempfile.TemporaryDirectory()  # not below tmp_path, where only this user may go
    os.chmod(folder.name, 0o755)
    monkeypatch.setitem(ENVIRONMENT, "TMPDIR", folder.name)
    code = (
        "import os, sys, time\nn = int(input())\nif n == 3:\n"
        " for _ in range(5):\n  if os.fork() == 0:\n   os.setsid()\n   time.sleep(1000)\n"
        " time.sleep(0.9)\nprint(2 * n)"
    )
    try:
        grader = Grader(GraderSettings(workers=1, **LIMITS | {"isolation": level})).__enter__()
    except GradingError as error:
        pytest.skip(str(error))
    try:
        (worker,) = workers(grader)
        future = grader.submit(GradeRequest(0, PROBLEMS["double"], code))
        parents: list[psutil.Process] = []
        while not parents:
            with contextlib.suppress(psutil.NoSuchProcess):
                parents = [one for one in worker.children(recursive=True) if len(one.children()) == 5]
        zygote = parents[0].parent()
        programs = [one.pid for one in zygote.children(recursive=True)]
        assert len(programs) == 6
        assert len(os.listdir(folder.name)) == (level != "namespaces")  # a world of its own needs no folder of the host
        zygote.kill()
        assert future.result(60).passed
        assert not any(alive(pid) for pid in programs)
    finally:
        grader.close()
    assert not os.listdir(folder.name)
    folder.cleanup()


def test_a_host_that_refuses_new_processes_fails_the_waiting_and_never_hangs(monkeypatch):
    refused = threading.Event()

    class NoMoreProcesses(subprocess.Popen):
        def __init__(self, *args, **kwargs):
            if refused.is_set():
                raise BlockingIOError("no new process")
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(subprocess, "Popen", NoMoreProcesses)
    monkeypatch.setattr(pool, "_LONGEST_PAUSE_S", 0.2)
    slow = "import time\ntime.sleep(1)\n" + DOUBLE
    with Grader(GraderSettings(workers=2, **LIMITS)) as grader:
        refused.set()
        first, second = workers(grader)
        first.kill()
        assert grader.submit(GradeRequest(0, PROBLEMS["double"], DOUBLE)).result(60).passed  # by the other worker
        futures = [grader.submit(GradeRequest(0, PROBLEMS["double"], f"{slow}  # {n}")) for n in range(3)]
        second.kill()
        for future in futures:
            with pytest.raises(GradingError, match="no new process"):
                future.result(60)
        with pytest.raises(GradingError, match="had to end"):
            grader.submit(GradeRequest(0, PROBLEMS["double"], DOUBLE + "  # late"))


def test_a_worker_that_does_not_start_is_one_clear_error(monkeypatch, tmp_path):
    broken = tmp_path / "worker_start.py"
    broken.write_text("raise SystemExit(3)")
    monkeypatch.setattr("dreamprm_code.grading.worker._START", broken)
    with pytest.raises(GradingError, match="ended with status 3"), Grader():
        pass


def test_the_kernel_ends_a_supervisor_that_computes_for_ever():
    """The deadline of the trusted side itself: processor time without a sign of life."""
    code = (
        "import socket\nfrom dreamprm_code.grading.sandbox import wire\nwire._OWN_CPU_S = 0.2\n"
        "ours, theirs = socket.socketpair()\nwire.GraderLine(theirs.detach()).give_sign_of_life()\n10 ** 10 ** 9\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, timeout=100, check=False)
    assert done.returncode == -signal.SIGPROF
