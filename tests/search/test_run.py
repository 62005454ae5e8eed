"""A search over problems into files: rows that selection takes, and kills that change none of them."""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import time
from pathlib import Path

import pytest

from builders.rows import make_problem
from builders.text_grader import TextGrader
from builders.typist import Marks, Typist
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import read_rows
from dreamprm_code.manifest import check_resume, sha256_of
from dreamprm_code.policies import CompletionRequest, Failure, FailureState, PolicySettings, request_seed
from dreamprm_code.records import Solution, SolutionScores
from dreamprm_code.sampling.file import SampledFile
from dreamprm_code.search.methods import Recipe
from dreamprm_code.search.policy import Draw, require_continuation
from dreamprm_code.search.run import SearchedProblem, run_search
from dreamprm_code.selection.candidates import candidate_sets

PROBLEMS = [make_problem(f"q{number}") for number in range(6)]
FILES = ("test_solutions.jsonl", "test_scores.jsonl", "searched.jsonl", "draws.jsonl")


class Author(Typist):
    """Writes three functions by the seed of each request; the last may print what the problem wants. Notes each request."""

    def __init__(self, log: Path | None = None, wait_s: float = 0.0, **more):
        super().__init__(**more)
        self.log, self.wait_s = log, wait_s

    def programs_for(self, request: CompletionRequest) -> tuple[str, ...]:
        if self.log is not None:
            with self.log.open("a") as stream:
                stream.write(f"{request.key[0]} {(*request.key[2:-1], *request.indices)}\n")
        time.sleep(self.wait_s)
        chance = random.Random(request_seed(0, request.key, request.indices[0]))
        marks = [chance.randrange(100) for _ in range(3)]
        functions = [f"def f{place}():\n    return {mark}\n\n\n" for place, mark in enumerate(marks)]
        end = f"print({request.key[0]!r})\n```" if marks[-1] > 60 else "print(0)\n```"
        start = request.prefix or ""
        rest = "".join(functions[start.count("return") :]) + end
        return (start + (rest.removeprefix("def") if start.endswith("def") else rest),)


