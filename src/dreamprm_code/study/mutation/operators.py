"""Semantic operators: each yields edits that probably make the function wrong."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from dreamprm_code.study.mutation.source import ARITHMETIC, COMPARISON, Edit, FunctionSource

_WRONG_COMPARISON = {
    "<": ("<=", ">"),
    "<=": ("<", ">="),
    ">": (">=", "<"),
    ">=": (">", "<="),
    "==": ("!=", ">="),
    "!=": ("==",),
    "in": ("not in",),
    "not in": ("in",),
}
_WRONG_ARITHMETIC = {
    "+": ("-", "*"),
    "-": ("+",),
    "*": ("+", "//"),
    "//": ("%", "*"),
    "%": ("//", "+"),
    "**": ("*",),
    "/": ("//", "*"),
    "^": ("|", "&"),
    "&": ("|", "^"),
    "|": ("&", "^"),
    "<<": (">>",),
    ">>": ("<<",),
}
_WRONG_BUILTIN = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list", "append": "insert"}
_UPDATING_METHODS = {
    "append",
    "add",
    "pop",
    "popleft",
    "extend",
    "update",
    "sort",
    "reverse",
    "appendleft",
    "remove",
    "discard",
}


def _comparisons(function: FunctionSource) -> Iterator[tuple[str, list[Edit]]]:
    for node in function.nodes:
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            for left, operator, right in zip(operands, node.ops, operands[1:], strict=False):
                token = COMPARISON.get(type(operator))
                place = token and function.gap(left, right, token)
                if token and place:
                    for wrong in _WRONG_COMPARISON[token]:
                        yield "comparison", [Edit(*place, wrong)]


def _operators(function: FunctionSource) -> Iterator[tuple[str, list[Edit]]]:
    for node in function.nodes:
        if isinstance(node, (ast.BinOp, ast.AugAssign)):
            left, right = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value)
            token = ARITHMETIC.get(type(node.op))
            place = token and function.gap(left, right, token)
            if token and place:
                for wrong in _WRONG_ARITHMETIC[token]:
                    yield "operator", [Edit(*place, wrong)]
        elif isinstance(node, ast.BoolOp):
            token, wrong = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            places = [function.gap(left, right, token) for left, right in zip(node.values, node.values[1:], strict=False)]
            if all(places):
                yield "operator", [Edit(*place, wrong) for place in places if place]


def _constants(function: FunctionSource) -> Iterator[tuple[str, list[Edit]]]:
    initial = {
        id(node.value) for node in function.nodes if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in function.nodes:
        if isinstance(node, ast.Constant):
            operator = "initial value" if id(node) in initial else "constant"
            place = (function.source.start(node), function.source.end(node))
            if isinstance(node.value, bool):
                yield operator, [Edit(*place, str(not node.value))]
            elif isinstance(node.value, int):
                yield operator, [Edit(*place, str(node.value + 1))]
                if node.value > 0:
                    yield operator, [Edit(*place, str(node.value - 1))]


def _off_by_one(function: FunctionSource) -> Iterator[tuple[str, list[Edit]]]:
    for node in function.nodes:
        bounds: list[ast.expr | None] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
            bounds = [*node.args[:2]]
        elif isinstance(node, ast.Subscript):
            bounds = [node.slice.lower, node.slice.upper] if isinstance(node.slice, ast.Slice) else [node.slice]
        for bound in bounds:
            if isinstance(bound, (ast.Name, ast.Call, ast.Attribute, ast.Subscript, ast.BinOp)):
                end = function.source.end(bound)
                for shift in (" + 1", " - 1"):
                    yield "off by one", [Edit(end, end, shift)]


def _wrong_variables(function: FunctionSource) -> Iterator[tuple[str, list[Edit]]]:
    for node in function.loads:
        if node.id in function.variables and id(node) not in function.called:
            for other in function.variables:
                if other != node.id:
                    yield "wrong variable", [Edit(function.source.start(node), function.source.end(node), other)]


def _swapped_arguments(function: FunctionSource) -> Iterator[tuple[str, list[Edit]]]:
    source = function.source
    for node in function.nodes:
        if isinstance(node, ast.Call) and len(node.args) >= 2 and not any(isinstance(a, ast.Starred) for a in node.args):
            for first, second in zip(node.args, node.args[1:], strict=False):
                yield (
                    "swapped arguments",
                    [
                        Edit(source.start(first), source.end(first), source.text(second)),
                        Edit(source.start(second), source.end(second), source.text(first)),
                    ],
                )


def _builtins(function: FunctionSource) -> Iterator[tuple[str, list[Edit]]]:
    for node in function.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _WRONG_BUILTIN:
            name = node.func
            yield "wrong function", [Edit(function.source.start(name), function.source.end(name), _WRONG_BUILTIN[name.id])]


def _is_update(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.AugAssign):
        return True
    if isinstance(statement, ast.Assign):
        targets = {ast.dump(item).replace("Store()", "Load()") for item in statement.targets}
        return any(ast.dump(item) in targets for item in ast.walk(statement.value))
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in _UPDATING_METHODS


def _missing_statements(function: FunctionSource) -> Iterator[tuple[str, list[Edit]]]:
    for node in [function.node, *function.nodes]:
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            if not isinstance(block, list):
                continue
            for statement in block:
                if _is_update(statement):
                    operator = "missing update"
                elif isinstance(statement, (ast.Break, ast.Continue)):
                    operator = "missing jump"
                elif isinstance(statement, ast.If) and not (name == "orelse" and isinstance(node, ast.If) and len(block) == 1):
                    operator = "dropped branch"  # an elif is no statement of its own
                else:
                    continue
                edit = function.remove_statement(statement, block)
                if edit:
                    yield operator, [edit]


def _negated_conditions(function: FunctionSource) -> Iterator[tuple[str, list[Edit]]]:
    for node in function.nodes:
        if isinstance(node, (ast.If, ast.While, ast.IfExp)) and not isinstance(node.test, ast.Compare):
            test, source = node.test, function.source
            if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
                yield "negated condition", [Edit(source.start(test), source.start(test.operand), "")]
            else:
                yield "negated condition", [Edit(source.start(test), source.end(test), f"not ({source.text(test)})")]


MUTATIONS = (
    _comparisons,
    _operators,
    _constants,
    _off_by_one,
    _wrong_variables,
    _swapped_arguments,
    _builtins,
    _missing_statements,
    _negated_conditions,
)
