"""Labels of steps: Monte-Carlo estimates with a fixed or an adaptive number of rollouts."""

from dreamprm_code.labels.adaptive import StoppingRule
from dreamprm_code.labels.monte_carlo import LabelError, counts_for_label, split_settings_of, step_labels, steps_of

__all__ = ["LabelError", "StoppingRule", "counts_for_label", "split_settings_of", "step_labels", "steps_of"]
