"""Does a program follow the Chain-of-Function rules that the prompt states? Every departure is named."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from dreamprm_code.languages import PYTHON, language_named
from dreamprm_code.steps.cof_rules import CofViolation, CofViolationKind
from dreamprm_code.steps.python_source import Function, FunctionNode, functions_of, parse
from dreamprm_code.steps.tree_adherence import tree_violations


def cof_violations(code: str, func_name: str | None, language: str = PYTHON.name) -> list[CofViolation]:
    """Check a program against the Chain-of-Function rules; an empty list means that it follows all of them.

    ``func_name`` is the function that the tests call (None for a stdin program, whose high-level function is ``main``).
    """
    if language != PYTHON.name:
        return tree_violations(code, func_name, language_named(language))
    tree = parse(code)
    if tree is None:
        return [CofViolation(CofViolationKind.UNPARSABLE, "Python cannot parse the program")]
    functions = functions_of(tree)
    if not functions:
        return [CofViolation(CofViolationKind.NO_FUNCTION, "the program has no function")]
    violations = [
        *_high_level_first(functions, func_name),
        *_docstrings(functions),
        *_nesting(functions),
        *_helpers(functions, tree),
    ]
    if func_name is None:
        violations += _final_call(tree)
    return violations


def _high_level_first(functions: list[Function], func_name: str | None) -> Iterator[CofViolation]:
    first = functions[0].name
    accepted = ("main",) if func_name is None else (f"Solution.{func_name}", func_name)
    if first not in accepted:
        yield CofViolation(CofViolationKind.MAIN_NOT_FIRST, f"the first function is {first}, not {accepted[0]}")


def _docstrings(functions: list[Function]) -> Iterator[CofViolation]:
    for name, node in functions:
        if not (ast.get_docstring(node) or "").strip():
            yield CofViolation(CofViolationKind.MISSING_DOCSTRING, f"{name} has no docstring")


def _nesting(functions: list[Function]) -> Iterator[CofViolation]:
    for name, node in functions:
        for inner in ast.walk(node):
            if inner is not node and isinstance(inner, FunctionNode):
                yield CofViolation(CofViolationKind.NESTED_FUNCTION, f"{inner.name} is defined inside {name}")


def _helpers(functions: list[Function], tree: ast.Module) -> Iterator[CofViolation]:
    """At least one helper; each is named somewhere outside its own body. Methods that Python calls itself count as used."""
    helpers = functions[1:]
    if not helpers:
        yield CofViolation(CofViolationKind.NO_HELPER, f"{functions[0].name} is the only function")
        return
    uses = Counter(_names(tree))
    for name, node in helpers:
        short = node.name
        if short.startswith("__") and short.endswith("__"):
            continue
        if uses[short] == _names(node).count(short):
            yield CofViolation(CofViolationKind.UNUSED_HELPER, f"{name} is never used")


def _names(node: ast.AST) -> list[str]:
    """Every name and attribute that is read below ``node``."""
    found = []
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
            found.append(inner.id)
        elif isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Load):
            found.append(inner.attr)
    return found


def _final_call(tree: ast.Module) -> Iterator[CofViolation]:
    """main() is called once outside functions, as the last statement, bare or under ``if __name__ == "__main__":``."""
    calls = [
        node
        for statement in tree.body
        if not isinstance(statement, (FunctionNode, ast.ClassDef))
        for node in ast.walk(statement)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "main"
    ]
    if len(calls) != 1:
        yield CofViolation(CofViolationKind.NOT_ONE_FINAL_CALL, f"main() is called {len(calls)} times outside functions")
        return
    last = tree.body[-1]
    if isinstance(last, ast.If) and not last.orelse and _is_main_guard(last.test):
        last = last.body[-1]
    if not (isinstance(last, ast.Expr) and calls[0] is last.value):
        yield CofViolation(CofViolationKind.NOT_ONE_FINAL_CALL, "the call of main() is not the last statement")


def _is_main_guard(test: ast.expr) -> bool:
    return (
        isinstance(test, ast.Compare)
        and len(test.ops) == 1
        and isinstance(test.ops[0], ast.Eq)
        and {_word(test.left), _word(test.comparators[0])} == {"name __name__", "text __main__"}
    )


def _word(node: ast.expr) -> str | None:
    """A name or a string constant, told apart; None for anything else."""
    if isinstance(node, ast.Name):
        return f"name {node.id}"
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return f"text {node.value}"
    return None
