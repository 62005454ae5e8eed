"""A policy of the library as one that continues a problem's program by one function.

The answer is started for the policy with the program so far, header of the next function included, and stops at the first text
that may begin another one; if no function is complete there (a decorator, ``def`` in a string, imports before the first
function) it goes on. A server that was not told to return the text at which it stopped runs on to the token limit and is cut.
Every draw is a row of the journal: a killed search takes it from there, and pays for nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from dreamprm_code.errors import UserError
from dreamprm_code.policies.base import Completion, CompletionRequest, Failure, FailureState, estimated_tokens
from dreamprm_code.policies.continuation import FENCE, ContinuationMode
from dreamprm_code.policies.settings import PolicySettings
from dreamprm_code.prompts import Style, solution_messages
from dreamprm_code.records import Index, Problem, Record
from dreamprm_code.sampling.sampler import Sampler
from dreamprm_code.search.boundary import FENCE_STOPS, FUNCTION_STOPS, cut
from dreamprm_code.search.methods import LOST, Beam
from dreamprm_code.steps import extract_code

FOR_GOOD = (
    FailureState.EMPTY,
    FailureState.REFUSED,
    FailureState.CONTENT_FILTER,
    FailureState.REJECTED,
    FailureState.NOT_RECORDED,
)
"""Failures that another attempt would meet again: the draw is lost, the search goes on without it."""


class Draw(Record):
    """Row of ``draws.jsonl``: what was drawn at a path of a problem's search, with the tokens of this draw alone.

    ``finish_reason`` is None for a program that goes on; ``detail`` says why a draw was lost. ``logprob`` is the sum over the
    tokens, where the policy tells it.
    """

    key_fields = ("question_id", "path")

    question_id: str
    path: list[Index]
    output: str
    prefix: str
    finish_reason: str | None
    completion_tokens: Index
    prompt_tokens: Index
    logprob: float | None
    detail: str = ""

    @property
    def key(self) -> tuple:
        return self.question_id, tuple(self.path)


class Unobtained(Exception):
    """A request failed in a way that may pass: the next run asks again."""

    def __init__(self, failure: Failure):
        super().__init__(failure.detail)
        self.failure = failure


def require_continuation(settings: PolicySettings) -> None:
    """Refuse policies that cannot go on from the middle of a program.

    Raises:
        UserError: says why, and what can.
    """
    kind, name = settings.policy_kind
    if kind == "local":
        return
    why = None
    if kind == "recorded":
        why = "a recorded file has whole answers only"
    elif settings.is_reasoning:
        why = "a reasoning model begins every answer with its thoughts"
    elif settings.batch:
        why = "the Batch API answers within a day, and every function waits for the one before it"
    elif settings.continuation_mode is ContinuationMode.INSTRUCTION:
        why = "continuation is 'instruction'; set continue_final (vLLM, SGLang), prefill or completion if the server knows it"
    if why:
        raise UserError(
            f"policy {kind}:{name} cannot continue a program: {why}; search with best_of_n alone, or use local:MODEL"
        )


class _Spent(NamedTuple):
    completion_tokens: int = 0
    prompt_tokens: int = 0
    logprob: float | None = 0.0

    def with_answer(self, result: Completion, answer: str) -> _Spent:
        """Tokens that a server does not count are estimated; an answer counts for one at least."""
        tokens = result.completion_tokens if result.completion_tokens is not None else estimated_tokens(answer)
        logprob = None if self.logprob is None or result.mean_logprob is None else self.logprob + result.mean_logprob * tokens
        return _Spent(
            self.completion_tokens + max(1, tokens),
            self.prompt_tokens + (result.prompt_tokens or 0),
            self.logprob if tokens == 0 else logprob,
        )


class ProblemPolicy:
    """Continues programs of one problem. ``known`` are the journal's draws by path; ``keep`` writes a new one to it."""

    def __init__(
        self,
        sampler: Sampler,
        problem: Problem,
        style: Style,
        known: Mapping[tuple[int, ...], Draw],
        keep: Callable[[Draw], None],
    ):
        self.sampler, self.problem = sampler, problem
        self.messages = tuple(solution_messages(problem, style))
        self._known, self._keep = known, keep

    async def extend(self, parent: Beam, path: tuple[int, ...], max_tokens: int, to_end: bool) -> Beam:
        drawn = self._known.get(path)
        if drawn is None:
            drawn = await self._draw(parent, path, max_tokens, to_end)
            self._keep(drawn)
        return _child(parent, drawn)

    async def write(self, path: tuple[int, ...], max_tokens: int | None) -> Beam:
        """As ``gen_sol`` asks for it: with one seed, the same programs."""
        drawn = self._known.get(path)
        if drawn is None:
            request = CompletionRequest((self.problem.question_id,), self.messages, (path[-1],), max_tokens=max_tokens)
            result = await self._ask(request)
            if isinstance(result, Failure):
                drawn = self._row(path, "", "", LOST, _Spent(), f"{result.state.value}: {result.detail}")
            else:
                spent = _Spent().with_answer(result, result.output)
                drawn = self._row(path, result.output, extract_code(result.output), result.finish_reason, spent)
            self._keep(drawn)
        return _child(Beam(path), drawn)

    async def _draw(self, parent: Beam, path: tuple[int, ...], max_tokens: int, to_end: bool) -> Draw:
        stops = FENCE_STOPS if to_end else FUNCTION_STOPS
        text = parent.output.removeprefix(FENCE)
        spent = _Spent()

        def row(text: str, prefix: str, finish_reason: str | None, detail: str = "") -> Draw:
            return self._row(path, FENCE + text, prefix, finish_reason, spent, detail)

        for attempt in range(max_tokens):
            request = CompletionRequest(
                key=(self.problem.question_id, "function", *path[:-1], attempt),
                messages=self.messages,
                indices=(path[-1],),
                prefix=text,
                stop=stops,
                max_tokens=max_tokens - spent.completion_tokens,
            )
            result = await self._ask(request)
            if isinstance(result, Failure):
                return row(text, parent.prefix, LOST, f"{result.state.value}: {result.detail}")
            spent = spent.with_answer(result, result.output.removeprefix(FENCE + text))
            if not result.output.startswith(FENCE + text):
                return row(text, parent.prefix, LOST, "the answer did not go on from the program so far")
            text = result.output.removeprefix(FENCE) if text else result.output.removeprefix(FENCE).lstrip("\n")
            found = cut(text, len(parent.prefix), to_end)
            if found is not None and not found.is_closed:
                return row(found.text, text[: found.end], None)
            is_cut_off = result.finish_reason == "length" or spent.completion_tokens >= max_tokens
            if found is None and not is_cut_off and text.endswith(stops):
                text = text.rstrip()
                continue
            text = found.text + "\n```" if found is not None else text
            finish_reason = "length" if found is None and is_cut_off else "stop"
            return row(text, extract_code(FENCE + text), finish_reason)
        raise AssertionError("every answer has a token, or ends")

    def _row(
        self, path: tuple[int, ...], output: str, prefix: str, finish_reason: str | None, spent: _Spent, detail: str = ""
    ) -> Draw:
        return Draw(
            question_id=self.problem.question_id,
            path=list(path),
            output=output,
            prefix=prefix,
            finish_reason=finish_reason,
            detail=detail,
            **spent._asdict(),
        )

    async def _ask(self, request: CompletionRequest) -> Completion | Failure:
        """One answer, or why it cannot be had.

        Raises:
            Unobtained: it may be had later.
        """
        async for result in self.sampler.ask(request):
            if isinstance(result, Failure) and result.state not in FOR_GOOD:
                raise Unobtained(result)
            return result
        raise AssertionError("a policy yields one result per index")


def _child(parent: Beam, drawn: Draw) -> Beam:
    logprob = None if parent.logprob is None or drawn.logprob is None else parent.logprob + drawn.logprob
    return Beam(
        path=tuple(drawn.path),
        output=drawn.output,
        prefix=drawn.prefix,
        finish_reason=drawn.finish_reason,
        num_tokens=parent.num_tokens + drawn.completion_tokens,
        prompt_tokens=parent.prompt_tokens + drawn.prompt_tokens,
        logprob=logprob,
    )
