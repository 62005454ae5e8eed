"""Label correction by bi-level optimization: noisy Monte-Carlo labels are learned so that the PRM fits clean outcomes.

``train`` runs warm-up and the bi-level stage; ``build_training_data`` makes its input from the rows of the files.
"""

from dreamprm_code.bilevel.data import TrainingData, Unit, build_training_data, tensor_data
from dreamprm_code.bilevel.settings import TrainConfig
from dreamprm_code.bilevel.trainer import TrainResult, train

__all__ = ["TrainConfig", "TrainResult", "TrainingData", "Unit", "build_training_data", "tensor_data", "train"]
