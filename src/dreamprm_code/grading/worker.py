"""A worker process seen from the grader: start it, send it problems and jobs, read its answers."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from dreamprm_code.grading.config import GraderConfig, GradingError
from dreamprm_code.grading.sandbox.compare import Tolerance

_START = Path(__file__).with_name("worker_start.py")
_START_TIMEOUT_S = 120.0
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

    @property
    def num_bytes(self) -> int:
        return sum(map(len, self.inputs)) + sum(map(len, self.outputs)) + 1024


class Worker:
    """One worker process; not thread-safe. ``jobs`` holds what it was sent and has not answered, oldest first."""

    def __init__(self, config: GraderConfig):
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-s", str(_START), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        self.socket = ours
        self.jobs: OrderedDict[int, Any] = OrderedDict()
        self.level: str | None = None
        self.refused: dict[str, str] = {}
        self._problems: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()  # key -> its number here, its bytes
        self._problem_bytes = self._num_problems = 0
        self._received = bytearray()
        settings = {
            "levels": config.levels(),
            "limits": asdict(config.limits()),
            "official": config.compat == "livecodebench",
            "keep_outputs": config.keep_outputs,
        }
        self._send(settings)

    def _send(self, message: Any) -> None:
        data = json.dumps(message).encode()
        self.socket.sendall(struct.pack("=I", len(data)) + data)

    def start(self, job_number: int, job: Any, problem: DecodedProblem, code: str, all_tests: bool) -> None:
        """Queue a program; ``job`` is the caller's own note about it. Raises OSError if the worker has died."""
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
        self._send(("grade", job_number, self._problems[problem.key][0], code, all_tests))

    def wait_until_ready(self) -> None:
        """Learn which level the worker reached.

        Raises:
            GradingError: none of the levels asked for.
        """
        self.socket.settimeout(_START_TIMEOUT_S)
        messages: list[list] = []
        while not messages:
            try:
                messages = self.receive()
            except TimeoutError:
                break
            except EOFError:
                break
        self.socket.settimeout(None)
        if not messages:
            raise RuntimeError(f"a grading worker did not start (exit status {self._process.poll()})")
        if messages[0][0] == "refused":
            raise GradingError(f"programs cannot be isolated as asked ({messages[0][1]}); choose another isolation level")
        _, self.level, self.refused = messages[0]

    def receive(self) -> list[list]:
        """Messages that have come; one blocking read. Raises EOFError if the worker has died."""
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionError:
            data = b""
        if not data:
            raise EOFError
        self._received += data
        messages = []
        while len(self._received) >= 4:
            size = struct.unpack_from("=I", self._received)[0]
            if len(self._received) < 4 + size:
                break
            messages.append(json.loads(self._received[4 : 4 + size]))
            del self._received[: 4 + size]
        return messages

    def stop(self) -> None:
        """Hang up: the worker kills what it runs and ends; then wait for it."""
        self.socket.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.kill(self._process.pid, 9)
            self._process.wait()
