"""Is an output the expected one? Comparison of text and of JSON data, in the supervisor, far from the program.

LiveCodeBench's rule for standard output: strip the whole, split it into lines, strip each; the number of lines must agree,
and each line must agree as text or as a list of decimal numbers. The default rule here differs in two points, both towards
what the problem's own judge would say: a tolerance that the statement grants is granted, and only what looks like a number
is one (no ``2_0``, ``NaN``, or ``10`` for ``0010``).
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any, NamedTuple


class Tolerance(NamedTuple):
    """Largest absolute and relative error that a statement accepts (0.0: none); one of them is enough."""

    absolute: float = 0.0
    relative: float = 0.0

    def __bool__(self) -> bool:
        return self.absolute > 0 or self.relative > 0

    def accepts(self, found: float, expected: float) -> bool:
        error = abs(found - expected)
        return error <= self.absolute or error <= self.relative * abs(expected)


_POWER = r"(?:10\s*\^?\s*\{?\s*[-−]\s*\}?\s*(\d+)|1?0?\.?0*1?[eE][-−](\d+))"
_ERROR_AT_MOST = re.compile(
    r"\b(absolute|relative)\b(?:\s+or\s+(?:an?\s+)?(?:the\s+)?(absolute|relative)\b)?\s+error\b[^.]{0,120}?" + _POWER, re.I
)
_WITHIN = re.compile(r"\bwithin\s+" + _POWER + r"\s+of\s+the\s+(?:actual|correct|true|expected)\b", re.I)


def stated_tolerance(statement: str) -> Tolerance:
    """The tolerance that a problem statement grants, in the words of AtCoder, Codeforces and LeetCode."""
    text = statement.replace("$", "").replace("\\", " ")
    match = _ERROR_AT_MOST.search(text)
    if match:
        first, second, power, short = match.groups()
        size = 10.0 ** -int(power or short)
        kinds = {first.lower(), (second or first).lower()}
        return Tolerance(size if "absolute" in kinds else 0.0, size if "relative" in kinds else 0.0)
    match = _WITHIN.search(text)
    if match:
        return Tolerance(absolute=10.0 ** -int(match[1] or match[2]))
    return Tolerance()


# Possessive: a program may print millions of digits and then a letter, which must not be tried in every division.
_NUMBER = re.compile(r"([+-]?)(?:(\d++)(?:\.(\d*+))?|\.(\d++))(?:[eE]([+-]?\d{1,6}))?", re.ASCII)
SHORT_INTEGER = 18
"""Whole numbers of up to so many digits are their own spelling in :func:`plain_number`."""

_PADDED = re.compile(r"[+-]?0\d")
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)


def lines_of(text: str) -> list[str]:
    """LiveCodeBench's view of an output: stripped, in stripped lines."""
    return [line.strip() for line in text.strip().split("\n")]


def compare_output(found: str, expected_lines: list[str], tolerance: Tolerance) -> str | None:
    """None if an output is right, else the first difference in one line."""
    number = found.strip().count("\n") + 1
    if number != len(expected_lines):  # found without taking them apart: there may be millions
        return f"{number} lines instead of {len(expected_lines)}"
    lines = lines_of(found)
    if lines == expected_lines:
        return None
    for number, (line, expected) in enumerate(zip(lines, expected_lines, strict=True), start=1):
        if line != expected and not _same_numbers(line, expected.split(), tolerance):
            return f"line {number} is {shorten(line)} instead of {shorten(expected)}"
    return None


def _same_numbers(line: str, expected: list[str], tolerance: Tolerance) -> bool:
    found = line.split(None, len(expected))
    if len(found) != len(expected):
        return False
    all_numbers = all(map(_NUMBER.fullmatch, found)) and all(map(_NUMBER.fullmatch, expected))
    if not all_numbers and not tolerance:
        return False
    return all(_same_token(one, other, tolerance) for one, other in zip(found, expected, strict=True))


def _same_token(found: str, expected: str, tolerance: Tolerance) -> bool:
    if found == expected:
        return True
    if not _NUMBER.fullmatch(found) or not _NUMBER.fullmatch(expected) or _PADDED.match(expected):
        return False
    if tolerance and not (_WHOLE.fullmatch(found) and _WHOLE.fullmatch(expected)):
        one, other = float(found), float(expected)
        if math.isfinite(one) and math.isfinite(other) and tolerance.accepts(one, other):
            return True
    return Decimal(found) == Decimal(expected)


def plain_number(text: str) -> str | None:
    """One spelling for all plain decimal spellings of a number (``1200`` for 1.2e3, ``15e-1`` for 1.50); None for anything
    else.

    A number padded with zeros keeps its own, as it equals no other where the padded one is expected.
    """
    match = _NUMBER.fullmatch(text)
    if match is None or _PADDED.match(text):
        return None if match is None else text
    sign, whole, decimals, only_decimals, power = match.groups()
    decimals = decimals or only_decimals or ""
    digits = ((whole or "") + decimals).lstrip("0")
    kept = digits.rstrip("0")
    if not kept:
        return "0"
    exponent = int(power or 0) - len(decimals) + len(digits) - len(kept)
    minus = "-" if sign == "-" else ""
    if exponent >= 0 and len(kept) + exponent <= SHORT_INTEGER:
        return minus + kept + "0" * exponent
    return f"{minus}{kept}e{exponent}"


def compare_output_officially(found: str, expected_lines: list[str]) -> bool:
    """LiveCodeBench's rule to the letter: whatever ``Decimal`` reads is a number."""
    lines = lines_of(found)
    if len(lines) != len(expected_lines):
        return False
    for line, expected in zip(lines, expected_lines, strict=True):
        if line == expected:
            continue
        try:
            if [Decimal(word) for word in line.split()] != [Decimal(word) for word in expected.split()]:
                return False
        except ArithmeticError:
            return False
    return True


def compare_data(found: Any, expected: Any, tolerance: Tolerance) -> bool:
    """Equality of two JSON values; floating-point numbers within a stated tolerance count as equal."""
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and (
            found == expected or all(compare_data(one, other, tolerance) for one, other in zip(found, expected, strict=True))
        )
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(compare_data(found[key], expected[key], tolerance) for key in found)
    if found == expected:
        return True
    return (
        bool(tolerance)
        and (isinstance(found, float) or isinstance(expected, float))
        and isinstance(found, (int, float))
        and isinstance(expected, (int, float))
        and max(abs(found), abs(expected)) < 1e300
        and tolerance.accepts(found, expected)
    )


def read_json(text: str | bytes) -> Any:
    """JSON from a program; raises ValueError for whatever is wrong with it, deep nesting included."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def shorten(value: object, length: int = 60) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return repr(text if len(text) <= length else text[: length - 3] + "...")
