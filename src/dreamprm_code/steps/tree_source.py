"""What the rest of this room needs to know about a program in a language other than Python: its functions, its lines.

Read by tree-sitter, which names every token of a text, and goes on after an error.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from dreamprm_code.languages import Grammar, Language, LanguageError

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_REST_OF_LINE = re.compile(rb"[ \t;]*(//[^\r\n]*|/\*(?:(?!\*/)[^\r\n])*\*/)?")
_WRAPPERS = frozenset(("expression_list", "parenthesized_expression", "init_declarator"))
_NAME_FIELDS = ("name", "declarator", "left", "property", "type")


class TreeFunction(NamedTuple):
    """A function that lies in no other; ``name`` is qualified by its classes, ``node`` the whole statement."""

    name: str
    node: Node


class Tree(NamedTuple):
    """A program that its grammar could read: its text in UTF-8, its root, its functions in source order."""

    data: bytes
    root: Node
    functions: list[TreeFunction]

    def offset(self, position: int) -> int:
        """A position in the text from one in its bytes."""
        return len(self.data[:position].decode("utf-8", "surrogatepass"))

    def function_ends(self) -> list[tuple[str, int]]:
        """Names, and offsets just behind each function: behind a semicolon and a comment on its last line."""
        found = []
        for name, node in self.functions:
            rest = _REST_OF_LINE.match(self.data, node.end_byte)
            assert rest is not None
            found.append((name, self.offset(node.end_byte + len(rest.group().rstrip()))))
        return found

    def line_ends(self) -> list[tuple[str, int]]:
        """Names, and ends of the lines that hold code; those within brackets or one token belong to the line that ends them."""
        ends: dict[int, int] = {}
        open_brackets: list[bytes] = []
        for leaf in leaves_of(self.root):
            if "comment" in leaf.type:
                continue
            text = leaf.text or b""
            if text in (b"(", b"[", b"{"):
                open_brackets.append(text)
            elif text in (b")", b"]", b"}") and open_brackets:
                open_brackets.pop()
            for row in range(leaf.start_point.row, leaf.end_point.row + 1):
                ends.pop(row, None)
            if not open_brackets or open_brackets[-1] == b"{":
                ends[leaf.end_point.row] = leaf.end_byte
        lines = []
        for row, position in ends.items():
            rest = _REST_OF_LINE.match(self.data, position)
            assert rest is not None
            lines.append((f"line {row + 1}", self.offset(position + len(rest.group().rstrip()))))
        return lines


def parse_tree(code: str, language: Language) -> Tree | None:
    """The program's tree, or None where its grammar cannot read it.

    In a language with macros an error is none where it lies inside of a function whose braces balance.

    Raises:
        LanguageError: tree-sitter or the grammar is not installed.
    """
    assert language.grammar is not None
    data = code.encode("utf-8", "surrogatepass")
    root = _parser(language.title, language.grammar.package).parse(data).root_node
    if b"\0" in data or (root.has_error and not language.grammar.has_macros):
        return None
    functions: list[TreeFunction] = []
    for found in _outside_functions(root, language.grammar):
        if not isinstance(found, TreeFunction):
            return None
        if found.node.has_error and not _is_whole(found.node):
            return None
        functions.append(found)
    return Tree(data, root, functions)


@functools.cache
def _parser(title: str, package: str) -> Parser:
    try:
        import tree_sitter

        grammar = importlib.import_module(package)
    except ImportError:
        name = package.replace("_", "-")
        raise LanguageError(f"to split {title} programs: pip install tree-sitter {name} (pinned in requirements.txt)") from None
    return tree_sitter.Parser(tree_sitter.Language(grammar.language()))


def _outside_functions(root: Node, grammar: Grammar) -> Iterator[TreeFunction | None]:
    """Functions in source order; None for an error that lies in none of them."""
    pending = [(root, "")]
    while pending:
        node, owner = pending.pop()
        if node.is_missing or node.type == "ERROR":
            yield None
            return
        named = _function_name(node, grammar)
        if named is not None:
            yield TreeFunction(owner + named, node)
        elif node.type not in grammar.values:
            inside = owner
            if node.child_by_field_name("body") is not None and (name := _name(node)):
                inside = f"{owner}{name}."
            pending += [(child, inside) for child in reversed(node.children)]


def _function_name(node: Node, grammar: Grammar) -> str | None:
    """A function's own name, None for what is no function."""
    if node.type in grammar.functions:
        if node.child_by_field_name("body") is None:
            return None  # only declared
        receiver = node.child_by_field_name("receiver")
        kind = re.search(r"(\w+)(?:\[[^\]]*\])?\s*\)$", _text(receiver)) if receiver is not None else None
        return (f"{kind[1]}." if kind else "") + _name(node)
    if node.type in grammar.bindings:
        for part in (node, *node.named_children):
            value = part.child_by_field_name("value") or part.child_by_field_name("right")
            while value is not None and value.type in _WRAPPERS:
                value = value.named_children[0] if value.named_children else None
            if value is not None and value.type in grammar.values:
                return _name(part)
    return None


def _name(node: Node) -> str:
    """Of whatever is declared; "" if it has none."""
    for field in _NAME_FIELDS:
        inner = node.child_by_field_name(field)
        if inner is not None:
            break
    else:
        return ""
    while inner.type.endswith("declarator"):
        deeper = inner.child_by_field_name("declarator") or (inner.named_children[-1] if inner.named_children else None)
        if deeper is None:
            break
        inner = deeper
    return " ".join(_text(inner).split())[:100]


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _is_whole(function: Node) -> bool:
    """Whether the function's end is beyond doubt though its body has an error: its head has none, its braces balance."""
    body = function.child_by_field_name("body")
    if body is None or any(child.has_error for child in function.children if child != body):
        return False
    depth = 0
    for leaf in leaves_of(body):
        if leaf.type == "{" and not leaf.is_missing:
            depth += 1
        elif leaf.type == "}" and not leaf.is_missing:
            depth -= 1
            if depth == 0 and leaf.end_byte != body.end_byte:
                return False
    return depth == 0


def leaves_of(node: Node) -> Iterator[Node]:
    """The tokens below a node, in order; a string is one."""
    pending = [node]
    while pending:
        inner = pending.pop()
        if inner.child_count and "string" not in inner.type:
            pending += reversed(inner.children)
        else:
            yield inner
