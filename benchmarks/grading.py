"""Measure the grader against its claims, on reference data (problems, programs and verdicts in one folder per set).

    python benchmarks/grading.py verdicts   [--compat livecodebench]    every reference verdict reproduced?
    python benchmarks/grading.py hostile    [--repeat 5]                 programs written to break graders: all runs identical?
    python benchmarks/grading.py attacks    [--repeat 5]                 the same with the attacks of the tests
    python benchmarks/grading.py slow       [--busy 8]                   verdicts beside busy loops
    python benchmarks/grading.py throughput                              programs/s, beside LiveCodeBench's grader if installed
    python benchmarks/grading.py resume     [--rows 20000]               memory, kill -9, once and only once
    python benchmarks/grading.py mixed      [--rows 20000]               a tenth hostile: what is held, what it costs

``--data`` is the folder of the reference data, ``--workers`` the number of worker processes (2).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from dreamprm_code.grading import Grader, GradeRequest, GraderSettings  # noqa: E402
from dreamprm_code.problems import load_problems, test_cases  # noqa: E402
from dreamprm_code.records import Problem  # noqa: E402

SETS = ("livecodebench", "leetcode", "mbpp", "humaneval")
NAMES = {"pass": "passed"}
OFFICIAL_RATES = {"livecodebench": 55.5, "leetcode": 46.4}
"""Programs/s of LiveCodeBench's grader with two processes on two idle cores, as recorded beside the reference data."""


def read_set(data: Path, name: str) -> tuple[dict[str, Problem], list[dict[str, Any]]]:
    problems = {problem.question_id: problem for problem in load_problems(data / name / "problems.jsonl")}
    return problems, [json.loads(line) for line in (data / name / "programs.jsonl").open()]


def requests_for(problems: dict[str, Problem], rows: list[dict[str, Any]], mark: str = "") -> Iterator[GradeRequest]:
    """One request per row, its key the row's index; ``mark`` makes texts that were not graded before."""
    return (GradeRequest(index, problems[row["question_id"]], row["code"] + mark) for index, row in enumerate(rows))


def verdicts(args: argparse.Namespace) -> None:
    field = "official_passed" if args.compat == "livecodebench" else "fair_passed"
    for name in args.sets or SETS:
        problems, rows = read_set(args.data, name)
        with Grader(GraderSettings(workers=args.workers, compat=args.compat)) as grader:
            started = time.perf_counter()
            wrong, undecided, counts = [], 0, Counter()
            for result in grader.grade(requests_for(problems, rows)):
                wanted = rows[result.key][field]
                counts[str(result.verdict)] += 1
                undecided += wanted is None
                if wanted is not None and wanted != result.passed:
                    wrong.append((rows[result.key]["question_id"], rows[result.key]["solution_idx"], str(result.verdict)))
        seconds = time.perf_counter() - started
        decided = len(rows) - undecided
        print(f"{name}: {decided - len(wrong)} of {decided} {field} reproduced ({undecided} undecided) "
              f"in {seconds:.1f} s; {dict(counts)}; isolation {grader.isolation}; different: {wrong}")  # fmt: skip


def hostile(args: argparse.Namespace) -> None:
    """Grade the hostile programs ``repeat`` times; ends with status 1 unless all runs are acceptable and identical."""
    problems, rows = read_set(args.data, "hostile")
    runs: list[dict[int, str]] = []
    failed = False
    for number in range(args.repeat):
        with tempfile.TemporaryDirectory() as scratch:
            os.chmod(scratch, 0o777)
            changed = [row | {"code": row["code"].replace("@SCRATCH@", scratch)} for row in rows]
            started = time.perf_counter()
            with Grader(GraderSettings(workers=args.workers, isolation=args.isolation)) as grader:
                found = {result.key: str(result.verdict) for result in grader.grade(requests_for(problems, changed))}
            touched = os.listdir(scratch)
        runs.append(found)
        bad = [rows[key]["name"] for key, verdict in found.items()
               if verdict not in [NAMES.get(name, name) for name in rows[key]["acceptable_verdicts"]]]  # fmt: skip
        failed |= bool(bad or touched or len(found) != len(rows))
        print(f"run {number + 1}: {len(rows) - len(bad)} of {len(rows)} acceptable in {time.perf_counter() - started:.1f} s, "
              f"isolation {grader.isolation}, files touched: {touched}, unacceptable: {bad}", flush=True)  # fmt: skip
    different = {rows[key]["name"]: [run[key] for run in runs] for key in runs[0] if len({run[key] for run in runs}) > 1}
    same = len(rows) - len(different)
    print(f"{same} of {len(rows)} programs have the same verdict in all {len(runs)} runs; different: {different}")
    if failed or different:
        sys.exit(1)


