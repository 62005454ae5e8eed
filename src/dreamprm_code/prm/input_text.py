"""The one definition of the text that the PRM reads, for training, scoring and search.

Two formats, each a template in ``prompts/``:

* ``native``: the problem, then the program, in which every step is followed by a reserved special token of the
  tokenizer (the *step token*). The score of step k is read at the k-th step token, so that one pass over a whole
  program reads all of its steps.
* ``released``: the text of the released checkpoint, one per prefix, read at its last token. The prefix stands in the
  block named ``starter_code``, as its authors had it; the question id carries no step suffix.
"""

from __future__ import annotations

from collections.abc import Sequence

from dreamprm_code.errors import UserError
from dreamprm_code.languages import PYTHON, language_named
from dreamprm_code.records import Problem
from dreamprm_code.steps import split_program
from dreamprm_code.templates import read_template

FORMATS = ("native", "released")

_FIELDS = ("platform", "question_id", "question_title", "question_content", "starter_code")


def load_template(format: str) -> str:
    """The template of a format; the newline that ends the file is not part of it.

    Raises:
        UserError: an unknown format, or a template that lacks ``{code}`` (in the native format: at its end).
    """
    if format not in FORMATS:
        raise UserError(f"input format '{format}' is not known; choose from {', '.join(FORMATS)}")
    text, where = read_template(f"prm_{format}.txt")
    return check_template(text, format, where)


def check_template(template: str, format: str, where: str) -> str:
    """The template itself, if a text can be made from it."""
    if template.count("{code}") != 1 or (format == "native" and not template.endswith("{code}")):
        place = "at its end, " if format == "native" else ""
        raise UserError(f"{where}: a template of the {format} format needs {{code}} {place}exactly once")
    try:
        template.format(code="", **dict.fromkeys(_FIELDS, ""))
    except (KeyError, IndexError, ValueError) as error:
        raise UserError(f"{where}: field {error} is unknown; known: code, {', '.join(_FIELDS)}") from None
    return template


def fill(template: str, problem: Problem, code: str, statement: str | None = None) -> str:
    """The template with a problem and code in it; ``statement`` replaces the problem's own (a shortened one)."""
    fields = {name: getattr(problem, name) for name in _FIELDS}
    if statement is not None:
        fields["question_content"] = statement
    return template.format(code=code, **fields)


def step_pieces(prefixes: Sequence[str]) -> list[str]:
    """What each prefix adds to the one before it.

    Raises:
        ValueError: a prefix does not continue the one before it.
    """
    pieces: list[str] = []
    before = ""
    for prefix in prefixes:
        if not prefix.startswith(before) or (pieces and prefix == before):
            raise ValueError("the prefixes of a program must grow strictly, each beginning with the one before it")
        pieces.append(prefix[len(before) :])
        before = prefix
    return pieces


def program_prefixes(
    code: str, max_functions: int = 10, granularity: str = "function", language: str = PYTHON.name
) -> list[str]:
    """The step prefixes of a program; code that has no steps (empty, not parsable) is one step."""
    return [step.prefix for step in split_program(code, max_functions, granularity, language).steps] or [code]


def in_language(problem: Problem, language: str) -> Problem:
    """A problem as the PRM reads it before a program in this language: where that is not Python, its statement says so.

    In the statement, not in the template: a checkpoint keeps the template that it was trained with.
    """
    if language == PYTHON.name:
        return problem
    said = f"{problem.question_content}\n\nThe program is written in {language_named(language).title}."
    return problem.model_copy(update={"question_content": said})
