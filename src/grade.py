"""Grade programs by their problems' unit tests, each isolated and limited by CPU time.

    python src/grade.py --code mine.py --tests tests.json

prints one program's verdict, and ends with status 0 only if it passes; tests.json holds [[input, output], ...]. For many

    python src/grade.py --problems P.jsonl --solutions S.jsonl --out G.jsonl --workers 8

S holds rows {question_id, solution_idx, code}, {question_id, code_list} or our Solution rows; G gets a graded Solution row for
each program, in the order in which they are ready: evaluate_prm.py --solutions G.jsonl chooses among them. Run the same command
again after an interruption: it grades what is missing. --livecodebench-results R.json writes programs and verdicts in
LiveCodeBench's form, too (code_list with graded_list), which paper_table.py and LiveCodeBench's own tools read.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from cli import run_stage
from dreamprm_code.grading import GradeRequest, GradingError, open_grader
from dreamprm_code.grading.graded_file import GradedFile
from dreamprm_code.grading.grader_settings import COMPAT_MODES, ENGINES
from dreamprm_code.grading.one_program import read_tests, read_text
from dreamprm_code.grading.settings import GradingSettings
from dreamprm_code.jsonl import iter_rows
from dreamprm_code.languages import LANGUAGES, language_of_file
from dreamprm_code.manifest import check_outputs, check_resume, sha256_of, write_manifest
from dreamprm_code.problems import iter_problems, write_livecodebench_results
from dreamprm_code.problems.livecodebench import check_results_can_hold
from dreamprm_code.problems.programs import iter_programs
from dreamprm_code.progress import progress_bar
from dreamprm_code.records import Solution
from dreamprm_code.settings import OneOf


class Settings(GradingSettings):
    code: Path | None = Field(None, description="one program, to be graded on --tests instead of --solutions on --problems")
    tests: Path | None = Field(None, description="its tests, JSON: [[input, output], ...]")
    func_name: str | None = Field(None, description="with --tests: the function that they call, each with a list of arguments")
    language: Annotated[str | None, OneOf((*LANGUAGES,))] = Field(
        None, description="of --code (default: by its suffix), and of rows that do not say theirs (default: python)"
    )
    problems: str | None = Field(None, description="problems: a .jsonl file, a folder of LiveCodeBench shards, or a hub id")
    release: str | None = Field(None, description="LiveCodeBench release tag for a folder or a hub id, e.g. release_v6")
    solutions: Path | None = Field(
        None, description="programs: rows {question_id, solution_idx, code}, {question_id, code_list} or Solution rows"
    )
    out: Path | None = Field(None, description="graded programs: one Solution row each")
    livecodebench_results: Path | None = Field(
        None, description="write programs and verdicts in the form of LiveCodeBench's *_eval_all.json, too"
    )
    workers: int = Field(1, ge=1, description="worker processes; one per processor core is the most that helps")
    all_tests: bool = Field(False, description="run all tests of a program, not only up to the first failure")
    compat: Annotated[str, OneOf(COMPAT_MODES)] = Field(
        "none", description="livecodebench: the official grader's verdict rules, to the letter"
    )
    engine: Annotated[str, OneOf(ENGINES)] = Field(
        "local", description="local: worker processes here; ray: tasks on a Ray cluster"
    )

    @model_validator(mode="after")
    def _one_program_or_many(self) -> Self:
        one, many = (self.code, self.tests), (self.problems, self.solutions, self.out)
        if not (all(one) and not any(many)) and not (all(many) and not any(one)):
            raise ValueError("give --code and --tests (one program), or --problems, --solutions and --out (many)")
        return self


def main(settings: Settings) -> None:
    if settings.code is not None and settings.tests is not None:
        grade_one(settings, settings.code, settings.tests)
    elif settings.problems is not None and settings.solutions is not None and settings.out is not None:
        grade_many(settings, settings.problems, settings.solutions, settings.out)


def grade_one(settings: Settings, code: Path, tests: Path) -> None:
    """Print the verdict; the exit status is 0 if the program passes, 1 if not."""
    problem, program = read_tests(tests, settings.func_name), read_text(code, "program")
    language = settings.language or language_of_file(code)
    more = {"all_tests": settings.all_tests, "compat": settings.compat, "languages": (language,)}
    with open_grader(settings.grader_settings(1, **more), settings.engine, say) as grader:
        result = grader.submit(GradeRequest(str(code), problem, program, language)).result()
    where = "" if result.failed_test is None else f" (test {result.failed_test} of {result.num_tests}, counted from 0)"
    print(f"{result.verdict}{where}: {result.reason}; {result.cpu_seconds:.2f} s of CPU time")
    if not result.passed:
        sys.exit(1)


def grade_many(settings: Settings, problems_from: str, solutions: Path, out: Path) -> None:
    outputs = {"--out": out, "--livecodebench-results": settings.livecodebench_results}
    check_outputs("grade", outputs, {"--solutions": solutions, "--problems": Path(problems_from)})
    inputs = [path for path in (Path(problems_from), solutions) if path.is_file()]
    known_problems = sha256_of(problems_from) if Path(problems_from).is_file() else problems_from
    identity = {**settings.limits(), "all_tests": settings.all_tests, "compat": settings.compat, "problems": known_problems}
    made_by: dict[str, Any] = {"stage": "grade", "config": settings.model_dump(), "identity": identity, "inputs": inputs}
    check_resume(out, identity)
    language = settings.language or "python"
    languages = {program.key: program.language for program in iter_programs(solutions, language)}
    wanted = set(languages)
    more = {"all_tests": settings.all_tests, "compat": settings.compat, "languages": tuple(sorted(set(languages.values())))}
    graders = settings.grader_settings(settings.workers, keep_outputs=True, **more)
    named = {question_id for question_id, _ in wanted}
    problems = {row.question_id: row for row in iter_problems(problems_from, settings.release) if row.question_id in named}
    unknown = sorted(named - problems.keys())
    if unknown:
        raise GradingError(f"{solutions}: no problem {unknown[0]!r} in {problems_from} ({len(unknown)} such problems)")
    if settings.livecodebench_results is not None:
        check_results_can_hold(wanted, solutions)
    programs = iter_programs(solutions, language)
    with GradedFile(out, settings.all_tests) as file, open_grader(graders, settings.engine, say) as grader:
        write_manifest(out, **made_by)
        started, before = time.monotonic(), file.counts.total()
        with progress_bar(total=len(wanted), initial=before, unit="program", desc="grade", smoothing=0.05) as progress:
            for result in grader.grade(file.missing(programs, solutions, problems)):
                file.add(result)
                progress.update()
        seconds = time.monotonic() - started
    write_manifest(out, **made_by, counts={**file.counts, "isolation": grader.isolation})
    if settings.livecodebench_results is not None:
        write_manifest(settings.livecodebench_results, **made_by)
        results = (row for row in iter_rows(out, Solution) if row.key in wanted)
        write_livecodebench_results(settings.livecodebench_results, problems.values(), results)
    total, new = file.counts.total(), file.counts.total() - before
    verdicts = ", ".join(f"{name} {number}" for name, number in file.counts.most_common())
    print(
        f"grade: {total} programs ({verdicts}); {new} graded now in {seconds:.1f} s "
        f"({new / seconds if seconds else 0:.1f} programs/s), isolation {grader.isolation}; {out}"
        + (f", {settings.livecodebench_results}" if settings.livecodebench_results else "")
    )


def say(text: str) -> None:
    print(f"grade: {text}", file=sys.stderr)


if __name__ == "__main__":
    run_stage(Settings, "grade", __doc__ or "", main)
