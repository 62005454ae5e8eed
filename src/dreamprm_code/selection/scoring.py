"""Score every step of every candidate, resumably: one problem after the other into a file of ``SolutionScores`` rows."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import RowAppender
from dreamprm_code.manifest import check_resume, read_manifest, sha256_of, write_manifest
from dreamprm_code.prm import PRM
from dreamprm_code.prm.encoding import EncodingError
from dreamprm_code.prm.folders import read_config
from dreamprm_code.prm.served import ServedPRM
from dreamprm_code.progress import progress_bar
from dreamprm_code.records import Problem, Solution, SolutionScores, Unread
from dreamprm_code.steps import DEFAULT_STEPS, StepSettings, split_program

SolutionKey = tuple[str, int]


class Scorer:
    """Scores programs with one checkpoint into files that say so; ``open_prm`` is called at most once, and only if needed.

    Raises:
        UserError: there is no such checkpoint.
    """

    def __init__(self, checkpoint: Path, open_prm: Callable[[Path], PRM]):
        if not checkpoint.exists():
            raise UserError(f"{checkpoint}: no such checkpoint; run train_prm.py first or name one with --checkpoint")
        self.checkpoint = checkpoint
        self.sha256 = checkpoint_sha256(checkpoint)
        self._open_prm = open_prm
        self._prm: PRM | None = None

    def prm(self) -> PRM:
        if self._prm is None:
            self._prm = self._open_prm(self.checkpoint)
        return self._prm

    def steps(self) -> StepSettings:
        """How the checkpoint splits programs (a released one: the default), without opening it."""
        if self._prm is not None:
            return self._prm.steps
        if self.checkpoint.is_file():
            return DEFAULT_STEPS
        return read_config(self.checkpoint).input.steps

    def score(
        self,
        problems: Sequence[Problem],
        solutions: Sequence[Solution],
        path: Path,
        source: Path,
        stage: str,
        config: Mapping[str, Any],
    ) -> tuple[dict[SolutionKey, SolutionScores], Counter[str]]:
        """Scores of all solutions, from ``path`` where it has them; see :func:`score_solutions`. ``source`` is where the
        solutions come from.

        Raises:
            ManifestError: the rows there are of another checkpoint or of other solutions.
        """
        identity = {"checkpoint": self.sha256, "solutions": sha256_of(source)}
        check_resume(path, identity)
        before = (read_manifest(path) or {"counts": {}})["counts"]
        settings: dict[str, Any] = {"stage": stage, "config": config, "identity": identity, "inputs": [source]}
        write_manifest(path, **settings, counts=before)
        with progress_bar(total=len(solutions), desc=path.stem, unit="program") as bar:

            def progress(done: int, missing: int) -> None:
                bar.update(len(solutions) - missing + done - bar.n)

            scores, counts = score_solutions(self.prm, problems, solutions, path, progress)
            bar.update(len(solutions) - bar.n)
        for name in ("scored", "statements_shortened"):  # of earlier runs, too
            counts[name] += before.get(name, 0)
        write_manifest(path, **settings, counts=counts)
        return scores, counts


def checkpoint_sha256(path: Path) -> str:
    """Hex SHA-256 of a checkpoint: of the file, or of the names and hashes of a folder's files."""
    if path.is_file():
        return sha256_of(path)
    digest = hashlib.sha256()
    for file in sorted(item for item in path.rglob("*") if item.is_file()):
        digest.update(f"{file.relative_to(path)} {sha256_of(file)}\n".encode())
    return digest.hexdigest()


