"""Make ground on which the first wrong function of a program is known: mutate the functions of correct programs and test them.

Reads correct Chain-of-Function programs (graded solutions; those that pass), changes one function at a time
(dreamprm_code/labels/mutation/), runs the unit tests, and keeps each function's text with what the tests said: wrong if the
program with it fails, right if it was rewritten without a change of meaning and the program passes. Mutations that survive the
tests are dropped: whether they are wrong is not known. Then it runs random compositions of right and wrong texts and drops the
texts that contradict "a program passes if and only if all its functions are right", until all compositions agree.

    python src/studies/make_controlled.py --config configs/study.yaml

Writes functions.jsonl with a manifest that counts all of this.
"""

from __future__ import annotations

import random
import sys
from collections import Counter, defaultdict
from collections.abc import Hashable
from pathlib import Path

import from_clone  # noqa: F401
from pydantic import Field

from cli import run_stage
from dreamprm_code.errors import UserError
from dreamprm_code.grading import Grader, GradeRequest
from dreamprm_code.grading.settings import GradingSettings
from dreamprm_code.jsonl import read_rows, write_rows
from dreamprm_code.manifest import write_manifest
from dreamprm_code.problems import load_problems
from dreamprm_code.records import Problem, Solution
from dreamprm_code.steps import split_program
from dreamprm_code.study.mutation import Mutation, mutations, rewrites
from dreamprm_code.study.simulated_policy import FunctionVariant


class Settings(GradingSettings):
    problems: str = Field(
        "data/demo/problems.jsonl", description="problems: a JSONL file, a folder of shards or a hub data set"
    )
    solutions: Path = Field(Path("data/demo/references.jsonl"), description="graded programs; those that passed are used")
    out: Path = Field(Path("data/demo/study/functions.jsonl"), description="where the functions go")
    wrong_per_function: int = Field(6, ge=0, description="mutations tried per function")
    right_per_function: int = Field(3, ge=0, description="rewrites tried per function")
    min_functions: int = Field(2, ge=1, description="leave out programs with fewer functions")
    compositions: int = Field(60, ge=0, description="random compositions run per problem and round, half of them all right")
    rounds: int = Field(6, ge=0, description="at most so many rounds of compositions")
    workers: int = Field(2, ge=1, description="programs graded at once")
    cpu_limit_s: float = Field(2.0, gt=0, description="CPU seconds per test; mutants often loop forever")
    seed: int = Field(42, description="which places are mutated")


def variant_of(solution: Solution, mutation: Mutation, is_right: bool, index: int) -> FunctionVariant | None:
    """The changed step of the mutated program; None if the change is not inside one step."""
    before, after = split_program(solution.code), split_program(mutation.code)
    changed = [k for k, pair in enumerate(zip(before.texts, after.texts, strict=False)) if pair[0] != pair[1]]
    if len(before.steps) != len(after.steps) or len(changed) != 1:
        return None
    return FunctionVariant(
        question_id=solution.question_id,
        step_idx=changed[0],
        variant_idx=index,
        num_steps=len(before.steps),
        name=before.steps[changed[0]].name,
        text=after.texts[changed[0]],
        is_right=is_right,
        operator=mutation.operator,
        line=mutation.line,
        before=mutation.before,
        after=mutation.after,
    )


def tested_variants(
    settings: Settings, solution: Solution, problem: Problem, grader: Grader, counts: Counter
) -> list[FunctionVariant]:
    """The reference's own functions, the rewrites that pass and the mutations that fail."""
    program = split_program(solution.code)
    kept = [
        FunctionVariant(
            question_id=solution.question_id,
            step_idx=k,
            variant_idx=0,
            num_steps=len(program.steps),
            name=step.name,
            text=program.texts[k],
            is_right=True,
            operator="reference",
        )
        for k, step in enumerate(program.steps)
    ]
    made = [(change, False) for change in mutations(solution.code, settings.seed, settings.wrong_per_function)]
    made += [(change, True) for change in rewrites(solution.code, settings.seed, settings.right_per_function)]
    results = {
        result.key: result
        for result in grader.grade(GradeRequest(index, problem, change.code) for index, (change, _) in enumerate(made))
    }
    for index, (change, is_right) in enumerate(made):
        kind = "rewrites" if is_right else "mutations"
        passed = results[index].passed
        counts[f"{kind} tried"] += 1
        if passed is None:
            counts[f"{kind} ungraded"] += 1
        elif passed is not is_right:
            counts["rewrites that fail" if is_right else "mutations that survive"] += 1
        elif variant := variant_of(solution, change, is_right, index + 1):
            counts[f"{kind} kept"] += 1
            kept.append(variant)
    return kept


