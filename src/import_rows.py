"""Rows of other libraries as a run that train_prm.py can train on, without problems or unit tests.

    python src/import_rows.py --source rows.jsonl --data-dir data/imported
    python src/import_rows.py --source trl-lib/math_shepherd --hub-split train --separator $'\\n' --data-dir data/imported
    python src/train_prm.py --problems data/imported/problems.jsonl --split-file data/imported/split.json \\
        --data-dir data/imported --backbone Qwen/Qwen2.5-Coder-0.5B

Reads {"prompt", "completions", "labels"} or Math-Shepherd's {"input", "label"} from a JSON Lines or parquet file, a folder or
the hub. Writes problems.jsonl (a problem for each prompt), split.json (a share of the problems is the meta part, whose whole
programs are outcomes), step_labels.jsonl and meta_solutions.jsonl.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Literal

from pydantic import Field

from cli import run_stage
from dreamprm_code.errors import UserError
from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.hub import iter_source, pinned
from dreamprm_code.interchange import StepRow, read_step_row, training_rows
from dreamprm_code.jsonl import write_rows
from dreamprm_code.manifest import write_manifest
from dreamprm_code.records import RecordError
from dreamprm_code.settings import FrozenSettings
from dreamprm_code.steps import StepSettings

FILES = ("problems.jsonl", "split.json", "step_labels.jsonl", "meta_solutions.jsonl")


class Settings(FrozenSettings):
    source: str = Field(description="a .jsonl or .parquet file, a folder, or a hub name (owner/name, owner/name@revision)")
    data_dir: Path = Field(description="folder of the run; must not hold one")
    subset: str | None = Field(None, description="configuration of a data set on the hub")
    hub_split: str | None = Field(None, description="split of a data set on the hub (default: all)")
    separator: str = Field("", description="put between completions to make a program of them")
    meta_share: float = Field(0.2, gt=0, lt=1, description="share of the problems whose programs are outcomes, not labels")
    max_functions: int = Field(10, ge=1, description="most steps of a program whose steps are not given")
    granularity: Literal["function", "line", "program"] = Field(
        "function", description="what a step of a program is whose steps are not given: of the meta programs, and when scoring"
    )
    skip_broken: bool = Field(False, description="count rows that cannot be read, in the place of stopping at the first")
    seed: int = Field(42, description="draws the meta problems")


def main(settings: Settings) -> None:
    if there := [name for name in FILES if (settings.data_dir / name).exists()]:
        raise UserError(f"{settings.data_dir / there[0]}: is there already; choose another --data-dir")
    if not settings.separator.isascii() and settings.separator != settings.separator.encode("utf-8", "replace").decode():
        raise UserError("--separator: is not text in UTF-8")
    source = pinned(settings.source)
    rows: list[tuple[str, StepRow]] = []
    counts: Counter[str] = Counter()
    for where, columns in iter_source(source, settings.subset, settings.hub_split):
        try:
            rows.append((where, read_step_row(columns)))
        except RecordError as error:
            if not settings.skip_broken:
                raise UserError(f"{where}: {error}; mend the row, or count such rows with --skip-broken") from None
            counts["rows_that_cannot_be_read"] += 1
    steps = StepSettings(settings.max_functions, settings.granularity)
    found = training_rows(rows, settings.separator, settings.meta_share, steps, settings.seed)
    counts += found.counts
    write_rows(settings.data_dir / "problems.jsonl", found.problems)
    write_bytes_atomic(settings.data_dir / "split.json", [json.dumps(found.parts, indent=1).encode(), b"\n"])
    for name, kept in (("step_labels.jsonl", found.step_labels), ("meta_solutions.jsonl", found.meta_solutions)):
        write_rows(settings.data_dir / name, sorted(kept, key=lambda row: row.key))
        write_manifest(
            settings.data_dir / name,
            stage="import_rows",
            config=settings.model_dump(),
            identity={
                "source": source,
                "separator": settings.separator,
                "seed": settings.seed,
                "meta_share": settings.meta_share,
            },
            inputs=[source] if Path(source).is_file() else [],
            counts=dict(counts),
        )
    told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(counts.items()) if count)
    print(
        f"import_rows: {len(found.step_labels)} step labels, {len(found.meta_solutions)} meta programs, "
        f"{len(found.problems)} problems in {settings.data_dir}; {told or 'nothing left out'}"
    )


if __name__ == "__main__":
    run_stage(Settings, "import_rows", __doc__ or "", main)
