"""Problems whose tests call a function, in languages other than Python: a ``main`` around the program that calls it.

The text of each is ``drivers/FILE``, with fields ``@LIKE_THIS@``: the ``PROGRAM``; ``NAME`` of the function as the program
spells it, and ``TARGET``, what to call; ``ARGUMENTS``, one for each parameter; the program's ``CLASSES``; and whether what it
returns is made of ``CHARACTERS``. Each test's process reads the arguments, one JSON value a line, as the types that the program
declares, and prints the result as JSON in a line after the character RS, behind whatever the program printed itself.
"""

from __future__ import annotations

import functools
import re
from importlib import resources

from dreamprm_code.languages import Driver, Language, in_words, spellings
from dreamprm_code.problems.signatures import PlainType, Signature, SignatureError

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_FIELD = re.compile(r"@([A-Z]+)@")


def with_driver(code: str, language: Language, signature: Signature) -> str:
    """A whole program that calls the function of ``code``."""
    driver = language.driver
    assert driver is not None
    told = _COMMENT.sub(" ", code)
    name = next((name for name in spellings(signature.name) if re.search(rf"\b{name}\b", told)), signature.name)
    for unless, pattern, replacement in driver.edits:
        if not (unless and re.search(unless, told)):
            code = re.sub(pattern, replacement, code, count=1)
    classes = re.findall(r"\b(?:class|interface|enum|record)\s+(\w+)", told)
    fields = {
        "PROGRAM": code,
        "NAME": name,
        "TARGET": f"Solution::{name}" if driver.owner and re.search(driver.owner, told) else name,
        "ARGUMENTS": ", ".join(["given.argument()"] * len(signature.parameters)),
        "CLASSES": ", ".join(f'"{found}"' for found in sorted(classes, key="Solution".__ne__)),
        "CHARACTERS": "true" if signature.result.kind == "string" else "false",
    }
    return _FIELD.sub(lambda field: fields.get(field[1], field[0]), _text_of(driver.file))


@functools.cache
def _text_of(file: str) -> str:
    return (resources.files("dreamprm_code.grading") / "drivers" / file).read_text(encoding="utf-8")


def check(signature: Signature, language: Language) -> None:
    """Whether a language's programs can be called.

    Raises:
        SignatureError: they cannot, and why.
    """
    if language.driver is None:
        raise SignatureError(f"there is no driver for {language.title}")
    if signature.largest > language.driver.exact:
        raise SignatureError(f"{signature.name} takes or returns integers that {language.title} does not hold exactly")


def starter_code(signature: Signature, language: Language) -> str:
    """The header that a program must have."""
    driver = language.driver
    assert driver is not None
    all_names = [signature.name, *(parameter.name for parameter in signature.parameters)]
    own, *names = map(in_words, all_names) if driver.snake_case else all_names
    between = "" if driver.parameter.endswith("\n") else ", "
    types = [_spelled(parameter.type, driver) for parameter in signature.parameters]
    parameters = between.join(
        driver.parameter.replace("{type}", kind).replace("{name}", name) for kind, name in zip(types, names, strict=True)
    )
    fields = {
        "{name}": own,
        "{names}": ", ".join(names),
        "{parameters}": parameters,
        "{result}": _spelled(signature.result, driver),
    }
    return re.sub(r"\{\w+\}", lambda field: fields[field[0]], driver.starter)


def _spelled(type_: PlainType, driver: Driver) -> str:
    boolean, integer, long, number, string = driver.types
    names = {"boolean": boolean, "number": number, "string": string, "integer": integer if type_.largest < 2**31 else long}
    assert type_.kind is not None
    name = names[type_.kind]
    for _ in range(type_.depth):
        name = driver.list.replace("{}", name)
    return name
