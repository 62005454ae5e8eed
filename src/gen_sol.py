"""Stage 3: sample N candidate programs for each meta or test problem and grade them.

    python src/gen_sol.py --config configs/demo.yaml --split test --policy local:models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf

Writes meta_solutions.jsonl (clean outcomes for the outer level) or test_solutions.jsonl (candidates to choose from). Run it
again after an interruption: it does only what is missing.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cli import run_stage
from dreamprm_code.sampling.estimate import estimate
from dreamprm_code.sampling.file import tell_loose_ends
from dreamprm_code.sampling.settings import MOST_SOLUTIONS, SamplingSettings
from dreamprm_code.sampling.solutions import sample_solutions, solution_requests


class Settings(SamplingSettings):
    split: Literal["meta", "validation", "test"] = Field(description="whose problems")
    style: Literal["cof", "plain"] = Field("cof", description="prompt: Chain-of-Function, or plain for the baseline")
    num_solutions: int = Field(16, ge=1, le=MOST_SOLUTIONS, description="candidates per problem")


def main(settings: Settings) -> None:
    problems = settings.window_split().require(settings.split)
    if settings.dry_run:
        wanted = solution_requests(problems, settings.style, settings.num_solutions, None, settings.language)
        requests = (request for _, request in wanted)
        say(settings, f"would send {estimate(requests, settings)}")
        return
    path = settings.data_dir / f"{settings.split}_solutions.jsonl"
    counts = sample_solutions(
        settings,
        problems,
        path,
        stage="gen_sol",
        style=settings.style,
        num_solutions=settings.num_solutions,
        say=lambda text: say(settings, text),
    )
    say(
        settings,
        f"{counts['rows']} candidates of {len(problems)} problems, {counts.get('verdict_passed', 0)} pass, "
        f"{counts.get('verdict_no_code', 0)} without a program; {counts['spent']}",
    )
    tell_loose_ends(path, counts, lambda text: say(settings, text))


def say(settings: Settings, text: str) -> None:
    print(f"gen_sol ({settings.split}): {text}")


if __name__ == "__main__":
    run_stage(Settings, "gen_sol", __doc__, main)
