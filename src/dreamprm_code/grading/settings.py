"""The grader's limits and isolation as settings of the stages that grade."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from dreamprm_code.grading.grader_settings import GraderSettings
from dreamprm_code.settings import FrozenSettings


class GradingSettings(FrozenSettings):
    """Limits hold for one test; see :class:`GraderSettings`."""

    cpu_limit_s: float = Field(
        GraderSettings.cpu_limit_s,
        gt=0,
        description="CPU time that one test may use, of the program and all its processes (seconds)",
    )
    sleep_limit_s: float | None = Field(
        GraderSettings.sleep_limit_s, gt=0, description="time that one test may sleep (seconds; default: twice the CPU limit)"
    )
    memory_limit_mb: int = Field(GraderSettings.memory_limit_mb, gt=0, description="memory that one test may use (MiB)")
    output_limit_mb: int = Field(GraderSettings.output_limit_mb, gt=0, description="output that one test may print (MiB)")
    isolation: str = Field(
        GraderSettings.isolation, description="auto, namespaces, landlock, rlimits, or required:LEVEL to refuse anything weaker"
    )

    def grader_settings(self, workers: int, **more: Any) -> GraderSettings:
        """What a grader is made from.

        Raises:
            GradingError: there is no such isolation level.
        """
        return GraderSettings(workers=workers, isolation=self.isolation, **self.limits(), **more)

    def limits(self) -> dict[str, Any]:
        """The settings that decide a verdict: part of the identity of a file of verdicts. Isolation changes none."""
        return self.model_dump(include={"cpu_limit_s", "sleep_limit_s", "memory_limit_mb", "output_limit_mb"})
