"""Each verdict for its reason, with the program run as a real interpreter would run it."""

from __future__ import annotations

import json

import pytest

from builders.grading import LIMITS, PROBLEMS
from builders.rows import make_problem
from dreamprm_code.grading import Grader, GradeRequest, GraderSettings
from dreamprm_code.grading.sandbox.jobs import Settings
from dreamprm_code.grading.sandbox.judge import judge_end
from dreamprm_code.grading.sandbox.levels import LEVELS
from dreamprm_code.grading.sandbox.orders import End
from dreamprm_code.records import Verdict

DOUBLE = "print(2 * int(input()))"

STDIN = {
    "a right program": (DOUBLE, "passed", None),
    "a wrong program fails at its first wrong test": ("n = int(input())\nprint(6)", "wrong_answer", 1),
    "an exception": ("int(input())\nraise KeyError('x')", "runtime_error", 0),
    "an exit status other than 0": ("import sys\nprint(2 * int(input()))\nsys.exit(1)", "runtime_error", 0),
    "sys.exit() after the answer": ("import sys\nprint(2 * int(input()))\nsys.exit()", "passed", None),
    "a crash": ("import os\nos.kill(os.getpid(), 11)", "runtime_error", 0),
    "an endless loop": ("while True: pass", "time_limit", 0),
    "an endless loop that swallows everything": ("while True:\n try:\n  while True: pass\n except: pass", "time_limit", 0),
    "a long sleep": ("import time\ntime.sleep(100)", "time_limit", 0),
    "too much memory": ("x = bytearray(2 << 30)", "memory_limit", 0),
    "an endless recursion": ("import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return 1 + f(n)\nf(0)", "memory_limit", 0),
    "the exit status that once meant no Python": ("import sys\nsys.exit(97)", "runtime_error", 0),
    "no Python": ("print 'x'", "compile_error", None),
    "nothing": ("  \n", "no_code", None),
    "a null byte": ("x = '\0'", "compile_error", None),
    "half of a surrogate pair": ("x = '\ud800'", "compile_error", None),
    "sys.stdin iterated": ("import sys\nfor line in sys.stdin: print(2 * int(line))", "passed", None),
    "descriptor 0": ("import os\nprint(2 * int(os.read(0, 100)))", "passed", None),
    "open(0)": ("print(2 * int(open(0).read()))", "passed", None),
    "/dev/stdin": ("print(2 * int(open('/dev/stdin').read()))", "passed", None),
    "read after readline": (
        "import sys\nn = int(sys.stdin.readline())\nassert sys.stdin.read() == ''\nprint(2 * n)",
        "passed",
        None,
    ),
    "end of input": ("input()\ninput()", "runtime_error", 0),
    "output of a thread that nobody joins": (
        "import threading\nthreading.Thread(target=lambda: print(2 * int(input()))).start()",
        "passed",
        None,
    ),
    "output at exit": ("import atexit\nn = int(input())\natexit.register(print, 2 * n)", "passed", None),
    "output by os.write": ("import os\nos.write(1, b'%d\\n' % (2 * int(input())))", "passed", None),
    "__main__": ("if __name__ == '__main__':\n    print(2 * int(input()))", "passed", None),
    "global and a class that others find in __main__": (
        "import pickle\nclass A: pass\nn = 0\ndef f():\n    global n\n    n = int(input())\n"
        "f()\npickle.loads(pickle.dumps(A()))\nprint(2 * n)",
        "passed",
        None,
    ),
    "from __future__": ("from __future__ import annotations\n" + DOUBLE, "passed", None),
    "a subprocess": ("import subprocess\nsubprocess.run(['true'], check=True)\n" + DOUBLE, "passed", None),
    "several processes": (
        "from multiprocessing import Pool\nn = int(input())\nwith Pool(2) as p: print(sum(p.map(abs, [n, n])))",
        "passed",
        None,
    ),
    "a deep recursion": (
        "import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return 0 if n == 0 else 1 + f(n - 1)\nf(100000)\n" + DOUBLE,
        "passed",
        None,
    ),
    "a recursion through C as deep as judges allow": (
        "import sys, functools\nsys.setrecursionlimit(10**6)\n@functools.lru_cache(None)\n"
        "def f(n): return 0 if n == 0 else 1 + f(n - 1)\nf(300_000)\n" + DOUBLE,
        "passed",
        None,
    ),
    "threads with the usual stack": (
        "import threading\nthreads = [threading.Thread(target=sum, args=([1],)) for _ in range(30)]\n"
        "[thread.start() for thread in threads]\n[thread.join() for thread in threads]\n" + DOUBLE,
        "passed",
        None,
    ),
    "a file in its folder": ("open('a', 'w').write('x')\nassert open('a').read() == 'x'\n" + DOUBLE, "passed", None),
    "an empty folder in every test": ("import os\nassert not os.listdir('.')\nopen('a', 'w')\n" + DOUBLE, "passed", None),
    "a scrubbed environment": (
        "import os\nassert not {'USER', 'HTTP_PROXY', 'PYTEST_CURRENT_TEST'} & set(os.environ)\n" + DOUBLE,
        "passed",
        None,
    ),
    "no arguments": ("import sys\nassert len(sys.argv) == 1\n" + DOUBLE, "passed", None),
}

