"""Does what bisection takes for granted hold? Reads the rollouts of a run of gen_cof_label and samples nothing.

    python src/studies/lost_stays_lost.py --data-dir data/demo/sampled

For programs that fail: how often a prefix that no completion saved is followed by a longer one that a completion did save; and
what bisection would have asked for and found, had it been given the same rollouts.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import from_clone  # noqa: F401
from pydantic import Field

from cli import run_stage
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import read_rows
from dreamprm_code.labels.bisection import bisect, regained, tallies_of
from dreamprm_code.records import Rollout, Solution, StepLabel
from dreamprm_code.settings import FrozenSettings


class Settings(FrozenSettings):
    data_dir: Path = Field(Path("data/demo/sampled"), description="folder of cof_solutions, rollouts and step_labels")


def main(settings: Settings) -> None:
    solutions = read_rows(settings.data_dir / "cof_solutions.jsonl", Solution)
    failed = {row.key for row in solutions if row.passed is False}
    num_steps = {row.key[:2]: row.num_steps for row in read_rows(settings.data_dir / "step_labels.jsonl", StepLabel)}
    tallies = {
        key: steps
        for key, steps in tallies_of(read_rows(settings.data_dir / "rollouts.jsonl", Rollout)).items()
        if key in failed and key in num_steps
    }
    if not tallies:
        raise UserError(f"{settings.data_dir}: no program that fails has rollouts")
    most = max(tally.sampled for steps in tallies.values() for tally in steps.values())
    counts: Counter[str] = Counter(programs=len(tallies))
    for key, steps in tallies.items():
        decided = {step: tally for step, tally in sorted(steps.items()) if tally.counted}
        first = next((step for step, tally in decided.items() if not tally.correct), num_steps[key] - 1)
        again = regained(steps)
        counts.update(
            prefixes=len(steps),
            rollouts=sum(tally.sampled for tally in steps.values()),
            hold=sum(tally.correct > 0 for tally in decided.values()),
            followed=any(step > first for step in decided),
            regained=again,
            regaining=again > 0,
        )
        search = bisect(num_steps[key], steps, min(tally.sampled for tally in steps.values()))
        if search.transition is not None:
            revised = search.transition > 0
            counts.update(found=1, probes=search.num_probes, revised=revised, first=search.transition == first)
    say(
        f"{counts['programs']} failing programs, {counts['prefixes']} prefixes, {counts['rollouts']} rollouts (at most {most} "
        f"each); {counts['hold']} prefixes hold"
    )
    say(
        f"lost, then found again: {counts['regained']} prefixes in {counts['regaining']} programs, of {counts['followed']} in "
        "which a longer prefix than the first lost one was probed"
    )
    say(
        f"bisection on the same rollouts: {counts['found']} programs decided, {counts['revised']} with a prefix that holds; "
        f"{counts['probes']} probes, at most {counts['probes'] * most} rollouts; {counts['first']} times the first lost prefix"
    )


def say(text: str) -> None:
    print(f"lost_stays_lost: {text}")


if __name__ == "__main__":
    run_stage(Settings, "lost_stays_lost", __doc__, main)
