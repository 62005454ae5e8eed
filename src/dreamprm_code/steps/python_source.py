"""What the rest of this room needs to know about a Python program: its tree, its lines, its functions."""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

BYTE_ORDER_MARK = "\ufeff"
"""Python skips it at the start of a file, but not of a string."""

_LINE_END = re.compile(r"\r\n|\r|\n")


class Line(NamedTuple):
    """One physical line as Python counts them (unlike str.splitlines, a form feed or U+2028 ends none)."""

    start: int
    text: str


class Function(NamedTuple):
    """A function that lies in no other function; ``name`` is qualified by its classes."""

    name: str
    node: FunctionNode


def parse(code: str) -> ast.Module | None:
    """The program's tree, or None where Python cannot read it (or only with more stack than there is)."""
    try:
        return ast.parse(code.removeprefix(BYTE_ORDER_MARK))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def lines_of(code: str) -> list[Line]:
    """Physical lines with their offsets, without line ends; numbered from 0 here, from 1 in a tree."""
    starts, texts, start = [], [], 0
    for match in _LINE_END.finditer(code):
        starts.append(start)
        texts.append(code[start : match.start()])
        start = match.end()
    starts.append(start)
    texts.append(code[start:])
    return [Line(*item) for item in zip(starts, texts, strict=True)]


def functions_of(tree: ast.Module) -> list[Function]:
    """Functions and methods in source order, those under a module's or class's if, try, for, with ... included."""
    found: list[Function] = []
    pending: list[tuple[ast.AST, str]] = [(tree, "")]
    while pending:
        node, owner = pending.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, FunctionNode):
                found.append(Function(owner + child.name, child))
            elif isinstance(child, ast.ClassDef):
                pending.append((child, f"{owner}{child.name}."))
            elif isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case)):
                pending.append((child, owner))
    return sorted(found, key=lambda function: function.node.lineno)


def function_end(function: Function, code: str, lines: list[Line]) -> int:
    """Offset just behind a function: its last statement, and a semicolon or comment on the same line."""
    node = function.node
    assert node.end_lineno is not None and node.end_col_offset is not None
    line = lines[node.end_lineno - 1]
    text = line.text
    skipped = len(BYTE_ORDER_MARK) if node.end_lineno == 1 and code.startswith(BYTE_ORDER_MARK) else 0
    column = skipped + len(text[skipped:].encode()[: node.end_col_offset].decode())
    rest = re.match(r"[\s;]*(#.*)?", text[column:], re.DOTALL)
    assert rest is not None
    return line.start + column + len(rest.group().rstrip())
