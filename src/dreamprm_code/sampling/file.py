"""From requests to graded rows in a file: what the three sampling stages have in common.

Programs are graded while others are sampled. Each row is written as soon as it is known, so a killed run loses what was in
flight and nothing else. A completion that could not be obtained leaves no row but a line in ``<output>.failures.jsonl`` that
names its state; the next run tries it again. What was spent is in ``<output>.usage.json``.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
import warnings
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import CodeType
from typing import Any, ClassVar, NamedTuple

from tqdm import tqdm

from dreamprm_code.grading import Grader, GradeRequest, GradeResult
from dreamprm_code.jsonl import JsonlError, RowAppender, sort_file
from dreamprm_code.manifest import check_resume, write_manifest
from dreamprm_code.policies.base import (
    BudgetReached,
    Completion,
    CompletionRequest,
    Failure,
    Policy,
    chat_text,
    estimated_tokens,
)
from dreamprm_code.policies.budget import Account
from dreamprm_code.policies.continuation import keep_prefix, program_of
from dreamprm_code.policies.settings import PolicySettings
from dreamprm_code.records import Problem, Record, Rollout, Solution
from dreamprm_code.steps import extract_code

SAVE_EVERY_S, SHOW_EVERY_S = 2.0, 0.25
GRADES_KEPT = 4096
"""Verdicts held for programs that come again; duplicates come soon, since requests of one problem are adjacent."""


class FailedRequest(Record):
    """A line of ``<output>.failures.jsonl``: the row that is missing and why."""

    key_fields: ClassVar[tuple[str, ...]] = ("row_key",)

    row_key: list[str | int]
    state: str
    detail: str
    attempts: int

    @property
    def key(self) -> tuple:
        return tuple(self.row_key)


class Sampled(NamedTuple):
    """A graded completion, before it becomes a row."""

    completion: Completion
    code: str
    keeps_prefix: bool
    grade: GradeResult


class SampledFile:
    """The output of a sampling stage while it grows over one or more runs.

    Nothing is made or overwritten before :meth:`start`: a run that cannot begin leaves the folder as it was.

    Raises:
        ManifestError: the rows there were made with other settings.
        JsonlError: the file is broken or in use.
    """

    def __init__(
        self,
        path: Path,
        record: type[Solution] | type[Rollout],
        *,
        stage: str,
        settings: PolicySettings,
        identity: Mapping[str, Any],
        inputs: Iterable[Path] = (),
        on_row: Callable[[Any], None] | None = None,
    ):
        self.path, self.record, self.account = path, record, settings.account()
        self.counts: Counter[str] = Counter()
        self._on_row = on_row
        self._manifest = {
            "stage": stage,
            "config": settings.model_dump(),
            "identity": {**settings.sampling_identity(), **identity},
            "inputs": list(inputs),
        }
        if path.exists() and path.stat().st_size:
            check_resume(path, self._manifest["identity"])
        self._failures_path = path.with_name(path.name + ".failures.jsonl")
        self.grades: OrderedDict[tuple[str, bytes], asyncio.Future[GradeResult]] = OrderedDict()
        self._usage_path = path.with_name(path.name + ".usage.json")
        self.account.load(self._usage_path)
        self._open = ExitStack()
        self._rows: RowAppender | None = None
        self._failures: RowAppender | None = None
        if path.exists():
            self._open_rows()

    def _open_rows(self) -> RowAppender:
        self._rows = self._open.enter_context(RowAppender(self.path, self.record, self._count))
        self.counts["rows_before"] = len(self._rows.keys)
        return self._rows

    def start(self) -> None:
        """Make the file and what stands beside it, or take up what is there; to be called once all else is ready.

        Raises:
            JsonlError: the file is in use.
        """
        if self._rows is None and self._open_rows().keys:
            raise JsonlError(f"{self.path}: another process has just written rows; run the same command again")
        write_manifest(self.path, **self._manifest, counts={})
        self._failures_path.unlink(missing_ok=True)
        self._failures = self._open.enter_context(RowAppender(self._failures_path, FailedRequest))

    @property
    def rows(self) -> RowAppender:
        assert self._rows is not None, "start() comes first"
        return self._rows

    @property
    def failures(self) -> RowAppender:
        assert self._failures is not None, "start() comes first"
        return self._failures

    def _count(self, row: Any) -> None:
        self.counts["rows"] += 1
        self.counts[f"verdict_{row.verdict.value if row.verdict else 'none'}"] += 1
        self.counts[f"finish_reason_{row.finish_reason}"] += 1
        if isinstance(row, Rollout):
            self.counts["keeps_prefix" if row.keeps_prefix else "rewrites_prefix"] += 1
        if self._on_row is not None:
            self._on_row(row)

    def add(self, row: Record) -> None:
        self.rows.append(row)
        self._count(row)

    def fail(self, row_key: Iterable[str | int], failure: Failure) -> None:
        self.counts[f"failed_{failure.state.value}"] += 1
        self.failures.append(
            FailedRequest(row_key=list(row_key), state=failure.state.value, detail=failure.detail, attempts=failure.attempts)
        )

    def missing(self, key: tuple, indices: Iterable[int]) -> tuple[int, ...]:
        """Of the rows (*key, index), the indices that the file lacks."""
        there = set() if self._rows is None else self._rows.keys
        return tuple(index for index in indices if (*key, index) not in there)

    def abandon(self) -> None:
        """Close the file as a kill would leave it, the account saved; one that was not started stays as it was."""
        if self._failures is not None:
            self.account.save()
        self._open.close()

    def close(self, policy_kind: str | None = None) -> dict[str, Any]:
        """Sort the rows by key, write the final manifest; returns its counts."""
        num_failed = len(self.failures.keys)
        self._open.close()
        if not num_failed:
            self._failures_path.unlink(missing_ok=True)
        sort_file(self.path, self.record)
        self.account.save()
        counts = {**dict(sorted(self.counts.items())), "failed": num_failed, "usage": self.account.to_dict()}
        if policy_kind is not None:
            counts["policy_kind"] = policy_kind
        write_manifest(self.path, **self._manifest, counts=counts)
        return counts


class Sampler:
    """Asks the policy, grades, writes. ``max_requests`` of the policy bounds what is in flight."""

    def __init__(self, policy: Policy, grader: Grader, file: SampledFile, bar: tqdm | None = None):
        self.policy, self.grader, self.file, self.bar = policy, grader, file, bar
        self._in_flight = asyncio.Semaphore(policy.max_requests)
        self._reading = asyncio.Lock()
        self._saved = self._shown = time.monotonic()

    async def sample(
        self,
        request: CompletionRequest,
        problem: Problem,
        make_row: Callable[[Sampled], Solution | Rollout],
        improve: Callable[[Sampled], Awaitable[Sampled]] | None = None,
    ) -> list[Sampled]:
        """Obtain the completions of a request, grade them, write their rows; failures are noted.

        ``improve`` may put another completion in the place of one before it is written.
        """
        grading: list[asyncio.Task[Sampled]] = []
        try:
            async for result in self.ask(request):
                if isinstance(result, Failure):
                    self.file.fail((*request.key, result.index), result)
                    self._show(0)
                else:
                    grading.append(asyncio.create_task(self._grade_and_write(result, request, problem, make_row, improve)))
        finally:  # what was paid for is written, even when the budget ends in the middle
            done = await asyncio.gather(*grading)
        return done

    async def ask(self, request: CompletionRequest) -> AsyncIterator[Completion | Failure]:
        """The policy's answers, with no more requests in flight than it wants."""
        async with self._in_flight:
            async for result in self.policy.complete(request):
                yield result

    async def _grade_and_write(
        self,
        completion: Completion,
        request: CompletionRequest,
        problem: Problem,
        make_row: Callable[[Sampled], Any],
        improve: Callable[[Sampled], Awaitable[Sampled]] | None,
    ) -> Sampled:
        sampled = await self.graded(completion, request, problem)
        if improve is not None:
            sampled = await improve(sampled)
        self.file.add(make_row(sampled))
        self._show(1)
        return sampled

    async def graded(self, completion: Completion, request: CompletionRequest, problem: Problem) -> Sampled:
        """Take the program out of an answer and run its unit tests; equal programs of a problem are run once.

        One answer is read per turn of the event loop, so that of many replies that come at once none keeps the next requests
        waiting: a server's free places are filled first.
        """
        async with self._reading:
            await asyncio.sleep(0)
            code, kept = program_of(completion.output, request.prefix, extract_code), True
            if request.prefix is not None:
                code, kept = keep_prefix(code, request.prefix)
            identity = (problem.question_id, program_digest(code))
        grades = self.file.grades
        if identity in grades:
            self.file.counts["graded_once_as_duplicate"] += 1
            grades.move_to_end(identity)
        else:
            future = self.grader.submit(GradeRequest(key=identity, problem=problem, code=code))
            grades[identity] = asyncio.ensure_future(asyncio.wrap_future(future))
            if len(grades) > GRADES_KEPT:
                grades.popitem(last=False)
        grade = await asyncio.shield(grades[identity])
        if grade.passed is None:
            grades.pop(identity, None)  # the grader's failure is no verdict about the next equal program
        return Sampled(completion, code, kept, grade)

    def _show(self, rows: int) -> None:
        account, now = self.file.account, time.monotonic()
        if self.bar is not None:
            self.bar.update(rows)
            if now - self._shown > SHOW_EVERY_S:
                self._shown = now
                counts = self.file.counts
                money = "" if account.cost is None else f" ${account.cost:.3f}"
                self.bar.set_postfix_str(
                    f"passed {counts['verdict_passed']}/{counts['rows']}, failed requests {len(self.file.failures.keys)}, "
                    f"tokens {account.prompt_tokens}+{account.completion_tokens}{money}",
                    refresh=False,
                )
        if now - self._saved > SAVE_EVERY_S:
            account.save()
            self._saved = now


