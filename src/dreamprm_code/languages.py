"""The languages in which programs may be written: for each, in one entry, how it is split, built, run, limited and prompted.

To add one: an entry here, its pinned grammar in requirements.txt, prompts ``cof_stdin_NAME.md`` and ``plain_stdin_NAME.md``,
and reference programs in ``data/demo/languages/NAME/``, on which the tests of splitter and grader run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

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
class Toolchain:
    """How a program is built once, and then run for each test, in an empty folder.

    ``source`` is the file in which its text lies, unless one of ``named`` (pattern, file name from its groups) is found in it.
    ``build`` leaves the file ``made``: with an empty ``run`` that is executed, else it lies in the folder of every test. If it
    is a folder of Java's classes, it becomes a jar. The first word of a command is one of ``commands``, looked for on the
    PATH. In commands and environment ``{source}``, ``{tmp}`` (a folder), ``{memory_mb}`` (the limit) and ``{stack_kb}`` are
    filled in.

    ``is_vm``: it reserves far more addresses than it uses, so the kernel bounds only what may be written to.
    ``folders`` are patterns of what it reads besides its own and the system's folders.
    """

    commands: tuple[str, ...]
    debian: str
    conda: str
    source: str
    build: tuple[str, ...]
    made: str
    run: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    named: tuple[tuple[str, str], ...] = ()
    is_vm: bool = False
    folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Driver:
    """How a program that only defines a function gets a ``main`` that calls it: the text ``grading/drivers/FILE`` around it,
    which reads the arguments as the types that the function declares (its fields: ``grading/drivers.py``).

    ``types`` are the language's names of a boolean, a 32-bit and a 64-bit integer, a number and a string, ``list`` that of a
    list of them; with them ``parameter`` and ``starter`` spell the header that a program must have. ``owner`` finds the class
    ``Solution``, of which the function is a member then. ``edits`` (unless this pattern is found, replace that pattern once, by
    this) make room in the program. Integers are exact up to ``exact``.
    """

    file: str
    types: tuple[str, str, str, str, str]
    list: str
    starter: str
    parameter: str
    owner: str = ""
    edits: tuple[tuple[str, str, str], ...] = ()
    snake_case: bool = False
    exact: int = 2**63 - 1


@dataclass(frozen=True)
class Language:
    """``title`` is its name in prompts, ``fences`` the tags of its code blocks, ``suffix`` that of its files.

    Python alone has none of the last three: its own parser splits it, and the grader's interpreter runs it.
    """

    name: str
    title: str
    suffix: str
    fences: tuple[str, ...]
    grammar: Grammar | None = None
    toolchain: Toolchain | None = None
    driver: Driver | None = None


def _kinds(text: str) -> frozenset[str]:
    return frozenset(text.split())


PYTHON = Language("python", "Python", ".py", ("python", "py", "python3"))

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
            Toolchain(
                commands=("g++",),
                debian="g++",
                conda="gxx",
                source="main.cpp",
                build=("g++", "-std=gnu++20", "-O2", "-w", "-fdiagnostics-color=never", "-o", "main", "{source}"),
                made="main",
            ),
            Driver(
                file="driver.cpp",
                types=("bool", "int", "long long", "double", "string"),
                list="vector<{}>",
                parameter="{type} {name}",
                starter="class Solution {\npublic:\n    {result} {name}({parameters}) {\n    }\n};",
                owner=r"\b(?:class|struct)\s+Solution\b",
                edits=(
                    ("#[ \\t]*include", r"\A", "#include <bits/stdc++.h>\nusing namespace std;\n#line 1\n"),
                    ("", r"\bmain(?=\s*\()", "main_of_the_program"),
                ),
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
            Toolchain(
                commands=("javac", "java"),
                debian="default-jdk-headless",
                conda="openjdk",
                source="Main.java",
                build=(
                    *("javac", "-J-Xmx1g", "-J-XX:+UseSerialGC", "-J-XX:TieredStopAtLevel=1", "-J-XX:-UsePerfData"),
                    *("-encoding", "UTF-8", "-proc:none", "-nowarn", "-Xlint:none", "-d", "classes", "{source}"),
                ),
                made="classes",
                run=(
                    *("java", "-Xmx{memory_mb}m", "-Xss128m", "-XX:+UseSerialGC", "-XX:-UsePerfData"),
                    *("-XX:ErrorFile=/dev/null", "-jar", "classes"),
                ),
                # The file must have the name of its public class.
                named=(
                    (
                        r"\bpublic\s+(?:(?:final|abstract|sealed|strictfp)\s+)*(?:class|interface|enum|record)\s+(\w+)",
                        r"\1.java",
                    ),
                ),
                is_vm=True,
                folders=("/etc/java-*-openjdk",),
            ),
            Driver(
                file="driver.java",
                types=("boolean", "int", "long", "double", "String"),
                list="{}[]",
                parameter="{type} {name}",
                starter="class Solution {\n    public {result} {name}({parameters}) {\n    }\n}",
                edits=(
                    (
                        "",
                        r"\A(\s*package\s[^;]*;)?",
                        r"\1import java.util.*; import java.util.function.*; import java.util.stream.*; ",
                    ),
                ),
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
            Toolchain(
                commands=("node",),
                debian="nodejs",
                conda="nodejs",
                source="main.js",
                build=("node", "--check", "{source}"),
                made="{source}",
                run=("node", "--stack-size={stack_kb}", "--max-old-space-size={memory_mb}", "{source}"),
                named=((r"^(?:import\b(?!\s*[(.])|export\b)", "main.mjs"),),
                is_vm=True,
            ),
            Driver(
                file="driver.js",
                types=("boolean", "number", "number", "number", "string"),
                list="{}[]",
                parameter=" * @param {{type}} {name}\n",
                starter="/**\n{parameters} * @return {{result}}\n */\nfunction {name}({names}) {\n}",
                exact=2**53 - 1,
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
            Toolchain(
                commands=("go",),
                debian="golang-go",
                conda="go",
                source="main.go",
                build=("go", "build", "-o", "main", "{source}"),
                made="main",
                environment=(
                    *(("GOCACHE", "{tmp}/cache"), ("GOPATH", "{tmp}/path"), ("GOTMPDIR", "{tmp}"), ("GO111MODULE", "off")),
                    *(("CGO_ENABLED", "0"), ("GOPROXY", "off"), ("GOTOOLCHAIN", "local"), ("GOMAXPROCS", "2")),
                ),
                is_vm=True,
            ),
            Driver(
                file="driver.go",
                types=("bool", "int", "int", "float64", "string"),
                list="[]{}",
                parameter="{name} {type}",
                starter="package main\n\nfunc {name}({parameters}) {result} {\n}",
                edits=(
                    (r"\bpackage\s", r"\A", "package main;"),
                    (
                        "",
                        r"\b(package\s+\w+)[ \t]*;?",
                        r'\1; import (driverjson "encoding/json"; driverio "io"; driveros "os"; driverreflect "reflect"; '
                        'driverstrconv "strconv"; driverstrings "strings");',
                    ),
                    ("", r"\bfunc\s+main(?=\s*\()", "func main_of_the_program"),
                ),
            ),
        ),
        Language(
            "rust",
            "Rust",
            ".rs",
            ("rust", "rs"),
            Grammar("tree_sitter_rust", functions=_kinds("function_item"), values=_kinds("closure_expression")),
            Toolchain(
                commands=("rustc", "cc"),
                debian="rustc",
                conda="rust",
                source="main.rs",
                build=("rustc", "--edition=2021", "-O", "--cap-lints=allow", "--color=never", "-o", "main", "{source}"),
                made="main",
            ),
            Driver(
                file="driver.rs",
                types=("bool", "i32", "i64", "f64", "String"),
                list="Vec<{}>",
                parameter="{name}: {type}",
                starter="impl Solution {\n    pub fn {name}({parameters}) -> {result} {\n    }\n}",
                owner=r"\bimpl\s+Solution\b",
                edits=(
                    (r"\bstruct\s+Solution\b", r"\Z", "\nstruct Solution;\n"),
                    ("", r"\bfn\s+main(?=\s*\()", "fn main_of_the_program"),
                ),
                snake_case=True,
            ),
        ),
    )
}


def in_words(name: str) -> str:
    """``inHumps`` as ``in_humps``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def spellings(name: str) -> tuple[str, ...]:
    """How languages call a function of this name: as it is, ``in_words``, ``inHumps``, ``InHumps``."""
    humps = re.sub(r"(?<=[A-Za-z0-9])_+([A-Za-z0-9])", lambda found: found[1].upper(), name)
    return tuple(dict.fromkeys((name, in_words(name), humps[:1].lower() + humps[1:], humps[:1].upper() + humps[1:])))


def language_of_file(path: Path) -> str:
    """The name of the language whose files end as this one does.

    Raises:
        LanguageError: there is none.
    """
    for language in LANGUAGES.values():
        if path.suffix == language.suffix:
            return language.name
    known = ", ".join(f"{language.suffix} ({name})" for name, language in LANGUAGES.items())
    raise LanguageError(f"{path}: no language has files that end so; give --language, or choose from {known}")


def language_named(name: str) -> Language:
    """The entry of a language.

    Raises:
        LanguageError: there is none of that name.
    """
    if name not in LANGUAGES:
        raise LanguageError(f"language {name!r} is not known; choose from {', '.join(LANGUAGES)}")
    return LANGUAGES[name]
