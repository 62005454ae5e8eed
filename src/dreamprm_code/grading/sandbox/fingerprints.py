"""Fingerprints of outputs: equal where the comparison of two outputs would call them equal, tolerances aside.

Computed in the supervisor, from what the program gave and nothing else; the output itself is not kept.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from .compare import SHORT_INTEGER, lines_of, plain_number

_HEX_DIGITS = 16
_SHORT_INTEGER = re.compile(rf"0|-?[1-9]\d{{0,{SHORT_INTEGER - 1}}}", re.ASCII)


def fingerprint_of_text(output: str, longest: int | None = None) -> str:
    """Of what a program printed: stripped lines; one of numbers alone counts as numbers (``1.50  2`` is ``1.5 2``).

    An output of more than ``longest`` characters is only the same as one that is the same text.
    """
    if longest is not None and len(output) > longest:
        return _fingerprint(output.strip())
    return _fingerprint("\n".join(map(_normal_line, lines_of(output))))


def _normal_line(line: str) -> str:
    if _SHORT_INTEGER.fullmatch(line):
        return line
    numbers = []
    for word in line.split():
        number = word if _SHORT_INTEGER.fullmatch(word) else plain_number(word)
        if number is None:
            return line
        numbers.append(number)
    return " ".join(numbers)


def fingerprint_of_data(value: Any) -> str | None:
    """Of what a function returned: JSON with sorted keys, in which ``2.0`` is ``2`` and true is 1, as when compared.

    None for a value that is nested too deeply to be compared.
    """
    try:
        text = json.dumps(_normal_value(value), sort_keys=True)
    except RecursionError:
        return None
    return _fingerprint(text)


def _fingerprint(text: str) -> str:
    import hashlib  # only here: it maps a library, and every mapped file makes each fork of a program dearer

    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HEX_DIGITS]


def _normal_value(value: Any) -> Any:
    if isinstance(value, list):
        return [_normal_value(item) for item in value]
    if isinstance(value, dict):
        return {key: _normal_value(item) for key, item in value.items()}
    if isinstance(value, bool) or (isinstance(value, float) and math.isfinite(value) and value == int(value)):
        return int(value)
    return value
