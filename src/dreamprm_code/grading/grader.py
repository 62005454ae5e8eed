"""The grader: many programs in, verdicts out, in the order in which they are ready."""

from __future__ import annotations

import hashlib
import json
import logging
import queue
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dreamprm_code.grading.drivers import check, with_driver
from dreamprm_code.grading.grader_settings import GraderSettings, GradingError, describe_isolation
from dreamprm_code.grading.pool import Job, WorkerPool
from dreamprm_code.grading.sandbox.compare import Tolerance, stated_tolerance
from dreamprm_code.grading.sandbox.judge import LIMITS
from dreamprm_code.grading.worker import DecodedProblem
from dreamprm_code.languages import PYTHON, language_named
from dreamprm_code.problems import ProblemTests, test_cases
from dreamprm_code.problems.signatures import Signature, SignatureError, signature_of
from dreamprm_code.records import Problem, Verdict

_AHEAD_PER_WORKER = 16
_DECODED_BYTES = 256 << 20
_REMEMBERED_RESULTS = 10_000
_LOG = logging.getLogger(__name__)


class GradeRequest(NamedTuple):
    """A program to grade; ``key`` is the caller's name for it and comes back with the result."""

    key: Hashable
    problem: Problem
    code: str
    language: str = "python"


class GradeResult(NamedTuple):
    """What a program's tests said.

    ``reason`` is one line; ``failed_test`` the index of the first failing test (public tests first), None if there is none.
    ``cpu_seconds`` is the CPU time of all tests run, ``wall_seconds`` the time from the first test's start to the verdict.
    ``test_verdicts`` holds one verdict for each test that was run, in order; the first ``num_public`` are the public tests.

    ``outputs`` (None without ``keep_outputs``, and where nothing could be graded) holds for each of these tests the fingerprint
    of the program's output, or None where it gave none that could be compared (the verdict then says what it did instead) or
    the test is not public. Equal fingerprints, equal outputs: the same stripped lines or the same JSON data, numbers compared
    as numbers.
    """

    key: Hashable
    verdict: Verdict
    reason: str
    failed_test: int | None
    num_tests: int
    cpu_seconds: float
    wall_seconds: float
    test_verdicts: tuple[Verdict, ...] = ()
    outputs: tuple[str | None, ...] | None = None
    num_public: int = 0

    @property
    def passed(self) -> bool | None:
        """True, False, or None where the program could not be graded."""
        return self.verdict.passed

    @property
    def public_passed(self) -> bool | None:
        """Whether the public tests pass; None where that is not known, or there are none."""
        if not self.num_public or self.verdict is Verdict.HARNESS_ERROR:
            return None
        return self.passed or (self.failed_test is not None and self.failed_test >= self.num_public)

    @property
    def public_outputs(self) -> str | None:
        """Equal for programs that do the same on all public inputs: 16 hex digits, or None where that is not known, or there
        is no program.

        Two outputs that a test accepts are the same, others if the grader's normal form of them is. A program that crashes on
        an input has that as its output; one that runs into a limit has that as its output on this input and the later ones.
        """
        if not self.num_public or self.outputs is None or self.verdict is Verdict.NO_CODE:
            return None
        did: list[str] = []
        for verdict, output in zip(self.test_verdicts[: self.num_public], self.outputs, strict=False):
            did.append(verdict.value if output is None or verdict.passed else output)
            if verdict.value in LIMITS:
                did += did[-1:] * (self.num_public - len(did))
                break
        return hashlib.sha256(" ".join(did).encode()).hexdigest()[:16]

    def solution_fields(self) -> dict[str, Any]:
        """The fields of a graded :class:`Solution`."""
        names = ("verdict", "passed", "reason", "failed_test", "cpu_seconds", "public_passed", "public_outputs")
        return {name: getattr(self, name) for name in names}


@dataclass
class _Job(Job):
    identity: Hashable = None
    requests: list[tuple[Hashable, Future]] = field(default_factory=list)


