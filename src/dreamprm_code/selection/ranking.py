"""The programs of one problem in the order of their scores, as rows and as a table to read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from dreamprm_code.records import RankedProgram, Solution, SolutionScores
from dreamprm_code.selection.aggregation import aggregate
from dreamprm_code.steps import StepSettings, split_program

NAME_WIDTH = 40


def rank(
    programs: Iterable[tuple[str, Solution, SolutionScores]], aggregation: str, steps: StepSettings
) -> list[RankedProgram]:
    """From (name, program, scores) to the best first; equal scores share a rank, unread programs come last."""
    rows = []
    for name, solution, scores in programs:
        split = split_program(solution.code, steps.max_functions, steps.granularity, solution.language).steps
        values = [score for score in scores.step_scores if score is not None]
        rows.append(
            RankedProgram(
                question_id=scores.question_id,
                name=name,
                rank=None,
                score=None if scores.unread else aggregate(values, aggregation),
                step_names=[step.name for step in split],
                step_scores=scores.step_scores,
                unread=scores.unread,
            )
        )
    rows.sort(key=lambda row: math.inf if row.score is None else -row.score)
    scored = [row.score for row in rows]
    return [row if row.score is None else row.model_copy(update={"rank": 1 + scored.index(row.score)}) for row in rows]


def ranking_lines(rows: Sequence[RankedProgram]) -> list[str]:
    """One line for each program: rank, score, name, and name and score of every step."""
    names = [row.name if len(row.name) <= NAME_WIDTH else f"...{row.name[3 - NAME_WIDTH :]}" for row in rows]
    width = max([len("program"), *map(len, names)])
    lines = [f"rank  score  {'program':{width}}  steps"]
    for row, name in zip(rows, names, strict=True):
        if row.score is None:
            lines.append(f"   -      -  {name:{width}}  not read: {str(row.unread).replace('_', ' ')}")
            continue
        steps = "  ".join(f"{step} {score:.3f}" for step, score in zip(row.step_names, row.step_scores, strict=True))
        lines.append(f"{row.rank:4}  {row.score:.3f}  {name:{width}}  {steps}")
    return lines
