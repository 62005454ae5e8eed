"""The grader: many programs in, verdicts out, in the order in which they are ready."""

from __future__ import annotations

import contextlib
import hashlib
import queue
import selectors
import socket
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dreamprm_code.grading.config import GraderConfig
from dreamprm_code.grading.sandbox.compare import Tolerance, stated_tolerance
from dreamprm_code.grading.sandbox.judge import LIMITS
from dreamprm_code.grading.worker import DecodedProblem, Worker
from dreamprm_code.problems import test_cases
from dreamprm_code.records import Problem, Verdict

_JOBS_PER_WORKER = 2
_AHEAD_PER_WORKER = 16
_DECODED_BYTES = 256 << 20
_REMEMBERED_RESULTS = 100_000


class GradeRequest(NamedTuple):
    """A program to grade; ``key`` is the caller's name for it and comes back with the result."""

    key: Hashable
    problem: Problem
    code: str


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


@dataclass
class _Job:
    identity: Hashable
    problem: DecodedProblem
    code: str
    requests: list[tuple[Hashable, Future]] = field(default_factory=list)
    failures: int = 0


class Grader:
    """Grades programs in worker processes; a context manager, usable from any thread.

    Identical programs for one problem are graded once. A failure of the harness is tried once more in a fresh worker, and
    then reported as ``HARNESS_ERROR``: never as the program's failure.

    >>> with Grader(GraderConfig(workers=2)) as grader:
    ...     for result in grader.grade(GradeRequest(i, problem, code) for i, code in enumerate(codes)):
    ...         print(result.key, result.verdict, result.reason)

    Raises:
        GradingError: on entering, if the isolation asked for is not to be had.
    """

    def __init__(self, config: GraderConfig | None = None):
        self.config = config or GraderConfig()
        self._lock = threading.Lock()
        self._pending: deque[_Job] = deque()
        self._running: dict[Hashable, _Job] = {}
        self._results: OrderedDict[Hashable, tuple] = OrderedDict()
        self._decoded: OrderedDict[Hashable, DecodedProblem] = OrderedDict()
        self._decoded_bytes = 0
        self._workers: list[Worker] = []
        self._next_number = 0
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_write.setblocking(False)
        self._thread: threading.Thread | None = None
        self._closing = False
        self.isolation = ""
        """Level that the workers reached."""
        self.refused: dict[str, str] = {}
        """Why each stronger level is not to be had here."""

    # Life

    def __enter__(self) -> Grader:
        try:
            self._workers = [Worker(self.config) for _ in range(self.config.workers)]
            for worker in self._workers:
                worker.wait_until_ready()
        except BaseException:
            self._stop_workers()
            raise
        self.isolation, self.refused = self._workers[0].level or "", self._workers[0].refused
        self._thread = threading.Thread(target=self._run, name="grader", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill what runs and end the workers; requests without a verdict are cancelled."""
        with self._lock:
            self._closing = True
        self._wake()
        if self._thread is not None:
            self._thread.join()
        self._stop_workers()
        self._wake_read.close()
        self._wake_write.close()

    def _stop_workers(self) -> None:
        for worker in self._workers:
            worker.stop()
        self._workers = []

    # Requests

    def submit(self, request: GradeRequest) -> Future[GradeResult]:
        """Queue one program; from any thread. Await it with ``asyncio.wrap_future``.

        Raises:
            TestCaseError: the problem's tests cannot be decoded.
        """
        future: Future[GradeResult] = Future()
        problem = self._decode(request.problem)
        identity = (problem.key, hashlib.sha256(request.code.encode("utf-8", "surrogatepass")).digest())
        with self._lock:
            if self._closing or self._thread is None:
                raise RuntimeError("the grader is not open")
            known = self._results.get(identity)
            if known is None:
                job = self._running.get(identity)
                if job is None:
                    job = self._running[identity] = _Job(identity, problem, request.code)
                    self._pending.append(job)
                    self._wake()
                job.requests.append((request.key, future))
        if known is not None:
            future.set_result(GradeResult(request.key, *known))
        return future

    def grade(self, requests: Iterable[GradeRequest]) -> Iterator[GradeResult]:
        """Results in completion order; holds a bounded number of requests, however many come."""
        return results_in_completion_order(self.submit, requests, self.config.workers)

    def _decode(self, problem: Problem) -> DecodedProblem:
        """A problem's tests, decoded once."""
        key = (
            problem.question_id,
            hash((problem.public_test_cases, problem.private_test_cases, problem.metadata, problem.question_content)),
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
            stated_tolerance(problem.question_content) if self.config.compat == "none" else Tolerance(),
            len(tests.public),
        )
        with self._lock:
            if key not in self._decoded:
                self._decoded[key] = decoded
                self._decoded_bytes += decoded.num_bytes
                while len(self._decoded) > 1 and self._decoded_bytes > _DECODED_BYTES:
                    self._decoded_bytes -= self._decoded.popitem(last=False)[1].num_bytes
            return self._decoded[key]

    # The thread that talks to the workers

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            self._wake_write.send(b"w")

    def _run(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._wake_read, selectors.EVENT_READ, None)
        for worker in self._workers:
            selector.register(worker.socket, selectors.EVENT_READ, worker)
        while True:
            for key, _ in selector.select():
                if key.data is None:
                    self._wake_read.recv(4096)
                else:
                    self._hear(key.data, selector)
            with self._lock:
                if self._closing:
                    break
            self._hand_out(selector)
        selector.close()
        with self._lock:
            jobs = list(self._running.values())
            self._running.clear()
            self._pending.clear()
        for job in jobs:
            for _, future in job.requests:
                future.cancel()

    def _hand_out(self, selector: selectors.BaseSelector) -> None:
        """Give waiting jobs to the workers with the fewest, so that none is idle."""
        while True:
            worker = min(self._workers, key=lambda worker: len(worker.jobs))
            if len(worker.jobs) >= _JOBS_PER_WORKER:
                return
            with self._lock:
                if not self._pending:
                    return
                job = self._pending.popleft()
                self._next_number += 1
                number = self._next_number
            try:
                worker.start(number, job, job.problem, job.code, self.config.all_tests)
            except OSError:
                self._replace(worker, selector, "the worker process died")

    def _hear(self, worker: Worker, selector: selectors.BaseSelector) -> None:
        try:
            messages = worker.receive()
        except EOFError:
            self._replace(worker, selector, "the worker process died")
            return
        for kind, number, content in messages:
            if kind == "graded":
                self._finish(worker.jobs.pop(number), content)
            elif kind == "failed":
                self._fail(worker.jobs.pop(number), content)
            elif kind == "broken":
                self._replace(worker, selector, content)
                return

    def _replace(self, worker: Worker, selector: selectors.BaseSelector, reason: str) -> None:
        """A new worker for one that died; what it was doing is tried again, what it had not begun goes back."""
        selector.unregister(worker.socket)
        jobs = list(worker.jobs.values())
        worker.stop()
        fresh = Worker(self.config)
        fresh.wait_until_ready()
        self._workers[self._workers.index(worker)] = fresh
        selector.register(fresh.socket, selectors.EVENT_READ, fresh)
        with self._lock:
            self._pending.extendleft(reversed(jobs[1:]))
        if jobs:
            self._fail(jobs[0], reason)

    def _fail(self, job: _Job, reason: str) -> None:
        job.failures += 1
        if job.failures == 1:
            with self._lock:
                self._pending.append(job)
            return
        answer: dict[str, Any] = {
            "verdict": Verdict.HARNESS_ERROR,
            "reason": f"could not be graded: {reason}",
            "failed_test": None,
            "num_tests": len(job.problem.inputs),
            "cpu_seconds": 0.0,
            "wall_seconds": 0.0,
            "test_verdicts": [],
            "outputs": None,
        }
        self._finish(job, answer)

    def _finish(self, job: _Job, answer: dict[str, Any]) -> None:
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
