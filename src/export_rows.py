"""Labels of a run as rows of other libraries.

    python src/export_rows.py --problems problems.jsonl --labels RUN/step_labels.jsonl --out rows.jsonl
    python src/export_rows.py --problems problems.jsonl --labels RUN/step_labels.jsonl \\
        --corrected RUN/corrected_labels.jsonl --out rows.jsonl
    python src/export_rows.py --problems problems.jsonl --programs RUN/rollouts.jsonl --out outcomes.jsonl

``--form steps`` writes {"prompt", "completions", "labels"} with a number for each step (TRL's stepwise form);
``--form math-shepherd`` writes {"input", "label", "task"} with + or -. Programs (Solution or Rollout rows) become rows of one
step, labelled by their outcome. docs/formats.md shows a row of each.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from cli import run_stage
from dreamprm_code.errors import UserError
from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.interchange import StepRow, math_shepherd_text, outcome_rows, step_rows
from dreamprm_code.jsonl import iter_rows, read_dicts, read_rows
from dreamprm_code.manifest import refuse_inputs
from dreamprm_code.problems import iter_problems
from dreamprm_code.problems.settings import ProblemSettings
from dreamprm_code.records import CorrectedLabel, Rollout, Solution, StepLabel


class Settings(ProblemSettings):
    out: Path = Field(description="the rows, a .jsonl file")
    labels: Path | None = Field(None, description="StepLabel rows (step_labels.jsonl)")
    corrected: Path | None = Field(None, description="CorrectedLabel rows, whose values take the place of the Monte-Carlo ones")
    programs: Path | None = Field(
        None, description="in the place of labels: Solution or Rollout rows, as programs with outcomes"
    )
    form: Literal["steps", "math-shepherd"] = Field("steps", description="what to write")
    separator: str = Field("", description="left out between completions, for readers that put it there (TRL: a newline)")
    positive_above: float = Field(0.0, ge=0, lt=1, description="math-shepherd: a step is + if its value is more than this")


def main(settings: Settings) -> None:
    if (settings.labels is None) is (settings.programs is None) or (settings.corrected is not None and settings.labels is None):
        raise UserError("give --labels (perhaps with --corrected), or --programs")
    refuse_inputs(settings.out, [settings.labels, settings.corrected, settings.programs, settings.problems])
    counts: Counter[str] = Counter()
    problems = list(iter_problems(settings.problems, settings.release))
    if settings.labels is not None:
        corrected = read_rows(settings.corrected, CorrectedLabel) if settings.corrected is not None else []
        rows = step_rows(problems, read_rows(settings.labels, StepLabel), corrected, settings.separator, counts)
    else:
        assert settings.programs is not None
        is_rollouts = any("rollout_idx" in row for _, row in read_dicts(settings.programs))
        rows = outcome_rows(problems, iter_rows(settings.programs, Rollout if is_rollouts else Solution), counts)
    lines = list(written(rows, settings, counts))
    write_bytes_atomic(settings.out, lines)
    lost = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(counts.items()))
    print(f"export_rows: {len(lines)} rows in {settings.out}; left out: {lost or 'nothing'}")


def written(rows: Iterable[StepRow], settings: Settings, counts: Counter[str]) -> Iterator[bytes]:
    for row in rows:
        try:
            math = settings.form == "math-shepherd"
            columns = math_shepherd_text(row, settings.positive_above) if math else row.model_dump(exclude_none=True)
        except UserError:
            counts["programs_that_hold_a_mark_of_the_format"] += 1
        else:
            yield json.dumps(columns, ensure_ascii=False).encode() + b"\n"


if __name__ == "__main__":
    run_stage(Settings, "export_rows", __doc__ or "", main)
