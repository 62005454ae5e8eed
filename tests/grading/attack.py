"""What an attack is."""

from __future__ import annotations

from typing import NamedTuple


class Attack(NamedTuple):
    """A program that tries to break a grader, graded on ``double`` (read N, print 2N; tests 3 and 10) or ``secret`` (nobody can
    know the answer), as text or as function.

    ``@SCRATCH@`` in its code stands for a folder of the host that everybody may write to, ``@PORT@`` and ``@ABSTRACT@`` for
    sockets on which the host listens. ``verdicts`` are all that a fair grader may give.
    """

    name: str
    verdicts: tuple[str, ...]
    code: str
    problem: str = "double"
    needs: str = "rlimits"
    """Weakest isolation level that withstands it."""


FAILS = ("wrong_answer", "runtime_error", "time_limit", "memory_limit", "output_limit")
HARMLESS = ("passed", *FAILS)
