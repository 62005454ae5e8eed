"""Programs with one wrong function, made from correct ones: ground on which the first wrong step is known.

A *mutation* changes one function by one semantic operator (off by one, comparison, wrong variable, dropped branch ...). A
*rewrite* changes one function and not its meaning (renamed variable, mirrored comparison ...): without rewrites a model could
tell wrong functions from right ones by "differs from the one text that I know". Both are edits of single spans of the source:
every byte outside the function stays as it is, and so does its layout.

Nothing here runs a program. Whether a mutation is wrong is what the unit tests say: see ``make_controlled.py``.
"""

from __future__ import annotations

import ast
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class Edit(NamedTuple):
    """Replace bytes [start, end) of the UTF-8 source."""

    start: int
    end: int
    text: str


class Mutation(NamedTuple):
    """A program in which one function was changed by one operator."""

    function: str
    operator: str
    line: int
    """1-based line of the first change."""
    before: str
    after: str
    code: str


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


class _Function:
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


_COMPARISON = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.In: "in"}
_COMPARISON[ast.NotIn] = "not in"
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
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**", ast.Div: "/"}
_ARITHMETIC |= {ast.BitXor: "^", ast.BitAnd: "&", ast.BitOr: "|", ast.LShift: "<<", ast.RShift: ">>"}
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


def _comparisons(function: _Function) -> Iterator[tuple[str, list[Edit]]]:
    for node in function.nodes:
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            for left, operator, right in zip(operands, node.ops, operands[1:], strict=False):
                token = _COMPARISON.get(type(operator))
                place = token and function.gap(left, right, token)
                if token and place:
                    for wrong in _WRONG_COMPARISON[token]:
                        yield "comparison", [Edit(*place, wrong)]


def _operators(function: _Function) -> Iterator[tuple[str, list[Edit]]]:
    for node in function.nodes:
        if isinstance(node, (ast.BinOp, ast.AugAssign)):
            left, right = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value)
            token = _ARITHMETIC.get(type(node.op))
            place = token and function.gap(left, right, token)
            if token and place:
                for wrong in _WRONG_ARITHMETIC[token]:
                    yield "operator", [Edit(*place, wrong)]
        elif isinstance(node, ast.BoolOp):
            token, wrong = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            places = [function.gap(left, right, token) for left, right in zip(node.values, node.values[1:], strict=False)]
            if all(places):
                yield "operator", [Edit(*place, wrong) for place in places if place]


def _constants(function: _Function) -> Iterator[tuple[str, list[Edit]]]:
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


def _off_by_one(function: _Function) -> Iterator[tuple[str, list[Edit]]]:
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


def _wrong_variables(function: _Function) -> Iterator[tuple[str, list[Edit]]]:
    for node in function.loads:
        if node.id in function.variables and id(node) not in function.called:
            for other in function.variables:
                if other != node.id:
                    yield "wrong variable", [Edit(function.source.start(node), function.source.end(node), other)]


def _swapped_arguments(function: _Function) -> Iterator[tuple[str, list[Edit]]]:
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


def _builtins(function: _Function) -> Iterator[tuple[str, list[Edit]]]:
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


def _missing_statements(function: _Function) -> Iterator[tuple[str, list[Edit]]]:
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


def _negated_conditions(function: _Function) -> Iterator[tuple[str, list[Edit]]]:
    for node in function.nodes:
        if isinstance(node, (ast.If, ast.While, ast.IfExp)) and not isinstance(node.test, ast.Compare):
            test, source = node.test, function.source
            if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
                yield "negated condition", [Edit(source.start(test), source.start(test.operand), "")]
            else:
                yield "negated condition", [Edit(source.start(test), source.end(test), f"not ({source.text(test)})")]


_MUTATIONS = (
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

_NEW_NAMES = ("value", "item", "current", "entry", "part", "amount", "number", "data", "element", "unit", "piece", "quantity")


def _renamed_variables(function: _Function) -> Iterator[tuple[str, list[Edit]]]:
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


def _mirrored_comparisons(function: _Function) -> Iterator[tuple[str, list[Edit]]]:
    source = function.source
    for node in function.nodes:
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right = node.left, node.comparators[0]
            token = _COMPARISON.get(type(node.ops[0]))
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


def _expanded_updates(function: _Function) -> Iterator[tuple[str, list[Edit]]]:
    source = function.source
    for node in function.nodes:
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and type(node.op) in _ARITHMETIC:
            value = source.text(node.value)
            value = value if isinstance(node.value, (ast.Name, ast.Constant, ast.Call, ast.Subscript)) else f"({value})"
            text = f"{node.target.id} = {node.target.id} {_ARITHMETIC[type(node.op)]} {value}"
            yield "expanded update", [Edit(source.start(node), source.end(node), text)]


def _commuted_operands(function: _Function) -> Iterator[tuple[str, list[Edit]]]:
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


_REWRITES = (_renamed_variables, _mirrored_comparisons, _expanded_updates, _commuted_operands)


def _changed(code: str, makers: Sequence, rng: random.Random, per_function: int) -> list[Mutation]:
    source = Source(code)
    original = [ast.dump(function) for function in source.functions()]
    found: list[Mutation] = []
    for position, node in enumerate(source.functions()):
        by_operator: dict[str, list[list[Edit]]] = defaultdict(list)
        function = _Function(source, node)
        for maker in makers:
            for operator, edits in maker(function):
                by_operator[operator].append(edits)
        queues = [(operator, rng.sample(edits, len(edits))) for operator, edits in sorted(by_operator.items())]
        rng.shuffle(queues)
        taken: list[Mutation] = []
        seen = {code}
        while queues and len(taken) < per_function:  # one of each operator in turn
            for operator, edits in queues:
                mutation = _mutation(source, node, operator, edits.pop(), original, position)
                if mutation is not None and mutation.code not in seen and len(taken) < per_function:
                    seen.add(mutation.code)
                    taken.append(mutation)
            queues = [queue for queue in queues if queue[1]]
        found.extend(taken)
    return found


def _mutation(
    source: Source, node: FunctionNode, operator: str, edits: list[Edit], original: list[str], position: int
) -> Mutation | None:
    """Apply the edits; None unless exactly the function at ``position`` became another one and the program still parses."""
    code = source.apply(edits)
    try:
        changed = [ast.dump(function) for function in Source(code).functions()]
    except (SyntaxError, ValueError):
        return None
    differing = [k for k, pair in enumerate(zip(original, changed, strict=False)) if pair[0] != pair[1]]
    if len(changed) != len(original) or differing != [position]:
        return None
    first = min(edits)
    return Mutation(
        function=node.name,
        operator=operator,
        line=source.line_of(first.start),
        before=" ... ".join(source.data[edit.start : edit.end].decode().strip() for edit in sorted(edits)),
        after=" ... ".join(edit.text for edit in sorted(edits)),
        code=code,
    )


def mutations(code: str, seed: int, per_function: int) -> list[Mutation]:
    """At most ``per_function`` probably wrong versions of each function, spread over the operators; the same for the same seed.

    Raises:
        SyntaxError, ValueError: the code does not parse.
    """
    return _changed(code, _MUTATIONS, random.Random(seed), per_function)


def rewrites(code: str, seed: int, per_function: int) -> list[Mutation]:
    """At most ``per_function`` versions of each function that should mean the same; the same for the same seed.

    Raises:
        SyntaxError, ValueError: the code does not parse.
    """
    return _changed(code, _REWRITES, random.Random(seed), per_function)
