"""The languages in which programs may be written: for each, in one entry, how it is split, built, run, limited and prompted.

To add one: an entry here, its pinned grammar in requirements.txt, prompts ``cof_stdin_NAME.md`` and ``plain_stdin_NAME.md``,
and reference programs in ``data/demo/languages/NAME/``, on which the tests of splitter and grader run.
"""

from __future__ import annotations

from dataclasses import dataclass

from dreamprm_code.errors import UserError


class LanguageError(UserError):
    """A language that is not known, or cannot be worked with here; the message says what to do."""


@dataclass(frozen=True)
class Grammar:
    """How a program is split, in the words of its tree-sitter grammar.

    ``functions`` are the kinds of node that are functions where they have a body, ``values`` those of functions without a name
    (lambdas): nothing inside them is a step. A statement of a kind in ``bindings`` whose value is such a function is one, too.
    ``has_macros``: what a preprocessor replaces can look like an error inside of a function.
    """

    package: str
    functions: frozenset[str]
    values: frozenset[str] = frozenset()
    bindings: frozenset[str] = frozenset()
    has_macros: bool = False


@dataclass(frozen=True)
class Language:
    """``title`` is its name in prompts, ``fences`` the tags of its code blocks, ``suffix`` that of its files.

    ``grammar`` is None for Python alone, which Python's own parser splits.
    """

    name: str
    title: str
    suffix: str
    fences: tuple[str, ...]
    grammar: Grammar | None


def _kinds(text: str) -> frozenset[str]:
    return frozenset(text.split())


PYTHON = Language("python", "Python", ".py", ("python", "py", "python3"), None)

LANGUAGES: dict[str, Language] = {
    language.name: language
    for language in (
        PYTHON,
        Language(
            "cpp",
            "C++",
            ".cpp",
            ("cpp", "c++", "cc", "cxx", "c"),
            Grammar(
                "tree_sitter_cpp",
                functions=_kinds("function_definition"),
                values=_kinds("lambda_expression"),
                bindings=_kinds("declaration"),
                has_macros=True,
            ),
        ),
        Language(
            "java",
            "Java",
            ".java",
            ("java",),
            Grammar(
                "tree_sitter_java",
                functions=_kinds("method_declaration constructor_declaration compact_constructor_declaration"),
                values=_kinds("lambda_expression"),
                bindings=_kinds("field_declaration"),
            ),
        ),
        Language(
            "javascript",
            "JavaScript",
            ".js",
            ("javascript", "js", "node", "nodejs", "mjs"),
            Grammar(
                "tree_sitter_javascript",
                functions=_kinds("function_declaration generator_function_declaration method_definition"),
                values=_kinds("arrow_function function_expression generator_function"),
                bindings=_kinds("lexical_declaration variable_declaration expression_statement field_definition"),
            ),
        ),
        Language(
            "go",
            "Go",
            ".go",
            ("go", "golang"),
            Grammar(
                "tree_sitter_go",
                functions=_kinds("function_declaration method_declaration"),
                values=_kinds("func_literal"),
                bindings=_kinds("var_declaration"),
            ),
        ),
        Language(
            "rust",
            "Rust",
            ".rs",
            ("rust", "rs"),
            Grammar("tree_sitter_rust", functions=_kinds("function_item"), values=_kinds("closure_expression")),
        ),
    )
}


def language_named(name: str) -> Language:
    """The entry of a language.

    Raises:
        LanguageError: there is none of that name.
    """
    if name not in LANGUAGES:
        raise LanguageError(f"language {name!r} is not known; choose from {', '.join(LANGUAGES)}")
    return LANGUAGES[name]
