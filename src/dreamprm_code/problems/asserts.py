"""Tests that are Python text, as arguments and expected results: ``assert f(1, [2]) == 3``, and EvalPlus's lists of inputs.

The text is read and never executed. What is not made of literals that JSON can carry is left out with a reason.
"""

from __future__ import annotations

import ast
import math
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

UNKNOWN = object()
"""An expected result that the reference program has to give."""

FLOAT_TOLERANCE = 1e-6
"""Granted where an expected result holds a float and the test states no tolerance, as EvalPlus does."""


class Case(NamedTuple):
    """One call: JSON values."""

    arguments: list[Any]
    expected: Any = UNKNOWN
    tolerance: float = 0.0


OTHER_CLAIM = "an assert that does not compare the function's own result"


class LeftOutError(ValueError):
    """Why a test or a problem cannot be converted."""


class Cases(NamedTuple):
    """What was converted, and how many tests were not, by reason."""

    cases: list[Case]
    left_out: Counter[str]


def cases_of_asserts(source: str, names: Collection[str]) -> Cases:
    """The asserts of a text, or of the functions in it, that compare a call of one of these functions with a literal."""
    found = Cases([], Counter())
    for node, alone in _asserts(_parse(source).body):
        try:
            if not alone:
                raise LeftOutError("an assert in a loop or a block")
            found.cases.append(_case_of(node.test, names))
        except LeftOutError as error:
            found.left_out[str(error)] += 1
    return found


def called_names(source: str, names: Collection[str]) -> set[str]:
    """Those of the names that the asserts of a text call."""
    calls = (node.func for node in ast.walk(_parse(source)) if isinstance(node, ast.Call))
    return {func.id for func in calls if isinstance(func, ast.Name) and func.id in names}


def cases_of_inputs(source: str) -> Cases:
    """EvalPlus's form: ``inputs = [[arguments], ...]``, perhaps ``results = [...]``, and a loop that calls ``assertion``.

    Raises:
        LeftOutError: the text has another form, or judges results by a rule of its own.
    """
    tree = _parse(source)
    lists = {
        node.targets[0].id: node.value.elts
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.List)
    }
    if "inputs" not in lists:
        raise LeftOutError("the test has no list of inputs")
    results = lists.get("results")
    if results is not None and len(results) != len(lists["inputs"]):
        raise LeftOutError("the lists of inputs and results differ in length")
    tolerance = _tolerance_of_assertion(tree)
    found = Cases([], Counter())
    for index, node in enumerate(lists["inputs"]):
        try:
            if not isinstance(node, ast.List):
                raise LeftOutError("an input is not a list of arguments")
            arguments = [_data(item, "an argument") for item in node.elts]
            expected = UNKNOWN if results is None else _data(results[index], "the expected result")
            found.cases.append(Case(arguments, expected, tolerance))
        except LeftOutError as error:
            found.left_out[str(error)] += 1
    return found


def holds_float(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(holds_float, value))
    if isinstance(value, dict):
        return any(map(holds_float, value.values()))
    return isinstance(value, float)


def _parse(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise LeftOutError("a text that is not Python") from None


def _asserts(body: list[ast.stmt]) -> Iterator[tuple[ast.Assert, bool]]:
    """Asserts, and whether each stands alone."""
    for node in body:
        if isinstance(node, ast.Assert):
            yield node, True
        elif isinstance(node, ast.FunctionDef):
            yield from _asserts(node.body)
        else:
            yield from ((inner, False) for inner in ast.walk(node) if isinstance(inner, ast.Assert))


def _case_of(test: ast.expr, names: Collection[str]) -> Case:
    if isinstance(test, ast.Constant):
        raise LeftOutError("an assert that says nothing about the function")
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        left, operator, right = test.left, test.ops[0], test.comparators[0]
        if isinstance(operator, (ast.Eq, ast.Is)):
            call, value = (left, right) if _is_call(left, names) else (right, left)
            return Case(_arguments(call, names), _data(value, "the expected result"))
        if isinstance(operator, (ast.Lt, ast.LtE)) and isinstance(left, ast.Call) and _name(left.func) == "abs" and left.args:
            inner = left.args[0]
            if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Sub):
                call, value = (inner.left, inner.right) if _is_call(inner.left, names) else (inner.right, inner.left)
                return Case(_arguments(call, names), _data(value, "the expected result"), _power_of_ten(right))
    if isinstance(test, ast.Call) and _name(test.func) == "isclose" and len(test.args) == 2:
        bounds = [word.value for word in test.keywords if word.arg in ("rel_tol", "abs_tol")]
        call, value = test.args if _is_call(test.args[0], names) else test.args[::-1]
        tolerance = _power_of_ten(bounds[0]) if len(bounds) == 1 else FLOAT_TOLERANCE
        return Case(_arguments(call, names), _data(value, "the expected result"), tolerance)
    raise LeftOutError("an assert that does not compare a result with a value")


def _name(node: ast.expr) -> str | None:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None


def _is_call(node: ast.expr, names: Collection[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def _arguments(node: ast.expr, names: Collection[str]) -> list[Any]:
    if not _is_call(node, names):
        raise LeftOutError(OTHER_CLAIM)
    assert isinstance(node, ast.Call)
    if node.keywords or any(isinstance(item, ast.Starred) for item in node.args):
        raise LeftOutError("a call with keyword or starred arguments")
    return [_data(item, "an argument") for item in node.args]


def _power_of_ten(node: ast.expr) -> float:
    value = _data(node, "the tolerance")
    if not isinstance(value, float) or not 0 < value < 1 or not math.isclose(value, 10.0 ** round(math.log10(value))):
        raise LeftOutError("a tolerance that is not a power of ten below 1")
    return value


def _tolerance_of_assertion(tree: ast.Module) -> float:
    """The tolerance in ``assertion(candidate(*inp), exp, tolerance)``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.For):
            call = node.body[0].value if len(node.body) == 1 and isinstance(node.body[0], ast.Expr) else None
            if isinstance(call, ast.Call) and _name(call.func) == "assertion" and len(call.args) == 3:
                exact = isinstance(call.args[2], ast.Constant) and call.args[2].value == 0
                return 0.0 if exact else _power_of_ten(call.args[2])
    raise LeftOutError("results are judged by a rule of the problem's own")


def _data(node: ast.expr, what: str) -> Any:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise LeftOutError(f"{what} is not a literal") from None
    _check_data(value, what)
    return value


def _check_data(value: Any, what: str) -> None:
    """Raise LeftOutError for what JSON cannot carry to the program, or back from it.

    A tuple comes back as a list, which is how results are compared; as an argument it would arrive as a list, which a right
    program may not take (a tuple can be a key, a list cannot).
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise LeftOutError(f"{what} is not a finite number")
    if isinstance(value, tuple) and what == "an argument":
        raise LeftOutError("an argument holds a tuple")
    if isinstance(value, (list, tuple)):
        for item in value:
            _check_data(item, what)
    elif isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise LeftOutError(f"{what} holds a dict whose keys are not strings")
        for item in value.values():
            _check_data(item, what)
    elif isinstance(value, str):
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise LeftOutError(f"{what} is not Unicode text")
    elif not isinstance(value, (bool, int, float, type(None))):
        raise LeftOutError(f"{what} holds a {type(value).__name__}")