def composition_round(
    settings: Settings, problem: Problem, variants: list[FunctionVariant], grader: Grader, rng: random.Random, counts: Counter
) -> set[tuple]:
    """Run random compositions; keys of the texts to blame for those that contradict the rule (empty: all agree)."""
    by_step: dict[tuple[int, bool], list[FunctionVariant]] = defaultdict(list)
    for variant in variants:
        by_step[variant.step_idx, variant.is_right].append(variant)
    num_steps = variants[0].num_steps
    programs = []
    for number in range(settings.compositions):
        share_right = 1.0 if number % 2 else 0.6
        chosen = []
        for k in range(num_steps):
            wanted = rng.random() < share_right or not by_step[k, False]
            chosen.append(rng.choice(by_step[k, wanted]))
        programs.append(chosen)
    requests = (
        GradeRequest(index, problem, "".join(variant.text for variant in chosen)) for index, chosen in enumerate(programs)
    )
    blamed = set()
    by_index: dict[Hashable, list[FunctionVariant]] = dict(enumerate(programs))
    for result in grader.grade(requests):
        chosen = by_index[result.key]
        counts["compositions run"] += 1
        if result.passed is not None and result.passed is not all(variant.is_right for variant in chosen):
            counts["compositions that disagree"] += 1
            blamed.add(rng.choice([variant.key for variant in chosen if variant.operator != "reference"]))
    return blamed


def main(settings: Settings) -> None:
    problems = {problem.question_id: problem for problem in load_problems(settings.problems)}
    solutions = [solution for solution in read_rows(settings.solutions, Solution) if solution.passed]
    rng = random.Random(settings.seed)
    counts: Counter[str] = Counter()
    rows: list[FunctionVariant] = []
    with Grader(settings.grader_settings(settings.workers)) as grader:
        print(f"make_controlled: {grader.describe_isolation()}", file=sys.stderr)
        for solution in solutions:
            if solution.question_id not in problems:
                raise UserError(f"{settings.solutions}: problem {solution.question_id!r} is not in {settings.problems}")
            if len(split_program(solution.code).steps) < settings.min_functions:
                counts["programs with too few functions"] += 1
                continue
            problem = problems[solution.question_id]
            variants = tested_variants(settings, solution, problem, grader, counts)
            for _ in range(settings.rounds):
                blamed = composition_round(settings, problem, variants, grader, rng, counts)
                if not blamed:
                    break
                counts["texts dropped"] += len(blamed)
                variants = [variant for variant in variants if variant.key not in blamed]
            else:
                counts["problems dropped: compositions disagree"] += 1
                continue
            counts["problems"] += 1
            rows += variants
    if not rows:
        raise UserError(f"{settings.solutions}: no passing program with {settings.min_functions} functions or more")
    write_rows(settings.out, sorted(rows, key=lambda row: row.key))
    counts |= Counter(f"wrong: {row.operator}" for row in rows if not row.is_right)
    write_manifest(
        settings.out,
        stage="make_controlled",
        config=settings.model_dump(),
        identity={"seed": settings.seed},
        inputs=[settings.solutions],
        counts=counts,
    )
    right = sum(row.is_right for row in rows)
    print(
        f"make_controlled: {counts['problems']} problems, {right} right and {len(rows) - right} wrong functions; "
        f"{counts['mutations that survive']} of {counts['mutations tried']} mutations survived the tests; "
        f"{counts['compositions that disagree']} of {counts['compositions run']} compositions disagreed, "
        f"{counts['texts dropped']} texts dropped -> {settings.out}"
    )


if __name__ == "__main__":
    run_stage(Settings, "make_controlled", __doc__, main)
