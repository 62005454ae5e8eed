"""What a supervisor keeps of the grader's wishes, and how it fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .compare import Tolerance, lines_of, read_json
from .levels import Limits


@dataclass(frozen=True)
class Settings:
    """What the grader asks of a worker; ``levels`` are tried in turn. ``keep_outputs`` asks for fingerprints of
    the outputs on public tests, ``keep_results`` for the results themselves, as JSON, in their place (of functions only).
    ``shown`` are folders that programs must be able to read."""

    levels: tuple[str, ...]
    limits: Limits
    official: bool = False
    keep_outputs: bool = False
    keep_results: bool = False
    memory_folder_bytes: int = 64 << 20
    shown: tuple[str, ...] = ()


@dataclass
class Tests:
    """A problem's tests as the worker keeps them, the ``num_public`` public ones first; expectations are prepared when they
    are first needed."""

    __test__ = False

    func_name: str | None
    inputs: list[str]
    outputs: list[str]
    tolerance: Tolerance
    num_public: int
    _prepared: dict[int, Any] = field(default_factory=dict)

    def expected_lines(self, index: int) -> list[str]:
        if index not in self._prepared:
            self._prepared[index] = lines_of(self.outputs[index])
        return self._prepared[index]

    def expected_value(self, index: int) -> Any:
        if index not in self._prepared:
            self._prepared[index] = read_json(self.outputs[index])
        return self._prepared[index]


class HarnessFailure(Exception):
    """The worker failed, not the program."""


class WorkerBroken(HarnessFailure):
    """The zygote is gone or hangs: this worker must be replaced."""


class GraderGone(Exception):
    """Nobody waits for verdicts any more."""
