"""Rewrites: each yields edits that change the text of a function and not its meaning."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from dreamprm_code.study.mutation.source import ARITHMETIC, COMPARISON, Edit, FunctionSource

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_NEW_NAMES = ("value", "item", "current", "entry", "part", "amount", "number", "data", "element", "unit", "piece", "quantity")


def _renamed_variables(function: FunctionSource) -> Iterator[tuple[str, list[Edit]]]:
    source, node = function.source, function.node
    words = set(re.findall(r"\w+", source.code))
    fixed = {name for item in ast.walk(node) if isinstance(item, (ast.Global, ast.Nonlocal)) for name in item.names}
    for text in ast.walk(node):
        if isinstance(text, ast.JoinedStr):
            fixed |= {item.id for item in ast.walk(text) if isinstance(item, ast.Name)}
    fixed |= {item.arg for item in ast.walk(source.tree) if isinstance(item, ast.keyword) and item.arg}
    for variable in function.variables:
        for new in _NEW_NAMES:
            if variable not in fixed and new not in words:
                uses = [
                    item
                    for item in function.nodes
                    if (isinstance(item, ast.Name) and item.id == variable)
                    or (isinstance(item, ast.arg) and item.arg == variable)
                ]
                edits = [Edit(source.start(item), source.start(item) + len(variable.encode()), new) for item in uses]
                yield "renamed variable", edits


def _mirrored_comparisons(function: FunctionSource) -> Iterator[tuple[str, list[Edit]]]:
    source = function.source
    for node in function.nodes:
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right = node.left, node.comparators[0]
            token = COMPARISON.get(type(node.ops[0]))
            place = token and function.gap(left, right, token)
            if token in _MIRRORED and place:
                yield (
                    "mirrored comparison",
                    [
                        Edit(source.start(left), source.end(left), source.text(right)),
                        Edit(*place, _MIRRORED[token]),
                        Edit(source.start(right), source.end(right), source.text(left)),
                    ],
                )


def _expanded_updates(function: FunctionSource) -> Iterator[tuple[str, list[Edit]]]:
    source = function.source
    for node in function.nodes:
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and type(node.op) in ARITHMETIC:
            value = source.text(node.value)
            value = value if isinstance(node.value, (ast.Name, ast.Constant, ast.Call, ast.Subscript)) else f"({value})"
            text = f"{node.target.id} = {node.target.id} {ARITHMETIC[type(node.op)]} {value}"
            yield "expanded update", [Edit(source.start(node), source.end(node), text)]


def _commuted_operands(function: FunctionSource) -> Iterator[tuple[str, list[Edit]]]:
    source, simple = function.source, (ast.Name, ast.Constant, ast.Subscript, ast.Call, ast.Attribute)
    for node in function.nodes:
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mult)):
            left, right = node.left, node.right
            if isinstance(left, simple) and isinstance(right, simple):
                yield (
                    "commuted operands",
                    [
                        Edit(source.start(left), source.end(left), source.text(right)),
                        Edit(source.start(right), source.end(right), source.text(left)),
                    ],
                )


REWRITES = (_renamed_variables, _mirrored_comparisons, _expanded_updates, _commuted_operands)
