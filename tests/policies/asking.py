"""Asking a server on a loopback port, with or without the file of a sampling stage."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

from fault_server import FaultServer

from builders.rows import make_problem
from builders.text_grader import TextGrader
from dreamprm_code.policies import Account, Completion, CompletionRequest, Failure, PolicySettings, open_policy
from dreamprm_code.records import Solution
from dreamprm_code.sampling.file import SampledFile
from dreamprm_code.sampling.sampler import run_sampling, solution_row


def settings_for(*servers: FaultServer, **more: Any) -> PolicySettings:
    defaults = {"timeout_s": 1.5, "deadline_s": 60.0, "answers_per_request": 4, "max_tokens": 100}
    return PolicySettings(policy="openai:m", base_urls=[one.url for one in servers], **(defaults | more))


def request(name: str, indices: tuple[int, ...] = (0,), **more: Any) -> CompletionRequest:
    return CompletionRequest((name,), ({"role": "user", "content": f"print {name}"},), indices, **more)


def ask(settings: PolicySettings, *requests: CompletionRequest, account: Account | None = None) -> list[Completion | Failure]:
    async def run() -> list[Completion | Failure]:
        policy = open_policy(settings, account or settings.account())
        try:
            return [result for one in requests async for result in policy.complete(one)]
        finally:
            await policy.aclose()

    return asyncio.run(run())


def sample(path: Path, settings: PolicySettings, prompts: dict[str, str], num_solutions: int) -> dict[str, Any]:
    """One run of a sampling stage over these prompts (by question_id)."""
    file = SampledFile(path, Solution, stage="test", settings=settings, identity={})

    def tasks(sampler):
        for question_id, prompt in prompts.items():
            indices = file.missing((question_id,), range(num_solutions))
            if indices:
                asked = CompletionRequest((question_id,), ({"role": "user", "content": prompt},), indices)
                yield partial(sampler.sample, asked, make_problem(question_id), partial(solution_row, question_id))

    num_rows = sum(len(file.missing((name,), range(num_solutions))) for name in prompts)
    return run_sampling(lambda: open_policy(settings, file.account), TextGrader, file, tasks, num_rows)
