"""Print the published table with your own rows in it, from LiveCodeBench result files of any model.

    python src/paper_table.py --results '{O4-mini-high: o4_mini_eval_all.json, O3: o3_eval_all.json}' --start 2025-02-01
    python src/paper_table.py --config configs/paper.yaml --selections data/paper-run/selections.jsonl \\
        --methods '{first: O4-mini-high, prm_mean: DreamPRM-Code}' \\
        --runs '{ORM: data/paper-run/orm/selections.jsonl#orm, PRM-CoF: data/paper-run/uncorrected/selections.jsonl}'

Rows come from files with code_list and graded_list (pass@1 = mean over samples), from selections.jsonl of evaluate_prm (of one
training, and of others as rows of their own), or both. Every row carries its counts, a 95% interval and a paired test against
the base row. Published rows are printed as reference, with their source. Prints Markdown; with --out NAME writes NAME.md,
NAME.tex and NAME.json.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from cli import run_stage
from dreamprm_code.errors import UserError
from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.jsonl import read_rows
from dreamprm_code.problems import Window, iter_problems, windows_from
from dreamprm_code.records import Selection
from dreamprm_code.report.paper_table import paper_table, problem_infos, result_row, selection_rows
from dreamprm_code.report.tables import to_json, to_latex, to_markdown
from dreamprm_code.settings import FrozenSettings


class Settings(FrozenSettings):
    results: dict[str, str] = Field({}, description="row title: LiveCodeBench results file, e.g. '{O3: o3_eval_all.json}'")
    runs: dict[str, str] = Field(
        {},
        description="row title: selections.jsonl of another training, its prm_mean or FILE#METHOD, e.g. "
        "'{ORM: data/orm/selections.jsonl#orm}'",
    )
    selections: Path | None = Field(None, description="selections.jsonl of evaluate_prm")
    methods: dict[str, str] = Field({}, description="method of the selections: row title (default: all, by their names)")
    problems: str | None = Field(
        None, description="problems with dates and difficulties, where the results files do not hold them"
    )
    release: str | None = Field(None, description="LiveCodeBench release tag of the problems")
    windows: dict[str, list[str | None]] = Field({}, description="the window 'test' of it is used unless start or end is given")
    start: str | None = Field(None, description="first contest date, included (ISO 8601)")
    end: str | None = Field(None, description="last contest date, excluded (ISO 8601)")
    base: str | None = Field(None, description="title of the row that the others are tested against (default: the first)")
    published: bool = Field(True, description="print the published rows too")
    out: Path | None = Field(None, description="write OUT.md, OUT.tex and OUT.json too")
    seed: int = Field(42, description="of the bootstrap and of sampled permutations")


def main(settings: Settings) -> None:
    if settings.start or settings.end:
        window = Window(settings.start, settings.end)
    else:
        window = windows_from(settings.windows).get("test", Window(None, None))
    rows = [result_row(name, path) for name, path in settings.results.items()]
    for title, run in settings.runs.items():
        path, _, method = run.partition("#")
        rows += selection_rows(read_rows(path, Selection), {method or "prm_mean": title})
    if settings.selections is not None:
        selections = read_rows(settings.selections, Selection)
        rows += selection_rows(selections, settings.methods or {row.method: row.method for row in selections})
    if not rows and not settings.published:
        raise UserError("nothing to print: give --results, --runs, --selections or --published")
    if len({row.name for row in rows}) < len(rows):
        raise UserError("two rows have the same title; rename one")
    infos = problem_infos((), settings.results.values())
    if settings.problems and any(question_id not in infos for row in rows for question_id in row.outcomes):
        infos |= problem_infos(iter_problems(settings.problems, settings.release), settings.results.values())
    table = paper_table(rows, infos, window, settings.base, settings.published, settings.seed)
    print(to_markdown(table, for_terminal=True), end="")
    if settings.out is not None:
        texts = {".md": to_markdown(table), ".tex": to_latex(table), ".json": to_json([table])}
        for suffix, text in texts.items():
            write_bytes_atomic(settings.out.with_name(settings.out.name + suffix), [text.encode()])


if __name__ == "__main__":
    run_stage(Settings, "paper_table", __doc__, main)
