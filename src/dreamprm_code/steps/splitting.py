"""Split a program into its steps: growing prefixes, one per function.

The released code of the paper guesses functions from lines; its prefixes can shrink and end inside a function. Here the
boundaries come from Python's own parser:

* Every function or method that lies in no other function is a step; nested functions stay inside theirs.
* A prefix ends with its function (and a comment on that last line), without the line break.
* What stands between two functions (imports, constants, a class header, decorators, comments) belongs to the later one;
  what follows the last function belongs to the last step, so that the last prefix is the whole program.
* A program without functions is one step.
* Above ``max_functions`` functions, the last step takes all the rest.
* A program that Python cannot parse (cut off, another language) is one step, and ``fallback`` says so.

The same holds for the other languages of :mod:`dreamprm_code.languages`, whose boundaries come from their tree-sitter grammars.
"""

from __future__ import annotations

import functools
import io
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from dreamprm_code.languages import PYTHON, Language, language_named
from dreamprm_code.steps.python_source import Line, function_end, functions_of, lines_of, parse
from dreamprm_code.steps.tree_source import parse_tree

Granularity = Literal["function", "line", "program"]
GRANULARITIES: tuple[str, ...] = get_args(Granularity)

UNPARSABLE = "unparsable"
"""The fallback: the program does not parse and is one step (for lines: its physical lines are the steps)."""

_SILENT_TOKENS = {tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING}

PROGRAM_NAME = "<program>"
"""Name of the one step of a program that is not split."""


@dataclass(frozen=True)
class StepSettings:
    """How programs are split: step labels are made with one of these, and a PRM reads programs as its labels were made."""

    max_functions: int = 10
    granularity: str = "function"


DEFAULT_STEPS = StepSettings()
"""The method's own."""


class ProgramStep(NamedTuple):
    """A step's name (qualified function name) and the program's text from its start to the step's end."""

    name: str
    prefix: str


class ProgramSteps(NamedTuple):
    """Steps in order. Prefixes grow strictly and the last is the program; ``fallback`` names why it was not split, if so."""

    steps: tuple[ProgramStep, ...]
    fallback: str | None

    @property
    def prefixes(self) -> tuple[str, ...]:
        return tuple(step.prefix for step in self.steps)

    @property
    def texts(self) -> tuple[str, ...]:
        """Each step's own text; joined, they are the program."""
        starts = (0, *(len(step.prefix) for step in self.steps))
        return tuple(step.prefix[start:] for start, step in zip(starts, self.steps, strict=False))


def split_program(
    code: str, max_functions: int | None = 10, granularity: str = "function", language: str = "python"
) -> ProgramSteps:
    """Split ``code`` into at most ``max_functions`` steps (default 10, as the released code; None: no cap).

    ``granularity`` is "function" (the method), "line" (every logical line that holds code: a statement over several lines is
    one; comments, blank lines and docstrings are no steps and belong to the line after them) or "program" (one step).

    Raises:
        ValueError: ``max_functions`` is below 1 or the granularity unknown.
        LanguageError: the language is not known, or its grammar not installed.
    """
    if max_functions is not None and max_functions < 1:
        raise ValueError(f"max_functions is {max_functions}; at least one step is needed")
    if granularity not in GRANULARITIES:
        raise ValueError(f"unknown granularity {granularity!r}; choose from {', '.join(GRANULARITIES)}")
    whole = (ProgramStep(PROGRAM_NAME, code),)
    if granularity == "program":
        return ProgramSteps(whole, None)
    find = _python_ends if language == PYTHON.name else functools.partial(_tree_ends, language=language_named(language))
    ends = find(code, granularity)
    fallback = None if ends is not None else UNPARSABLE
    if ends is None:
        ends = [
            (f"line {number}", line.start + len(line.text.rstrip()))
            for number, line in enumerate(lines_of(code) if granularity == "line" else (), 1)
            if line.text.strip()
        ]
    return ProgramSteps(_steps(code, ends, max_functions) or whole, fallback)


def _python_ends(code: str, granularity: str) -> list[tuple[str, int]] | None:
    """Names and ends of a Python program's functions or lines; None if it does not parse."""
    tree, lines = parse(code), lines_of(code)
    if tree is None:
        return None
    if granularity == "line":
        numbers = _code_line_numbers(lines)
        if numbers is None:
            return None
        return [(f"line {number + 1}", lines[number].start + len(lines[number].text.rstrip())) for number in numbers]
    return [(function.name, function_end(function, code, lines)) for function in functions_of(tree)]


def _tree_ends(code: str, granularity: str, language: Language) -> list[tuple[str, int]] | None:
    """The same for the other languages."""
    tree = parse_tree(code, language)
    if tree is None:
        return None
    return tree.line_ends() if granularity == "line" else tree.function_ends()


def _steps(code: str, ends: Sequence[tuple[str, int]], max_functions: int | None) -> tuple[ProgramStep, ...]:
    """Cut ``code`` at the offsets; the last step runs to its end, and takes all steps beyond the cap."""
    if not ends:
        return ()
    num_steps = min(len(ends), max_functions or len(ends))
    tail = ends[num_steps - 1 :]
    tail_name = tail[0][0] if len(tail) == 1 else f"{tail[0][0]} ... {tail[-1][0]}"
    return (*(ProgramStep(name, code[:end]) for name, end in ends[: num_steps - 1]), ProgramStep(tail_name, code))


def _code_line_numbers(lines: Sequence[Line]) -> list[int] | None:
    """Numbers (from 0) of the physical lines at which a logical line ends, or None if the program cannot be tokenized.

    A line that is only a string says nothing to Python: like a comment it is no step, neither labelled nor rewarded.
    """
    source = io.StringIO("".join(line.text + "\n" for line in lines), newline="\n")
    numbers, said = [], set[int]()
    try:
        for token in tokenize.generate_tokens(source.readline):
            if token.type == tokenize.NEWLINE:
                if said != {tokenize.STRING}:
                    numbers.append(token.start[0] - 1)
                said = set()
            elif token.type not in _SILENT_TOKENS:
                said.add(token.type)
    except (tokenize.TokenError, SyntaxError):
        return None
    return numbers
