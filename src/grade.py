"""Grade programs by their problems' unit tests, each isolated and limited by CPU time.

    python src/grade.py --problems P.jsonl --solutions S.jsonl --out G.jsonl --workers 8

S holds rows {question_id, solution_idx, code} or {question_id, code_list}; G gets one GradedProgram row for each program, in
the order in which they are ready. Run the same command again after an interruption: it grades what is missing.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from cli import run_stage
from dreamprm_code.config import option
from dreamprm_code.grading import GraderConfig, GradeRequest, GradingError, open_grader
from dreamprm_code.grading.config import COMPAT_MODES, ENGINES
from dreamprm_code.grading.programs import Program, iter_programs
from dreamprm_code.jsonl import RowAppender
from dreamprm_code.manifest import check_resume, sha256_of, write_manifest
from dreamprm_code.problems import iter_problems
from dreamprm_code.records import GradedProgram, Problem


@dataclass(frozen=True)
class Config:
    problems: str = option(help="problems: a .jsonl file, a folder of LiveCodeBench shards, or a hub id")
    solutions: Path = option(help="programs: rows {question_id, solution_idx, code} or {question_id, code_list}")
    out: Path = option(help="verdicts: one GradedProgram row per program")
    release: str | None = option(None, help="LiveCodeBench release (release_v1 ... release_v6) of a folder or hub id")
    workers: int = option(1, help="worker processes; one per processor core is the most that helps")
    cpu_limit_s: float = option(6.0, help="CPU time that one test may use, of the program and all its processes (seconds)")
    sleep_limit_s: float | None = option(None, help="time that one test may sleep (seconds; default: twice the CPU limit)")
    memory_limit_mb: int = option(4096, help="memory that one test may use (MiB)")
    output_limit_mb: int = option(16, help="output that one test may print (MiB)")
    all_tests: bool = option(False, help="run all tests of a program, not only up to the first failure")
    isolation: str = option("auto", help="auto, namespaces, landlock, rlimits, or required:LEVEL to refuse anything weaker")
    compat: str = option("none", help="livecodebench: the official grader's verdict rules, to the letter", choices=COMPAT_MODES)
    engine: str = option("local", help="local: worker processes here; ray: tasks on a Ray cluster", choices=ENGINES)


def main(config: Config) -> None:
    settings = GraderConfig(
        workers=config.workers,
        cpu_limit_s=config.cpu_limit_s,
        sleep_limit_s=config.sleep_limit_s,
        memory_limit_mb=config.memory_limit_mb,
        output_limit_mb=config.output_limit_mb,
        all_tests=config.all_tests,
        isolation=config.isolation,
        compat=config.compat,
    )
    inputs = [path for path in (Path(config.problems), config.solutions) if path.is_file()]
    identity = asdict(settings) | {
        "problems": sha256_of(config.problems) if Path(config.problems).is_file() else config.problems
    }
    del identity["workers"], identity["isolation"], identity["keep_outputs"]
    check_resume(config.out, identity)
    wanted = Counter(program.question_id for program in iter_programs(config.solutions))
    problems = {
        problem.question_id: problem
        for problem in iter_problems(config.problems, config.release)
        if problem.question_id in wanted
    }
    unknown = sorted(wanted.keys() - problems.keys())
    if unknown:
        raise GradingError(f"{config.solutions}: no problem {unknown[0]!r} in {config.problems} ({len(unknown)} such problems)")
    graded: dict[tuple, str] = {}
    counts: Counter[str] = Counter()

    def note(row: GradedProgram) -> None:
        graded[row.key] = row.code_sha256
        counts[row.verdict.value] += 1

    with RowAppender(config.out, GradedProgram, note) as rows, open_grader(settings, config.engine) as grader:
        write_manifest(config.out, stage="grade", config=asdict(config), identity=identity, inputs=inputs)
        for level, reason in grader.refused.items():
            print(f"grade: isolation level {level} is not to be had here ({reason})", file=sys.stderr)
        started, before = time.monotonic(), len(graded)
        hashes: dict[tuple, str] = {}
        with tqdm(total=sum(wanted.values()), initial=before, unit="program", desc="grade", smoothing=0.05) as progress:
            for result in grader.grade(_missing(config.solutions, problems, graded, hashes)):
                question_id, solution_idx = result.key
                row = GradedProgram(
                    question_id=question_id,
                    solution_idx=solution_idx,
                    passed=result.passed,
                    verdict=result.verdict,
                    reason=result.reason,
                    failed_test=result.failed_test,
                    num_tests=result.num_tests,
                    cpu_seconds=result.cpu_seconds,
                    wall_seconds=result.wall_seconds,
                    test_verdicts=list(result.test_verdicts) if config.all_tests else [],
                    code_sha256=hashes.pop(result.key),
                )
                rows.append(row)
                counts[row.verdict.value] += 1
                progress.update()
        seconds = time.monotonic() - started
    write_manifest(config.out, stage="grade", config=asdict(config), identity=identity, inputs=inputs, counts=dict(counts))
    total, new = sum(counts.values()), sum(counts.values()) - before
    verdicts = ", ".join(f"{name} {number}" for name, number in counts.most_common())
    print(
        f"grade: {total} programs ({verdicts}); {new} graded now in {seconds:.1f} s "
        f"({new / seconds if seconds else 0:.1f} programs/s), isolation {grader.isolation}; {config.out}"
    )


def _missing(
    solutions: Path, problems: dict[str, Problem], graded: dict[tuple, str], hashes: dict[tuple, str]
) -> Iterator[GradeRequest]:
    """Requests for the programs that have no row; notes each one's hash until its row is written.

    Raises:
        GradingError: a row is of another program than the one that has its key now.
    """
    for program in iter_programs(solutions):
        sha256 = _sha256(program)
        if program.key not in graded:
            hashes[program.key] = sha256
            yield GradeRequest(program.key, problems[program.question_id], program.code)
        elif graded[program.key] != sha256:
            raise GradingError(
                f"{solutions}: program {program.key} has changed since it was graded; choose another --out, or delete its row"
            )


def _sha256(program: Program) -> str:
    return hashlib.sha256(program.code.encode("utf-8", "surrogatepass")).hexdigest()


if __name__ == "__main__":
    run_stage(Config, "grade", __doc__ or "", main)
