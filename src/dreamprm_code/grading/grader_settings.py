"""Settings of the grader."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dreamprm_code.errors import UserError
from dreamprm_code.grading.sandbox.levels import LEVELS, Limits

COMPAT_MODES = ("none", "livecodebench")
ENGINES = ("local", "ray")


UNPROTECTED = {
    "landlock": "programs may find out which process ids of this host are in use",
    "rlimits": "programs may read, write and delete whatever this user may, use the network and signal other processes: "
    "only for programs that you would run yourself",
}
"""What a weaker level does not protect."""

_HOW_TO_ENABLE = (
    "enable user namespaces (on the host: sysctl user.max_user_namespaces=10000, on Ubuntu besides "
    "kernel.apparmor_restrict_unprivileged_userns=0; in Docker: --security-opt seccomp=unconfined --security-opt "
    "systempaths=unconfined; docs/grading.md has the rest), or name the level rlimits, at which "
)


class GradingError(UserError):
    """A setting or input that cannot be graded with; the message says what to change."""


@dataclass(frozen=True)
class GraderSettings:
    """How programs are graded. Times in seconds, sizes in MiB; limits hold for one test.

    ``cpu_limit_s`` bounds the CPU time of the program and all its descendants (LiveCodeBench: 6 s, of wall time).
    ``sleep_limit_s`` bounds the time in which nothing of the program runs or waits for a processor (None: twice the CPU
    limit). Neither depends on how busy the host is; ``wall_limit_s`` is only there so that a test ends on a host that
    gives it no processor, and makes the program ungraded, not failed. A test that used up its CPU time while holding more
    than half of ``memory_limit_mb`` counts as ``memory_limit`` (see :mod:`dreamprm_code.grading.sandbox.judge`).

    ``isolation`` is ``auto`` (``namespaces``, else ``landlock``, else an error), a level's name, or ``required:LEVEL`` (that
    level or a stronger one). ``rlimits`` protects nothing from malice and is never chosen unless it is named. What each
    level promises: docs/grading.md.

    ``keep_outputs`` adds fingerprints of the outputs on public tests to the results; for these the remaining public tests are
    run after a failure, too, unless a limit was the failure. ``keep_results`` gives what functions returned, as JSON, in the
    place of fingerprints and for every test: to compute expected results with a reference program.

    ``languages`` are those of the programs that will come (:mod:`dreamprm_code.languages`): when the grader opens, it looks for
    their compilers. ``build_cpu_limit_s`` and ``build_memory_limit_mb`` bound a compiler.
    """

    workers: int = 1
    cpu_limit_s: float = 6.0
    sleep_limit_s: float | None = None
    wall_limit_s: float = 600.0
    memory_limit_mb: int = 4096
    output_limit_mb: int = 16
    file_limit_mb: int = 64
    processes: int = 64
    build_cpu_limit_s: float = 30.0
    build_memory_limit_mb: int = 2048
    all_tests: bool = False
    keep_outputs: bool = False
    keep_results: bool = False
    isolation: str = "auto"
    compat: str = "none"
    languages: tuple[str, ...] = ("python",)

    def __post_init__(self) -> None:
        for name in (
            "workers",
            "cpu_limit_s",
            "wall_limit_s",
            "memory_limit_mb",
            "output_limit_mb",
            "file_limit_mb",
            "processes",
            "build_cpu_limit_s",
            "build_memory_limit_mb",
        ):
            if not 0 < getattr(self, name) < math.inf:
                raise GradingError(f"{name} is {getattr(self, name)}; it must be a finite number above 0")
        if self.sleep_limit_s is not None and not 0 < self.sleep_limit_s < math.inf:
            raise GradingError(f"sleep_limit_s is {self.sleep_limit_s}; it must be a finite number above 0")
        if self.compat not in COMPAT_MODES:
            raise GradingError(f"compat is {self.compat!r}; choose from {', '.join(COMPAT_MODES)}")
        if self.compat != "none" and self.languages != ("python",):
            raise GradingError(f"compat {self.compat} is about Python programs only, not {', '.join(self.languages)}")
        self.levels()

    def levels(self) -> tuple[str, ...]:
        """Isolation levels to try, strongest first."""
        if self.isolation == "auto":
            return LEVELS[:-1]
        required, _, level = self.isolation.rpartition(":")
        if level not in LEVELS or required not in ("", "required"):
            raise GradingError(
                f"isolation is {self.isolation!r}; choose auto, {', '.join(LEVELS)} or required:LEVEL with one of these"
            )
        return LEVELS[: LEVELS.index(level) + 1] if required else (level,)

    def describe_refusal(self, reasons: str) -> str:
        """Why no level that was asked for is to be had, and what to do about it, in one line."""
        return f"programs cannot be isolated as asked ({reasons}); {_HOW_TO_ENABLE}{UNPROTECTED['rlimits']}"

    def limits(self) -> Limits:
        return Limits(
            cpu=self.cpu_limit_s,
            sleep=2 * self.cpu_limit_s if self.sleep_limit_s is None else self.sleep_limit_s,
            wall=self.wall_limit_s,
            memory=self.memory_limit_mb << 20,
            output=self.output_limit_mb << 20,
            file=self.file_limit_mb << 20,
            processes=self.processes,
            build_cpu=self.build_cpu_limit_s,
            build_memory=self.build_memory_limit_mb << 20,
        )


def describe_isolation(level: str, refused: dict[str, str]) -> str:
    """For the user, in one line: the level reached, why no stronger one, and what it leaves unprotected."""
    reasons = "".join(f"; {stronger} is not to be had here ({reason})" for stronger, reason in refused.items())
    return f"isolation {level}{reasons}" + (f"; {UNPROTECTED[level]}" if level in UNPROTECTED else "")
