"""Public problem sets, or files in their format, as problems.jsonl; and a split of it before anything is sampled.

    python src/import_problems.py --sources evalplus/mbppplus@REVISION evalplus/humanevalplus --out data/real/problems.jsonl
    python src/import_problems.py --sources mbpp.jsonl humaneval.parquet --out data/real/problems.jsonl \\
        --parts "{test: 150, validation: 60, meta: 50, train: 200}" --seed 1

A source is a JSON Lines or parquet file, a folder, or a name on the Hugging Face hub, of HumanEval, HumanEval+, MBPP, MBPP+ or
LiveCodeBench (docs/formats.md has the columns). The reference programs run in the sandbox: they compute expected results that
a set does not give, and a test that they do not pass is left out. What is left out stands in OUT.left_out.jsonl, with its
reason. Run it again with more sources and the same split file: problems stay in their part.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from cli import run_stage
from dreamprm_code.errors import UserError
from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.grading import GradeRequest, open_grader
from dreamprm_code.grading.settings import GradingSettings
from dreamprm_code.hub import is_hub_name, iter_source, pinned
from dreamprm_code.jsonl import write_rows
from dreamprm_code.manifest import refuse_inputs, write_manifest
from dreamprm_code.problems import iter_problems, make_split, read_split
from dreamprm_code.problems.public_sets import Draft, LeftOut, convert
from dreamprm_code.records import Problem


class Settings(GradingSettings):
    sources: list[str] = Field(description="files, folders or hub names (owner/name, owner/name@revision)")
    out: Path = Field(description="the problems, a .jsonl file")
    release: str | None = Field(None, description="LiveCodeBench release tag for a folder of shards or its hub name")
    subset: str | None = Field(None, description="configuration of a data set, e.g. sanitized (MBPP)")
    hub_split: str | None = Field(None, description="split of a data set, e.g. test (default: all)")
    parts: dict[str, Annotated[int, Field(ge=0)]] | None = Field(
        None, description="make a split of these sizes: {test: 150, validation: 60, meta: 50, train: 200}"
    )
    split_out: Path | None = Field(None, description="the split file (default: split.json beside the problems)")
    seed: int = Field(42, description="seed of the split")
    workers: int = Field(2, ge=1, description="worker processes that run reference programs")


def main(settings: Settings) -> None:
    refuse_inputs(settings.out, settings.sources)
    sources = [pinned(source) for source in settings.sources]
    left_out: list[LeftOut] = []
    problems = {}
    drafts: dict[str, Draft] = {}
    for where, item in converted(sources, settings):
        if item.question_id in problems:
            raise UserError(f"{where}: question_id {item.question_id!r} comes from an earlier source too; leave one out")
        if isinstance(item, LeftOut):
            left_out.append(item)
            continue
        problems[item.question_id] = item if isinstance(item, Problem) else None
        if isinstance(item, Draft):
            drafts[item.question_id] = item
    if drafts:
        graders = settings.grader_settings(settings.workers, all_tests=True, keep_results=True)
        with open_grader(graders, say=lambda text: print(f"import_problems: {text}", file=sys.stderr)) as grader:
            requests = (GradeRequest(key, draft.to_grade(), draft.reference) for key, draft in drafts.items() if draft.cases)
            graded = {result.key: result for result in grader.grade(requests)}
        for key, draft in drafts.items():
            result = graded.get(key)
            verdicts, outputs = (result.test_verdicts, result.outputs or ()) if result else ((), ())
            problems[key], rows = draft.finish(verdicts, outputs)
            left_out += rows
    kept = [problem for problem in problems.values() if problem is not None]
    if not kept:
        raise UserError(f"{', '.join(sources)}: no problem is left ({summary_of(left_out)})")
    parts = split_of(settings, kept)
    write_rows(settings.out, kept)
    write_rows(settings.out.with_name(settings.out.name + ".left_out.jsonl"), sorted(left_out, key=lambda row: row.key))
    gone = sum(row.num_tests is None for row in left_out)
    counts = {
        "problems": len(kept),
        "problems_left_out": gone,
        **{f"left_out: {why}": n for why, n in reasons(left_out).items()},
    }
    write_manifest(
        settings.out,
        stage="import_problems",
        config=settings.model_dump(),
        identity={"sources": sources, "subset": settings.subset, "hub_split": settings.hub_split, "release": settings.release},
        inputs=[source for source in sources if Path(source).is_file()],
        counts=counts,
    )
    print(f"import_problems: {len(kept)} problems in {settings.out}, {gone} left out; {summary_of(left_out)}{parts}")


def converted(sources: list[str], settings: Settings) -> Iterator[tuple[str, Draft | Problem | LeftOut]]:
    for source in sources:
        if settings.release is not None or (
            is_hub_name(source) and source.startswith("livecodebench/")
        ):  # its script cannot run
            yield from ((source, problem) for problem in iter_problems(source, settings.release))
            continue
        for where, row in iter_source(source, settings.subset, settings.hub_split):
            yield where, convert(row, where)


def reasons(left_out: list[LeftOut]) -> dict[str, int]:
    """Tests by reason; a problem that is left out as a whole counts once."""
    counts: Counter[str] = Counter()
    for row in left_out:
        counts[row.reason] += 1 if row.num_tests is None else row.num_tests
    return dict(counts.most_common())


def summary_of(left_out: list[LeftOut]) -> str:
    return "not converted: " + (", ".join(f"{count} x {why}" for why, count in reasons(left_out).items()) or "nothing")


def split_of(settings: Settings, problems: list[Problem]) -> str:
    """Write the split file, if one is asked for; an earlier one is kept and filled up."""
    if settings.parts is None:
        return ""
    path = settings.split_out or settings.out.with_name("split.json")
    kept: dict[str, Any] = read_split(path) if path.exists() else {}
    parts = make_split((problem.question_id for problem in problems), settings.parts, settings.seed, kept)
    write_bytes_atomic(path, [json.dumps(parts, indent=1, ensure_ascii=False).encode(), b"\n"])
    return f"; {', '.join(f'{name} {len(ids)}' for name, ids in parts.items())} in {path}"


if __name__ == "__main__":
    run_stage(Settings, "import_problems", __doc__ or "", main)
