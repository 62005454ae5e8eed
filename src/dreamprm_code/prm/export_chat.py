"""A chat template that makes the text of :mod:`dreamprm_code.prm.input_text` from messages.

So transformers' ``apply_chat_template``, vLLM's ``messages`` and TRL's ``reward_funcs="DIR"`` give a PRM the token ids that it
was trained on, without our code. What it cannot do: shorten a statement that is too long, and keep text that looks like one of
the tokenizer's special tokens (but for the step token) ordinary text.
"""

from __future__ import annotations

import json
import string
from functools import cache
from pathlib import Path

import jinja2

from dreamprm_code.prm.encoding import StepEncoder

CARDS = Path(__file__).with_name("cards")


@cache
def cards() -> jinja2.Environment:
    """Templates whose own marks are square, since what they make holds curly ones: ``[[ value ]]``, ``[% if %]``."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(CARDS), undefined=jinja2.StrictUndefined, keep_trailing_newline=True,
        block_start_string="[%", block_end_string="%]", variable_start_string="[[", variable_end_string="]]",
        comment_start_string="[#", comment_end_string="#]",
    )  # fmt: skip


def problem_fields(template: str) -> list[str]:
    """What of a problem a PRM's template reads, in its order."""
    names = (name for _, name, _, _ in string.Formatter().parse(template) if name not in (None, "code"))
    return list(dict.fromkeys(str(name) for name in names))


def chat_template(encoder: StepEncoder) -> str:
    """``chat_template.jinja`` for the texts of ``encoder``; the file itself says what messages it reads."""
    before, after = encoder.template.split("{code}")
    begin = [quoted(encoder.tokenizer.bos_token)] if encoder.begin else []
    token = encoder.step_token
    return cards().get_template("chat_template.jinja").render(
        fields=problem_fields(encoder.template),
        head=[*begin, *_pieces(before)] or ["''"],
        tail=_pieces(after),
        step_token=token,
        quoted_token=quoted(token or ""),
        broken_token=quoted(f"{token[0]} {token[1:]}" if token else ""),
    )  # fmt: skip


def quoted(text: str) -> str:
    """A literal of Jinja, which reads the escapes that JSON writes."""
    return json.dumps(text, ensure_ascii=False)


def _pieces(template: str) -> list[str]:
    """The expressions whose texts, one after the other, are the filled template."""
    pieces = []
    for text, field, _, _ in string.Formatter().parse(template):
        pieces += [quoted(text)] if text else []
        pieces += [field] if field else []
    return pieces
