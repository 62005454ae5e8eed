"""One policy, the same problems, several languages: pass rates, Chain-of-Function, and whether PRMs rank the programs.

    python src/studies/languages.py                                    the table, from the rows in out_dir
    python src/studies/languages.py --solutions data/cpp/test_solutions.jsonl data/demo/sampled/test_solutions.jsonl \
        --checkpoints data/prm-mbpp                                    the rows anew: scores the programs, runs none

Only problems that every file holds count, and of each the first num_solutions programs. Rows of languages that no file holds
stay as they are. Writes rows.jsonl (a row per program, without its text) and table.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import from_clone  # noqa: F401
import numpy as np
from pydantic import Field

from cli import run_stage
from dreamprm_code.errors import UserError
from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.jsonl import read_rows, write_rows
from dreamprm_code.languages import LANGUAGES
from dreamprm_code.manifest import write_manifest
from dreamprm_code.prm import PRM
from dreamprm_code.problems import load_problems
from dreamprm_code.record_base import Record
from dreamprm_code.records import Problem, Solution
from dreamprm_code.report.tables import percent
from dreamprm_code.selection.aggregation import DEFAULT_AGGREGATION, aggregate
from dreamprm_code.selection.metrics import auroc, bootstrap_interval
from dreamprm_code.selection.scoring import iter_scores
from dreamprm_code.settings import FrozenSettings
from dreamprm_code.steps import cof_violations, split_program

RESAMPLES = 2000


class LanguageRow(Record):
    """A program: what the tests, the rules and the PRMs (by name of checkpoint, the mean over steps) said."""

    key_fields: ClassVar[tuple[str, ...]] = ("language", "question_id", "solution_idx")

    language: str
    question_id: str
    solution_idx: int
    passed: bool | None
    verdict: str
    finish_reason: str
    parses: bool
    num_functions: int
    broken_rules: list[str]
    scores: dict[str, float]


class Settings(FrozenSettings):
    problems: Path = Field(Path("data/demo/problems.jsonl"), description="the problems")
    solutions: list[Path] = Field([], description="graded programs, a file for each language; none: read rows.jsonl")
    checkpoints: list[Path] = Field([], description="PRM folders that score them")
    num_solutions: int = Field(4, ge=1, description="programs of each problem, the first ones")
    out_dir: Path = Field(Path("data/demo/study/languages"), description="where rows and table are")


def main(settings: Settings) -> None:
    path = settings.out_dir / "rows.jsonl"
    if settings.solutions:
        rows = make_rows(settings)
        kept = kept_rows(path, rows)
        rows = kept + rows
        settings.out_dir.mkdir(parents=True, exist_ok=True)
        write_rows(path, rows)
        inputs = [*settings.solutions, settings.problems]
        write_manifest(
            path,
            stage="languages",
            config=settings.model_dump(mode="json"),
            identity={"kept": sorted({row.language for row in kept})},
            inputs=inputs,
            counts={"rows": len(rows)},
        )
    if not path.is_file():
        raise UserError(f"{path}: there are no rows; name graded programs with --solutions")
    table = table_of(read_rows(path, LanguageRow))
    write_bytes_atomic(settings.out_dir / "table.md", [table.encode()])
    print(table)


def kept_rows(path: Path, rows: Sequence[LanguageRow]) -> list[LanguageRow]:
    """Those of other languages that the file holds already.

    Raises:
        UserError: they are of other problems, so one table would compare what cannot be compared.
    """
    languages = {row.language for row in rows}
    kept = [row for row in read_rows(path, LanguageRow) if row.language not in languages] if path.is_file() else []
    if kept and {row.question_id for row in kept} != {row.question_id for row in rows}:
        raise UserError(f"{path}: holds other problems; give the programs of all languages, or another --out-dir")
    return kept


def make_rows(settings: Settings) -> list[LanguageRow]:
    problems = {problem.question_id: problem for problem in load_problems(settings.problems)}
    counts: Counter[str] = Counter()
    files = [list(read_rows(path, Solution)) for path in settings.solutions]
    common = set(problems).intersection(*({row.question_id for row in rows} for rows in files))
    if not common:
        raise UserError("there is no problem that every file of --solutions holds")
    chosen = [
        [row for row in rows if row.question_id in common and row.solution_idx < settings.num_solutions] for rows in files
    ]
    scores: dict[tuple[str, str, int], dict[str, float]] = defaultdict(dict)
    for checkpoint in settings.checkpoints:
        prm = PRM.from_pretrained(checkpoint)
        for programs in chosen:
            for batch in iter_scores(partial(_given, prm), problems, programs, counts):
                for row in batch:
                    if row.unread is None:
                        score = aggregate([one for one in row.step_scores if one is not None], DEFAULT_AGGREGATION)
                        key = (programs[0].language, row.question_id, row.solution_idx)
                        scores[key][checkpoint.name] = round(float(score), 5)
    return [row_of(problems[one.question_id], one, scores[one.language, *one.key]) for programs in chosen for one in programs]


def _given(prm: PRM) -> PRM:
    return prm


def row_of(problem: Problem, solution: Solution, scores: dict[str, float]) -> LanguageRow:
    split = split_program(solution.code, max_functions=None, language=solution.language)
    broken = cof_violations(solution.code, problem.func_name, solution.language)
    kinds = sorted({str(violation.kind) for violation in broken})
    return LanguageRow(
        language=solution.language,
        question_id=solution.question_id,
        solution_idx=solution.solution_idx,
        passed=solution.passed,
        verdict=str(solution.verdict),
        finish_reason=solution.finish_reason,
        parses=split.fallback is None,
        num_functions=0 if split.fallback or "no_function" in kinds else len(split.steps),
        broken_rules=kinds,
        scores=scores,
    )


def table_of(rows: Iterable[LanguageRow]) -> str:
    by_language: dict[str, list[LanguageRow]] = defaultdict(list)
    for row in rows:
        by_language[row.language].append(row)
    names = sorted({name for found in by_language.values() for row in found for name in row.scores})
    columns = {
        LANGUAGES[name].title: found for name, found in sorted(by_language.items(), key=lambda item: item[0] != "python")
    }
    columns["all"] = [row for found in by_language.values() for row in found]
    cells = {title: column_of(found, names) for title, found in columns.items()}
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += [
        f"| {label} | " + " | ".join(column[label] for column in cells.values()) + " |" for label in next(iter(cells.values()))
    ]
    return "\n".join(lines) + "\n"


def column_of(rows: Sequence[LanguageRow], checkpoints: Sequence[str]) -> dict[str, str]:
    """The cells of one language."""
    problems = by_problem(rows)
    shares = [float(np.mean([bool(row.passed) for row in found])) for found in problems]
    interval = bootstrap_interval(shares)
    count = len(rows)
    rules = sum(not row.broken_rules for row in rows)
    cells = {
        "programs, problems": f"{count}, {len({row.question_id for row in rows})}",
        "pass (95% interval over problems)": f"{sum(bool(row.passed) for row in rows)} = {percent(float(np.mean(shares)))}% "
        f"[{percent(interval.low)}, {percent(interval.high)}]",
        "problems solved by one of them": str(sum(share > 0 for share in shares)),
        "compile error": str(sum(row.verdict == "compile_error" for row in rows)),
        "wrong answer": str(sum(row.verdict == "wrong_answer" for row in rows)),
        "runtime error or limit": str(
            sum(not row.passed and row.verdict not in ("compile_error", "wrong_answer") for row in rows)
        ),
        "ends at max_tokens": str(sum(row.finish_reason == "length" for row in rows)),
        "does not parse": str(sum(not row.parses for row in rows)),
        "follows Chain-of-Function": f"{rules} = {percent(rules / count)}%",
        "functions in a program that parses": f"{np.mean([row.num_functions for row in rows if row.parses]):.1f}",
    }
    for name in checkpoints:
        scored = [row for row in rows if name in row.scores and row.passed is not None]
        cells[f"AUROC of {name}"] = with_interval(scored, name)
        cells[f"AUROC of {name} within problems (pairs)"] = within_problems(scored, name)
        cells[f"{name} chooses (random)"] = choices(scored, name)
    return cells


def by_problem(rows: Iterable[LanguageRow]) -> list[list[LanguageRow]]:
    """Programs of one problem in one language."""
    found: dict[tuple[str, str], list[LanguageRow]] = defaultdict(list)
    for row in rows:
        found[row.language, row.question_id].append(row)
    return list(found.values())


def _auroc(rows: Iterable[LanguageRow], name: str) -> float | None:
    rows = list(rows)
    return auroc([row.scores[name] for row in rows], [bool(row.passed) for row in rows])


def with_interval(rows: Sequence[LanguageRow], name: str) -> str:
    """AUROC of all rows, and its percentile bootstrap over question_ids."""
    whole = _auroc(rows, name)
    if whole is None:
        return "-"
    groups: dict[str, list[LanguageRow]] = defaultdict(list)
    for row in rows:
        groups[row.question_id].append(row)
    pools, rng = list(groups.values()), np.random.default_rng(0)
    found = []
    for _ in range(RESAMPLES):
        drawn = [row for place in rng.integers(len(pools), size=len(pools)) for row in pools[place]]
        if (value := _auroc(drawn, name)) is not None:
            found.append(value)
    low, high = np.percentile(found, (2.5, 97.5))
    return f"{whole:.3f} [{low:.3f}, {high:.3f}]"


def within_problems(rows: Sequence[LanguageRow], name: str) -> str:
    """Over pairs of a right and a wrong program of the same problem in the same language."""
    right, pairs = 0.0, 0
    for group in by_problem(rows):
        good = sum(bool(row.passed) for row in group)
        number = good * (len(group) - good)
        right += number * (_auroc(group, name) or 0.0)
        pairs += number
    return f"{right / pairs:.3f} ({pairs})" if pairs else "- (0)"


def choices(rows: Sequence[LanguageRow], name: str) -> str:
    """Problems that the best-scored program solves, and how many a random one would."""
    solved = expected = 0.0
    for group in by_problem(rows):
        best = max(row.scores[name] for row in group)
        solved += float(np.mean([bool(row.passed) for row in group if row.scores[name] == best]))
        expected += float(np.mean([bool(row.passed) for row in group]))
    return f"{solved:g} ({expected:.1f})"


if __name__ == "__main__":
    run_stage(Settings, "languages", __doc__, main)
