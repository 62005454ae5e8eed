"""Sampling completions of program prefixes: the body of stage 2."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from dreamprm_code.labels import LabelError, StoppingRule, Tally, bisect
from dreamprm_code.labels.monte_carlo import check_rollout
from dreamprm_code.policies.base import CompletionRequest
from dreamprm_code.prompts import continuation_messages, solution_messages
from dreamprm_code.records import Problem, Rollout, Solution, Step
from dreamprm_code.sampling.file import SampledFile
from dreamprm_code.sampling.sampler import Sampled, Sampler, sample_and_grade
from dreamprm_code.sampling.settings import SamplingSettings

PROBE_ROUND = 4
"""Rollouts of a probe that are asked for at once: more are wasted where the first one passes, fewer leave a server idle."""


def rollout_request(problem: Problem, step: Step, indices: tuple[int, ...]) -> CompletionRequest:
    return CompletionRequest(
        key=step.key,
        messages=tuple(solution_messages(problem, "cof")),
        indices=indices,
        prefix=step.prefix,
        instruction=tuple(continuation_messages(problem, step.prefix)),
    )


class Asked(NamedTuple):
    """A step that needs rollouts, and how many more."""

    step: Step
    num_rollouts: int


Search = Callable[[Mapping[int, Tally]], Asked | None]
"""From a program's tallies by step to the rollouts to sample next; None when nothing is wanted any more."""


class Plan(NamedTuple):
    """The steps that may take rollouts, at most ``most_steps`` of them, and the searches (each with its program) that ask."""

    steps: list[Step]
    searches: list[tuple[tuple, Search]]
    most_steps: int


def every_step(steps: Iterable[Step], rule: StoppingRule) -> Plan:
    """Monte-Carlo labels: a search for each step that is not its program's last."""

    def search(step: Step, tallies: Mapping[int, Tally]) -> Asked | None:
        tally = tallies.get(step.step_idx, Tally())
        more = rule.next_round(tally.counted, tally.correct, tally.sampled)
        return Asked(step, more) if more else None

    middle = [step for step in steps if not step.is_last]
    return Plan(middle, [(step.key[:2], partial(search, step)) for step in middle], len(middle))


def by_bisection(steps: Iterable[Step], solutions: Iterable[Solution], max_rollouts: int) -> Plan:
    """Where each failed program is lost: a probe at a time, in rounds that end with the first passing rollout."""

    def search(steps: Sequence[Step], tallies: Mapping[int, Tally]) -> Asked | None:
        probe = bisect(len(steps), tallies, max_rollouts).probe
        if probe is None:
            return None
        sampled = tallies.get(probe, Tally()).sampled
        return Asked(steps[probe], min(PROBE_ROUND - sampled % PROBE_ROUND, max_rollouts - sampled))

    failed = {row.key for row in solutions if row.passed is False}
    programs = [list(group) for key, group in groupby(steps, key=lambda step: step.key[:2]) if key in failed]
    return Plan(
        [step for program in programs for step in program[:-1]],
        [(program[0].key[:2], partial(search, program)) for program in programs],
        sum((len(program) - 1).bit_length() for program in programs),
    )


def sample_rollouts(
    settings: SamplingSettings,
    problems: Mapping[str, Problem],
    steps: Mapping[tuple, Step],
    searches: Sequence[tuple[tuple, Search]],
    max_rollouts: int,
    path: Path,
    *,
    identity: Mapping[str, Any],
    source: Path,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Fill ``path`` with graded rollouts until no search wants more; returns the counts of its manifest.

    ``problems`` are found by question_id, ``steps`` (of all programs) by key; ``source`` is the file that the steps' programs
    come from. What to sample follows from the rows that are there, so that a killed run goes on where it was.

    Raises:
        UserError: the rows there were made with other settings or from other programs, or policy or grader cannot be had.
    """
    tallies: defaultdict[tuple, dict[int, Tally]] = defaultdict(dict)

    def note(row: Rollout) -> None:
        try:
            check_rollout(row, steps.get(row.key[:3]))
        except LabelError as error:
            raise LabelError(
                f"{path}: {error}; move this file and its .meta.json away to sample rollouts of {source.name}, or choose "
                "another data directory"
            ) from None
        program = tallies[row.key[:2]]
        program[row.step_idx] = program.get(row.step_idx, Tally()).plus(row)

    file = SampledFile(path, Rollout, stage="gen_cof_label", settings=settings, identity=identity, inputs=[source], on_row=note)

    async def sample(sampler: Sampler, program: tuple, search: Search) -> None:
        while (asked := search(tallies[program])) is not None:
            problem, step = problems[asked.step.question_id], asked.step
            indices = file.missing(step.key, range(max_rollouts))[: asked.num_rollouts]
            done = await sampler.sample(rollout_request(problem, step, indices), problem, partial(_rollout_row, step))
            if len(done) < asked.num_rollouts:
                return  # failed requests are the next run's

    def tasks(sampler: Sampler) -> Iterator[Callable[[], Awaitable[Any]]]:
        for program, search in todo:
            yield partial(sample, sampler, program, search)

    todo = [(program, search) for program, search in searches if search(tallies[program]) is not None]

    def num_left() -> int:
        rounds = (search(tallies[program]) for program, search in todo)
        return sum(asked.num_rollouts for asked in rounds if asked is not None)

    return sample_and_grade(settings, file, tasks, num_left(), say, num_left=num_left)


def _rollout_row(step: Step, sampled: Sampled) -> Rollout:
    return Rollout(
        question_id=step.question_id,
        solution_idx=step.solution_idx,
        step_idx=step.step_idx,
        rollout_idx=sampled.completion.index,
        language=step.language,
        keeps_prefix=sampled.keeps_prefix,
        **sampled.fields(),
    )
