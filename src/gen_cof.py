"""Stage 1: sample Chain-of-Function programs for the training problems and grade them.

    python src/gen_cof.py --config configs/demo.yaml --policy local:models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf

Writes cof_solutions.jsonl (Solution rows) and cof_adherence.json: how many programs follow the Chain-of-Function rules, and
what the others break. Run it again after an interruption: it does only what is missing.
"""

from __future__ import annotations

import json

from pydantic import Field

from cli import run_stage
from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.jsonl import read_rows
from dreamprm_code.records import Solution
from dreamprm_code.report.adherence import adherence_report, adherence_summary
from dreamprm_code.sampling.estimate import estimate
from dreamprm_code.sampling.file import tell_loose_ends
from dreamprm_code.sampling.settings import MOST_SOLUTIONS, SamplingSettings
from dreamprm_code.sampling.solutions import sample_solutions, solution_requests


class Settings(SamplingSettings):
    num_solutions: int = Field(1, ge=1, le=MOST_SOLUTIONS, description="programs per problem")
    retries: int = Field(
        0, ge=0, description="ask again, showing the broken rules, up to this often; keep the answer that breaks fewest"
    )


def main(settings: Settings) -> None:
    problems = settings.window_split().require("train")
    if settings.dry_run:
        requests = (
            request for _, request in solution_requests(problems, "cof", settings.num_solutions, None, settings.language)
        )
        say(f"would send {estimate(requests, settings)}")
        return
    path = settings.data_dir / "cof_solutions.jsonl"
    counts = sample_solutions(
        settings,
        problems,
        path,
        stage="gen_cof",
        style="cof",
        num_solutions=settings.num_solutions,
        retries=settings.retries,
        say=say,
    )
    report = adherence_report(problems, read_rows(path, Solution))
    write_bytes_atomic(settings.data_dir / "cof_adherence.json", [json.dumps(report, indent=2).encode(), b"\n"])
    say(f"{counts['rows']} programs, {counts.get('verdict_passed', 0)} pass; {adherence_summary(report)}")
    tell_loose_ends(path, counts, say)


def say(text: str) -> None:
    print(f"gen_cof: {text}")


if __name__ == "__main__":
    run_stage(Settings, "gen_cof", __doc__, main)
