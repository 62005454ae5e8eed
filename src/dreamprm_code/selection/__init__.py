"""Choosing one of N candidates by their step scores, the baselines beside it, and the figures of a result table.

>>> aggregate([0.9, 0.6], "mean")
0.75
>>> select([0.2, 0.7, 0.7])
Choice(position=1, num_tied=2)
>>> expected_pass_at_n([0.2, 0.7], [True, False], n=1)
0.5
"""

from dreamprm_code.selection.aggregation import AGGREGATIONS, DEFAULT_AGGREGATION, AggregationError, aggregate
from dreamprm_code.selection.baselines import (
    BASELINES,
    Method,
    aggregation_methods,
    available_methods,
    baseline_method,
    oracle_method,
    prm_method,
)
from dreamprm_code.selection.best_of_n import Choice, expected_pass_at_n, select
from dreamprm_code.selection.candidates import Candidate, CandidateSet, candidate_sets
from dreamprm_code.selection.evaluation import (
    DEFAULT_SWEEP,
    OVERALL,
    Evaluation,
    PoolCounts,
    comparisons,
    evaluate,
    gaps_recovered,
    num_tied_problems,
    outcomes,
    pool_counts,
    selections,
    strata,
    sweep_rows,
    table_row,
    table_rows,
)
from dreamprm_code.selection.metrics import (
    Interval,
    PairedTest,
    auroc,
    bootstrap_interval,
    brier_score,
    calibration_bins,
    clopper_pearson_interval,
    expected_calibration_error,
    gap_recovered,
    mcnemar_exact,
    paired_test,
    sign_flip_test,
    wilson_interval,
)

__all__ = [
    "AGGREGATIONS",
    "BASELINES",
    "DEFAULT_AGGREGATION",
    "DEFAULT_SWEEP",
    "OVERALL",
    "AggregationError",
    "Candidate",
    "CandidateSet",
    "Choice",
    "Evaluation",
    "Interval",
    "Method",
    "PairedTest",
    "PoolCounts",
    "aggregate",
    "aggregation_methods",
    "auroc",
    "available_methods",
    "baseline_method",
    "bootstrap_interval",
    "brier_score",
    "calibration_bins",
    "candidate_sets",
    "clopper_pearson_interval",
    "comparisons",
    "evaluate",
    "expected_calibration_error",
    "expected_pass_at_n",
    "gap_recovered",
    "gaps_recovered",
    "mcnemar_exact",
    "num_tied_problems",
    "oracle_method",
    "outcomes",
    "paired_test",
    "pool_counts",
    "prm_method",
    "select",
    "selections",
    "sign_flip_test",
    "strata",
    "sweep_rows",
    "table_row",
    "table_rows",
    "wilson_interval",
]
