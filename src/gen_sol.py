"""Stage 3: sample N candidate programs for each meta or test problem and grade them.

    python src/gen_sol.py --config configs/demo.yaml --split test --policy local:models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf

Writes meta_solutions.jsonl (clean outcomes for the outer level) or test_solutions.jsonl (candidates to choose from). Run it
again after an interruption: it does only what is missing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Literal

from pydantic import Field

from cli import run_stage
from dreamprm_code.grading import Grader, GraderConfig
from dreamprm_code.policies import CompletionRequest, PolicySettings, open_policy
from dreamprm_code.problems.settings import RunSettings
from dreamprm_code.prompts import prompt_fingerprint, solution_messages
from dreamprm_code.records import Problem, Solution
from dreamprm_code.sampling import SampledFile, Sampler, estimate, run_sampling, solution_row


class Config(RunSettings, PolicySettings):
    split: Literal["meta", "test"] = Field(description="whose problems")
    style: Literal["cof", "plain"] = Field("cof", description="prompt: Chain-of-Function, or plain for the baseline")
    num_solutions: int = Field(16, ge=1, description="candidates per problem")
    grade_workers: int = Field(2, ge=1, description="programs graded at once")


def requests_of(
    config: Config, problems: list[Problem], file: SampledFile | None
) -> Iterator[tuple[Problem, CompletionRequest]]:
    """What is still to be asked."""
    for problem in problems:
        wanted = tuple(range(config.num_solutions))
        indices = wanted if file is None else file.missing((problem.question_id,), wanted)
        if indices:
            messages = tuple(solution_messages(problem, config.style))
            yield problem, CompletionRequest((problem.question_id,), messages, indices)


def main(config: Config) -> None:
    problems = config.window_split().require(config.split)
    if config.dry_run:
        print(
            f"gen_sol ({config.split}): would send "
            + estimate((item[1] for item in requests_of(config, problems, None)), config)
        )
        return
    path = config.data_dir / f"{config.split}_solutions.jsonl"
    file = SampledFile(
        path, Solution, stage="gen_sol", settings=config, identity={"style": config.style, "prompts": prompt_fingerprint()}
    )
    todo = list(requests_of(config, problems, file))

    def tasks(sampler: Sampler) -> Iterator[Callable[[], Awaitable[Any]]]:
        for problem, request in todo:
            yield partial(sampler.sample, request, problem, partial(solution_row, problem.question_id))

    num_rows = sum(len(request.indices) for _, request in todo)
    with Grader(GraderConfig(workers=config.grade_workers, keep_outputs=True)) as grader:
        counts = run_sampling(
            partial(open_policy, config, file.account, path.with_suffix(".batches.json")), grader, file, tasks, num_rows
        )
    print(
        f"gen_sol ({config.split}): {counts['rows']} candidates of {len(problems)} problems, "
        f"{counts.get('verdict_passed', 0)} pass, {counts.get('verdict_no_code', 0)} without a program; "
        f"{file.account.summary()}"
    )
    if counts["failed"]:
        print(f"gen_sol: {counts['failed']} requests failed (see {path}.failures.jsonl); run again to try them again")
    if "stopped" in counts:
        print(f"gen_sol: stopped by the budget: {counts['stopped']}")


if __name__ == "__main__":
    run_stage(Config, "gen_sol", __doc__, main)