async def run_bounded(tasks: Iterable[Callable[[], Awaitable[Any]]], limit: int) -> str | None:
    """Run tasks in order, ``limit`` at a time; memory does not grow with their number.

    When the budget is reached no task is started any more and those that run are awaited; returns the reason, else None. Any
    other error cancels all and is raised.
    """
    free = asyncio.Semaphore(limit)
    reason: str | None = None

    async def run(task: Callable[[], Awaitable[Any]]) -> None:
        nonlocal reason
        try:
            await task()
        except BudgetReached as reached:
            reason = str(reached)
        finally:
            free.release()

    try:
        async with asyncio.TaskGroup() as group:
            for task in tasks:
                await free.acquire()
                if reason is not None:
                    break
                group.create_task(run(task))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return reason


def run_sampling(
    open_policy: Callable[[], Policy],
    grader: Grader,
    file: SampledFile,
    tasks: Callable[[Sampler], Iterable[Callable[[], Awaitable[Any]]]],
    num_rows: int,
) -> dict[str, Any]:
    """Sample until nothing is missing or the budget is reached, then close the file; returns the counts of its manifest.

    The policy is opened first: where it cannot be, nothing is written.
    """

    async def run() -> tuple[str | None, str]:
        policy = open_policy()
        try:
            file.start()
            with tqdm(total=num_rows, desc=file.path.name, unit="row", mininterval=1.0) as bar:
                sampler = Sampler(policy, grader, file, bar)
                return await run_bounded(tasks(sampler), 2 * policy.max_requests + 64), policy.kind
        finally:
            await policy.aclose()

    try:
        if num_rows:
            reason, kind = asyncio.run(run())
        else:
            file.start()
            reason, kind = None, None
    except BaseException:
        file.abandon()
        raise
    counts = file.close(kind)
    if reason is not None:
        counts["stopped"] = reason
    return counts