class Grader:
    """Grades programs in worker processes; a context manager, usable from any thread.

    Identical programs for one problem are graded once (the last 10,000 verdicts are remembered). A failure of the harness is
    tried once more in a fresh worker, and
    then reported as ``HARNESS_ERROR``: never as the program's failure.

    >>> with Grader(GraderSettings(workers=2)) as grader:
    ...     for result in grader.grade(GradeRequest(i, problem, code) for i, code in enumerate(codes)):
    ...         print(result.key, result.verdict, result.reason)

    Raises:
        GradingError: on entering, if the isolation asked for is not to be had.
    """

    def __init__(self, settings: GraderSettings | None = None):
        self.settings = settings or GraderSettings()
        self._lock = threading.Lock()
        self._running: dict[Hashable, _Job] = {}
        self._results: OrderedDict[Hashable, tuple] = OrderedDict()
        self._decoded: OrderedDict[Hashable, DecodedProblem] = OrderedDict()
        self._decoded_bytes = 0
        self._named: set[Hashable] = set()
        self._pool: WorkerPool | None = None
        self._closed_because = "the grader is not open"
        self.isolation = ""
        """Level that the workers reached."""
        self.refused: dict[str, str] = {}
        """Why each stronger level is not to be had here."""

    def __enter__(self) -> Grader:
        self._pool = WorkerPool(self.settings, self._finish, self._pool_ended)
        self.isolation, self.refused = self._pool.isolation, self._pool.refused
        return self

    def describe_isolation(self) -> str:
        """For the user, in one line: the level reached, why no stronger one, and what it leaves unprotected."""
        return describe_isolation(self.isolation, self.refused)

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill what runs and end the workers; requests without a verdict are cancelled."""
        if self._pool is not None:
            self._pool.close()

    def submit(self, request: GradeRequest) -> Future[GradeResult]:
        """Queue one program; from any thread. Await it with ``asyncio.wrap_future``.

        Raises:
            TestCaseError: the problem's tests cannot be decoded.
            GradingError: the grader is not open, or had to end; or its settings do not name the program's language.
        """
        future: Future[GradeResult] = Future()
        problem = self._decode(request.problem)
        fault = problem.fault or self._cannot_judge(problem, request.language)
        if fault:
            future.set_result(GradeResult(request.key, *_ungraded(problem, fault)))
            return future
        digest = hashlib.sha256(request.code.encode("utf-8", "surrogatepass")).digest()
        identity = (problem.key, request.language, digest)
        with self._lock:
            if self._pool is None:
                raise GradingError(self._closed_because)
            known = self._results.get(identity)
            if known is None:
                job = self._running.get(identity)
                if job is None:
                    code = request.code
                    if isinstance(problem.signature, Signature) and request.language != PYTHON.name and code.strip():
                        code = with_driver(code, language_named(request.language), problem.signature)
                    job = self._running[identity] = _Job(problem, code, request.language, identity=identity)
                    self._pool.put(job)
                job.requests.append((request.key, future))
        if known is not None:
            future.set_result(GradeResult(request.key, *known))
        return future

    def grade(self, requests: Iterable[GradeRequest]) -> Iterator[GradeResult]:
        """Results in completion order; holds a bounded number of requests, however many come."""
        return results_in_completion_order(self.submit, requests, self.settings.workers)

    def _cannot_judge(self, problem: DecodedProblem, language: str) -> str:
        """Why a problem cannot be judged by programs of a language; "" if it can.

        Raises:
            GradingError: the settings do not name the language.
        """
        if language not in self.settings.languages:
            raise GradingError(f"a {language} program for a grader whose languages are {', '.join(self.settings.languages)}")
        if language == PYTHON.name or problem.func_name is None:
            return ""
        try:
            if isinstance(problem.signature, SignatureError):
                raise problem.signature
            assert problem.signature is not None
            check(problem.signature, language_named(language))
        except SignatureError as error:
            return f"its tests call {problem.func_name}, which they cannot in {language_named(language).title}: {error}"
        return ""

    def _decode(self, problem: Problem) -> DecodedProblem:
        """A problem's tests, decoded once."""
        key = (
            problem.question_id,
            hash((problem.public_test_cases, problem.private_test_cases, problem.metadata, problem.question_content)),
            hash(problem.starter_code),
        )
        with self._lock:
            known = self._decoded.get(key)
            if known is not None:
                self._decoded.move_to_end(key)
                return known
        tests = test_cases(problem)
        decoded = DecodedProblem(
            key,
            problem.func_name,
            [test.input for test in tests.all],
            [test.output for test in tests.all],
            stated_tolerance(problem.question_content) if self.settings.compat == "none" else Tolerance(),
            len(tests.public),
            fault_of(tests),
        )
        if problem.func_name is not None and not decoded.fault and self.settings.languages != (PYTHON.name,):
            decoded = decoded._replace(signature=_signature(problem.starter_code, decoded))
        with self._lock:
            if decoded.fault and key not in self._named:
                self._named.add(key)
                _LOG.warning("problem %s cannot be graded: %s", problem.question_id, decoded.fault)
            if key not in self._decoded:
                self._decoded[key] = decoded
                self._decoded_bytes += decoded.num_bytes
                while len(self._decoded) > 1 and self._decoded_bytes > _DECODED_BYTES:
                    self._decoded_bytes -= self._decoded.popitem(last=False)[1].num_bytes
            return self._decoded[key]

    # Called by the pool's thread

    def _pool_ended(self, error: Exception | None) -> None:
        with self._lock:
            self._pool = None
            jobs = list(self._running.values())
            self._running.clear()
            if error is not None:
                self._closed_because = f"the grader had to end: {error}"
        for job in jobs:
            for _, future in job.requests:
                if error is None:
                    future.cancel()
                elif future.set_running_or_notify_cancel():
                    future.set_exception(GradingError(self._closed_because))

    def _finish(self, job: _Job, answer: dict[str, Any] | str) -> None:
        if isinstance(answer, str):
            fields = _ungraded(job.problem, answer)
        else:
            fields = (
                Verdict(answer["verdict"]),
                answer["reason"],
                answer["failed_test"],
                answer["num_tests"],
                answer["cpu_seconds"],
                answer["wall_seconds"],
                tuple(Verdict(verdict) for verdict in answer["test_verdicts"]),
                # one object for equal fingerprints: most programs that are remembered print the same
                answer["outputs"] and tuple(output and sys.intern(output) for output in answer["outputs"]),
                job.problem.num_public,
            )
        with self._lock:
            self._running.pop(job.identity, None)
            if fields[0] is not Verdict.HARNESS_ERROR:
                self._results[job.identity] = fields
                if len(self._results) > _REMEMBERED_RESULTS:
                    self._results.popitem(last=False)
            requests = list(job.requests)
        for key, future in requests:
            if future.set_running_or_notify_cancel():
                future.set_result(GradeResult(key, *fields))


