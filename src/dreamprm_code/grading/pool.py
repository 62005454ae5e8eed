"""The thread that talks to the workers: it hands out jobs, hears answers, and replaces workers that die or fall silent.

Nothing here waits for a single worker, so that neither a large problem nor a broken worker holds up the others.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dreamprm_code.grading.grader_settings import GraderSettings, GradingError
from dreamprm_code.grading.toolchains import find_toolchains
from dreamprm_code.grading.worker import DecodedProblem, Worker

JOBS_PER_WORKER = 2
SILENCE_S = 300.0
"""A worker that is at work says so every few seconds; one that has been silent for so long is killed."""

_LONGEST_PAUSE_S = 5.0
_MOST_FAILED_STARTS = 6


@dataclass
class Job:
    problem: DecodedProblem
    code: str
    language: str = "python"
    failures: int = 0


class WorkerPool:
    """``done(job, answer)`` is called for each job, from the pool's thread; ``answer`` is a reason (str) if the harness failed
    twice. ``ended(error)`` is called once at the end, with what ended the thread (None: :meth:`close`)."""

    def __init__(
        self,
        settings: GraderSettings,
        done: Callable[[Any, dict[str, Any] | str], None],
        ended: Callable[[Exception | None], None],
    ):
        self._settings, self._done, self._ended = settings, done, ended
        self._toolchains = find_toolchains(settings.languages)
        self._lock = threading.Lock()
        self._pending: deque[Job] = deque()
        self._wants_jobs = True  # a worker could take a job and there was none: the thread may be waiting
        self._workers: list[Worker] = []
        self._selector = selectors.DefaultSelector()
        self._num_jobs = self._failed_starts = 0
        self._start_at = 0.0
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_write.setblocking(False)
        self._closing = False
        self._opened = threading.Event()
        self._error: Exception | None = None
        self.isolation = ""
        self.refused: dict[str, str] = {}
        # Workers are started by this thread and end with it (the kernel sees to that), whoever opens the grader.
        self._thread = threading.Thread(target=self._run, name="grader", daemon=True)
        self._thread.start()
        self._opened.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error

    def put(self, job: Job) -> None:
        with self._lock:
            self._pending.append(job)
            waits, self._wants_jobs = self._wants_jobs, False
        if waits:
            self._wake()

    def close(self) -> None:
        """Kill what runs and end the workers."""
        self._closing = True
        self._wake()
        self._thread.join()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._wake_write.send(b"w")

    def _run(self) -> None:
        error: Exception | None = None
        try:
            self._selector.register(self._wake_read, selectors.EVENT_READ, None)
            for _ in range(self._settings.workers):
                self._start_worker()
            while not self._closing:
                self._turn()
        except Exception as caught:
            error = caught
        self._error = error
        for worker in self._workers:
            worker.hang_up()
        for worker in self._workers:
            worker.stop()
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()
        self._ended(error)
        self._opened.set()

    def _turn(self) -> None:
        busy = any(worker.jobs or not worker.is_ready for worker in self._workers)
        incomplete = len(self._workers) < self._settings.workers
        for key, events in self._selector.select(min(_LONGEST_PAUSE_S, SILENCE_S / 4) if busy or incomplete else None):
            if key.data is None:
                self._wake_read.recv(4096)
                continue
            if events & selectors.EVENT_WRITE:
                key.data.flush()
            if events & selectors.EVENT_READ:
                self._hear(key.data)
        for worker in list(self._workers):
            if (worker.jobs or not worker.is_ready) and time.monotonic() - worker.heard > SILENCE_S:
                self._lose(worker, f"the worker process was silent for {SILENCE_S:g} s")
        if len(self._workers) < self._settings.workers and time.monotonic() >= self._start_at:
            try:
                self._start_worker()
            except OSError as error:
                self._failed_to_start(str(error))
        self._hand_out()
        for worker in self._workers:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.has_unsent else 0)
            if self._selector.get_key(worker.socket).events != events:
                self._selector.modify(worker.socket, events, worker)

    def _start_worker(self) -> None:
        worker = Worker(self._settings, self._toolchains)
        self._workers.append(worker)
        self._selector.register(worker.socket, selectors.EVENT_READ, worker)

    def _failed_to_start(self, reason: str) -> None:
        """Try again after a pause, but not for ever without any worker.

        Raises:
            GradingError: no worker is left, and none has started for some time; or this is the grader's opening.
        """
        self._failed_starts += 1
        self._start_at = time.monotonic() + min(_LONGEST_PAUSE_S, 0.1 * 2**self._failed_starts)
        if not self._opened.is_set() or (self._failed_starts >= _MOST_FAILED_STARTS and not self._workers):
            raise GradingError(f"a grading worker did not start: {reason}")

    def _hand_out(self) -> None:
        """Give waiting jobs to the workers with the fewest, so that none is idle."""
        while ready := [worker for worker in self._workers if worker.is_ready]:
            worker = min(ready, key=lambda worker: len(worker.jobs))
            with self._lock:
                if len(worker.jobs) >= JOBS_PER_WORKER:
                    return
                self._wants_jobs = not self._pending
                if self._wants_jobs:
                    return
                job = self._pending.popleft()
            self._num_jobs += 1
            worker.start(self._num_jobs, job, job.problem, self._settings.all_tests, job.code, job.language)

    def _hear(self, worker: Worker) -> None:
        try:
            messages = worker.receive()
        except EOFError:
            self._lose(worker, worker.describe_end())
            return
        for kind, *content in messages:
            if kind == "graded":
                self._done(worker.jobs.pop(content[0]), content[1])
            elif kind == "failed":
                self._fail(worker.jobs.pop(content[0]), content[1])
            elif kind == "broken":
                self._lose(worker, content[1])
                return
            elif kind == "refused":
                self._lose(worker, self._settings.describe_refusal(content[0]))
                return
            elif kind == "ready":
                self._failed_starts = 0
                self.isolation, self.refused = content
                if all(worker.is_ready for worker in self._workers):
                    self._opened.set()

    def _lose(self, worker: Worker, reason: str) -> None:
        """A worker is of no use any more: what it was doing is tried again, what it had not begun goes back."""
        self._selector.unregister(worker.socket)
        self._workers.remove(worker)
        worker.kill()
        jobs = list(worker.jobs.values())
        with self._lock:
            self._pending.extendleft(reversed(jobs[1:]))
        if jobs:
            self._fail(jobs[0], reason)
        if not worker.is_ready:
            self._failed_to_start(reason)

    def _fail(self, job: Job, reason: str) -> None:
        job.failures += 1
        if job.failures > 1:
            self._done(job, reason)
            return
        with self._lock:
            self._pending.append(job)