def program_digest(code: str) -> bytes:
    """Equal for programs that Python compiles to the same code, whatever their layout, comments and quotes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = repr(_without_lines(compile(code, "", "exec", dont_inherit=True)))
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        text = code
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _without_lines(code: CodeType) -> tuple[Any, ...]:
    """All that running a code object depends on; its line numbers and file name are left out."""
    return (
        code.co_code,
        code.co_exceptiontable,
        code.co_flags,
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_stacksize),
        (code.co_name, code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars),
        tuple(_without_lines(value) if isinstance(value, CodeType) else value for value in code.co_consts),
    )


def solution_row(question_id: str, sampled: Sampled) -> Solution:
    """The row of a sampled program."""
    completion = sampled.completion
    return Solution(
        question_id=question_id,
        solution_idx=completion.index,
        output=completion.output,
        code=sampled.code,
        finish_reason=completion.finish_reason,
        **sampled.grade.solution_fields(),
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
    )


def estimate(requests: Iterable[CompletionRequest], settings: PolicySettings) -> str:
    """What a run would ask for, as one line: requests, prompt tokens (estimated), and the highest possible use and cost."""
    num_requests = num_answers = prompt_tokens = 0
    size = settings.answers_per_request if settings.policy_kind[0] == "openai" else 1 << 30
    for request in requests:
        times = -(-len(request.indices) // size)
        num_requests += times
        num_answers += len(request.indices)
        prompt_tokens += times * estimated_tokens(chat_text(request.messages) + (request.prefix or ""))
    most = num_answers * settings.max_tokens
    account: Account = settings.account()
    cost = "no price known"
    if account.price is not None:
        low, high = (account.price.cost(prompt_tokens, tokens, settings.batch) for tokens in (0, most))
        cost = f"${low:.2f} for the prompts, at most ${high:.2f} in all"
    return (
        f"{num_requests} requests for {num_answers} answers, about {prompt_tokens} prompt tokens, "
        f"at most {most} answer tokens; {cost}"
    )
