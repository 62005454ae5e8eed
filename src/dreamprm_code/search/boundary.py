"""Where a program in the making has one function more.

A step of a search ends where the next top-level definition, class, decorator or ``if __name__`` begins, or with the fence that
closes the answer. Where a line that looks like one stands in a string, the text does not parse up to there: it counts for
nothing. A text that Python cannot read runs on to its end as one step. As in :mod:`dreamprm_code.steps` a prefix ends with its
function; what the model wrote behind it (comments, constants, the first word of the next header) belongs to the next one and is
given back to the model.
"""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

from dreamprm_code.steps.python_source import FunctionNode, function_end, functions_of, lines_of, parse

FENCE_STOPS = ("\n```",)
FUNCTION_STOPS = ("\ndef ", "\nasync def ", "\nclass ", "\n@", "\nif __name__", *FENCE_STOPS)
"""Texts at which an answer stops: whether a function is complete there, :func:`cut` decides."""

_HEADER = re.compile(r"^(?:def |async def |class |@|if __name__\b|(?P<fence>[ \t]*```))", re.MULTILINE)


class Cut(NamedTuple):
    """``text`` up to and with the header that was begun (without a blank behind it), its first ``end`` characters the complete
    functions; or, if the fence was closed, the whole program."""

    text: str
    end: int
    is_closed: bool


def cut(text: str, done: int, to_end: bool = False) -> Cut | None:
    """The first place at which a function that ends behind character ``done`` is complete and another text begins.

    ``to_end``: only the closing fence counts. None while there is no such place.
    """
    for header in _HEADER.finditer(text):
        if header["fence"]:
            program = text[: header.start()].rstrip()
            return Cut(program, len(program), True)
        if to_end or header.start() <= done:
            continue
        before = text[: header.start()]
        tree = parse(before)
        if tree is None:
            continue
        lines = lines_of(before)
        end = max((function_end(function, before, lines) for function in functions_of(tree)), default=0)
        if end > done:
            return Cut(text[: header.end()].rstrip(), end, False)
    return None


def normalised(code: str) -> str:
    """Equal for programs that differ in layout, comments and docstrings alone; the text itself where it does not parse."""
    tree = parse(code)
    if tree is None:
        return code
    for node in ast.walk(tree):
        if isinstance(node, (FunctionNode, ast.ClassDef, ast.Module)) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)
