"""Sampling whole programs: the one body of stage 1 (programs to train on) and stage 3 (candidates)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from dreamprm_code.policies.base import BudgetReached, Completion, CompletionRequest
from dreamprm_code.prompts import Style, prompt_fingerprint, retry_message, solution_messages
from dreamprm_code.records import Problem, Solution
from dreamprm_code.sampling.file import SampledFile
from dreamprm_code.sampling.sampler import Sampled, Sampler, sample_and_grade, solution_row
from dreamprm_code.sampling.settings import SamplingSettings
from dreamprm_code.steps import cof_violations


def solution_requests(
    problems: Sequence[Problem],
    style: Style,
    num_solutions: int,
    file: SampledFile | None = None,
    language: str = "python",
) -> Iterator[tuple[Problem, CompletionRequest]]:
    """What is to be asked, or still to be asked for a file; ``style`` is cof or plain."""
    for problem in problems:
        wanted = tuple(range(num_solutions))
        indices = wanted if file is None else file.missing((problem.question_id,), wanted)
        if indices:
            messages = tuple(solution_messages(problem, style, language))
            yield problem, CompletionRequest((problem.question_id,), messages, indices)


def sample_solutions(
    settings: SamplingSettings,
    problems: Sequence[Problem],
    path: Path,
    *,
    stage: str,
    style: Style,
    num_solutions: int,
    retries: int = 0,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Fill ``path`` with graded programs, ``num_solutions`` per problem; returns the counts of its manifest.

    With ``retries`` the model is shown which Chain-of-Function rules its program breaks and asked again, up to that often.

    Raises:
        UserError: the rows there were made with other settings, or policy or grader cannot be had.
    """
    identity = {
        "style": style,
        "retries": retries,
        "prompts": prompt_fingerprint(retries > 0, settings.language),
        "limits": settings.limits(),
        **({} if settings.language == "python" else {"language": settings.language}),
    }
    file = SampledFile(path, Solution, stage=stage, settings=settings, identity=identity)
    todo = list(solution_requests(problems, style, num_solutions, file, settings.language))

    def tasks(sampler: Sampler) -> Iterator[Callable[[], Awaitable[Any]]]:
        for problem, request in todo:
            improve = partial(_follow_rules, retries, sampler, problem) if retries else None
            yield partial(sampler.sample, request, problem, partial(solution_row, problem.question_id), improve)

    return sample_and_grade(settings, file, tasks, sum(len(request.indices) for _, request in todo), say, keep_outputs=True)


async def _follow_rules(retries: int, sampler: Sampler, problem: Problem, sampled: Sampled) -> Sampled:
    """Show the model which rules its program breaks and ask again; the first answer that breaks fewest is kept."""
    best, broken = sampled, cof_violations(sampled.code, problem.func_name, sampled.language)
    for attempt in range(retries):
        if not broken:
            break
        messages = (
            *solution_messages(problem, "cof", sampled.language),
            {"role": "assistant", "content": best.completion.output},
            retry_message((violation.detail for violation in broken), sampled.language),
        )
        request = CompletionRequest((problem.question_id, "retry", attempt), messages, (sampled.completion.index,))
        sampler.file.counts["asked_again"] += 1
        try:
            async for result in sampler.ask(request):
                if isinstance(result, Completion):
                    again = await sampler.graded(result, request, problem)
                    left = cof_violations(again.code, problem.func_name, again.language)
                    if len(left) < len(broken):
                        best, broken = again, left
        except BudgetReached:
            break  # what is there is kept; the next request ends the run
    return best
