"""The process reward model: what it reads, how all steps of a problem are scored in one pass, how it is kept and passed on."""

from dreamprm_code.prm.scoring import PRM
from dreamprm_code.steps import StepSettings

__all__ = ["PRM", "StepSettings"]
