"""Find the program in a model's answer.

The rule, in order:

1. Reasoning (``<think>`` ... ``</think>`` and its kin) is cut off; an answer that ends inside it holds no program.
2. Fenced blocks (backticks or tildes; an unclosed one runs to the end) are candidates if they are tagged as Python or untagged;
   a block with another tag is one only if there are no others and it parses as a Python program.
3. Of the candidates, the best by: parses; is a whole program (defines a function or class, or reads input); is tagged as
   Python. Among equals the last, which is where models put their final version.
4. Without any fence, the first run of lines that parses as a whole program; failing that the whole answer if it
   begins like code (a program that was cut off); else nothing.

In the other languages the rule is the same, with their fences and grammars; without any fence, the whole answer if it parses as
a program or begins like one.
"""

from __future__ import annotations

import ast
import re
import textwrap
from typing import NamedTuple

from dreamprm_code.languages import PYTHON, Language, language_named
from dreamprm_code.steps.python_source import lines_of, parse
from dreamprm_code.steps.tree_source import parse_tree

_REASONING_END = re.compile(r"</(think|thinking|thought|reasoning)>", re.IGNORECASE)
_REASONING_START = re.compile(r"\s*<(think|thinking|thought|reasoning)>", re.IGNORECASE)
_FENCE = re.compile(r"(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<tag>[^`]*)$")
_LATE_FENCE = re.compile(r"(?P<fence>```)(?P<tag>(?:python|py)[0-9.]*)[ \t]*$", re.IGNORECASE)
_CODE_LINE = re.compile(
    r"(?:import|from|def|class|async def|if|for|while|try:|with|print\()\b|@\w|#|[A-Za-z_][\w, ]* ?= ?\S|\"\"\"|'''"
)
_CUT_OFF_START = re.compile(r"import \w|from [\w.]+ import|(?:async )?def \w+ ?\(|class \w+ ?[:(]|@\w+|\w+(?:, ?\w+)* ?= ?\S")
"""A first line that is no prose: stricter, because here nothing else proves that the answer is a program."""

_OTHER_CUT_OFF_START = re.compile(
    r"#include\b|using namespace\b|import [\w.*{\"(]|package \w+|public class\b|class \w+ ?\{|use \w+::|fn \w+\(|func \w+\(|"
    r"function\*? \w+ ?\(|(?:const|let|var) \w+ = |'use strict'"
)

_MAX_STARTS = 40
"""Lines tried as the start of an unfenced program; more would make long prose slow."""


class _Block(NamedTuple):
    tag: str
    code: str

    def is_in(self, language: Language) -> bool:
        if language == PYTHON:
            return re.match(r"[{.]*py", self.tag, re.IGNORECASE) is not None
        words = re.split(r"[\s,:]", self.tag.strip("{.}").lower())
        return words[0] in language.fences


def extract_code(output: str, language: str = PYTHON.name) -> str:
    """The program in a model's answer, without surrounding blank lines and with plain line feeds; "" if there is none."""
    answer, wanted = _after_reasoning(output), language_named(language)
    if answer is None:
        return ""
    blocks = [block for block in _fenced_blocks(answer) if block.code]
    candidates = [block for block in blocks if block.is_in(wanted) or not block.tag]
    if len(candidates) == 1:
        return candidates[0].code  # the usual case needs no parsing
    if candidates:
        return max(enumerate(candidates), key=lambda item: (*_quality(item[1], wanted), item[0]))[1].code
    for block in reversed(blocks):
        if _is_whole_program(block.code, wanted):
            return block.code
    if blocks:
        return ""
    return _unfenced(answer) if wanted == PYTHON else _unfenced_in(answer, wanted)


def _after_reasoning(output: str) -> str | None:
    ends = list(_REASONING_END.finditer(output))
    if ends:
        return output[ends[-1].end() :]
    return None if _REASONING_START.match(output) else output


def _quality(block: _Block, language: Language) -> tuple[bool, bool, bool]:
    parses = parse(block.code) if language == PYTHON else parse_tree(block.code, language)
    return parses is not None, _is_whole_program(block.code, language), block.is_in(language)


def _is_whole_program(code: str, language: Language = PYTHON) -> bool:
    """Parses, and defines something or reads input: a line of sample output or of usage does neither."""
    if language != PYTHON:
        found = parse_tree(code, language)
        return found is not None and (bool(found.functions) or "stdin" in code or "readFileSync" in code)
    tree = parse(code)
    if tree is None:
        return False
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            return True
        if isinstance(node, ast.Name) and node.id in ("input", "stdin", "open"):
            return True
        if isinstance(node, ast.Attribute) and node.attr == "stdin":
            return True
    return False


def _fenced_blocks(text: str) -> list[_Block]:
    blocks: list[_Block] = []
    tag, fence, indent = "", "", 0
    inside: list[str] = []

    def close() -> None:
        code = "\n".join(inside).strip("\n").rstrip()
        blocks.append(_Block(tag, textwrap.dedent(code) if code[:1].isspace() else code))
        inside.clear()

    for _, line in lines_of(text):
        match = _FENCE.match(line)
        if not fence:
            opening = match or _LATE_FENCE.search(line)
            if opening:
                fence, tag = opening["fence"], opening["tag"].strip()
                indent = len(opening["indent"]) if match else 0
        elif match and match["fence"][0] == fence[0] and len(match["fence"]) >= len(fence):
            close()
            fence, tag = (match["fence"], match["tag"].strip()) if match["tag"].strip() else ("", "")
            indent = len(match["indent"]) if fence else 0
        elif fence[0] == "`" and line.rstrip().endswith(fence) and not line.rstrip().endswith(fence + "`"):
            inside.append(line.rstrip()[: -len(fence)])
            close()
            fence = ""
        else:
            inside.append(line[indent:] if not line[:indent].strip() else line)
    if fence:
        close()
    return blocks


def _unfenced(text: str) -> str:
    lines = [line.text for line in lines_of(text)]
    starts = [number for number, line in enumerate(lines) if _CODE_LINE.match(line)]
    for start in starts[:_MAX_STARTS]:
        code = _parsing_run(lines[start:])
        if code and _is_whole_program(code):
            return code
    whole = "\n".join(lines).strip("\n").rstrip()
    return whole if _CUT_OFF_START.match(whole) else ""


def _unfenced_in(text: str, language: Language) -> str:
    code = "\n".join(line.text for line in lines_of(text)).strip("\n").rstrip()
    return code if _is_whole_program(code, language) or _OTHER_CUT_OFF_START.match(code) else ""


def _parsing_run(lines: list[str]) -> str:
    """The longest beginning of ``lines`` that parses, trying each line at which Python stumbles, a few times."""
    for _ in range(4):
        code = "\n".join(lines).strip("\n").rstrip()
        try:
            ast.parse(code)
        except SyntaxError as error:
            lines = lines[: max(0, (error.lineno or 1) - 1)]
        except (ValueError, RecursionError, MemoryError):
            return ""
        else:
            return code
    return ""
