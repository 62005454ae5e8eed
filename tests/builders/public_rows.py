"""Rows made by hand in the column formats of public problem sets."""

from __future__ import annotations

EVALPLUS = """import numpy as np

def assertion(out, exp, atol):
    assert out == exp

{head}
    inputs = {inputs}
    {results}
    for i, {target} in enumerate({iterable}):
        {judge}
"""


def evalplus(inputs: str, results: str | None, judge: str = "assertion(candidate(*inp), {wanted}, 0)") -> str:
    """A text in the form that EvalPlus publishes."""
    wanted = "exp" if results else "ref_func(*inp)"
    return EVALPLUS.format(
        head="def check(candidate):",
        inputs=inputs,
        results=f"results = {results}" if results else "",
        target="(inp, exp)" if results else "inp",
        iterable="zip(inputs, results)" if results else "inputs",
        judge=judge.format(wanted=wanted),
    )


HUMAN_EVAL = {
    "task_id": "HumanEval/900",
    "prompt": 'from typing import List\n\n\ndef total(numbers: List[float]) -> float:\n    """ Add numbers.\n'
    '    >>> total([1, 2])\n    3\n    >>> total([])\n    0\n    >>> total(x)\n    7\n    """\n',
    "canonical_solution": "    return sum(numbers)\n",
    "test": "\n\nMETADATA = {}\n\n\ndef check(candidate):\n    assert candidate([1, 2]) == 3\n"
    "    assert abs(candidate([0.5, 0.25]) - 0.75) < 1e-6\n    assert candidate([4]) == 5\n    assert True, 'ends'\n",
    "entry_point": "total",
}
MBPP = {
    "task_id": 901,
    "text": "Write a function to pair a number with its square.",
    "code": "def helper(n):\r\n    return n * n\r\ndef pair(n):\r\n    return (n, helper(n))",
    "test_list": ["assert pair(2) == (2, 4)", "assert pair(3) == (3, 9)", "assert pair((4)) == (4, 16)"],
    "test_setup_code": "",
    "challenge_test_list": ["assert pair(-1) == (-1, 1)"],
}
HUMAN_EVAL_PLUS = {**HUMAN_EVAL, "test": evalplus("[[[1, 2]], [[5]], [['a', 'b']], [[2.5]]]", None)}
MBPP_PLUS = {
    "task_id": 902,
    "code": MBPP["code"],
    "prompt": MBPP["text"],
    "source_file": "made.json",
    "test_imports": ["import math"],
    "test_list": MBPP["test_list"],
    "test": evalplus("[[2], [10], [7]]", "[(2, 4), (10, 100), (7, 50)]").replace("def check(candidate):", "if True:"),
}
