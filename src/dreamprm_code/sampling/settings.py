"""The settings of the stages that sample programs and grade them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dreamprm_code.grading.settings import GradingSettings
from dreamprm_code.languages import LANGUAGES
from dreamprm_code.policies.settings import PolicySettings
from dreamprm_code.problems.settings import RunSettings
from dreamprm_code.settings import OneOf

MOST_SOLUTIONS = 10_000
"""Programs per problem; more is a slip of the hand, and what to ask for is held in memory."""


class SamplingSettings(RunSettings, PolicySettings, GradingSettings):
    grade_workers: int = Field(2, ge=1, description="programs graded at once")
    language: Annotated[str, OneOf(tuple(LANGUAGES))] = Field(
        "python", description="language of the programs (all but Python: problems that read standard input)"
    )
