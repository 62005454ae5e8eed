"""Score programs with a PRM, step by step, and rank them. Nothing is run, no verdict is needed.

    python src/score.py a.py b.py --statement "Write a function to add two numbers."
    python src/score.py programs/ --problem problem.md
    python src/score.py candidates.jsonl --problems problems.jsonl --out scores.jsonl
    some_model | python src/score.py --statement "..." --checkpoint DIR --server http://localhost:8000

Programs are .py files, folders of them, or .jsonl files of rows {question_id, solution_idx, code} (with one problem for all,
{code} is enough); without any, standard input is read: one program, or such rows. Prints the programs of each problem, the best
first, with the score of every step; --out writes them as rows. --server scores through vLLM (docs/scoring.md).
"""

from __future__ import annotations

import functools
import sys
from collections import Counter
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from cli import read_config, run_stage
from dreamprm_code.errors import UserError
from dreamprm_code.grading.one_program import read_text
from dreamprm_code.jsonl import write_rows
from dreamprm_code.manifest import refuse_inputs
from dreamprm_code.prm import PRM
from dreamprm_code.prm.folders import CheckpointError
from dreamprm_code.prm.folders import read_config as read_checkpoint
from dreamprm_code.prm.served import ServedPRM
from dreamprm_code.prm.settings import OpeningSettings
from dreamprm_code.problems import iter_problems
from dreamprm_code.problems.programs import named_programs, programs_in_text
from dreamprm_code.records import Problem, RankedProgram
from dreamprm_code.selection.aggregation import DEFAULT_AGGREGATION, AggregationName
from dreamprm_code.selection.ranking import rank, ranking_lines
from dreamprm_code.selection.scoring import iter_scores
from dreamprm_code.steps import DEFAULT_STEPS

ROOT = Path(__file__).resolve().parent.parent


class Settings(OpeningSettings):
    positional: ClassVar[tuple[str, ...]] = ("programs",)

    programs: list[Path] = Field([], description=".py files, folders of them, .jsonl files; none: standard input")
    statement: str | None = Field(None, description="the problem that all programs solve")
    title: str = Field("", description="its title")
    problem: Path | None = Field(None, description="the problem from a file: its text, or a problem row (.json, .jsonl)")
    problems: str | None = Field(None, description="the problems that the rows' question_id names: a .jsonl file, ...")
    checkpoint: Path = Field(ROOT / "data" / "prm-mbpp", description="PRM folder or released .pt file")
    server: str | None = Field(None, description="address of a vLLM server that holds the exported checkpoint")
    aggregation: AggregationName = Field(DEFAULT_AGGREGATION, description="from step scores to a program's score")
    out: Path | None = Field(None, description="write the ranking there (.jsonl)")


def main(settings: Settings) -> None:
    shared = shared_problem(settings)
    if settings.programs:
        named = list(named_programs(settings.programs, shared))
    else:
        named = list(programs_in_text(standard_input(), "standard input", shared))
    if not named:
        raise UserError("there is no program; name .py or .jsonl files, or give one on standard input")
    wanted = {program.solution.question_id for program in named}
    found = [shared] if shared else iter_problems(settings.problems or "")
    problems = {problem.question_id: problem for problem in found if problem.question_id in wanted}
    if missing := sorted(wanted - problems.keys()):
        raise UserError(
            f"{settings.problems}: holds no problem {missing[0]!r}, nor {len(missing) - 1} others that programs name"
        )
    solutions = [program.solution for program in named]
    if twice := [key for key, number in Counter(row.key for row in solutions).items() if number > 1]:
        raise UserError(f"program {twice[0][1]} of {twice[0][0]} is given twice; the files' rows need keys of their own")
    if settings.out is not None:
        refuse_inputs(settings.out, [*settings.programs, settings.problem, settings.problems])
    counts: Counter[str] = Counter()
    reader = functools.cache(lambda: open_reader(settings))
    scores = {row.key: row for batch in iter_scores(reader, problems, solutions, counts) for row in batch}
    ranked: list[RankedProgram] = []
    steps = reader().steps if any(row.code.strip() for row in solutions) else DEFAULT_STEPS
    for problem in problems.values():
        own = [(name, row, scores[row.key]) for name, row in named if row.question_id == problem.question_id]
        ranked += (rows := rank(own, settings.aggregation, steps))
        print(
            "\n".join([f"{problem.question_id}: {problem.question_title}" if not shared else "", *ranking_lines(rows)]).lstrip()
        )
        print()
    if settings.out is not None:
        write_rows(settings.out, ranked)
    unparsable = sum(row.parses is False for row in ranked)
    print(
        f"score: {counts['scored']} programs of {len(problems)} problems, {unparsable} of them do not parse; "
        f"{len(named) - counts['scored']} not read, {counts['statements_shortened']} statements shortened"
        + (f"; {settings.out}" if settings.out else "")
    )


def standard_input() -> str:
    """What is piped in; nothing from a terminal."""
    try:
        return "" if sys.stdin.isatty() else sys.stdin.read()
    except UnicodeDecodeError as error:
        raise UserError(f"standard input: not text in UTF-8 (byte {error.start})") from None


def shared_problem(settings: Settings) -> Problem | None:
    """The one problem of all programs, or None where rows name theirs."""
    given = [name for name in ("statement", "problem", "problems") if getattr(settings, name) is not None]
    if len(given) != 1:
        found = " and ".join(f"--{name}" for name in given) or "none"
        raise UserError(
            f"which problem do the programs solve? Give --statement TEXT, --problem FILE or --problems ROWS, one: {found}"
        )
    if settings.problems is not None:
        return None
    if settings.problem is not None and settings.problem.suffix in (".json", ".jsonl"):
        rows = list(iter_problems(settings.problem))
        if len(rows) != 1:
            raise UserError(f"{settings.problem}: holds {len(rows)} problems, not one; name it with --problems")
        return rows[0]
    statement = settings.statement or ""
    if settings.problem is not None:
        statement = read_text(settings.problem, "problem")
    return Problem.from_text(statement, question_title=settings.title)


def open_reader(settings: Settings) -> PRM | ServedPRM:
    if settings.server is not None:
        return ServedPRM(settings.checkpoint, settings.server)
    try:
        return settings.open_prm(settings.checkpoint)
    except CheckpointError as error:
        raise CheckpointError(f"{error}{how_to_fetch(settings.checkpoint)}") from None


def how_to_fetch(checkpoint: Path) -> str:
    """The command that gets a checkpoint's missing backbone, if it is one of configs/models.yaml."""
    backbone = read_checkpoint(checkpoint).backbone if checkpoint.is_dir() else None
    if backbone is None or backbone.sha256 is None or Path(backbone.source or "").is_file():
        return ""
    models = read_config(ROOT / "configs" / "models.yaml")
    names = [name for name, model in models.items() if model.get("sha256") == backbone.sha256]
    return f"; to fetch it: python src/fetch_model.py --name {names[0]}" if names else ""


if __name__ == "__main__":
    run_stage(Settings, "score", __doc__, main)
