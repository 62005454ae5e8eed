"""Compare the scores of a server with those of a checkpoint on the programs of the demo.

    vllm serve DIR --runner pooling --dtype float32 --pooler-config ...     # as the card of DIR says
    python src/check_server.py DIR http://localhost:8000

Every program is asked for twice: as token ids, and as messages, of which the server's chat template makes the text. Prints the
largest difference of each; exit status 1 if one is above the tolerance.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

import torch
from pydantic import Field

from cli import run_stage
from dreamprm_code.errors import UserError
from dreamprm_code.prm import PRM
from dreamprm_code.prm.export_chat import problem_fields
from dreamprm_code.prm.served import ServedPRM
from dreamprm_code.problems import load_problems
from dreamprm_code.problems.programs import iter_programs
from dreamprm_code.settings import FrozenSettings
from dreamprm_code.steps import split_program

DEMO = Path(__file__).resolve().parent.parent / "data" / "demo"


class Settings(FrozenSettings):
    positional: ClassVar[tuple[str, ...]] = ("checkpoint", "server")

    checkpoint: Path = Field(description="the folder that is served: of export_prm.py")
    server: str = Field(description="the server's address, http://localhost:8000")
    problems: str = Field(str(DEMO / "problems.jsonl"), description="problems of the programs")
    programs: Path = Field(DEMO / "references.jsonl", description="programs to compare on (.jsonl)")
    limit: int = Field(24, ge=1, description="compare on so many of them")
    tolerance: float = Field(0.001, gt=0, description="largest difference allowed; 0.02 suits a server in 16 bits")
    device: str | None = Field(None, description="where our side computes (default: the best at hand)")


def main(settings: Settings) -> None:
    served = ServedPRM(settings.checkpoint, settings.server)
    prm = PRM.from_pretrained(settings.checkpoint, device=settings.device, dtype=torch.float32)
    problems = {problem.question_id: problem for problem in load_problems(settings.problems)}
    programs = [row for row in iter_programs(settings.programs) if row.question_id in problems and row.code.strip()]
    if not programs:
        raise UserError(f"{settings.programs}: no program belongs to a problem of {settings.problems}")
    programs = programs[: settings.limit]
    fields = problem_fields(served.encoder.template)
    largest = {"token ids": 0.0, "messages": 0.0}
    for row in programs:
        problem = problems[row.question_id]
        pieces = split_program(row.code, prm.steps.max_functions, prm.steps.granularity).texts
        [ours] = prm.score(problem, [row.code])
        found = {"token ids": served.score(problem, [row.code])[0]}
        found["messages"] = served.score_messages(problem, [*pieces, ""], fields)
        if served.encoder.step_token is None:  # of all tokens
            ours, found["messages"] = ours[-1:], found["messages"][-1:]
            found["token ids"] = found["token ids"][-1:]
        for way, theirs in found.items():
            differences = [abs(one - other) for one, other in zip(ours, theirs, strict=True)]
            largest[way] = max(largest[way], *differences)
    for way, difference in largest.items():
        print(f"check_server: {way}: largest difference {difference:.2g} on {len(programs)} programs")
    if max(largest.values()) > settings.tolerance:
        print(f"check_server: error: above the tolerance of {settings.tolerance:g}; see docs/scoring.md", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    run_stage(Settings, "check_server", __doc__, main)
