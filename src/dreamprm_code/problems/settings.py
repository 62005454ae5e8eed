"""What the stages share: problems, their split by contest dates or by a file, the folder of the run, the seed."""

from __future__ import annotations

from collections.abc import Container, Iterable
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, model_validator

from dreamprm_code.problems.sources import iter_problems
from dreamprm_code.problems.splits import Split, split_by_file
from dreamprm_code.problems.windows import split_by_windows, windows_from
from dreamprm_code.records import Problem
from dreamprm_code.settings import FrozenSettings


class ProblemSettings(FrozenSettings):
    problems: str = Field(description="problems: a .jsonl file, a folder of LiveCodeBench shards, or a hub id")
    release: str | None = Field(None, description="LiveCodeBench release tag for a folder or a hub id, e.g. release_v6")


class RunSettings(ProblemSettings):
    needs_split: ClassVar[bool] = True

    windows: dict[str, list[str | None]] | None = Field(
        None, description="contest dates {train: [start, end], ...}, half-open; null leaves a side open"
    )
    split_file: Path | None = Field(
        None, description="in the place of windows: a JSON or YAML file {question_id: part} or {part: [question_id, ...]}"
    )
    data_dir: Path = Field(description="folder of the run")
    seed: int = Field(42, description="seed of all that is drawn by chance")

    @model_validator(mode="after")
    def _one_split(self) -> Self:
        if self.windows is None and self.split_file is None and self.needs_split:
            raise ValueError("set 'windows' (contest dates of each part) or 'split_file' (the parts' problems)")
        if self.windows is not None and self.split_file is not None:
            raise ValueError("'windows' and 'split_file' are both set; take one away (--windows null)")
        return self

    def window_split(self, wanted: Container[str] | None = None, problems: Iterable[Problem] | None = None) -> Split:
        """The problems of each part, train, meta, test ..., or of these the ``wanted``; ``problems`` stand for the setting.

        Raises:
            UserError: problems that cannot be read, windows that are malformed or overlap, a split file that does not fit.
        """
        problems = iter_problems(self.problems, self.release) if problems is None else problems
        if self.split_file is not None:
            return split_by_file(problems, self.split_file, wanted)
        return split_by_windows(problems, windows_from(self.windows or {}), wanted)