def fault_of(tests: ProblemTests) -> str:
    """What is wrong with a problem's functional tests, so that no program can be judged by them; "" if nothing is."""
    for number, test in enumerate(tests.all):
        if test.testtype == "functional":
            for what, texts in (("input", test.input.split("\n")), ("output", [test.output])):
                try:
                    for text in texts:
                        if what == "output" or text.strip():
                            json.loads(text, parse_int=len, parse_float=len)  # integers may be longer than Python reads
                except (ValueError, RecursionError) as error:
                    form = "JSON values, one a line" if what == "input" else "a JSON value"
                    return f"the {what} of test {number} is not {form} ({error})"
    return ""


def _signature(starter_code: str, problem: DecodedProblem) -> Signature | SignatureError:
    assert problem.func_name is not None
    try:
        return signature_of(problem.func_name, starter_code, problem.inputs, problem.outputs)
    except SignatureError as error:
        return error


def _ungraded(problem: DecodedProblem, reason: str) -> tuple:
    """The fields of a GradeResult for a program that could not be graded."""
    reason = f"could not be graded: {reason}"
    return (Verdict.HARNESS_ERROR, reason, None, len(problem.inputs), 0.0, 0.0, (), None, problem.num_public)


def results_in_completion_order(
    submit: Callable[[GradeRequest], Future[GradeResult]], requests: Iterable[GradeRequest], workers: int
) -> Iterator[GradeResult]:
    """Submit requests as results come back, a bounded number ahead."""
    waiting: set[Future[GradeResult]] = set()
    done: queue.SimpleQueue[Future[GradeResult]] = queue.SimpleQueue()
    try:
        for request in requests:
            future = submit(request)
            waiting.add(future)
            future.add_done_callback(done.put)
            while len(waiting) >= _AHEAD_PER_WORKER * workers or not done.empty():
                finished = done.get()
                waiting.discard(finished)
                yield finished.result()
        while waiting:
            finished = done.get()
            waiting.discard(finished)
            yield finished.result()
    finally:
        for future in waiting:
            future.cancel()
