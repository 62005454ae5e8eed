"""Sampling completions of program prefixes: the body of stage 2."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from dreamprm_code.labels import StoppingRule, counts_for_label
from dreamprm_code.policies.base import CompletionRequest
from dreamprm_code.prompts import continuation_messages, solution_messages
from dreamprm_code.records import Problem, Rollout, Step
from dreamprm_code.sampling.file import SampledFile
from dreamprm_code.sampling.sampler import Sampled, Sampler, sample_and_grade
from dreamprm_code.sampling.settings import SamplingSettings


def rollout_request(problem: Problem, step: Step, indices: tuple[int, ...]) -> CompletionRequest:
    return CompletionRequest(
        key=step.key,
        messages=tuple(solution_messages(problem, "cof")),
        indices=indices,
        prefix=step.prefix,
        instruction=tuple(continuation_messages(problem, step.prefix)),
    )


def sample_rollouts(
    settings: SamplingSettings,
    problems: Mapping[str, Problem],
    steps: Sequence[Step],
    rule: StoppingRule,
    path: Path,
    *,
    identity: Mapping[str, Any],
    source: Path,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Fill ``path`` with graded rollouts of the steps until the rule wants no more; returns the counts of its manifest.

    ``problems`` are found by question_id; ``source`` is the file that the steps' programs come from.

    Raises:
        UserError: the rows there were made with other settings, or policy or grader cannot be had.
    """
    tallies: dict[tuple, _Tally] = {}

    def note(row: Rollout) -> None:
        tallies.setdefault(row.key[:3], _Tally()).note(row)

    file = SampledFile(path, Rollout, stage="gen_cof_label", settings=settings, identity=identity, inputs=[source], on_row=note)

    def wanted(step: Step) -> tuple[int, ...]:
        """The rollouts to sample next: all that are missing, or the next round of the stopping rule."""
        missing = file.missing(step.key, range(rule.max_rollouts))
        tally = tallies.get(step.key, _Tally())
        return missing[: rule.next_round(tally["counted"], tally["correct"], tally["sampled"])]

    async def sample(sampler: Sampler, step: Step) -> None:
        problem = problems[step.question_id]
        while indices := wanted(step):
            done = await sampler.sample(rollout_request(problem, step, indices), problem, partial(_rollout_row, step))
            if len(done) < len(indices):
                return  # failed requests are the next run's

    def tasks(sampler: Sampler) -> Iterator[Callable[[], Awaitable[Any]]]:
        for step in todo:
            yield partial(sample, sampler, step)

    todo = [step for step in steps if wanted(step)]
    num_rows = sum(len(file.missing(step.key, range(rule.max_rollouts))) for step in todo)
    return sample_and_grade(settings, file, tasks, num_rows, say)


class _Tally(Counter[str]):
    """Rollouts of one step: ``sampled``, and of those that count for its label ``counted`` and ``correct``."""

    def note(self, row: Rollout) -> None:
        counts = counts_for_label(row)
        self.update(sampled=1, counted=int(counts), correct=int(counts and bool(row.passed)))


def _rollout_row(step: Step, sampled: Sampled) -> Rollout:
    completion = sampled.completion
    return Rollout(
        question_id=step.question_id,
        solution_idx=step.solution_idx,
        step_idx=step.step_idx,
        rollout_idx=completion.index,
        output=completion.output,
        code=sampled.code,
        keeps_prefix=sampled.keeps_prefix,
        finish_reason=completion.finish_reason,
        passed=sampled.grade.verdict.passed,
        verdict=sampled.grade.verdict,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
    )
