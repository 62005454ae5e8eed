"""Stage 2: cut the training programs into function prefixes, sample completions of each, grade them, count.

    python src/gen_cof_label.py --config configs/demo.yaml --policy local:models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf

Reads cof_solutions.jsonl; writes rollouts.jsonl (every completion) and step_labels.jsonl (counts per prefix). The last step
of a program is labelled by the program's own outcome and takes no rollouts. ``--rollout-price`` above 0 stops the sampling
of a prefix when further rollouts would hardly improve its label. Run it again after an interruption: it does only what is
missing.

``--granularity line --search binary`` labels lines as PSGPO does (arXiv 2410.17621): in a program that fails, the first line
after which no completion passes is found by bisection; lines before it are labelled 1, it and those after it 0.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from cli import run_stage
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import read_rows, write_rows
from dreamprm_code.labels import StoppingRule, step_labels, steps_of, transition_labels
from dreamprm_code.manifest import read_manifest, write_manifest
from dreamprm_code.prompts import prompt_fingerprint
from dreamprm_code.records import Rollout, Solution
from dreamprm_code.sampling.estimate import estimate
from dreamprm_code.sampling.file import tell_loose_ends, what_is_missing
from dreamprm_code.sampling.rollouts import by_bisection, every_step, rollout_request, sample_rollouts
from dreamprm_code.sampling.settings import SamplingSettings
from dreamprm_code.steps import StepSettings


class Settings(SamplingSettings):
    temperature: float = Field(0.3, ge=0, description="sampling temperature of the rollouts; not sent to reasoning models")
    num_rollouts: int = Field(16, ge=1, le=1000, description="completions per prefix, at most")
    rollout_price: float = Field(
        0.0,
        ge=0,
        description="stop a prefix when a rollout is expected to lower its label's error by less than this; 0: always all; "
        "try 0.001",
    )
    search: Literal["all", "binary"] = Field(
        "all",
        description="all: rollouts of every prefix, labels are shares; binary: only those that bisection asks for, labels say "
        "before or after the step at which the program is lost",
    )
    select: Literal["revised", "all"] = Field(
        "revised",
        description="with search binary, of the programs that fail: revised labels those with a passing prefix, all every one",
    )
    max_functions: int = Field(10, ge=1, description="most steps per program; the last takes the rest (for lines try 200)")
    granularity: Literal["function", "line", "program"] = Field("function", description="what a step is")

    @model_validator(mode="after")
    def _prefixes_in_python(self) -> Self:
        if self.language != "python":
            raise ValueError(f"'language' is {self.language}: prefixes are continued in Python only")
        return self

    @model_validator(mode="after")
    def _no_price_in_bisection(self) -> Self:
        if self.search == "binary" and self.rollout_price:
            raise ValueError("'rollout_price' is for search all: a probe of a binary search ends when a rollout passes")
        return self


def main(settings: Settings) -> None:
    solutions_path = settings.data_dir / "cof_solutions.jsonl"
    solutions = read_rows(solutions_path, Solution)
    if missing := what_is_missing(solutions_path):
        say(f"warning: {missing}")
    if not solutions:
        raise UserError(f"{solutions_path}: holds no program; run gen_cof first")
    split = settings.window_split()
    how = StepSettings(settings.max_functions, settings.granularity)
    problems = {problem.question_id: problem for problem in split.require("train")}
    steps = [step for solution in solutions if solution.question_id in problems for step in steps_of(solution, how)]
    is_binary = settings.search == "binary"
    if is_binary:
        plan = by_bisection(steps, solutions, settings.num_rollouts)
    else:
        plan = every_step(steps, StoppingRule(max_rollouts=settings.num_rollouts, price=settings.rollout_price))
    if settings.dry_run:
        indices = tuple(range(settings.num_rollouts))
        everything = (rollout_request(problems[step.question_id], step, indices) for step in plan.steps)
        fewer = f", of which bisection takes at most {plan.most_steps} requests" if is_binary else ""
        say(f"would send {estimate(everything, settings)}{fewer}" + (" (before early stops)" if settings.rollout_price else ""))
        return
    identity = {
        "continuation": settings.continuation_mode.value if settings.policy_kind[0] == "openai" else None,
        "rollout_price": settings.rollout_price,
        "max_functions": settings.max_functions,
        "granularity": settings.granularity,
        **({"search": "binary"} if is_binary else {}),
        "limits": settings.limits(),
        "prompts": prompt_fingerprint(),
        "solutions": (read_manifest(solutions_path) or {}).get("identity"),
    }
    path = settings.data_dir / "rollouts.jsonl"
    counts = sample_rollouts(
        settings,
        problems,
        {step.key: step for step in steps},
        plan.searches,
        settings.num_rollouts,
        path,
        identity=identity,
        source=solutions_path,
        say=say,
    )
    labels_path = settings.data_dir / "step_labels.jsonl"
    rollouts, found = read_rows(path, Rollout), dict[str, int]()
    if is_binary:
        labels, found = transition_labels(steps, rollouts, solutions, settings.num_rollouts, how, settings.select)
        say(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in found.items()))
    else:
        labels = step_labels(steps, rollouts, solutions, how)
    write_rows(labels_path, labels)
    lost = {
        "programs_without_code": sum(not row.code.strip() for row in solutions),
        "steps_without_label": sum(not label.num_rollouts for label in labels),
    }
    write_manifest(
        labels_path,
        stage="gen_cof_label",
        config={"num_rollouts": settings.num_rollouts},
        identity=identity,
        inputs=[solutions_path, path],
        counts={"steps": len(steps), **lost, **found},
    )
    say(
        f"{len(steps) - lost['steps_without_label']} of {len(steps)} steps labelled from {counts.get('rows', 0)} rollouts "
        f"({counts.get('rewrites_prefix', 0)} rewrote their prefix, {counts.get('policy_kind', 'no request')}; "
        f"at most {settings.num_rollouts * plan.most_steps}), "
        f"{lost['programs_without_code']} programs without code; {counts['spent']}"
    )
    tell_loose_ends(path, counts, say)


def say(text: str) -> None:
    print(f"gen_cof_label: {text}")


if __name__ == "__main__":
    run_stage(Settings, "gen_cof_label", __doc__, main)
