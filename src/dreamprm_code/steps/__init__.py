"""From a model's answer to a program, and from a program to its steps.

A *step* is a function that lies in no other function; the prefix of step k is the program up to the end of that function.
"""

from dreamprm_code.steps.adherence import cof_violations
from dreamprm_code.steps.extraction import extract_code
from dreamprm_code.steps.splitting import DEFAULT_STEPS, ProgramSteps, StepSettings, split_program

__all__ = [
    "DEFAULT_STEPS",
    "ProgramSteps",
    "StepSettings",
    "cof_violations",
    "extract_code",
    "split_program",
]
