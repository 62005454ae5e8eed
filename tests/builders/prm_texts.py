"""The PRM's text of one step alone, written down without the encoder, which makes the texts of all steps at once."""

from __future__ import annotations

from collections.abc import Sequence

from dreamprm_code.prm.input_text import fill, load_template, program_prefixes, step_pieces
from dreamprm_code.records import Problem


def prm_text(
    problem: Problem,
    prefix: str,
    format: str = "native",
    *,
    step_token: str = "",
    earlier: Sequence[str] | None = None,
    template: str | None = None,
) -> str:
    """The text whose last token's score is that of ``prefix``.

    ``earlier`` are the shorter prefixes of the same program, after each of which the native text has a step token; by
    default they are found by splitting ``prefix``. The released format ignores them.
    """
    template = template if template is not None else load_template(format)
    if format == "released":
        return fill(template, problem, prefix)
    if earlier is None:
        earlier = [step for step in program_prefixes(prefix) if step != prefix]
    return fill(template, problem, "".join(piece + step_token for piece in step_pieces([*earlier, prefix])))