def search(folder: Path, policy: Author | None = None, recipe: Recipe | None = None, problems=PROBLEMS) -> dict:
    recipe = recipe or Recipe(method="beam_search", n=4, m=2)
    settings = PolicySettings(policy="local:none")
    identity = {"recipe": recipe.model_dump()}
    file = SampledFile(folder / FILES[0], Solution, stage="search", settings=settings, identity=identity)
    return run_search(
        problems,
        recipe,
        folder,
        file=file,
        open_policy=lambda: policy or Author(),
        open_grader=TextGrader,
        open_scorer=lambda problem: Marks(),
        style="plain",
        scored_by={"stage": "search", "config": {}, "checkpoint": "0"},
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.mark.parametrize("method", ["best_of_n", "beam_search", "dvts"])
def test_rows_are_what_selection_reads_with_the_scores_of_the_search(tmp_path, method):
    counts = search(tmp_path, recipe=Recipe(method=method, n=4, m=2))
    solutions = read_rows(tmp_path / FILES[0], Solution)
    scores = {row.key: row for row in read_rows(tmp_path / FILES[1], SolutionScores)}
    sets = candidate_sets(PROBLEMS, solutions, scores)
    assert [item.question_id for item in sets] == [problem.question_id for problem in PROBLEMS]
    for row in solutions:
        assert Marks().score([row.code]) == [tuple(scores[row.key].step_scores)] and len(scores[row.key].step_scores) == 3
        assert row.passed == (f"print({row.question_id!r})" in row.code) and row.mean_logprob == -0.5
    searched = read_rows(tmp_path / FILES[2], SearchedProblem)
    assert sum(row.num_candidates for row in searched) == len(solutions) == counts["candidates"]
    draws = read_rows(tmp_path / FILES[3], Draw)
    assert sum(draw.completion_tokens for draw in draws) == counts["generated_tokens"]
    assert counts["missing"] == 0
    check_resume(tmp_path / FILES[1], {"checkpoint": "0", "solutions": sha256_of(tmp_path / FILES[0])})  # as evaluate_prm does
    before = contents(tmp_path)
    search(tmp_path, Author(fail=lambda request: 1 / 0), recipe=Recipe(method=method, n=4, m=2))
    assert contents(tmp_path) == before, "a finished folder asks for nothing"


def search_process(folder: Path, log: Path) -> None:
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - the process ends with it
    search(folder, Author(log, wait_s=0.004))


def test_kills_at_random_moments_change_no_row_and_nothing_in_the_journal_is_asked_again(tmp_path):
    search(tmp_path / "whole")
    folder, log, chance, kills = tmp_path / "killed", tmp_path / "log", random.Random(1), 0
    fork = multiprocessing.get_context("fork")
    log.write_text("")
    while not (folder / "test_scores.jsonl.meta.json").exists():
        journal = (folder / FILES[3]).read_bytes().rpartition(b"\n")[0] if (folder / FILES[3]).exists() else b""
        (tmp_path / "copy.jsonl").write_bytes(journal)
        known = {f"{draw.question_id} {tuple(draw.path)}" for draw in read_rows(tmp_path / "copy.jsonl", Draw)}
        asked = len(log.read_text().splitlines())
        process = fork.Process(target=search_process, args=(folder, log))
        process.start()
        enough = asked + chance.randrange(2, 25)
        while process.is_alive() and len(log.read_text().splitlines()) < enough:
            time.sleep(0.002)
        process.kill()
        process.join()
        kills += 1
        assert not known & set(log.read_text().splitlines()[asked:])
    assert kills > 2
    assert contents(folder) == contents(tmp_path / "whole")


def test_a_request_that_may_succeed_later_leaves_its_problem_to_the_next_run(tmp_path):
    def fail(request):
        return Failure(0, FailureState.TIMEOUT, "late") if request.key[0] == "q3" and request.indices == (2,) else None

    counts = search(tmp_path / "a", Author(fail=fail))
    assert (counts["missing"], counts["failed"], counts["problems"]) == (1, 1, 5)
    assert {row.question_id for row in read_rows(tmp_path / "a" / FILES[0], Solution)} == {"q0", "q1", "q2", "q4", "q5"}
    assert search(tmp_path / "a")["missing"] == 0
    search(tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_another_recipe_is_refused(tmp_path):
    search(tmp_path)
    with pytest.raises(UserError, match="was made with other settings"):
        search(tmp_path, recipe=Recipe(method="beam_search", n=6, m=2))


def test_an_answer_without_a_program_has_no_scores_and_says_why(tmp_path):
    search(tmp_path, Typist("```"), problems=PROBLEMS[:1])
    (row,) = read_rows(tmp_path / FILES[1], SolutionScores)
    assert (row.step_scores, row.unread) == ([None], "no_code")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"policy": "openai:gpt"}, "continuation is 'instruction'; set continue_final"),
        ({"policy": "openai:o4-mini", "continuation": "prefill"}, "a reasoning model begins every answer with its thoughts"),
        ({"policy": "openai:m", "continuation": "prefill", "batch": True}, "the Batch API answers within a day"),
        ({"policy": "recorded:a.jsonl"}, "a recorded file has whole answers only"),
    ],
)
def test_a_policy_that_cannot_continue_gets_one_clear_line(settings, why):
    with pytest.raises(UserError, match=f"cannot continue a program: {why}.*; search with best_of_n alone, or use local:MODEL"):
        require_continuation(PolicySettings(**settings))
    for continuation in ("continue_final", "prefill", "completion"):
        require_continuation(PolicySettings(policy="openai:m", continuation=continuation))
    require_continuation(PolicySettings(policy="local:m"))
