"""Labels of steps: Monte-Carlo estimates with a fixed or adaptive number of rollouts, or where a program is lost."""

from dreamprm_code.labels.adaptive import StoppingRule
from dreamprm_code.labels.bisection import Bisected, Tally, bisect, transition_labels
from dreamprm_code.labels.monte_carlo import LabelError, counts_for_label, split_settings_of, step_labels, steps_of

__all__ = [
    "Bisected",
    "LabelError",
    "StoppingRule",
    "Tally",
    "bisect",
    "counts_for_label",
    "split_settings_of",
    "step_labels",
    "steps_of",
    "transition_labels",
]