def score_solutions(
    open_prm: Callable[[], PRM],
    problems: Sequence[Problem],
    solutions: Iterable[Solution],
    path: str | Path,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[SolutionKey, SolutionScores], Counter[str]]:
    """Add the rows that ``path`` lacks and return the rows of ``solutions`` by (question_id, solution_idx).

    ``open_prm`` is called only if a program has to be scored; ``progress`` gets the number of missing programs done and of all.
    Counts over all rows returned: ``no_code`` answers without a program and programs ``too_long`` for the model; neither is
    read. Counts of this call: ``scored`` programs, ``statements_shortened`` to make room for code, and ``resumed`` rows that
    were there.
    """
    by_id = {problem.question_id: problem for problem in problems}
    wanted = [solution for solution in solutions if solution.question_id in by_id]
    rows: dict[SolutionKey, SolutionScores] = {}
    counts: Counter[str] = Counter(scored=0, no_code=0, too_long=0, statements_shortened=0, resumed=0)

    def keep(row: SolutionScores) -> None:
        rows[(row.question_id, row.solution_idx)] = row

    with RowAppender(path, SolutionScores, on_row=keep) as file:
        missing = [solution for solution in wanted if solution.key not in file.keys]
        counts["resumed"] = len(wanted) - len(missing)
        if missing:
            for batch in iter_scores(open_prm, by_id, missing, counts):
                file.append(*batch)
                for row in batch:
                    keep(row)
                if progress is not None:
                    progress(sum(solution.key in file.keys for solution in missing), len(missing))
    found = {(row.question_id, row.solution_idx): rows[row.question_id, row.solution_idx] for row in wanted}
    counts.update(row.unread.value for row in found.values() if row.unread is not None)
    return found, counts


def iter_scores(
    open_prm: Callable[[], PRM | ServedPRM],
    by_id: Mapping[str, Problem],
    missing: Sequence[Solution],
    counts: Counter[str],
) -> Iterator[list[SolutionScores]]:
    """Scores of solutions, first of those without a program, then problem by problem; adds to ``counts``."""
    grouped: dict[str, dict[str, list[Solution]]] = {}  # by language, then by problem
    without_code: list[SolutionScores] = []
    for solution in missing:
        if solution.code.strip():
            grouped.setdefault(solution.language, {}).setdefault(solution.question_id, []).append(solution)
        else:
            without_code.append(scores_row(solution))
    if without_code:
        yield without_code
    if not grouped:
        return
    prm = open_prm()
    for language, problems in grouped.items():
        yield from _scored_in(language, prm, by_id, list(problems.values()), counts)


def _scored_in(
    language: str,
    prm: PRM | ServedPRM,
    by_id: Mapping[str, Problem],
    groups: Sequence[Sequence[Solution]],
    counts: Counter[str],
) -> Iterator[list[SolutionScores]]:
    """Rows of programs in one language; a group holds those of one problem."""
    readable: list[list[Solution]] = []

    def requests() -> Iterator[tuple[Problem, list[str]]]:
        for group in groups:
            problem = by_id[group[0].question_id]
            readable.append([solution for solution in group if _fits(prm, problem, solution, counts)])
            yield problem, [solution.code for solution in readable[-1]]

    for position, scores in enumerate(prm.score_problems(requests(), language)):
        batch = [scores_row(solution, found) for solution, found in zip(readable[position], scores, strict=True)]
        fitting_keys = {solution.key for solution in readable[position]}
        too_long = [scores_row(solution, None, prm.steps) for solution in groups[position] if solution.key not in fitting_keys]
        counts["scored"] += len(batch)
        yield batch + too_long


def _fits(prm: PRM | ServedPRM, problem: Problem, solution: Solution, counts: Counter[str]) -> bool:
    shortened = prm.encoder.counts["statements_shortened"]
    try:
        how = prm.steps
        prm.encoder.encode_program(problem, solution.code, how.max_functions, how.granularity, solution.language)
    except EncodingError:
        return False
    counts["statements_shortened"] += prm.encoder.counts["statements_shortened"] - shortened
    return True


def scores_row(
    solution: Solution, step_scores: Sequence[float] | None = None, steps: StepSettings = DEFAULT_STEPS
) -> SolutionScores:
    """The row of a program; without ``step_scores`` it was not read, and the row says why."""
    unread, found = None, list[float | None](step_scores or ())
    if step_scores is None:
        has_code = bool(solution.code.strip())
        unread = Unread.TOO_LONG if has_code else Unread.NO_CODE
        split = split_program(solution.code, steps.max_functions, steps.granularity, solution.language).steps
        found = [None] * max(1, len(split) if has_code else 1)
    return SolutionScores(
        question_id=solution.question_id,
        solution_idx=solution.solution_idx,
        num_steps=len(found),
        step_scores=found,
        unread=unread,
    )
