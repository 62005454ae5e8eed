"""The settings of every stage that reads problems."""

from __future__ import annotations

from dataclasses import dataclass

from dreamprm_code.config import option
from dreamprm_code.problems.sources import iter_problems
from dreamprm_code.problems.windows import WindowSplit, split_by_windows, windows_from


@dataclass(frozen=True, kw_only=True)
class ProblemSettings:
    problems: str = option(help="problems: a .jsonl file, a folder of LiveCodeBench shards, or a hub id")
    release: str | None = option(None, help="LiveCodeBench release tag for a folder or a hub id, e.g. release_v6")


@dataclass(frozen=True, kw_only=True)
class SplitSettings(ProblemSettings):
    windows: dict[str, list[str | None]] = option(
        help="contest dates {train: [start, end], ...}, half-open; null leaves a side open"
    )

    def window_split(self) -> WindowSplit:
        """The problems of each window.

        Raises:
            UserError: problems that cannot be read, windows that are malformed or overlap.
        """
        return split_by_windows(iter_problems(self.problems, self.release), windows_from(self.windows))
