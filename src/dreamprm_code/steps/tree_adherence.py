"""The Chain-of-Function rules in languages other than Python: a comment before a function is its docstring."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dreamprm_code.languages import Language, spellings
from dreamprm_code.steps.cof_rules import CofViolation, CofViolationKind
from dreamprm_code.steps.tree_source import Tree, TreeFunction, leaves_of, parse_tree

if TYPE_CHECKING:
    from tree_sitter import Node

_BELONGS_TO_NEXT = re.compile(rb"\s*(#\[.*\]|template\s*<.*>|export|@\w+.*)\s*$")


def tree_violations(code: str, func_name: str | None, language: Language) -> list[CofViolation]:
    """The broken rules of a program; its high-level function is ``main``, or the one that the tests call in any spelling."""
    tree = parse_tree(code, language)
    if tree is None:
        return [CofViolation(CofViolationKind.UNPARSABLE, f"the program is no whole {language.title} program")]
    functions = tree.functions
    if not functions:
        return [CofViolation(CofViolationKind.NO_FUNCTION, "the program has no function")]
    violations = []
    accepted = ("main",) if func_name is None else spellings(func_name)
    if re.split(r"[.:]", functions[0].name)[-1] not in accepted:
        detail = f"the first function is {functions[0].name}, not {accepted[0]}"
        violations.append(CofViolation(CofViolationKind.MAIN_NOT_FIRST, detail))
    for function in functions:
        if not _has_comment(tree, function):
            violations.append(CofViolation(CofViolationKind.MISSING_DOCSTRING, f"no comment stands before {function.name}"))
        violations += [
            CofViolation(CofViolationKind.NESTED_FUNCTION, f"{inner} is defined inside {function.name}")
            for inner in _inner_functions(function.node, language)
        ]
    violations += _helpers(tree)
    if (
        func_name is None
        and language.name == "javascript"
        and code.rstrip().rstrip(";").rpartition("\n")[2].strip() != "main()"
    ):
        violations.append(CofViolation(CofViolationKind.NOT_ONE_FINAL_CALL, "the call of main() is not the last statement"))
    return violations


def _has_comment(tree: Tree, function: TreeFunction) -> bool:
    """Directly before the function (and its attributes), or as the first thing in it."""
    before = tree.data[: function.node.start_byte].split(b"\n")
    if not before.pop().strip():  # what stands before it on its own line
        while before and _BELONGS_TO_NEXT.match(before[-1]):
            before.pop()
        if before and (before[-1].rstrip().endswith(b"*/") or before[-1].lstrip().startswith(b"//")):
            return True
    body = function.node.child_by_field_name("body")
    return body is not None and body.child_count > 1 and "comment" in body.children[1].type


def _inner_functions(function: Node, language: Language) -> Iterator[str]:
    """Names of functions with a name of their own inside of one (lambdas are values)."""
    assert language.grammar is not None
    pending = list(function.children)
    while pending:
        node = pending.pop()
        if node.type in language.grammar.functions and language.name != "java":  # Java's are methods of anonymous classes
            name = node.child_by_field_name("name")
            yield (name.text or b"?").decode("utf-8", "replace") if name is not None else "a function"
        else:
            pending += node.children


def _helpers(tree: Tree) -> Iterator[CofViolation]:
    helpers = tree.functions[1:]
    if not helpers:
        yield CofViolation(CofViolationKind.NO_HELPER, f"{tree.functions[0].name} is the only function")
        return
    uses = Counter(_names(tree.root))
    for name, node in helpers:
        short = re.split(r"[.:]", name)[-1]
        if uses[short] == Counter(_names(node))[short] and short not in name.split(".")[:-1]:  # a constructor has its class's
            yield CofViolation(CofViolationKind.UNUSED_HELPER, f"{name} is never used")


def _names(node: Node) -> Iterator[str]:
    """Every name below a node that is not just being declared."""
    for leaf in leaves_of(node):
        if "identifier" in leaf.type and (leaf.parent is None or leaf.parent.type != "function_declarator"):
            yield (leaf.text or b"").decode("utf-8", "replace")
