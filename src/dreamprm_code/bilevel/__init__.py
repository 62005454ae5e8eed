"""Label correction by bi-level optimization: noisy Monte-Carlo labels are learned so that the PRM fits clean outcomes.

``method.py`` is one step of it. ``train`` runs the inner-only steps and the bi-level stage; ``build_training_data`` makes its
input from the rows of the files; ``noise.py`` holds what arms of a study do to labels.
"""

from dreamprm_code.bilevel.data import build_training_data
from dreamprm_code.bilevel.settings import METHODS, MethodSettings, OutcomeSettings, TrainSettings
from dreamprm_code.bilevel.trainer import TrainResult, train
from dreamprm_code.bilevel.units import TrainingData, Unit

__all__ = [
    "METHODS",
    "MethodSettings",
    "OutcomeSettings",
    "TrainResult",
    "TrainSettings",
    "TrainingData",
    "Unit",
    "build_training_data",
    "train",
]
