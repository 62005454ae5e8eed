"""A program of two steps and rollouts of its prefixes."""

from __future__ import annotations

from builders.rows import make_solution
from dreamprm_code.records import Rollout, Solution, Verdict

CODE = "def main():\n    print(twice(2))\n\n\ndef twice(n):\n    return 2 * n\n\n\nmain()"


def solution(index: int = 0, verdict: Verdict = Verdict.PASSED, code: str = CODE) -> Solution:
    return make_solution("q", index, code, verdict=verdict)


def rollout(
    index: int,
    verdict: Verdict | None,
    keeps: bool = True,
    step: int = 0,
    code: str = CODE,
    program: tuple[str, int] = ("q", 0),
) -> Rollout:
    return Rollout(
        question_id=program[0],
        solution_idx=program[1],
        step_idx=step,
        rollout_idx=index,
        output=code,
        code=code,
        keeps_prefix=keeps,
        finish_reason="stop",
        passed=None if verdict is None else verdict.passed,
        verdict=verdict,
    )
