"""What should be done with clean outcomes of programs when step labels are noisy? A controlled study on known truth.

Programs are composed from the tested functions that make_controlled.py wrote, by a policy whose success probabilities are
known, so the true value of every prefix is known. Step labels get sampling error (n rollouts) and noise of a dialled kind and
rate. Every arm (dreamprm_code/study/arms.py) reads the same step labels and the same outcomes of whole programs and takes the
same number of inner steps; the PRM is a linear head that reads n-grams, or the hidden states of a frozen language model
(``--reader``). The outcomes belong to programs of the training problems (`same`), of other problems (`disjoint`), or of other
problems and to the training programs themselves (`own`).

    python src/studies/label_correction.py --config configs/study.yaml

Writes study_runs.jsonl (one row per run; a killed study goes on where it was), study.md and two figures. The protocol is in
docs/studies.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

import from_clone  # noqa: F401
from pydantic import Field

from cli import run_stage
from dreamprm_code.jsonl import RowAppender, read_rows, sort_file
from dreamprm_code.manifest import check_resume, sha256_of, write_manifest
from dreamprm_code.progress import progress_bar
from dreamprm_code.study.cells import CellSettings, conditions, prepare_reader, run_cell
from dreamprm_code.study.tables import StudyRow, write_study


class Settings(CellSettings):
    processes: int = Field(2, ge=1, description="data sets at once; one thread each")


def _in_processes(settings: Settings, work: list[tuple], on_rows: Callable[[list[StudyRow]], None]) -> None:
    if settings.processes == 1:
        for item in work:
            on_rows(run_cell(settings, *item))
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(settings.processes, mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(run_cell, settings, *item) for item in work]):
            on_rows(future.result())


def main(settings: Settings) -> None:
    path = settings.out_dir / "study_runs.jsonl"
    values = settings.model_dump()
    chosen_anew = (
        "noise_kinds",
        "meta",
        "headline_rate",
        "sweep_rates",
        "sweep_meta_programs",
        "meta_programs",
        "seeds",
        "arms",
    )
    left_out = ("out_dir", "functions", "problems", "processes", *chosen_anew)
    identity = {name: value for name, value in values.items() if name not in left_out}
    identity["functions"] = sha256_of(settings.functions)
    check_resume(path, identity)
    with RowAppender(path, StudyRow) as appender:
        write_manifest(path, stage="label_correction", config=values, identity=identity, inputs=[settings.functions])
        work = [
            (condition, seed, missing)
            for condition, arms in conditions(settings)
            for seed in settings.seeds
            if (missing := [arm for arm in arms if (*condition, seed, arm) not in appender.keys])
        ]
        if settings.reader != "ngrams" and work:
            prepare_reader(settings, work)
        with progress_bar(total=len(work), desc="data sets") as bar:

            def keep(rows: list[StudyRow]) -> None:
                appender.append(*rows)
                bar.update()

            _in_processes(settings, work, keep)
    sort_file(path, StudyRow)
    rows = read_rows(path, StudyRow)
    write_study(rows, settings.out_dir, settings.headline_rate, settings.meta_programs)
    seconds = sum(row.cpu_seconds for row in rows)
    print(f"label_correction: {len(rows)} runs, {seconds:.0f} s of training -> {settings.out_dir}/study.md")


if __name__ == "__main__":
    run_stage(Settings, "label_correction", __doc__, main)
