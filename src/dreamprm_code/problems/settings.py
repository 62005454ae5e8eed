"""What the stages share: problems, their split by contest dates, the folder of the run, the seed."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from dreamprm_code.problems.sources import iter_problems
from dreamprm_code.problems.windows import WindowSplit, split_by_windows, windows_from
from dreamprm_code.settings import FrozenSettings


class ProblemSettings(FrozenSettings):
    problems: str = Field(description="problems: a .jsonl file, a folder of LiveCodeBench shards, or a hub id")
    release: str | None = Field(None, description="LiveCodeBench release tag for a folder or a hub id, e.g. release_v6")


class RunSettings(ProblemSettings):
    windows: dict[str, list[str | None]] = Field(
        description="contest dates {train: [start, end], ...}, half-open; null leaves a side open"
    )
    data_dir: Path = Field(description="folder of the run")
    seed: int = Field(42, description="seed of all that is drawn by chance")

    def window_split(self) -> WindowSplit:
        """The problems of each window.

        Raises:
            UserError: problems that cannot be read, windows that are malformed or overlap.
        """
        return split_by_windows(iter_problems(self.problems, self.release), windows_from(self.windows))
