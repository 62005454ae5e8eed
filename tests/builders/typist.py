"""A policy that types given programs, a scorer that reads marks in them, and what else the tests of searches need."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence

from builders.rows import make_problem
from dreamprm_code.policies import Completion, CompletionRequest, Failure
from dreamprm_code.policies.continuation import FENCE
from dreamprm_code.search.methods import Beam
from dreamprm_code.search.policy import Draw, ProblemPolicy
from dreamprm_code.steps import DEFAULT_STEPS, split_program


class Typist:
    """Types the programs that begin with what it is given, in turn; a token is a character. ``returns_stops``: as a local model
    it stops at the texts that it is told; otherwise it runs on, as a server does."""

    kind = "typist"
    max_requests = 8

    def __init__(
        self, *programs: str, returns_stops: bool = True, fail: Callable[[CompletionRequest], Failure | None] | None = None
    ):
        self.programs, self.returns_stops = programs, returns_stops
        self.fail = fail or (lambda request: None)
        self.asked: list[CompletionRequest] = []

    def programs_for(self, request: CompletionRequest) -> tuple[str, ...]:
        return self.programs

    def ask(self, request: CompletionRequest) -> AsyncIterator[Completion | Failure]:
        return self.complete(request)

    async def complete(self, request: CompletionRequest) -> AsyncIterator[Completion | Failure]:
        self.asked.append(request)
        await asyncio.sleep(0)
        for index in request.indices:
            if failure := self.fail(request):
                yield failure
                continue
            start = (request.prefix or "").rstrip()
            fitting = [program for program in self.programs_for(request) if program.startswith(start)]
            answer, finish_reason = fitting[index % len(fitting)][len(start) :], "stop"
            if self.returns_stops:
                ends = [answer.find(stop) + len(stop) for stop in request.stop if stop in answer]
                answer = answer[: min(ends, default=None)]
            if len(answer) > (request.max_tokens or 10**9):
                answer, finish_reason = answer[: request.max_tokens], "length"
            yield Completion(index, FENCE + start + answer, finish_reason, len(start), len(answer), -0.5 if answer else None)

    async def aclose(self) -> None:
        pass


class Marks:
    """The score of a step is the last number in its text, per cent; a program with the word ``unreadable`` cannot be read."""

    steps = DEFAULT_STEPS

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def score(self, programs: Sequence[str]) -> list[tuple[float, ...] | None]:
        self.counts["prm_tokens"] += sum(map(len, programs))
        found = [None if "unreadable" in code or not code else tuple(map(mark, split_program(code).texts)) for code in programs]
        self.counts["unread"] += found.count(None)
        return found


def mark(text: str) -> float:
    digits = [int(word) for word in text.replace(")", " ").split() if word.isdigit()]
    return digits[-1] / 100 if digits else 0.5


def problem_policy(
    typist: Typist, known: dict | None = None, keep: Callable[[Draw], None] = lambda draw: None
) -> ProblemPolicy:
    return ProblemPolicy(typist, make_problem("q"), "plain", known or {}, keep)  # type: ignore[arg-type]


def walk(typist: Typist, max_tokens: int = 10_000, max_functions: int = 20) -> list[Beam]:
    """One program, function by function."""

    async def run() -> list[Beam]:
        policy, beams = problem_policy(typist), [Beam((0,))]
        while beams[-1].finish_reason is None:
            path = (*beams[-1].path, 0)
            beams.append(await policy.extend(beams[-1], path, max_tokens, len(path) - 1 == max_functions))
        return beams[1:]

    return asyncio.run(run())
