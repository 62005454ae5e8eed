"""Chat messages for the policy, made from the templates in ``prompts/``.

A template is Markdown with ``{fields}``, filled in with a problem's values. Values are inserted as they are: braces in a
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
import string
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from dreamprm_code.errors import UserError
from dreamprm_code.records import Problem

Style = Literal["cof", "plain"]

FOLDER = Path(__file__).resolve().parents[2] / "prompts"

REQUIRED_FIELDS = {
    "cof_stdin": {"question_content"},
    "cof_functional": {"question_content", "starter_code"},
    "plain_stdin": {"question_content"},
    "plain_functional": {"question_content", "starter_code"},
    "continuation": {"question_content", "prefix"},
    "cof_retry": {"violations"},
}
"""Templates, and the fields without which their prompt would make no sense."""

_TURN = re.compile(r"\n<!-- (user|assistant) -->[ \t]*(?=\n)")

_PROBLEM_FIELDS = ("question_title", "question_content", "starter_code", "platform", "question_id", "func_name")


class PromptError(UserError):
    """A template that is missing or cannot be filled; the message names the file and the field."""


def solution_messages(problem: Problem, style: Style = "cof") -> list[dict[str, str]]:
    """Ask for a program: as a Chain of Functions ("cof", paper section 3.1), or without a word on structure ("plain").

    Stdin and functional problems have a template each.

    Raises:
        PromptError: an unknown style, or a template that cannot be filled.
    """
    kind = "functional" if problem.is_functional else "stdin"
    return _messages(f"{style}_{kind}", problem, {})


def continuation_messages(problem: Problem, prefix: str) -> list[dict[str, str]]:
    """Ask in words for a program that begins with ``prefix``, for servers whose answer cannot be started for them.

    Raises:
        PromptError: the template cannot be filled.
    """
    return _messages("continuation", problem, {"prefix": prefix})


def retry_message(violations: Iterable[str]) -> dict[str, str]:
    """The turn that shows a model which Chain-of-Function rules its answer broke, and asks for the program again.

    Raises:
        PromptError: the template cannot be filled.
    """
    text = load_template("cof_retry").format(violations="\n".join(f"- {violation}" for violation in violations))
    return {"role": "user", "content": text}


def prompt_fingerprint(retry: bool = False) -> str:
    """SHA-256 (hex) over all templates, ``cof_retry`` only where it is used: part of what decides what a stage's rows are."""
    names = sorted(name for name in REQUIRED_FIELDS if retry or name != "cof_retry")
    texts = "\0".join(f"{name}\0{load_template(name)}" for name in names)
    return hashlib.sha256(texts.encode()).hexdigest()


@functools.cache
def load_template(name: str) -> str:
    """A template's text, checked, without the newline that ends its file.

    Raises:
        PromptError: there is no such template, or its fields are not what they must be.
    """
    if name not in REQUIRED_FIELDS:
        raise PromptError(f"there is no prompt '{name}'; choose from {', '.join(REQUIRED_FIELDS)}")
    path = FOLDER / f"{name}.md"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PromptError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise PromptError(f"{path}: not UTF-8 text ({error})") from None
    return check_template(text.removesuffix("\n"), name, str(path))


def check_template(text: str, name: str, where: str) -> str:
    """The template itself, if its fields are known and the required ones are there.

    Raises:
        PromptError: names the field, or says that a brace stands alone.
    """
    more = {"continuation": ("prefix",)}.get(name, ())
    known = {"violations"} if name == "cof_retry" else {*_PROBLEM_FIELDS, *more}
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise PromptError(f"{where}: {error}; write a brace that is no field as {{{{ or }}}}") from None
    found = set()
    for _, field, format_spec, conversion in parts:
        if field is None:
            continue
        if field not in known or format_spec or conversion:
            raise PromptError(f"{where}: field '{{{field}}}' is unknown; known: {', '.join(sorted(known))}")
        found.add(field)
    missing = sorted(REQUIRED_FIELDS[name] - found)
    if missing:
        raise PromptError(f"{where}: field '{{{missing[0]}}}' is missing")
    before, *roles = _TURN.split("\n" + text)[::2][:1] + [role for role, _ in turns(text)]
    if roles != ["user", "assistant"] * (len(roles) // 2) + ["user"] or (len(roles) > 1 and before.strip()):
        raise PromptError(f"{where}: the turns must be user, assistant, ... user, and nothing may stand before them")
    return text


def turns(template: str) -> list[tuple[str, str]]:
    """The turns of a template as (role, text), without blank lines around them."""
    parts = _TURN.split("\n" + template)
    if len(parts) == 1:
        return [("user", template)]
    return [(role, text.strip("\n")) for role, text in zip(parts[1::2], parts[2::2], strict=True)]


def _messages(name: str, problem: Problem, more: Mapping[str, str]) -> list[dict[str, str]]:
    fields = {field: getattr(problem, field) or "" for field in _PROBLEM_FIELDS}
    fields = {field: value.strip("\n") for field, value in fields.items()}
    return [{"role": role, "content": text.format(**fields, **more)} for role, text in turns(load_template(name))]
