"""Small programming tasks with tests, made from families with parameters: enough to see a mechanism, no benchmark.

A task is a chain of operations, each a line of its reference program, so that a wrong program is wrong at known lines:

* ``number``: read a number, change it step by step, print it;
* ``list``: read numbers, change all of them step by step, print what they come to;
* ``branch``: one chain for even numbers, another for odd ones.

Which chains are training and which are held out follows from a hash of the statement alone: no task is in both parts.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import NamedTuple

from dreamprm_code.records import Problem

FAMILIES = ("number", "list", "branch")

_OPERATIONS = {
    "add {n}": "{x} + {n}",
    "subtract {n}": "{x} - {n}",
    "times {n}": "{x} * {n}",
    "remainder by {n}": "{x} % {n}",
    "divide by {n}": "{x} // {n}",
    "at least {n}": "max({x}, {n})",
    "at most {n}": "min({x}, {n})",
}
_ENDS = {"sum": "sum(a)", "largest": "max(a)", "smallest": "min(a)"}


class MiniTask(NamedTuple):
    """``lines`` are the reference program's; ``slips`` holds for each line a wrong one in its place, or None."""

    problem: Problem
    lines: tuple[str, ...]
    slips: tuple[str | None, ...]

    @property
    def program(self) -> str:
        return "\n".join(self.lines)

    def demonstration(self, error_rate: float, chance: random.Random) -> str:
        """The program with each line that can be wrong being wrong at that rate."""
        return "\n".join(
            slip if slip is not None and chance.random() < error_rate else line
            for line, slip in zip(self.lines, self.slips, strict=True)
        )


def make_tasks(families: Sequence[str], count: int, held_out: bool, seed: int, length: int = 3) -> list[MiniTask]:
    """``count`` different tasks of the families in turn, of one part; ``length`` operations each."""
    chance = random.Random(f"{seed} {held_out}")
    tasks: dict[str, MiniTask] = {}
    attempts = 0
    while len(tasks) < count:
        attempts += 1
        if attempts > 1000 * count:
            raise ValueError(f"families {', '.join(families)} do not hold {count} different tasks of length {length}")
        task = _task(families[len(tasks) % len(families)], length, chance)
        if is_held_out(task.problem.question_content) == held_out:
            tasks.setdefault(task.problem.question_content, task)
    return list(tasks.values())


def is_held_out(statement: str) -> bool:
    """One statement in four, by its hash."""
    return hashlib.sha256(statement.encode()).digest()[0] % 4 == 0


def _task(family: str, length: int, chance: random.Random) -> MiniTask:
    said: list[str] = []
    lines: list[str] = []
    slips: list[str | None] = []

    def operation(template: str, variable: str) -> None:
        words, n = chance.choice(list(_OPERATIONS)), chance.randint(2, 9)
        wrong = chance.choice([m for m in range(2, 10) if m != n])
        said.append(words.format(n=n))
        lines.append(template.format(_OPERATIONS[words].format(x=variable, n=n)))
        slips.append(template.format(_OPERATIONS[words].format(x=variable, n=wrong)))

    if family == "list":
        lines, slips = ["a = list(map(int, input().split()))"], [None]
        for _ in range(length):
            operation("a = [{} for x in a]", "x")
        end = chance.choice(list(_ENDS))
        statement = "list: " + ", ".join(said) + f", {end}"
        last = f"print({_ENDS[end]})"
    else:
        lines, slips = ["x = int(input())"], [None]
        if family == "branch":
            lines.append("if x % 2 == 0:")
            operation("    x = {}", "x")
            lines.append("else:")
            slips[1:1] = [None]
            slips.append(None)
            operation("    x = {}", "x")
            said = [f"even {said[0]}, odd {said[1]}"]
        for _ in range(length if family == "number" else length - 2):
            operation("x = {}", "x")
        statement = "number: " + ", ".join(said)
        last = "print(x)"
    lines.append(last)
    slips.append(None)
    return MiniTask(_problem(family, statement, lines), tuple(lines), tuple(slips))


def _problem(family: str, statement: str, lines: Sequence[str]) -> Problem:
    """Six tests, whose expected output is the reference program's; its operations are evaluated here, it is our own text."""
    inputs = (
        ["3 10 4 7", "1", "12 5", "25 8 2", "0 6 31", "9 14 2 40 17"] if family == "list" else ["0", "1", "7", "24", "35", "58"]
    )
    tests = [(given, _run(lines, given)) for given in inputs]
    digest = hashlib.sha256(statement.encode()).hexdigest()[:12]
    return Problem.from_tests(tests, question_id=f"mini_{digest}", question_content=statement)


def _run(lines: Sequence[str], given: str) -> str:
    """What a reference program prints."""
    printed: list[str] = []
    names = {"input": lambda: given, "print": lambda value: printed.append(str(value)), "int": int, "list": list, "map": map}
    exec("\n".join(lines), {"__builtins__": {**names, "sum": sum, "max": max, "min": min}})
    return printed[0]
