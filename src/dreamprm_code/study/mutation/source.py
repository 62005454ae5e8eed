"""A parsed program whose functions can be edited by spans of bytes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class Edit(NamedTuple):
    """Replace bytes [start, end) of the UTF-8 source."""

    start: int
    end: int
    text: str


class Source:
    """A parsed program with byte positions of its nodes.

    Raises:
        SyntaxError, ValueError: the code does not parse.
    """

    def __init__(self, code: str):
        self.code = code
        self.data = code.encode()
        self.tree = ast.parse(code)
        self._line_start = [0]
        for line in self.data.splitlines(keepends=True):
            self._line_start.append(self._line_start[-1] + len(line))

    def start(self, node: ast.AST) -> int:
        return self._line_start[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        return self._line_start[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def text(self, node: ast.AST) -> str:
        return self.data[self.start(node) : self.end(node)].decode()

    def line_of(self, position: int) -> int:
        return self.data.count(b"\n", 0, position) + 1

    def functions(self) -> list[FunctionNode]:
        """Top-level functions and methods of top-level classes, in source order; nested ones belong to their function."""
        found: list[FunctionNode] = []
        for node in self.tree.body:
            if isinstance(node, FunctionNode):
                found.append(node)
            elif isinstance(node, ast.ClassDef):
                found.extend(item for item in node.body if isinstance(item, FunctionNode))
        return found

    def apply(self, edits: Sequence[Edit]) -> str:
        data = self.data
        for edit in sorted(edits, reverse=True):
            data = data[: edit.start] + edit.text.encode() + data[edit.end :]
        return data.decode()


class FunctionSource:
    """One function of a source: its nodes (docstring, f-strings, decorators and annotations left out) and its variables."""

    def __init__(self, source: Source, node: FunctionNode):
        self.source, self.node = source, node
        self.nodes = list(_walk(node))
        names = [item for item in self.nodes if isinstance(item, ast.Name)]
        arguments = node.args
        self.parameters = [item.arg for item in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        stored = [item.id for item in names if isinstance(item.ctx, ast.Store)]
        self.variables = sorted({*self.parameters, *stored} - {"self", "cls", "_"})
        self.loads = [item for item in names if isinstance(item.ctx, ast.Load)]
        self.called = {id(item.func) for item in self.nodes if isinstance(item, ast.Call)}

    def gap(self, left: ast.AST, right: ast.AST, token: str) -> tuple[int, int] | None:
        """Where ``token`` stands between two operands, or None (a comment is in the way)."""
        start = self.source.end(left)
        between = self.source.data[start : self.source.start(right)].decode()
        pattern = r"\s+".join(re.escape(part) for part in token.split())
        match = re.search(rf"\b{pattern}\b" if token[0].isalpha() else pattern, between)
        return None if match is None or "#" in between else (start + match.start(), start + match.end())

    def remove_statement(self, statement: ast.stmt, block: list[ast.stmt]) -> Edit | None:
        """Delete whole lines, or leave ``pass`` where the block would be empty; None if it shares its line."""
        data, start, end = self.source.data, self.source.start(statement), self.source.end(statement)
        line_start = data.rfind(b"\n", 0, start) + 1
        line_end = data.find(b"\n", end)
        line_end = len(data) if line_end < 0 else line_end + 1
        if data[line_start:start].strip() or data[end:line_end].split(b"#")[0].strip():
            return None
        if len(block) == 1:
            return Edit(start, end, "pass")
        return Edit(line_start, line_end, "")


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes whose text may be edited; f-strings have no reliable positions in Python 3.11."""
    for name, value in ast.iter_fields(node):
        if name in ("decorator_list", "returns", "annotation"):
            continue
        children = value if isinstance(value, list) else [value]
        if name == "body" and isinstance(node, FunctionNode) and ast.get_docstring(node, clean=False) is not None:
            children = children[1:]
        for child in children:
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr):
                yield child
                yield from _walk(child)


COMPARISON = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.In: "in"}
COMPARISON[ast.NotIn] = "not in"
ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**", ast.Div: "/"}
ARITHMETIC |= {ast.BitXor: "^", ast.BitAnd: "&", ast.BitOr: "|", ast.LShift: "<<", ast.RShift: ">>"}
