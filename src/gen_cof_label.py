"""Stage 2: cut the training programs into function prefixes, sample completions of each, grade them, count.

    python src/gen_cof_label.py --config configs/demo.yaml --policy local:models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf

Reads cof_solutions.jsonl; writes rollouts.jsonl (every completion) and step_labels.jsonl (counts per prefix). The last step
of a program is labelled by the program's own outcome and takes no rollouts. ``--rollout-price`` above 0 stops the sampling
of a prefix when further rollouts would hardly improve its label. Run it again after an interruption: it does only what is
missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Literal

from pydantic import Field

from cli import run_stage
from dreamprm_code.grading import Grader, GraderConfig
from dreamprm_code.jsonl import read_rows, write_rows
from dreamprm_code.labels import StoppingRule, counts_for_label, step_labels, steps_of
from dreamprm_code.manifest import read_manifest, write_manifest
from dreamprm_code.policies import CompletionRequest, PolicySettings, open_policy
from dreamprm_code.problems.settings import RunSettings
from dreamprm_code.prompts import continuation_messages, prompt_fingerprint, solution_messages
from dreamprm_code.records import Problem, Rollout, Solution, Step
from dreamprm_code.sampling import Sampled, SampledFile, Sampler, estimate, run_sampling
from dreamprm_code.steps import StepSettings


class Config(RunSettings, PolicySettings):
    temperature: float = Field(0.3, ge=0, description="sampling temperature of the rollouts; not sent to reasoning models")
    num_rollouts: int = Field(16, ge=1, description="completions per prefix, at most")
    rollout_price: float = Field(
        0.0,
        ge=0,
        description="stop a prefix when a rollout is expected to lower its label's error by less than this; 0: always all; "
        "try 0.001",
    )
    max_functions: int = Field(10, ge=1, description="most steps per program; the last takes the rest")
    granularity: Literal["function", "line", "program"] = Field("function", description="what a step is")
    grade_workers: int = Field(2, ge=1, description="programs graded at once")


def request_for(problem: Problem, step: Step, indices: tuple[int, ...]) -> CompletionRequest:
    return CompletionRequest(
        key=step.key,
        messages=tuple(solution_messages(problem, "cof")),
        indices=indices,
        prefix=step.prefix,
        instruction=tuple(continuation_messages(problem, step.prefix)),
    )


def rollout_row(step: Step, sampled: Sampled) -> Rollout:
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


class StepTally(Counter):
    """Rollouts of one step: ``sampled``, and of those that count for its label ``counted`` and ``correct``."""

    def add_row(self, row: Rollout) -> None:
        counts = counts_for_label(row)
        self.update(sampled=1, counted=int(counts), correct=int(counts and bool(row.passed)))


def main(config: Config) -> None:
    solutions_path = config.data_dir / "cof_solutions.jsonl"
    solutions = read_rows(solutions_path, Solution)
    split = config.window_split()
    how = StepSettings(config.max_functions, config.granularity)
    problems = {problem.question_id: problem for problem in split.require("train")}
    steps = [step for solution in solutions if solution.question_id in problems for step in steps_of(solution, how)]
    rule = StoppingRule(max_rollouts=config.num_rollouts, price=config.rollout_price)
    middle = [step for step in steps if not step.is_last]
    if config.dry_run:
        everything = (request_for(problems[step.question_id], step, tuple(range(config.num_rollouts))) for step in middle)
        print(
            "gen_cof_label: would send "
            + estimate(everything, config)
            + (" (before early stops)" if config.rollout_price else "")
        )
        return
    identity = {
        "rollout_price": config.rollout_price,
        "max_functions": config.max_functions,
        "granularity": config.granularity,
        "prompts": prompt_fingerprint(),
        "solutions": (read_manifest(solutions_path) or {}).get("identity"),
    }
    tallies: dict[tuple, StepTally] = {}
    path = config.data_dir / "rollouts.jsonl"
    file = SampledFile(
        path,
        Rollout,
        stage="gen_cof_label",
        settings=config,
        identity=identity,
        inputs=[solutions_path],
        on_row=lambda row: tallies.setdefault(row.key[:3], StepTally()).add_row(row),
    )

    def wanted(step: Step) -> tuple[int, ...]:
        """The rollouts to sample next: all that are missing, or the next round of the stopping rule."""
        missing = file.missing(step.key, range(config.num_rollouts))
        tally = tallies.get(step.key, StepTally())
        return missing[: rule.next_round(tally["counted"], tally["correct"], tally["sampled"])]

    async def label(sampler: Sampler, step: Step) -> None:
        problem = problems[step.question_id]
        while indices := wanted(step):
            done = await sampler.sample(request_for(problem, step, indices), problem, partial(rollout_row, step))
            if len(done) < len(indices):
                return  # failed requests are the next run's

    def tasks(sampler: Sampler) -> Iterator[Callable[[], Awaitable[Any]]]:
        for step in todo:
            yield partial(label, sampler, step)

    todo = [step for step in middle if wanted(step)]
    num_rows = sum(len(file.missing(step.key, range(config.num_rollouts))) for step in todo)
    with Grader(GraderConfig(workers=config.grade_workers)) as grader:
        counts = run_sampling(
            partial(open_policy, config, file.account, path.with_suffix(".batches.json")), grader, file, tasks, num_rows
        )
    labels_path = config.data_dir / "step_labels.jsonl"
    labels = step_labels(steps, read_rows(path, Rollout), solutions, how)
    write_rows(labels_path, labels)
    lost = {
        "programs_without_code": sum(not row.code.strip() for row in solutions),
        "steps_without_label": sum(not label.num_rollouts for label in labels),
    }
    write_manifest(
        labels_path,
        stage="gen_cof_label",
        config={"num_rollouts": config.num_rollouts},
        identity=identity,
        inputs=[solutions_path, path],
        counts={"steps": len(steps), **lost},
    )
    sampled = counts.get("rows", 0)
    print(
        f"gen_cof_label: {len(steps) - lost['steps_without_label']} of {len(steps)} steps labelled from {sampled} rollouts "
        f"({counts.get('rewrites_prefix', 0)} rewrote their prefix, {counts.get('policy_kind', 'no request')}; "
        f"at most {config.num_rollouts * len(middle)}), "
        f"{lost['programs_without_code']} programs without code; {file.account.summary()}"
    )
    if counts["failed"]:
        print(f"gen_cof_label: {counts['failed']} requests failed (see {path}.failures.jsonl); run again to try them again")
    if "stopped" in counts:
        print(f"gen_cof_label: stopped by the budget: {counts['stopped']}")


if __name__ == "__main__":
    run_stage(Config, "gen_cof_label", __doc__, main)
