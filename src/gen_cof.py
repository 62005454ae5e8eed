"""Stage 1: sample Chain-of-Function programs for the training problems and grade them.

    python src/gen_cof.py --config configs/demo.yaml --policy local:models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf

Writes cof_solutions.jsonl (Solution rows) and cof_adherence.json: how many programs follow the Chain-of-Function rules, and
what the others break. Run it again after an interruption: it does only what is missing.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

from pydantic import Field

from cli import run_stage
from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.grading import Grader, GraderConfig
from dreamprm_code.jsonl import read_rows
from dreamprm_code.policies import BudgetReached, Completion, CompletionRequest, PolicySettings, open_policy
from dreamprm_code.problems.settings import RunSettings
from dreamprm_code.prompts import prompt_fingerprint, retry_message, solution_messages
from dreamprm_code.records import Problem, Solution
from dreamprm_code.report.adherence import adherence_report, adherence_summary
from dreamprm_code.sampling import Sampled, SampledFile, Sampler, estimate, run_sampling, solution_row
from dreamprm_code.steps import cof_violations


class Config(RunSettings, PolicySettings):
    num_solutions: int = Field(1, ge=1, description="programs per problem")
    retries: int = Field(
        0, ge=0, description="ask again, showing the broken rules, up to this often; keep the answer that breaks fewest"
    )
    grade_workers: int = Field(2, ge=1, description="programs graded at once")


def requests_of(
    config: Config, problems: list[Problem], file: SampledFile | None
) -> Iterator[tuple[Problem, CompletionRequest]]:
    """What is still to be asked."""
    for problem in problems:
        wanted = tuple(range(config.num_solutions))
        indices = wanted if file is None else file.missing((problem.question_id,), wanted)
        if indices:
            yield problem, CompletionRequest((problem.question_id,), tuple(solution_messages(problem, "cof")), indices)


async def follow_rules(config: Config, sampler: Sampler, problem: Problem, sampled: Sampled) -> Sampled:
    """Show the model which rules its program breaks and ask again; the first answer that breaks fewest is kept."""
    best, broken = sampled, cof_violations(sampled.code, problem.func_name)
    for attempt in range(config.retries):
        if not broken:
            break
        messages = (
            *solution_messages(problem, "cof"),
            {"role": "assistant", "content": best.completion.output},
            retry_message(violation.detail for violation in broken),
        )
        request = CompletionRequest((problem.question_id, "retry", attempt), messages, (sampled.completion.index,))
        sampler.file.counts["asked_again"] += 1
        try:
            async for result in sampler.ask(request):
                if isinstance(result, Completion):
                    again = await sampler.graded(result, request, problem)
                    left = cof_violations(again.code, problem.func_name)
                    if len(left) < len(broken):
                        best, broken = again, left
        except BudgetReached:
            break  # what is there is kept; the next request ends the run
    return best


def main(config: Config) -> None:
    problems = config.window_split().require("train")
    if config.dry_run:
        print("gen_cof: would send " + estimate((request for _, request in requests_of(config, problems, None)), config))
        return
    path = config.data_dir / "cof_solutions.jsonl"
    identity = {"style": "cof", "retries": config.retries, "prompts": prompt_fingerprint(retry=config.retries > 0)}
    file = SampledFile(path, Solution, stage="gen_cof", settings=config, identity=identity)

    def tasks(sampler: Sampler) -> Iterator[Callable[[], Awaitable[Any]]]:
        for problem, request in todo:
            improve = partial(follow_rules, config, sampler, problem) if config.retries else None
            yield partial(sampler.sample, request, problem, partial(solution_row, problem.question_id), improve)

    todo = list(requests_of(config, problems, file))
    num_rows = sum(len(request.indices) for _, request in todo)
    with Grader(GraderConfig(workers=config.grade_workers, keep_outputs=True)) as grader:
        counts = run_sampling(
            partial(open_policy, config, file.account, path.with_suffix(".batches.json")), grader, file, tasks, num_rows
        )
    report = adherence_report(problems, read_rows(path, Solution))
    write_bytes_atomic(config.data_dir / "cof_adherence.json", [json.dumps(report, indent=2).encode(), b"\n"])
    print(f"gen_cof: {counts['rows']} programs, {counts.get('verdict_passed', 0)} pass; {adherence_summary(report)}")
    if counts["failed"]:
        print(f"gen_cof: {counts['failed']} requests failed (see {path}.failures.jsonl); run again to try them again")
    if "stopped" in counts:
        print(f"gen_cof: stopped by the budget: {counts['stopped']}")


if __name__ == "__main__":
    run_stage(Config, "gen_cof", __doc__, main)
