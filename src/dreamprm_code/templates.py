"""Every text that a model reads: the templates in ``prompts/``, with ``{{ fields }}`` (Jinja2).

The folder stands at the top of a clone, where readers look; an installed package holds a copy of it (setup.py).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import jinja2
from jinja2 import meta

from dreamprm_code.errors import UserError


class TemplateError(UserError):
    """A template that is missing or cannot be filled; the message names the file and the field."""


def prompts_folder() -> Traversable:
    """Where the templates are.

    Raises:
        TemplateError: neither the package nor a clone around it holds them.
    """
    package = resources.files("dreamprm_code")
    installed = package / "prompt_files"
    if installed.is_dir():
        return installed
    for folder in Path(str(package)).parents:
        if (folder / "pyproject.toml").is_file() and (folder / "prompts").is_dir():
            return folder / "prompts"
    raise TemplateError("the prompts are missing: run from a clone, or install the package from one (pip install .)")


def read_template(file_name: str) -> tuple[str, str]:
    """A template's text without the newline that ends its file, and where it is, for errors.

    Raises:
        TemplateError: there is no such file, or it is not UTF-8.
    """
    path = prompts_folder() / file_name
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n"), str(path)
    except OSError as error:
        raise TemplateError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise TemplateError(f"{path}: not UTF-8 text ({error})") from None


def check_fields(text: str, known: Iterable[str], required: Iterable[str], where: str) -> None:
    """Check that a template can be filled with the ``known`` fields and uses the ``required`` ones.

    Raises:
        TemplateError: names the line or the field.
    """
    known = sorted(known)
    try:
        found = meta.find_undeclared_variables(_environment().parse(text))
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(f"{where}:{error.lineno}: {error.message}") from None
    if unknown := sorted(found - set(known)):
        raise TemplateError(f"{where}: field '{unknown[0]}' is unknown; known: {', '.join(known)}")
    if missing := sorted(set(required) - found):
        raise TemplateError(f"{where}: the field {{{{ {missing[0]} }}}} is missing")
    try:
        fill(text, **dict.fromkeys(known, ""))
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        raise TemplateError(f"{where}: cannot be filled ({error})") from None


def fill(text: str, **fields: str) -> str:
    """The text with the fields' values in it, as they are: braces in a value mean nothing."""
    return _compiled(text).render(**fields)


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)


@functools.lru_cache(maxsize=64)
def _compiled(text: str) -> jinja2.Template:
    return _environment().from_string(text)
