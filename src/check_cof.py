"""How well does a policy follow the Chain-of-Function prompt? Sample programs and print the report.

    python src/check_cof.py --config configs/demo.yaml --policy openai:o4-mini

Samples one program for each of up to 100 problems, ungraded, writes nothing, and prints the share that follows the rules, what
the others break, by difficulty, and the functions per program. With ``--solutions FILE`` it reports on Solution rows instead.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from itertools import islice
from pathlib import Path

from pydantic import Field

from cli import run_stage
from dreamprm_code.jsonl import read_rows
from dreamprm_code.policies import Completion, CompletionRequest, PolicySettings, open_policy
from dreamprm_code.problems import iter_problems
from dreamprm_code.problems.settings import ProblemSettings
from dreamprm_code.progress import progress_bar
from dreamprm_code.prompts import solution_messages
from dreamprm_code.records import Problem, Solution
from dreamprm_code.report.adherence import adherence_report, adherence_summary
from dreamprm_code.sampling.sampler import run_bounded
from dreamprm_code.steps import extract_code


class Settings(ProblemSettings, PolicySettings):
    num_samples: int = Field(100, ge=1, description="programs to sample, one per problem")
    solutions: Path | None = Field(None, description="report on these Solution rows instead of sampling")


async def sampled_solutions(settings: Settings, problems: list[Problem]) -> list[Solution]:
    account = settings.account()
    policy = open_policy(settings, account)
    found: list[Solution] = []

    async def one(problem: Problem) -> None:
        request = CompletionRequest((problem.question_id,), tuple(solution_messages(problem, "cof")), (0,))
        async for result in policy.complete(request):
            if isinstance(result, Completion):
                found.append(
                    Solution(
                        question_id=problem.question_id,
                        solution_idx=0,
                        output=result.output,
                        code=extract_code(result.output),
                        finish_reason=result.finish_reason,
                        passed=None,
                        verdict=None,
                    )
                )
        bar.update()

    try:
        with progress_bar(total=len(problems), desc="check_cof", unit="program") as bar:
            await run_bounded((partial(one, problem) for problem in problems), policy.max_requests)
    finally:
        await policy.aclose()
    return found


def main(settings: Settings) -> None:
    problems = list(iter_problems(settings.problems, settings.release))
    if settings.solutions is not None:
        solutions = read_rows(settings.solutions, Solution)
    else:
        problems = list(islice(problems, settings.num_samples))
        solutions = asyncio.run(sampled_solutions(settings, problems))
    report = adherence_report(problems, solutions)
    print(json.dumps(report, indent=2))
    failed = "" if settings.solutions is not None else f"; {len(problems) - len(solutions)} requests failed"
    print(f"check_cof: {adherence_summary(report)}{failed}")


if __name__ == "__main__":
    run_stage(Settings, "check_cof", __doc__, main)