FUNCTIONAL = {
    "a Solution": ("class Solution:\n    def solve(self, n: int) -> int:\n        return 2 * n", "passed", None),
    "a plain function": ("def solve(n: int) -> int:\n    return 2 * n", "passed", None),
    "names without import": (
        "def solve(n) -> Optional[int]:\n    return prod(Counter([2, n]).elements())",
        "passed",
        None,
    ),
    "a new object for each test": (
        "class Solution:\n    def __init__(self): self.n = 0\n"
        "    def solve(self, n):\n        self.n += 1\n        return 2 * n * self.n",
        "passed",
        None,
    ),
    "a numpy integer": ("import numpy\ndef solve(n):\n    return numpy.int64(2 * n)", "passed", None),
    "an equal float": ("def solve(n):\n    return 2.0 * n", "passed", None),
    "a wrong second result": ("def solve(n):\n    return 6", "wrong_answer", 1),
    "a set": ("def solve(n):\n    return {2 * n}", "wrong_answer", 0),
    "a missing function": ("def solved(n):\n    return 2 * n", "runtime_error", 0),
    "an exception": ("def solve(n):\n    return 1 // (n - 10) and 2 * n", "runtime_error", 1),
    "an exception while loading": ("raise SystemExit(0)", "runtime_error", 0),
    "a print": ("def solve(n):\n    print('x' * 100000)\n    return 2 * n", "passed", None),
    "an endless second call": ("def solve(n):\n    while n == 10: pass\n    return 2 * n", "time_limit", 1),
    "no Python": ("def solve(n) return 2", "compile_error", None),
}


@pytest.mark.parametrize("name", STDIN)
def test_stdin_programs(grade, grader, name):
    if name == "several processes" and grader.isolation == "landlock":
        pytest.skip("no named semaphores at this level")
    code, verdict, failed_test = STDIN[name]
    result = grade("double", code)
    assert (result.verdict, result.failed_test) == (verdict, failed_test), result.reason
    assert result.passed is (verdict == "passed")
    assert result.reason and "\n" not in result.reason


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_functional_programs(grade, name):
    code, verdict, failed_test = FUNCTIONAL[name]
    result = grade("double_function", code)
    assert (result.verdict, result.failed_test) == (verdict, failed_test), result.reason


def test_large_input_and_output_pass_through_the_pipes(grader):
    numbers = " ".join(map(str, range(300_000)))
    problem = make_problem("large", [(numbers, numbers.replace(" ", "\n"))])
    result = grader.submit(GradeRequest(0, problem, "print(*input().split(), sep='\\n')")).result(60)
    assert result.verdict == "passed", result.reason
    result = grader.submit(GradeRequest(0, problem, "print('does not read its input')")).result(60)
    assert result.verdict == "wrong_answer"


def test_cpu_time_is_that_of_the_test_and_bounded_by_wall_time(grade):
    result = grade("double", "import time\nwhile time.process_time() < 0.3: pass\n" + DOUBLE)
    assert result.passed
    assert 0.5 < result.cpu_seconds <= result.wall_seconds + 0.1  # two tests of 0.3 s, less what the fork had used


def end_of(cpu: float, memory_mb: int, exceeded: str | None = None, status: int = 0) -> End:
    return End(status, cpu, cpu, memory_mb << 20, exceeded)


