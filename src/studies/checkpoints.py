"""Several checkpoints on the same candidates, each perhaps from several seeds: one table with paired tests.

    python src/studies/checkpoints.py --solutions data/mine/test_solutions.jsonl --out-dir data/mine/compared \\
      --scored joint=data/mine/s42 joint=data/mine/s43 published=data/mine/labels

Each NAME=FOLDER names a folder of evaluate_prm.py; folders of one name are seeds of one method. Writes
candidates.jsonl and scores.jsonl (no texts) and table.md, as src/studies/real.py does for its arms.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import from_clone  # noqa: F401
from pydantic import Field

from cli import run_stage
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import read_rows, write_rows
from dreamprm_code.records import Solution, SolutionScores
from dreamprm_code.selection.aggregation import DEFAULT_AGGREGATION, AggregationName, aggregate
from dreamprm_code.settings import FrozenSettings
from dreamprm_code.study.real_tables import ArmScores, CandidateFacts, score_rows, write_table


class Settings(FrozenSettings):
    solutions: Path = Field(description="the graded candidates that all checkpoints scored")
    scored: list[str] = Field(description="NAME=FOLDER of an evaluation of these candidates")
    out_dir: Path = Field(description="where rows and table go")
    aggregation: AggregationName = Field(DEFAULT_AGGREGATION, description="from step scores to a program's score")


def read_scores(path: Path, candidates: list[Solution], how: str) -> dict[tuple[str, int], float]:
    """A score for each candidate; one that the PRM did not read is the last choice, 0.

    Raises:
        UserError: the file is missing, or not of these candidates.
    """
    steps = {row.key: row.step_scores for row in read_rows(path, SolutionScores)}
    if missing := [row.key for row in candidates if row.key not in steps]:
        raise UserError(f"{path}: no scores of {missing[0]} ({len(missing)} such candidates); evaluate on the same --solutions")
    found = {}
    for row in candidates:
        known = [score for score in steps[row.key] if score is not None]
        found[row.key] = aggregate(known, how) if known else 0.0
    return found


def main(settings: Settings) -> None:
    candidates = [row for row in read_rows(settings.solutions, Solution) if row.passed is not None]
    facts = [CandidateFacts.of(row) for row in candidates]
    seeds: Counter[str] = Counter()
    rows: list[ArmScores] = []
    for text in settings.scored:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise UserError(f"setting 'scored': {text!r} is not NAME=FOLDER")
        seeds[name] += 1
        scores = read_scores(Path(folder) / "test_scores.jsonl", candidates, settings.aggregation)
        rows += score_rows(name, seeds[name], scores)
    write_rows(settings.out_dir / "candidates.jsonl", facts)
    write_rows(settings.out_dir / "scores.jsonl", rows)
    print(write_table(settings.out_dir, facts, rows))
    print(f"checkpoints: {sum(seeds.values())} evaluations of {len(facts)} candidates -> {settings.out_dir}/table.md")


if __name__ == "__main__":
    run_stage(Settings, "checkpoints", __doc__, main)
