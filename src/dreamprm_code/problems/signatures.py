"""The signature of a problem's function where its types are plain: what programs in languages with types can be called with.

It comes from the starter code's annotations and from the values in the tests, which must agree: a parameter without an
annotation has the type of its values. A type that is not plain is refused by its name.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from dreamprm_code.errors import UserError
from dreamprm_code.problems.unit_tests import test_cases
from dreamprm_code.records import Problem

Kind = Literal["boolean", "integer", "number", "string"]
_NAMES: dict[str, Kind] = {"bool": "boolean", "int": "integer", "float": "number", "str": "string"}
_LISTS = ("list", "List", "Sequence", "Iterable", "typing.List", "typing.Sequence")
_MOST = 2**63 - 1


class SignatureError(UserError):
    """A function whose types are not plain; the message names the parameter and its type."""


class PlainType(NamedTuple):
    """``depth`` lists around a boolean, an integer, a number (of floating point) or a string.

    ``largest`` is the largest absolute value of its integers in the tests. A type without a kind is not known: of empty lists.
    """

    kind: Kind | None
    depth: int = 0
    largest: int = 0


class Parameter(NamedTuple):
    name: str
    type: PlainType


class Signature(NamedTuple):
    """A function as the tests call it."""

    name: str
    parameters: tuple[Parameter, ...]
    result: PlainType

    @property
    def largest(self) -> int:
        """The largest absolute value of an integer that goes in or comes out."""
        return max(type_.largest for type_ in (self.result, *(parameter.type for parameter in self.parameters)))


def signature_of(func_name: str, starter_code: str, inputs: Iterable[str], outputs: Iterable[str]) -> Signature:
    """From the starter code ("" or a header without annotations will do) and the tests, as texts of JSON.

    Raises:
        SignatureError: something is not plain, the tests disagree with the header or with each other, or hold no value that
            tells a type.
    """
    calls = [[_parse(part) for part in text.split("\n") if part.strip()] for text in inputs]
    results = [_parse(text) for text in outputs]
    if not calls:
        raise SignatureError("there are no tests")
    header = _header(func_name, starter_code)
    count = len(calls[0])
    annotations: list[tuple[str, ast.expr | None]] = [(f"argument_{number}", None) for number in range(1, count + 1)]
    if header is not None:
        own = [*header.args.posonlyargs, *header.args.args]
        own = own[1:] if own and own[0].arg == "self" else own
        annotations = [(argument.arg, argument.annotation) for argument in own[:count]]
    if any(len(call) != count for call in calls) or len(annotations) != count:
        raise SignatureError(f"{func_name} is called with different numbers of arguments")
    parameters = [
        Parameter(name, _type_of(f"parameter {name}", annotation, [call[place] for call in calls]))
        for place, (name, annotation) in enumerate(annotations)
    ]
    return Signature(func_name, tuple(parameters), _type_of("the result", header.returns if header else None, results))


def signature_of_problem(problem: Problem) -> Signature:
    """Of the function that a problem's tests call.

    Raises:
        SignatureError: see :func:`signature_of`, or the tests call none.
        TestCaseError: the tests cannot be decoded.
    """
    if problem.func_name is None:
        raise SignatureError("the tests call no function")
    tests = test_cases(problem).all
    return signature_of(
        problem.func_name, problem.starter_code, [test.input for test in tests], [test.output for test in tests]
    )


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SignatureError(f"a value in the tests is not JSON ({error})") from None


def _header(func_name: str, starter_code: str) -> ast.FunctionDef | None:
    """The function's header in a text that may lack all bodies; None if it is not there."""
    found = re.search(rf"\bdef\s+{re.escape(func_name)}\s*\(", starter_code)
    if found is None:
        return None
    for end in (match.end() for match in re.finditer(":", starter_code[found.start() :])):
        try:
            [node] = ast.parse(f"{starter_code[found.start() : found.start() + end]} pass").body
        except (SyntaxError, ValueError):
            continue  # the colon of a parameter
        assert isinstance(node, ast.FunctionDef)
        return node
    return None


def _type_of(what: str, annotation: ast.expr | None, values: Iterable[Any]) -> PlainType:
    found = PlainType(None) if annotation is None else _annotated(what, annotation)
    for value in values:
        found = _joined(what, found, _type_of_value(what, value))
    if found.kind is None:
        raise SignatureError(f"{what} is a list that is empty in every test, so that its type is not known")
    return found


def _annotated(what: str, annotation: ast.expr) -> PlainType:
    depth, inner = 0, annotation
    while isinstance(inner, ast.Subscript) and ast.unparse(inner.value) in _LISTS:
        depth, inner = depth + 1, inner.slice
    name = ast.unparse(inner)
    if name in _LISTS:
        return PlainType(None, depth + 1)
    if name not in _NAMES:
        raise SignatureError(f"{what} is {ast.unparse(annotation)}")
    return PlainType(_NAMES[name], depth)


def _type_of_value(what: str, value: Any) -> PlainType:
    if isinstance(value, bool):
        return PlainType("boolean")
    if isinstance(value, int):
        if abs(value) > _MOST:
            raise SignatureError(f"{what} is an integer of more than 64 bits")
        return PlainType("integer", largest=abs(value))
    if isinstance(value, float):
        if not math.isfinite(value):
            raise SignatureError(f"{what} is a number that is not finite")
        return PlainType("number")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise SignatureError(f"{what} is a string with half a surrogate pair") from None
        return PlainType("string")
    if isinstance(value, list):
        item = PlainType(None)
        for one in value:
            item = _joined(what, item, _type_of_value(what, one))
        return item._replace(depth=item.depth + 1)
    raise SignatureError(f"{what} is {'nothing (null)' if value is None else 'an object'}")


def _joined(what: str, one: PlainType, other: PlainType) -> PlainType:
    """The type that holds both: an integer is a number, an empty list any list.

    Raises:
        SignatureError: there is none.
    """
    largest = max(one.largest, other.largest)
    if one.kind is None or other.kind is None:
        unknown, known = (one, other) if one.kind is None else (other, one)
        if known.kind is None or unknown.depth <= known.depth:
            return PlainType(known.kind, max(one.depth, other.depth), largest)
    elif one.depth == other.depth and one.kind == other.kind:
        return one._replace(largest=largest)
    elif one.depth == other.depth and {one.kind, other.kind} == {"integer", "number"}:
        return PlainType("number", one.depth, largest)
    raise SignatureError(f"{what} is sometimes {_spelled(one)} and sometimes {_spelled(other)}")


def _spelled(type_: PlainType) -> str:
    kind = type_.kind or "anything"
    article = "an" if kind[0] in "ai" else "a"
    return f"{'a list of ' * type_.depth}{kind + 's' if type_.depth and type_.kind else f'{article} {kind}'}"
