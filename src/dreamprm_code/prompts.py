"""Chat messages for the policy, made from the templates in ``prompts/``.

A template is Markdown with ``{{ fields }}``, filled in with a problem's values. Values are inserted as they are: braces in a
problem or a program mean nothing. Lines ``<!-- user -->`` and ``<!-- assistant -->`` begin the turns of a chat; a template
without them is one turn of the user. There is no ``system`` turn, which not every chat template knows.

The worked example is a turn of the assistant: a small model copies its functions when it stands in the request itself, and
hardly when it is an answer already given. The fixed text stands first, so that a server's prefix cache serves all problems.
What the PRM reads is another matter: see ``prm/input_text.py``.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Literal

from dreamprm_code.grading.drivers import check, starter_code
from dreamprm_code.languages import LANGUAGES, PYTHON, language_named
from dreamprm_code.problems.signatures import SignatureError, signature_of_problem
from dreamprm_code.records import Problem
from dreamprm_code.templates import TemplateError, check_fields, fill, read_template

Style = Literal["cof", "plain"]

REQUIRED_FIELDS = {
    "cof_stdin": {"question_content"},
    "cof_functional": {"question_content", "starter_code"},
    "plain_stdin": {"question_content"},
    "plain_functional": {"question_content", "starter_code"},
    "cof_function": {"question_content", "func_name"},
    "plain_function": {"question_content", "func_name"},
    "continuation": {"question_content", "prefix"},
    "cof_retry": {"violations"},
    **{f"cof_stdin_{name}": {"question_content"} for name in LANGUAGES if name != PYTHON.name},
    "plain_stdin_other": {"question_content", "language"},
    "cof_function_other": {"question_content", "language", "header"},
    "plain_function_other": {"question_content", "language", "header"},
    "cof_retry_other": {"violations", "language"},
}
"""Templates, and the fields without which their prompt would make no sense; those that name no language are Python's."""

_TURN = re.compile(r"\n<!-- (user|assistant) -->[ \t]*(?=\n)")

_PROBLEM_FIELDS = ("question_title", "question_content", "starter_code", "platform", "question_id", "func_name")


def solution_messages(problem: Problem, style: Style = "cof", language: str = PYTHON.name) -> list[dict[str, str]]:
    """Ask for a program: as a Chain of Functions ("cof", paper section 3.1), or without a word on structure ("plain").

    Three kinds of problems have a template each: programs that read standard input, a class ``Solution`` (LiveCodeBench's
    functional problems), and a plain function (those whose starter code has no such class). In other languages than Python
    one serves for all functions, and shows the header that the program must have.

    Raises:
        TemplateError: an unknown style, a template that cannot be filled, or a function whose types another language's programs
            cannot be called with.
        LanguageError: there is no such language.
    """
    if language != PYTHON.name:
        title = language_named(language).title
        if problem.is_functional:
            return _messages(f"{style}_function_other", problem, {"language": title, "header": _header(problem, language)})
        name = "plain_stdin_other" if style == "plain" else f"{style}_stdin_{language}"
        return _messages(name, problem, {"language": title})
    kind = "stdin"
    if problem.is_functional:
        kind = "functional" if "class Solution" in problem.starter_code else "function"
    return _messages(f"{style}_{kind}", problem, {})


def _header(problem: Problem, language: str) -> str:
    try:
        signature = signature_of_problem(problem)
        check(signature, language_named(language))
    except SignatureError as error:
        title = language_named(language).title
        raise TemplateError(f"problem {problem.question_id}: its tests cannot call a function in {title}: {error}") from None
    return starter_code(signature, language_named(language))


def continuation_messages(problem: Problem, prefix: str) -> list[dict[str, str]]:
    """Ask in words for a program that begins with ``prefix``, for servers whose answer cannot be started for them.

    Raises:
        TemplateError: the template cannot be filled.
    """
    return _messages("continuation", problem, {"prefix": prefix})


def retry_message(violations: Iterable[str], language: str = PYTHON.name) -> dict[str, str]:
    """The turn that shows a model which Chain-of-Function rules its answer broke, and asks for the program again.

    Raises:
        TemplateError: the template cannot be filled.
    """
    fields = {"violations": "\n".join(f"- {violation}" for violation in violations)}
    if language != PYTHON.name:
        fields["language"] = language_named(language).title
    text = fill(load_template("cof_retry" if language == PYTHON.name else "cof_retry_other"), **fields)
    return {"role": "user", "content": text}


def prompt_fingerprint(retry: bool = False, language: str = PYTHON.name) -> str:
    """SHA-256 (hex) over what all templates of a language say, ``cof_retry`` only where it is used: part of what decides a
    stage's rows."""
    shared = {name for name in REQUIRED_FIELDS if name.endswith("_other")}
    own = REQUIRED_FIELDS.keys() - shared - {name for name in REQUIRED_FIELDS if name.startswith("cof_stdin_")}
    if language != PYTHON.name:
        own = {f"cof_stdin_{language}"} | shared
    names = sorted(name for name in own if retry or not name.startswith("cof_retry"))
    said = [fill(load_template(name), **{field: f"<{field}>" for field in _known_fields(name)}) for name in names]
    texts = "\0".join(f"{name}\0{text}" for name, text in zip(names, said, strict=True))
    return hashlib.sha256(texts.encode()).hexdigest()


@functools.cache
def load_template(name: str) -> str:
    """A template's text, checked, without the newline that ends its file.

    Raises:
        TemplateError: there is no such template, or its fields are not what they must be.
    """
    if name not in REQUIRED_FIELDS:
        raise TemplateError(f"there is no prompt '{name}'; choose from {', '.join(REQUIRED_FIELDS)}")
    text, where = read_template(f"{name}.md")
    return check_template(text, name, where)


def check_template(text: str, name: str, where: str) -> str:
    """The template itself, if its fields are known and the required ones are there.

    Raises:
        TemplateError: names the field or the line.
    """
    check_fields(text, _known_fields(name), REQUIRED_FIELDS[name], where)
    before, *roles = _TURN.split("\n" + text)[::2][:1] + [role for role, _ in turns(text)]
    if roles != ["user", "assistant"] * (len(roles) // 2) + ["user"] or (len(roles) > 1 and before.strip()):
        raise TemplateError(f"{where}: the turns must be user, assistant, ... user, and nothing may stand before them")
    return text


def _known_fields(name: str) -> tuple[str, ...]:
    if name.startswith("cof_retry"):
        return ("violations", "language") if name.endswith("other") else ("violations",)
    more: tuple[str, ...] = {"continuation": ("prefix",)}.get(name, ("language",) if "_stdin_" in name else ())
    if name.endswith("_function_other"):
        more = ("language", "header")
    return (*_PROBLEM_FIELDS, *more)


def turns(template: str) -> list[tuple[str, str]]:
    """The turns of a template as (role, text), without blank lines around them."""
    parts = _TURN.split("\n" + template)
    if len(parts) == 1:
        return [("user", template)]
    return [(role, text.strip("\n")) for role, text in zip(parts[1::2], parts[2::2], strict=True)]


def _messages(name: str, problem: Problem, more: Mapping[str, str]) -> list[dict[str, str]]:
    fields = {field: getattr(problem, field) or "" for field in _PROBLEM_FIELDS}
    fields = {field: value.strip("\n") for field, value in fields.items()}
    return [{"role": role, "content": fill(text, **fields, **more)} for role, text in turns(load_template(name))]