def attacks(args: argparse.Namespace) -> None:
    """The attacks of the tests, ``repeat`` times."""
    command = [sys.executable, str(ROOT / "tests/grading/attacks.py"), "--repeat", str(args.repeat)]
    if args.isolation != "auto":
        command += ["--isolation", args.isolation]
    sys.exit(subprocess.run(command, check=False).returncode)


SLOW = {
    "loop": "while time.process_time() < {s}: pass",
    "strings": "while time.process_time() < {s}: x = 'ab' * 10000; x.replace('a', 'cd')",
    "sorting": "while time.process_time() < {s}: sorted(range(50000), key=lambda v: -v)",
    "big integers": "while time.process_time() < {s}: pow(3, 20000) % 1000003",
    "memory": "while time.process_time() < {s}: bytearray(20000000)",
    "recursion": "def f(n): return n < 2 or f(n - 1) + f(n - 2)\nwhile time.process_time() < {s}: f(18)",
    "dictionaries": "while time.process_time() < {s}: d = {{k: k for k in range(50000)}}",
    "four threads": "import threading\ndef f():\n  while time.process_time() < {s}: pass\n"
    "ts = [threading.Thread(target=f) for _ in range(4)]\nfor t in ts: t.start()\nfor t in ts: t.join()",
    "a child": "import os\nif os.fork() == 0:\n  while time.process_time() < {s}: pass\n  os._exit(0)\nos.wait()",
    "sleep and work": "time.sleep(3)\nwhile time.process_time() < {s}: pass",
    "numpy": "import numpy\nwhile time.process_time() < {s}: numpy.sort(numpy.arange(200000)[::-1])",
    "system calls": "import os\nwhile time.process_time() < {s}: os.stat('/')",
}
"""Programs that use {s} seconds of CPU time, each in its way."""


def slow(args: argparse.Namespace) -> None:
    problems, rows = read_set(args.data, "slow")
    some = next(iter(problems.values()))
    for number, (name, code) in enumerate(SLOW.items()):
        tests = json.dumps([{"input": "1", "output": "2", "testtype": "stdin"}])
        problems[name] = some.model_copy(update={"question_id": name, "public_test_cases": tests})
        seconds = 1.5 + 3 * number / len(SLOW)
        text = f"import time\n{code.format(s=seconds)}\nprint(2 * int(input()))"
        rows.append({"question_id": name, "solution_idx": 0, "code": text})
    for busy in (0, args.busy):
        loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
        try:
            started = time.perf_counter()
            with Grader(GraderSettings(workers=args.workers)) as grader:
                results = list(grader.grade(requests_for(problems, rows)))
        finally:
            for loop in loops:
                loop.kill()
                loop.wait()
        failed = [(rows[result.key]["question_id"], result.reason) for result in results if not result.passed]
        most = max(result.cpu_seconds for result in results)
        load = os.getloadavg()[0]
        print(f"{busy} busy loops: {len(rows) - len(failed)} of {len(rows)} passed in {time.perf_counter() - started:.0f} s, "
              f"most CPU time {most:.2f} s, load {load:.1f}; not passed: {failed}")  # fmt: skip


def official_rate(jobs: list[tuple[list[tuple[str, str]], str, str | None]], workers: int) -> float | None:
    """Programs/s of LiveCodeBench's own, unmodified grader (package lcb_runner); None where it is not installed."""
    try:
        from lcb_runner.evaluation.compute_code_generation_metrics import codegen_metrics
    except ImportError:
        return None
    samples = []
    for tests, _, func_name in jobs:
        tests_text = {"inputs": [given for given, _ in tests], "outputs": [wanted for _, wanted in tests], "fn_name": func_name}
        samples.append({"input_output": json.dumps(tests_text)})
    started = time.perf_counter()
    codegen_metrics(samples, [[code] for _, code, _ in jobs], num_process_evaluate=workers, timeout=6)
    return len(jobs) / (time.perf_counter() - started)


