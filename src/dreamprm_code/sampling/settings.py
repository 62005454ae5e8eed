"""The settings of the stages that sample programs and grade them."""

from __future__ import annotations

from pydantic import Field

from dreamprm_code.grading.settings import GradingSettings
from dreamprm_code.policies.settings import PolicySettings
from dreamprm_code.problems.settings import RunSettings


class SamplingSettings(RunSettings, PolicySettings, GradingSettings):
    grade_workers: int = Field(2, ge=1, description="programs graded at once")
