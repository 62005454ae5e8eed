"""Settings of the grader."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dreamprm_code.errors import UserError
from dreamprm_code.grading.sandbox.isolation import LEVELS, Limits

COMPAT_MODES = ("none", "livecodebench")
ENGINES = ("local", "ray")


class GradingError(UserError):
    """A setting or input that cannot be graded with; the message says what to change."""


@dataclass(frozen=True)
class GraderConfig:
    """How programs are graded. Times in seconds, sizes in MiB; limits hold for one test.

    ``cpu_limit_s`` bounds the CPU time of the program and all its descendants (LiveCodeBench: 6 s, of wall time).
    ``sleep_limit_s`` bounds the time in which nothing of the program runs or waits for a processor (None: twice the CPU
    limit). Neither depends on how busy the host is; ``wall_limit_s`` is only there so that a test ends on a host that
    gives it no processor, and makes the program ungraded, not failed. A test that used up its CPU time while holding more
    than half of ``memory_limit_mb`` counts as ``memory_limit`` (see :mod:`dreamprm_code.grading.sandbox.judge`).

    ``isolation`` is ``auto`` (the strongest level to be had), a level's name, or ``required:LEVEL`` (refuse anything
    weaker); levels are described in :mod:`dreamprm_code.grading.sandbox.isolation`.

    ``keep_outputs`` adds fingerprints of the outputs on public tests to the results; for these the remaining public tests are
    run after a failure, too, unless a limit was the failure.
    """

    workers: int = 1
    cpu_limit_s: float = 6.0
    sleep_limit_s: float | None = None
    wall_limit_s: float = 600.0
    memory_limit_mb: int = 4096
    output_limit_mb: int = 16
    file_limit_mb: int = 64
    processes: int = 64
    all_tests: bool = False
    keep_outputs: bool = False
    isolation: str = "auto"
    compat: str = "none"

    def __post_init__(self) -> None:
        for name in (
            "workers",
            "cpu_limit_s",
            "wall_limit_s",
            "memory_limit_mb",
            "output_limit_mb",
            "file_limit_mb",
            "processes",
        ):
            if not 0 < getattr(self, name) < math.inf:
                raise GradingError(f"{name} is {getattr(self, name)}; it must be a finite number above 0")
        if self.sleep_limit_s is not None and not 0 < self.sleep_limit_s < math.inf:
            raise GradingError(f"sleep_limit_s is {self.sleep_limit_s}; it must be a finite number above 0")
        if self.compat not in COMPAT_MODES:
            raise GradingError(f"compat is {self.compat!r}; choose from {', '.join(COMPAT_MODES)}")
        self.levels()

    def levels(self) -> tuple[str, ...]:
        """Isolation levels to try, strongest first."""
        if self.isolation == "auto":
            return LEVELS
        required, _, level = self.isolation.rpartition(":")
        if level not in LEVELS or required not in ("", "required"):
            raise GradingError(
                f"isolation is {self.isolation!r}; choose auto, {', '.join(LEVELS)} or required:LEVEL with one of these"
            )
        return LEVELS[: LEVELS.index(level) + 1] if required else (level,)

    def limits(self) -> Limits:
        return Limits(
            cpu=self.cpu_limit_s,
            sleep=2 * self.cpu_limit_s if self.sleep_limit_s is None else self.sleep_limit_s,
            wall=self.wall_limit_s,
            memory=self.memory_limit_mb << 20,
            output=self.output_limit_mb << 20,
            file=self.file_limit_mb << 20,
            processes=self.processes,
        )
