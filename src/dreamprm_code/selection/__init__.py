"""Choosing one of N candidates by their step scores, the baselines beside it, and the figures of a result table.

>>> from dreamprm_code.selection.aggregation import aggregate
>>> aggregate([0.9, 0.6], "mean")
0.75
>>> from dreamprm_code.selection.best_of_n import expected_pass_at_n, select
>>> select([0.2, 0.7, 0.7])
Choice(position=1, num_tied=2)
>>> expected_pass_at_n([0.2, 0.7], [True, False], n=1)
0.5
"""
