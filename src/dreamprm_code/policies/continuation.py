"""Continuing a program prefix: how the answer is started, and whether a program really begins with the prefix.

The last step that a program has reached is its text up to the end of a function. Four ways to have a model go on from there:

* ``continue_final``: the chat ends in an assistant message that is left open (vLLM and SGLang: ``continue_final_message``).
* ``prefill``: the chat ends in an assistant message, which some servers take as the start of the answer.
* ``completion``: a completion endpoint gets the rendered chat and the start of the answer as one text.
* ``instruction``: the prefix is quoted in the prompt with the request to repeat and complete it.

The first three start the answer with an opened code fence and the prefix. Its trailing newline is left out: the text of a
tokenizer's next token is then "\\n..." as in its training data, and chat templates strip it anyway. Since nothing forces a
server to obey, every program is verified: it keeps the prefix if its lines begin with the prefix's lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Literal

FENCE = "```python\n"
_RESTART = re.compile(r"\s*```(python|py)\b|\s*(Here|Sure|Certainly|Below)\b")

_REST_OF_LINE = re.compile(r"\s*(#.*)?")


class ContinuationMode(StrEnum):
    CONTINUE_FINAL = "continue_final"
    PREFILL = "prefill"
    COMPLETION = "completion"
    INSTRUCTION = "instruction"

    @property
    def endpoint(self) -> Literal["/completions", "/chat/completions"]:
        """Where requests go, after the server's base URL."""
        return "/completions" if self is ContinuationMode.COMPLETION else "/chat/completions"


def started_answer(prefix: str) -> str:
    """The start of an answer that the model is to go on from."""
    return FENCE + prefix.rstrip()


def joined_output(prefix: str, answer: str) -> str:
    """The whole output of a model whose answer was started with ``prefix``.

    A server that ignored the start begins afresh, with a new fence, with words, or with the prefix itself: its answer is then
    the whole output, and verification decides.
    """
    if _RESTART.match(answer):
        return answer
    body = prefix.strip()
    if body and answer.lstrip().startswith(body):
        return FENCE + answer.lstrip()
    return started_answer(prefix) + answer


def program_of(output: str, prefix: str | None, extract_code: Callable[[str], str]) -> str:
    """The program in an output.

    An answer that was started with the prefix is the code up to the fence that closes it; any other goes through
    ``extract_code``.
    """
    if prefix is not None:
        start = started_answer(prefix)
        if output.startswith(start):
            rest = output[len(start) :]
            closing = re.search(r"^[ \t]*```", rest, re.MULTILINE) if rest.startswith(("\n", "\r")) else re.search(r"```", rest)
            return (output[len(FENCE) : len(start)] + (rest[: closing.start()] if closing else rest)).rstrip()
    return extract_code(output)


def keep_prefix(code: str, prefix: str) -> tuple[str, bool]:
    """Whether a program begins with the prefix, line by line; blanks at line ends and a comment after its last line may differ.

    Returns the program with the prefix's own text in that place (so that ``code.startswith(prefix)`` holds), and True; or the
    program as it is, and False.
    """
    head, lines = prefix.split("\n"), code.split("\n")
    while head and not head[-1].strip():  # blank lines after the last function are no part of what must be kept
        head.pop()
    if not head or [line.rstrip() for line in lines[: len(head) - 1]] != [line.rstrip() for line in head[:-1]]:
        return code, False
    last, rest = lines[len(head) - 1 : len(head)], lines[len(head) :]
    end = head[-1].rstrip()
    if not last or not last[0].startswith(end) or not _REST_OF_LINE.fullmatch(last[0], len(end)):
        return code, False
    num_blank = prefix.count("\n") + 1 - len(head)
    if num_blank == 0:
        return "\n".join([prefix + last[0][len(end) :].rstrip(), *rest]), True
    for _ in range(num_blank):
        if rest and not rest[0].strip():
            rest.pop(0)
    return prefix + "\n".join(rest), True
