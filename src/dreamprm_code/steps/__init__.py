"""From a model's answer to a program, and from a program to its steps.

A *step* is a function that lies in no other function; the prefix of step k is the program up to the end of that function.
"""

from dreamprm_code.steps.adherence import CofViolation, CofViolationKind, cof_violations
from dreamprm_code.steps.extraction import extract_code
from dreamprm_code.steps.splitting import GRANULARITIES, UNPARSABLE, ProgramStep, ProgramSteps, split_program

__all__ = [
    "GRANULARITIES",
    "UNPARSABLE",
    "CofViolation",
    "CofViolationKind",
    "ProgramStep",
    "ProgramSteps",
    "cof_violations",
    "extract_code",
    "split_program",
]
