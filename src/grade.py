"""Grade programs by their problems' unit tests, each isolated and limited by CPU time.

    python src/grade.py --problems P.jsonl --solutions S.jsonl --out G.jsonl --workers 8

S holds rows {question_id, solution_idx, code} or {question_id, code_list}; G gets one GradedProgram row for each program, in
the order in which they are ready. Run the same command again after an interruption: it grades what is missing.
--livecodebench-results R.json writes programs and verdicts in LiveCodeBench's form, too (code_list with graded_list), which
evaluate_prm.py and paper_table.py read; evaluate_prm.py reads S with G as well: --solutions S.jsonl --verdicts G.jsonl.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from pydantic import Field
from tqdm import tqdm

from cli import run_stage
from dreamprm_code.files import manifest_path
from dreamprm_code.grading import GraderConfig, GradeRequest, GradingError, open_grader
from dreamprm_code.grading.config import COMPAT_MODES, ENGINES
from dreamprm_code.grading.programs import iter_programs
from dreamprm_code.grading.verdicts import code_sha256, with_verdict
from dreamprm_code.jsonl import RowAppender, iter_rows
from dreamprm_code.manifest import check_resume, read_manifest, sha256_of, write_manifest
from dreamprm_code.problems import iter_problems, write_livecodebench_results
from dreamprm_code.problems.settings import ProblemSettings
from dreamprm_code.records import GradedProgram, Problem, Solution
from dreamprm_code.settings import OneOf


class Config(ProblemSettings):
    solutions: Path = Field(description="programs: rows {question_id, solution_idx, code} or {question_id, code_list}")
    out: Path = Field(description="verdicts: one GradedProgram row per program")
    livecodebench_results: Path | None = Field(
        None, description="write programs and verdicts in the form of LiveCodeBench's *_eval_all.json, too"
    )
    workers: int = Field(1, description="worker processes; one per processor core is the most that helps")
    cpu_limit_s: float = Field(
        6.0, description="CPU time that one test may use, of the program and all its processes (seconds)"
    )
    sleep_limit_s: float | None = Field(
        None, description="time that one test may sleep (seconds; default: twice the CPU limit)"
    )
    memory_limit_mb: int = Field(4096, description="memory that one test may use (MiB)")
    output_limit_mb: int = Field(16, description="output that one test may print (MiB)")
    all_tests: bool = Field(False, description="run all tests of a program, not only up to the first failure")
    isolation: str = Field(
        "auto", description="auto, namespaces, landlock, rlimits, or required:LEVEL to refuse anything weaker"
    )
    compat: Annotated[str, OneOf(COMPAT_MODES)] = Field(
        "none", description="livecodebench: the official grader's verdict rules, to the letter"
    )
    engine: Annotated[str, OneOf(ENGINES)] = Field(
        "local", description="local: worker processes here; ray: tasks on a Ray cluster"
    )


def main(config: Config) -> None:
    check_outputs(config)
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
    del identity["workers"], identity["isolation"], identity["keep_outputs"], identity["keep_results"]
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
    if config.livecodebench_results is not None:
        check_results_can_hold(config.solutions)
    graded: dict[tuple, str] = {}
    counts: Counter[str] = Counter()

    def note(row: GradedProgram) -> None:
        graded[row.key] = row.code_sha256
        counts[row.verdict.value] += 1

    with RowAppender(config.out, GradedProgram, note) as rows, open_grader(settings, config.engine) as grader:
        write_manifest(config.out, stage="grade", config=config.model_dump(), identity=identity, inputs=inputs)
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
    write_manifest(config.out, stage="grade", config=config.model_dump(), identity=identity, inputs=inputs, counts=dict(counts))
    if config.livecodebench_results is not None:
        write_manifest(
            config.livecodebench_results, stage="grade", config=config.model_dump(), identity=identity, inputs=inputs
        )
        write_livecodebench_results(config.livecodebench_results, problems.values(), _graded_solutions(config))
    total, new = sum(counts.values()), sum(counts.values()) - before
    verdicts = ", ".join(f"{name} {number}" for name, number in counts.most_common())
    print(
        f"grade: {total} programs ({verdicts}); {new} graded now in {seconds:.1f} s "
        f"({new / seconds if seconds else 0:.1f} programs/s), isolation {grader.isolation}; {config.out}"
        + (f", {config.livecodebench_results}" if config.livecodebench_results else "")
    )


def check_outputs(config: Config) -> None:
    """Refuse to write over the inputs, or to replace a file that this stage has not written.

    Raises:
        GradingError: names the file and the flag.
    """
    outputs = {"--out": config.out}
    results = config.livecodebench_results
    if results is not None:
        outputs["--livecodebench-results"] = results
    inputs = {"--solutions": config.solutions, "--problems": Path(config.problems)}
    for flag, path in outputs.items():
        for other, taken in inputs.items():
            if any(_same_file(written, taken) for written in (path, manifest_path(path))):
                raise GradingError(f"{path}: {flag} would write over {other}; choose another {flag}")
    if results is None:
        return
    if results.resolve() in (config.out.resolve(), manifest_path(config.out).resolve()) or _same_file(results, config.out):
        raise GradingError(f"{results}: --livecodebench-results would write over --out; choose another --livecodebench-results")
    if results.exists() and (read_manifest(results) or {}).get("stage") != "grade":
        raise GradingError(
            f"{results}: was not written by grade.py; choose another --livecodebench-results, or move this file away"
        )


def _same_file(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def check_results_can_hold(solutions: Path) -> None:
    """LiveCodeBench's form numbers the programs of a problem 0, 1, 2 ... and is UTF-8 text.

    Raises:
        GradingError: names the program that cannot be written so.
    """
    indices: dict[str, set[int]] = {}
    for program in iter_programs(solutions):
        indices.setdefault(program.question_id, set()).add(program.solution_idx)
        try:
            program.code.encode()
        except UnicodeEncodeError as error:
            raise GradingError(
                f"{solutions}: program {program.key} is not Unicode text ({error.reason} at {error.start}), which "
                "--livecodebench-results cannot hold; leave the flag or the program out"
            ) from None
    for question_id, found in indices.items():
        if max(found) != len(found) - 1:
            raise GradingError(
                f"{solutions}: the programs of {question_id!r} are not numbered 0 to {len(found) - 1}, as "
                "--livecodebench-results needs them; number them so or leave the flag out"
            )


def _graded_solutions(config: Config) -> Iterator[Solution]:
    """The programs with their verdicts; the program stands for the model's answer, which is not known here."""
    graded = {row.key: row for row in iter_rows(config.out, GradedProgram)}
    for program in iter_programs(config.solutions):
        solution = Solution(
            question_id=program.question_id,
            solution_idx=program.solution_idx,
            output=program.code,
            code=program.code,
            finish_reason="unknown",
            passed=None,
            verdict=None,
        )
        yield with_verdict(solution, graded[program.key])


def _missing(
    solutions: Path, problems: dict[str, Problem], graded: dict[tuple, str], hashes: dict[tuple, str]
) -> Iterator[GradeRequest]:
    """Requests for the programs that have no row; notes each one's hash until its row is written.

    Raises:
        GradingError: a row is of another program than the one that has its key now.
    """
    for program in iter_programs(solutions):
        sha256 = code_sha256(program.code)
        if program.key not in graded:
            hashes[program.key] = sha256
            yield GradeRequest(program.key, problems[program.question_id], program.code)
        elif graded[program.key] != sha256:
            raise GradingError(
                f"{solutions}: program {program.key} has changed since it was graded; choose another --out, or delete its row"
            )


if __name__ == "__main__":
    run_stage(Config, "grade", __doc__ or "", main)