@pytest.mark.parametrize(
    ("end", "errors", "verdict"),
    [
        # 6 s and 4096 MiB; whether the limit of CPU time or the refused memory is noticed first makes no difference
        (end_of(6.05, 3900, "cpu", 9), b"", "memory_limit"),
        (end_of(6.05, 3900, None, 256), b"MemoryError", "memory_limit"),
        (end_of(5.95, 3900, None, 256), b"MemoryError", "memory_limit"),
        (end_of(6.05, 3900, "memory", 9), b"", "memory_limit"),
        (end_of(6.05, 2049, "cpu", 9), b"", "memory_limit"),
        (end_of(6.05, 2048, "cpu", 9), b"", "time_limit"),
        (end_of(6.05, 100), b"", "time_limit"),
        (end_of(5.95, 3900), b"", "passed"),
        (end_of(5.95, 3900, "output", 9), b"", "output_limit"),
    ],
)
def test_the_verdict_does_not_depend_on_which_limit_is_noticed_first(end, errors, verdict):
    settings = Settings(LEVELS, GraderSettings().limits())
    assert judge_end(end, errors, settings).verdict == verdict


@pytest.mark.parametrize(("megabytes", "verdict"), [(600, "memory_limit"), (300, "time_limit")])
def test_an_endless_program_that_holds_half_of_the_memory_is_a_memory_hog(grade, megabytes, verdict):
    code = f"x = bytearray({megabytes} << 20)\nx[::4096] = bytes(len(x) >> 12)\nwhile True: pass"
    assert grade("double", code).verdict == verdict
    assert grade("double_function", code.replace("while True: pass", "def solve(n):\n  while True: pass")).verdict == verdict


def test_all_tests_are_run_when_asked_for():
    with Grader(GraderSettings(all_tests=True, **LIMITS)) as grader:
        stdin = grader.submit(GradeRequest(0, PROBLEMS["double"], "print(20 if int(input()) == 10 else 1 // 0)")).result(60)
        code = "def solve(n):\n    return 20 if n == 10 else exit()"
        functional = grader.submit(GradeRequest(0, PROBLEMS["double_function"], code)).result(60)
    for result in (stdin, functional):
        assert result.test_verdicts == (Verdict.RUNTIME_ERROR, Verdict.PASSED)
        assert (result.verdict, result.failed_test) == ("runtime_error", 0)


def test_random_numbers_and_the_order_of_sets_repeat(grader):
    code = "import random\nint(input())\nprint(random.random(), hash('x'), list({'a', 'b', 'c', 'd'}))  # "
    reasons = {grader.submit(GradeRequest(0, PROBLEMS["double"], code + str(n))).result(60).reason for n in range(4)}
    assert len(reasons) == 1


def test_identical_programs_are_graded_once(grader, tmp_path):
    results = list(grader.grade(GradeRequest(n, PROBLEMS["double"], DOUBLE + "  # the same") for n in range(50)))
    assert sorted(result.key for result in results) == list(range(50))
    assert len({result.wall_seconds for result in results}) == 1


def test_a_problem_without_tests_is_a_harness_error_never_wrong(grader):
    problem = make_problem("empty", [])
    result = grader.submit(GradeRequest(0, problem, DOUBLE)).result(60)
    assert result.verdict is Verdict.HARNESS_ERROR
    assert result.passed is None


def test_a_dead_worker_is_replaced_and_its_program_graded_again(tmp_path):
    import psutil

    with Grader(GraderSettings(workers=1, **LIMITS)) as grader:
        future = grader.submit(GradeRequest(0, PROBLEMS["double"], "import time\ntime.sleep(0.7)\n" + DOUBLE))
        psutil.Process(grader._pool._workers[0]._process.pid).kill()
        assert future.result(60).passed


def test_official_rules(shared_data):
    """A sample of real programs, those on which the official and the fair verdict differ among them."""
    from dreamprm_code.problems import load_problems

    folder = shared_data / "livecodebench"
    problems = {problem.question_id: problem for problem in load_problems(folder / "problems.jsonl")}
    rows = [json.loads(line) for line in (folder / "programs.jsonl").open()]
    differing = [
        row for row in rows if row["why_they_differ"] and not {"thread", "near_time_limit"} & set(row["why_they_differ"])
    ]
    sample = [row for row in rows if row["fair_passed"] is not None and row["official_passed"] == row["fair_passed"]][::20]
    for compat, field in (("none", "fair_passed"), ("livecodebench", "official_passed")):
        with Grader(GraderSettings(workers=2, compat=compat)) as grader:
            wanted = {(row["question_id"], row["solution_idx"]): row for row in differing + sample}
            requests = (GradeRequest(key, problems[key[0]], row["code"]) for key, row in wanted.items())
            found = {result.key: result.passed for result in grader.grade(requests)}
        assert found == {key: row[field] for key, row in wanted.items()}
