"""One recipe over many problems, into a folder that selection and report take as it is.

::

    test_solutions.jsonl   every program that a search has finished, graded: Solution rows
    test_scores.jsonl      the step scores with which it was searched: SolutionScores rows
    searched.jsonl         what each problem's search cost: SearchedProblem rows; a problem is done when its row is there
    draws.jsonl            the journal: Draw rows

A run that was killed goes on from its journal: what was drawn is not drawn again, and since the search follows from it, the
rows become what they would have been.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from dreamprm_code.jsonl import RowAppender, read_rows, sort_file
from dreamprm_code.manifest import sha256_of, write_manifest
from dreamprm_code.policies.base import Completion, CompletionRequest, Policy
from dreamprm_code.prompts import Style
from dreamprm_code.records import Index, Problem, Record, Solution, SolutionScores
from dreamprm_code.sampling.file import SampledFile
from dreamprm_code.sampling.sampler import Sampler, run_sampling, solution_row
from dreamprm_code.search.methods import METHODS, Beam, PrefixScorer, Recipe
from dreamprm_code.search.policy import Draw, ProblemPolicy, Unobtained
from dreamprm_code.selection.scoring import scores_row


class SearchedProblem(Record):
    """Row of ``searched.jsonl``: the candidates that a problem's search gave and its counts (see :class:`methods.Found` and the
    scorer's)."""

    key_fields = ("question_id",)

    question_id: str
    num_candidates: Index
    counts: dict[str, Index]


class SearchFiles:
    """The files of a folder that :class:`SampledFile` does not hold; opened when sampling starts."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.draws: dict[str, dict[tuple[int, ...], Draw]] = defaultdict(dict)
        self._open = ExitStack()
        self._appenders: dict[type[Record], RowAppender] = {}
        path = self.path(SearchedProblem)
        self.done = {row.question_id for row in read_rows(path, SearchedProblem)} if path.exists() else set()

    def path(self, record: type[Record]) -> Path:
        names: dict[type[Record], str] = {
            Draw: "draws.jsonl",
            SolutionScores: "test_scores.jsonl",
            SearchedProblem: "searched.jsonl",
        }
        return self.folder / names[record]

    def open(self) -> None:
        for record in (Draw, SolutionScores, SearchedProblem):
            note: Any = self._note if record is Draw else None
            self._appenders[record] = self._open.enter_context(RowAppender(self.path(record), record, note))

    def _note(self, draw: Draw) -> None:
        self.draws[draw.question_id][tuple(draw.path)] = draw

    def add(self, *rows: Record) -> None:
        """Rows of one kind; those that a killed run had written already are left out."""
        for row in rows:
            file = self._appenders[type(row)]
            if row.key not in file.keys:
                file.append(row)

    def num_left(self, problems: Sequence[Problem]) -> int:
        appender = self._appenders.get(SearchedProblem)
        done = self.done if appender is None else {key[0] for key in appender.keys}
        return sum(problem.question_id not in done for problem in problems)

    def close(self) -> Counter[str]:
        """Close and sort the files; returns the sum of all problems' counts."""
        self._open.close()
        total: Counter[str] = Counter()
        for record in (Draw, SolutionScores, SearchedProblem):
            if self.path(record).exists():
                sort_file(self.path(record), record)
        if self.path(SearchedProblem).exists():
            for row in read_rows(self.path(SearchedProblem), SearchedProblem):
                total.update(row.counts, problems=1, candidates=row.num_candidates)
        return total


def run_search(
    problems: Sequence[Problem],
    recipe: Recipe,
    folder: Path,
    *,
    file: SampledFile,
    open_policy: Callable[[], Policy],
    open_grader: Callable[[], AbstractContextManager[Any]],
    open_scorer: Callable[[Problem], PrefixScorer],
    style: Style = "cof",
    scored_by: Mapping[str, Any],
) -> dict[str, Any]:
    """Search the problems that ``folder`` lacks; returns the counts of the whole folder.

    ``file`` is the folder's ``test_solutions.jsonl``, whose identity must hold the recipe and the checkpoint; ``scored_by`` are
    the stage, config and checkpoint's SHA-256 for the manifest of the scores.

    Raises:
        UserError: the rows there were made with other settings, or policy or grader cannot be had.
    """
    files = SearchFiles(folder)
    todo = [problem for problem in problems if problem.question_id not in files.done]

    def tasks(sampler: Sampler) -> Iterator[Callable[[], Awaitable[Any]]]:
        files.open()
        at_once = asyncio.Semaphore(max(2, sampler.policy.max_requests // recipe.n))  # each holds what its scorer keeps
        for problem in todo:
            policy = ProblemPolicy(sampler, problem, style, files.draws[problem.question_id], files.add)
            yield partial(_search_problem, sampler, policy, open_scorer, recipe, files, at_once)

    try:
        counts = run_sampling(open_policy, open_grader, file, tasks, len(todo), num_left=lambda: files.num_left(problems))
    finally:
        searched = files.close()
    identity = {"checkpoint": scored_by["checkpoint"], "solutions": sha256_of(file.path)}
    write_manifest(
        files.path(SolutionScores),
        stage=scored_by["stage"],
        config=scored_by["config"],
        identity=identity,
        inputs=[file.path],
        counts=dict(searched),
    )
    return {**counts, **searched}


async def _search_problem(
    sampler: Sampler,
    policy: ProblemPolicy,
    open_scorer: Callable[[Problem], PrefixScorer],
    recipe: Recipe,
    files: SearchFiles,
    at_once: asyncio.Semaphore,
) -> None:
    problem, file = policy.problem, sampler.file
    async with at_once:
        scorer = open_scorer(problem)
        try:
            found = await METHODS[recipe.method](policy, scorer, recipe)
        except Unobtained as lost:
            file.fail((problem.question_id,), lost.failure)
            return
    rows = await asyncio.gather(*(_graded(sampler, problem, index, beam) for index, beam in enumerate(found.beams)))
    file.add(*(row for row in rows if file.missing((problem.question_id,), (row.solution_idx,))))
    files.add(*(scores_row(row, beam.step_scores, scorer.steps) for row, beam in zip(rows, found.beams, strict=True)))
    counts = found.counts + scorer.counts + Counter(prompt_tokens=sum(beam.prompt_tokens for beam in found.beams))
    files.add(SearchedProblem(question_id=problem.question_id, num_candidates=len(rows), counts=dict(sorted(counts.items()))))


async def _graded(sampler: Sampler, problem: Problem, index: int, beam: Beam) -> Solution:
    mean_logprob = None if beam.logprob is None or not beam.num_tokens else min(0.0, beam.logprob / beam.num_tokens)
    completion = Completion(index, beam.output, beam.finish_reason or "", beam.prompt_tokens, beam.num_tokens, mean_logprob)
    request = CompletionRequest((problem.question_id,), (), (index,))
    return solution_row(problem.question_id, await sampler.graded(completion, request, problem))
