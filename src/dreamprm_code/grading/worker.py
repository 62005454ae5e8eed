"""A worker process seen from the grader: start it, send it problems and jobs, read its answers."""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from dreamprm_code.grading.grader_settings import GraderSettings
from dreamprm_code.grading.sandbox.compare import Tolerance
from dreamprm_code.grading.toolchains import Toolchains
from dreamprm_code.problems.signatures import Signature, SignatureError

_START = Path(__file__).with_name("worker_start.py")
_END_S = 10.0
PROBLEM_BYTES_PER_WORKER = 64 << 20

ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",  # the order of sets shall not change from run to run
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""All that a program finds in its environment, HOME and TMPDIR besides."""


class DecodedProblem(NamedTuple):
    """What a worker needs of a problem: sent once, then named by ``key``."""

    key: Hashable
    func_name: str | None
    inputs: list[str]
    outputs: list[str]
    tolerance: Tolerance
    num_public: int
    fault: str = ""
    signature: Signature | SignatureError | None = None
    """Of a function: its signature for other languages than Python, or why it has none there."""

    @property
    def num_bytes(self) -> int:
        return sum(map(len, self.inputs)) + sum(map(len, self.outputs)) + 1024


class Worker:
    """One worker process; not thread-safe, and ends with the thread that made it. ``jobs`` holds what it was sent and has not
    answered, oldest first; ``heard`` is when it last gave a sign of life (or was given its first job)."""

    def __init__(self, settings: GraderSettings, toolchains: Toolchains):
        limits = settings.limits()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-s", str(_START), str(theirs.fileno()), str(limits.memory)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        ours.setblocking(False)
        self.socket = ours
        self.jobs: OrderedDict[int, Any] = OrderedDict()
        self.is_ready = False
        self.heard = time.monotonic()
        self._unsent: deque[memoryview] = deque()
        self._problems: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()  # key -> its number here, its bytes
        self._problem_bytes = self._num_problems = 0
        self._received = bytearray()
        message = {
            "levels": settings.levels(),
            "limits": asdict(limits),
            "official": settings.compat == "livecodebench",
            "keep_outputs": settings.keep_outputs,
            "keep_results": settings.keep_results,
            "toolchains": toolchains.commands,
            "shown": toolchains.folders,
        }
        self._send(message)

    def _send(self, message: Any) -> None:
        data = json.dumps(message).encode()
        self._unsent.append(memoryview(struct.pack("=I", len(data)) + data))
        self.flush()

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def flush(self) -> None:
        """Send what the worker takes now; never waits. That it has died is noticed when it is read from."""
        try:
            while self._unsent:
                sent = self.socket.send(self._unsent[0])
                self._unsent[0] = self._unsent[0][sent:]
                if not self._unsent[0]:
                    self._unsent.popleft()
        except BlockingIOError:
            pass
        except OSError:
            self._unsent.clear()

    def start(self, job_number: int, job: Any, problem: DecodedProblem, all_tests: bool, code: str, language: str) -> None:
        """Queue a program; ``job`` is the caller's own note about it."""
        if not self.jobs:
            self.heard = time.monotonic()
        self.jobs[job_number] = job
        if problem.key in self._problems:
            self._problems.move_to_end(problem.key)
        else:
            self._num_problems += 1
            fields = (problem.func_name, problem.inputs, problem.outputs, problem.tolerance, problem.num_public)
            self._send(("problem", self._num_problems, *fields))
            self._problems[problem.key] = (self._num_problems, problem.num_bytes)
            self._problem_bytes += problem.num_bytes
            while len(self._problems) > 1 and self._problem_bytes > PROBLEM_BYTES_PER_WORKER:
                number, num_bytes = self._problems.popitem(last=False)[1]
                self._problem_bytes -= num_bytes
                self._send(("forget", number))
        self._send(("grade", job_number, self._problems[problem.key][0], code, all_tests, language))

    def receive(self) -> list[list[Any]]:
        """Messages that have come. Raises EOFError if the worker has died."""
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return []
        except ConnectionError:
            data = b""
        if not data:
            raise EOFError
        self.heard = time.monotonic()
        self._received += data
        messages = []
        while len(self._received) >= 4:
            size = struct.unpack_from("=I", self._received)[0]
            if len(self._received) < 4 + size:
                break
            messages.append(json.loads(self._received[4 : 4 + size]))
            del self._received[: 4 + size]
        self.is_ready |= any(message[0] == "ready" for message in messages)
        return messages

    def describe_end(self) -> str:
        """Why a worker that has hung up ended."""
        try:
            status = self._process.wait(timeout=_END_S)
        except subprocess.TimeoutExpired:
            return "the worker process hung up"
        cause = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        return f"the worker process ended {cause}"

    def hang_up(self) -> None:
        """Have the worker kill what it runs and end."""
        self.socket.close()

    def stop(self) -> None:
        self.hang_up()
        try:
            self._process.wait(timeout=_END_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the worker at once; its zygotes see that it is gone, kill what they run and end."""
        self.hang_up()
        self._process.kill()
        self._process.wait()
