"""Is the grader as fast as another version of it? Both grade the same programs in turn, so that the host's load falls on both.

    git worktree add ../before COMMIT
    python benchmarks/grading_versions.py ../before [--rounds 20] [--programs 100]

Prints the ratio of programs per second (this checkout's to the other's), and of CPU time per program (the program's own
included): the median of all rounds, with the interval that holds it in 95 of 100 resamplings of the rounds.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
from pathlib import Path

from grading import family_cpu

ROOT = Path(__file__).resolve().parent.parent

CHILD = """
import json, random, sys, time
checkout, data, programs = sys.argv[1], sys.argv[2], int(sys.argv[3])
sys.path.insert(0, checkout + "/src")
from dreamprm_code import grading
from dreamprm_code.problems import load_problems

problems, rows = {}, []
for name in ("leetcode", "mbpp", "humaneval", "livecodebench"):
    problems |= {problem.question_id: problem for problem in load_problems(f"{data}/{name}/problems.jsonl")}
    rows += [row for row in map(json.loads, open(f"{data}/{name}/programs.jsonl")) if row["fair_passed"]]
random.Random(0).shuffle(rows)
settings = getattr(grading, "GraderSettings", None) or grading.GraderConfig  # its former name
with grading.Grader(settings(workers=1)) as grader:
    def run(rows, mark):
        requests = (grading.GradeRequest(n, problems[row["question_id"]], row["code"] + mark) for n, row in enumerate(rows))
        return list(grader.grade(requests))
    cheap = [rows[result.key] for result in run(rows[: 2 * programs], "") if result.cpu_seconds < 0.5][:programs]
    print(len(cheap), flush=True)
    for line in sys.stdin:
        started = time.perf_counter()
        failed = sorted((result.key, result.reason) for result in run(cheap, "\\n# " + line.strip()) if not result.passed)
        print(json.dumps([time.perf_counter() - started, failed]), flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="checkout of the other version")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of the reference data")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--programs", type=int, default=100)
    args = parser.parse_args()
    graders = []
    for checkout in (ROOT, args.other.resolve()):
        command = [sys.executable, "-c", CHILD, str(checkout), str(args.data), str(args.programs)]
        graders.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        print(f"{checkout.name}: {_line(graders[-1])} programs", flush=True)
    rounds = []
    for number in range(args.rounds):
        found = {}
        for index in (0, 1) if number % 2 else (1, 0):
            stdin = graders[index].stdin
            assert stdin is not None
            cpu = family_cpu(graders[index].pid)
            print(number, file=stdin, flush=True)
            seconds, failed = json.loads(_line(graders[index]))
            found[index] = seconds, family_cpu(graders[index].pid) - cpu, failed
        if found[0][2] or found[1][2]:
            print(f"round {number}: not passed: {found[0][2]}, and by the other {found[1][2]}", flush=True)
        rounds.append((found[1][0] / found[0][0], found[0][1] / found[1][1]))
    for grader in graders:
        grader.communicate()
    for index, name in enumerate(("programs per second", "CPU time per program")):
        ratios = [one[index] for one in rounds]
        draw = random.Random(0)
        medians = sorted(statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(2000))
        spread = f"[{medians[50]:.3f}, {medians[-51]:.3f}], {len(ratios)} rounds from {min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{name}: {statistics.median(ratios):.3f} of the other's {spread}")


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        sys.exit(f"a grader ended with status {process.wait()}")
    return line.strip()


if __name__ == "__main__":
    main()
