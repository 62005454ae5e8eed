"""The programs of one problem in the order of their scores, as rows and as a table to read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dreamprm_code.records import RankedProgram, Solution, SolutionScores
from dreamprm_code.selection.aggregation import aggregate
from dreamprm_code.steps import StepSettings, split_program

NAME_WIDTH = 40


def rank(
    programs: Iterable[tuple[str, Solution, SolutionScores]], aggregation: str, steps: StepSettings
) -> list[RankedProgram]:
    """From (name, program, scores) to the best first; equal scores share a rank.

    Programs that do not parse come after all that do, because what the PRM says of them is no use: they cannot run. Programs
    that it did not read come last.
    """
    rows = []
    for name, solution, scores in programs:
        split = split_program(solution.code, steps.max_functions, steps.granularity, solution.language)
        values = [score for score in scores.step_scores if score is not None]
        has_code = bool(solution.code.strip())
        rows.append(
            RankedProgram(
                question_id=scores.question_id,
                name=name,
                rank=None,
                score=None if scores.unread else aggregate(values, aggregation),
                parses=split_program(solution.code, language=solution.language).fallback is None if has_code else None,
                step_names=[step.name for step in split.steps],
                step_scores=scores.step_scores,
                unread=scores.unread,
            )
        )

    def place(row: RankedProgram) -> tuple[bool, bool, float]:
        return row.score is None, row.parses is False, -(row.score or 0.0)

    rows.sort(key=place)
    places = [place(row) for row in rows]
    return [row if row.score is None else row.model_copy(update={"rank": 1 + places.index(place(row))}) for row in rows]


def ranking_lines(rows: Sequence[RankedProgram]) -> list[str]:
    """One line for each program: rank, score, name, and name and score of every step, or why there is none."""
    names = [row.name if len(row.name) <= NAME_WIDTH else f"...{row.name[3 - NAME_WIDTH :]}" for row in rows]
    width = max([len("program"), *map(len, names)])
    lines = [f"rank  score  {'program':{width}}  steps"]
    for row, name in zip(rows, names, strict=True):
        if row.score is None:
            lines.append(f"   -      -  {name:{width}}  not read: {str(row.unread).replace('_', ' ')}")
            continue
        steps = "  ".join(f"{step} {score:.3f}" for step, score in zip(row.step_names, row.step_scores, strict=True))
        if row.parses is False:
            steps = "does not parse: ranked behind all that do"
        lines.append(f"{row.rank:4}  {row.score:.3f}  {name:{width}}  {steps}")
    return lines
