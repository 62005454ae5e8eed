"""The Chain-of-Function rules by name, and how a broken one is told."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class CofViolationKind(StrEnum):
    """The rules, as the prompts state them."""

    UNPARSABLE = "unparsable"
    NO_FUNCTION = "no_function"
    MAIN_NOT_FIRST = "main_not_first"
    NO_HELPER = "no_helper"
    MISSING_DOCSTRING = "missing_docstring"
    NESTED_FUNCTION = "nested_function"
    UNUSED_HELPER = "unused_helper"
    NOT_ONE_FINAL_CALL = "not_one_final_call"


class CofViolation(NamedTuple):
    """A broken rule and where: for counting by ``kind``, for reading by ``detail``."""

    kind: CofViolationKind
    detail: str