def throughput(args: argparse.Namespace) -> None:
    for name in args.sets or ("livecodebench", "leetcode", "mbpp", "humaneval"):
        problems, rows = read_set(args.data, name)
        rows = [row for row in rows if row["fair_passed"] is not None]
        random.Random(0).shuffle(rows)
        with Grader(GraderSettings(workers=args.workers)) as grader:
            used = {result.key: result.cpu_seconds for result in grader.grade(requests_for(problems, rows[: args.programs]))}
            rows = [rows[key] for key in sorted(used) if used[key] <= args.most_cpu]
            rates, inside, cost = [], [], []
            for turn in range(args.repeat):
                started, cpu = time.perf_counter(), family_cpu()
                results = list(grader.grade(requests_for(problems, rows, f"\n# {turn}")))
                seconds = time.perf_counter() - started
                programs = sum(result.cpu_seconds for result in results)
                rates.append(len(rows) / seconds)
                inside.append(programs / (args.workers * seconds))
                cost.append(1000 * (family_cpu() - cpu - programs) / len(rows))
        ours, share, own = (sorted(values)[len(values) // 2] for values in (rates, inside, cost))
        jobs = [([(test.input, test.output) for test in test_cases(problem).all], row["code"], problem.func_name)
                for row in rows for problem in [problems[row["question_id"]]]]  # fmt: skip
        official, recorded = official_rate(jobs, args.workers), OFFICIAL_RATES.get(name)
        against = f", {ours / official:.1f}x LiveCodeBench's own grader ({official:.1f}/s, same run)" if official else ""
        if not official and recorded:
            against = f", {ours / recorded:.1f}x the {recorded}/s recorded for LiveCodeBench's grader"
        print(f"{name} ({len(rows)} programs of at most {args.most_cpu} s, {args.workers} workers, median of {args.repeat}, "
              f"load {os.getloadavg()[0]:.1f}): {ours:.1f} programs/s{against}; {100 * share:.0f}% of the "
              f"processors' time inside programs; {own:.2f} ms of CPU time of the grader's own for each program")  # fmt: skip


def family_cpu(pid: int | None = None) -> float:
    """CPU time of a process (default: this one) and of all that descend from it, in seconds."""
    import psutil

    total, first = 0.0, psutil.Process(pid)
    for process in [first, *first.children(recursive=True)]:
        try:
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
        except psutil.NoSuchProcess:
            continue
    return total


def mixed(args: argparse.Namespace) -> None:
    """Many small programs by two graders in turn, one of which gets a tenth of hostile ones: what each holds, what they cost.

    In turn, so that the load of the host falls on both alike. Stop it with Ctrl-C or SIGTERM: it prints what was done.
    """
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/grading")]
    from attacks import ATTACKS

    from builders.grading import PROBLEMS

    problems = {problem.question_id: problem for problem in load_problems(ROOT / "data/grading/problems.jsonl")} | PROBLEMS
    innocent = [json.loads(line) for line in (ROOT / "data/grading/programs.jsonl").open()]
    innocent = [(row["question_id"], row["code"], (row["verdict"],)) for row in innocent
                if "numpy" not in row["code"] and not row["verdict"].endswith(("_limit", "no_code"))]  # fmt: skip
    # Not those that sleep or use up a limit of time: they cost what they sleep, or what that limit is set to, at every grader.
    attacks = [attack for attack in ATTACKS if "time_limit" not in attack.verdicts and "sleep" not in attack.code]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = GraderSettings(workers=args.workers, cpu_limit_s=1, sleep_limit_s=1.5, isolation=args.isolation)
    with tempfile.TemporaryDirectory() as scratch, Grader(settings) as first, Grader(settings) as second:
        os.chmod(scratch, 0o777)
        (Path(scratch) / "keep").write_text("untouched")
        places = {"@SCRATCH@": scratch, "@PORT@": "9", "@ABSTRACT@": "nobody", "@SOCKET@": scratch, "@DATAGRAMS@": scratch}
        hostile_ones = []
        for attack in attacks:
            code = attack.code
            for place, value in places.items():
                code = code.replace(place, value)
            hostile_ones.append((attack.problem, code, attack.verdicts))

        def program(index: int, share: int) -> tuple[str, str, tuple[str, ...]]:
            if share and index % 10 == 0:
                question_id, code, allowed = hostile_ones[index // 10 % len(hostile_ones)]
            else:
                question_id, code, allowed = innocent[index % len(innocent)]
            return question_id, f"{code}\n# {share} {index}", allowed

        seconds, counts, bad = Counter(), {0: Counter(), 10: Counter()}, Counter()
        print(f"{len(innocent)} innocent programs, {len(attacks)} attacks, isolation {first.isolation}", flush=True)
        done = 0
        try:
            while done < args.rows:
                turns = [(0, first), (10, second)]
                for share, grader in turns if done // args.slice % 2 else reversed(turns):
                    rows = {index: program(index, share) for index in range(done, min(done + args.slice, args.rows))}
                    started = time.perf_counter()
                    for result in grader.grade(GradeRequest(index, problems[row[0]], row[1]) for index, row in rows.items()):
                        counts[share][str(result.verdict)] += 1
                        if result.verdict not in rows[result.key][2]:
                            bad[rows[result.key][1].rpartition("#")[0], str(result.verdict), result.reason] += 1
                    seconds[share] += time.perf_counter() - started
                done += args.slice
                if done % (args.rows // 10) < args.slice:
                    held = ", ".join(f"{name} {value}" for name, value in _held().items())
                    print(f"{done} programs: {seconds[0]:.0f} s without, {seconds[10]:.0f} s with hostile ones "
                          f"({seconds[10] / seconds[0]:.2f}); held: {held}", flush=True)  # fmt: skip
        except KeyboardInterrupt:
            print("stopped")
        print(f"{done} programs each: {seconds[0]:.0f} s without, {seconds[10]:.0f} s with a tenth of hostile ones, "
              f"{seconds[10] / max(seconds[0], 1e-9):.2f} times as long; load {os.getloadavg()[0]:.1f}\n"
              f"without: {dict(counts[0])}\nwith: {dict(counts[10])}\n"
              f"undeserved verdicts: {sum(bad.values())}, {bad.most_common(5)}\n"
              f"scratch folder afterwards: {os.listdir(scratch)}", flush=True)  # fmt: skip


def _held() -> dict[str, Any]:
    """MiB, descriptors, processes of this process and of all that descend from it, and entries of the temporary folder."""
    import psutil

    own, rest = psutil.Process(), psutil.Process().children(recursive=True)
    workers = {one.pid: one.memory_info().rss for one in own.children()}
    return {
        "MiB of the grader": own.memory_info().rss >> 20,
        "MiB of the workers": sum(workers.values()) >> 20,
        "MiB of all": sum(one.memory_full_info().pss for one in (own, *rest)) >> 20,
        "descriptors": sum(one.num_fds() for one in (own, *rest)),
        "processes": 1 + len(rest),
        "temporary files": len([name for name in os.listdir(tempfile.gettempdir()) if name.startswith("grading-")]),
    }


def resume(args: argparse.Namespace) -> None:
    """Grade many rows with src/grade.py, kill it half way, run it again."""
    _, rows = read_set(args.data, "mbpp")
    with tempfile.TemporaryDirectory() as folder:
        programs, out, times = Path(folder) / "programs.jsonl", Path(folder) / "graded.jsonl", 0
        with programs.open("w") as stream:
            for index in range(args.rows):
                row = rows[index % len(rows)]
                code = f"{row['code']}\n# {index}"
                stream.write(json.dumps({"question_id": row["question_id"], "solution_idx": index, "code": code}) + "\n")
        command = [sys.executable, str(ROOT / "src/grade.py"), "--problems", str(args.data / "mbpp/problems.jsonl"),
                   "--solutions", str(programs), "--out", str(out), "--workers", str(args.workers)]  # fmt: skip
        started = time.perf_counter()
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        peak = 0
        while process.poll() is None:
            time.sleep(0.2)
            peak = max(peak, _resident(process.pid))
            done = out.stat().st_size if out.exists() else 0
            if not times and done and sum(1 for _ in out.open("rb")) >= args.rows // 2:
                process.kill()
                process.wait()
                times = sum(1 for _ in out.open("rb"))
                process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        keys = Counter((row["question_id"], row["solution_idx"]) for row in map(json.loads, out.open()))
        peak_kb = max(peak, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
        print(f"{args.rows} rows in {seconds:.0f} s ({args.rows / seconds:.0f}/s), killed after {times}: "
              f"{len(keys)} graded, {sum(count > 1 for count in keys.values())} twice, {args.rows - len(keys)} lost; "
              f"peak memory of any one process {peak_kb / 1024:.0f} MiB")  # fmt: skip


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    except (OSError, IndexError):
        return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = {
        "verdicts": verdicts, "hostile": hostile, "attacks": attacks, "slow": slow, "throughput": throughput, "resume": resume,
        "mixed": mixed,
    }  # fmt: skip
    parser.add_argument("command", choices=commands)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sets", nargs="*", choices=SETS)
    parser.add_argument("--compat", default="none", choices=("none", "livecodebench"))
    parser.add_argument("--isolation", default="auto")
    parser.add_argument("--repeat", type=int, default=3, help="runs of hostile, attacks and throughput")
    parser.add_argument("--busy", type=int, default=8)
    parser.add_argument("--programs", type=int, default=200, help="programs of each set for the throughput")
    parser.add_argument("--most-cpu", type=float, default=0.5, help="leave out programs that use more CPU time (seconds)")
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--slice", type=int, default=500, help="mixed: programs that one of the two graders gets in turn")
    args = parser.parse_args()
    if args.command not in ("attacks", "mixed") and not args.data.is_dir():
        parser.error(f"{args.data}: no reference data; give their folder with --data")
    commands[args.command](args)


if __name__ == "__main__":
    main()
