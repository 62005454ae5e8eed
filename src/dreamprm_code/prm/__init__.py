"""The process reward model: what it reads, how all steps of a problem are scored in one pass, how it is kept and passed on."""

from dreamprm_code.prm.input_text import StepSettings, prm_text
from dreamprm_code.prm.scoring import PRM

__all__ = ["PRM", "StepSettings", "prm_text"]
