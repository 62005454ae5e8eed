"""Does the client keep a server full, how much of a core does it take, and does its memory grow?

    python benchmarks/generation.py [--requests 50000]

A loopback server in a process of its own answers every chat completion after a fixed latency and admits a fixed number at once;
the others wait in line, as they do at vLLM. So its capacity (admitted / latency) is known. The client is the whole path of a
sampling stage in one process: requests, retries, programs taken out of the answers and compared, rows written to a file, the
account and the progress bar (shown to nobody); only the grader is replaced by one that answers at once.

What is counted: rates and CPU times (user and system, of the client's process) are those of the middle nine tenths of a run's
requests. The first twentieth (imports, connections being opened) and the last (fewer requests left than the server admits) are
left out. Every request is a problem of its own: nothing is answered, read or compared from a cache. A fixed latency is the
hardest case: what was sent at one moment comes back at one moment, and the server idles while the client turns round, unless a
few requests wait in line.

* 200 ms, 64 admitted, 64 in flight (none waits) and 80 in flight: requests per second as a share of the capacity of 320;
* 200 ms, 100 admitted, 125 in flight: CPU time of the client at the capacity of 500 requests per second;
* 10 ms, 64 admitted, 80 in flight: resident memory of the client over many requests. It remembers the key of every row, so as
  to write none twice (130 to 200 bytes each); nothing else grows.
"""

from __future__ import annotations

import argparse
import asyncio
import concurrent.futures
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from dreamprm_code.grading import GradeRequest, GradeResult
from dreamprm_code.policies import CompletionRequest, PolicySettings, open_policy
from dreamprm_code.records import Problem, Solution, Verdict
from dreamprm_code.sampling.file import SampledFile
from dreamprm_code.sampling.sampler import Sampler, run_sampling, solution_row

ANSWER = "```python\n" + "print(sum(map(int, input().split())))\n" * 20 + "```"


def serve(latency_s: float, admitted: int, port: multiprocessing.Queue) -> None:
    """The loopback server; keeps connections open, reads just enough HTTP."""
    choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 500, "completion_tokens": 200, "total_tokens": 700}
    body = json.dumps({"id": "x", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}).encode()
    reply = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
                async with slots:
                    await asyncio.sleep(latency_s)
                writer.write(reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> None:
        nonlocal slots
        slots = asyncio.Semaphore(admitted)
        server = await asyncio.start_server(connection, "127.0.0.1", 0, backlog=1024)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    slots: Any = None
    asyncio.run(run())


class Mark(NamedTuple):
    """Where a run stood when ``requests`` rows were written; CPU times in seconds, memory in bytes."""

    requests: int
    seconds: float
    client_s: float
    server_s: float
    memory: int


class Measurement(NamedTuple):
    share: float  # of the server's capacity
    per_s: float
    client_cores: float
    server_cores: float
    client_ms: float  # CPU time per request
    memory_mib: list[float]

    def __str__(self) -> str:
        return (
            f"client {self.client_cores:.2f} cores, {self.client_ms:.2f} ms per request; server {self.server_cores:.2f} cores"
        )


class InstantGrader:
    """Every program passes at once: grading is not measured here."""

    isolation = "none"

    def __enter__(self) -> InstantGrader:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass

    def submit(self, request: GradeRequest) -> concurrent.futures.Future[GradeResult]:
        future: concurrent.futures.Future[GradeResult] = concurrent.futures.Future()
        future.set_result(GradeResult(request.key, Verdict.PASSED, "", None, 1, 0.0, 0.0))
        return future


def problem(number: int) -> Problem:
    text = {name: "" for name in Problem.model_fields} | {"question_id": f"p{number}", "contest_date": "2024-01-01"}
    return Problem(**text)


def measure(latency_s: float, admitted: int, in_flight: int, num_requests: int) -> Measurement:
    """One run of a sampling stage: rates and CPU times of its middle nine tenths, memory after every twentieth."""
    spawn = multiprocessing.get_context("spawn")
    ports = spawn.Queue()
    server = spawn.Process(target=serve, args=(latency_s, admitted, ports), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ports.get(timeout=60)}/v1"
    processes = psutil.Process(), psutil.Process(server.pid)
    marks: list[Mark] = []
    settings = PolicySettings(policy="openai:m", base_urls=[url], max_in_flight=in_flight, answers_per_request=1)
    message = ({"role": "user", "content": "Write a program. " * 120},)
    try:
        with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
            written = 0
            every = max(1, num_requests // 20)

            def on_row(row: Solution) -> None:
                nonlocal written
                written += 1
                if written % every == 0:
                    client_s, server_s = (sum(process.cpu_times()[:2]) for process in processes)
                    marks.append(Mark(written, time.perf_counter(), client_s, server_s, processes[0].memory_info().rss))

            path = Path(folder) / "solutions.jsonl"
            file = SampledFile(path, Solution, stage="benchmark", settings=settings, identity={}, on_row=on_row)

            def tasks(sampler: Sampler) -> Iterator[Callable[[], Any]]:
                for number in range(num_requests):
                    request = CompletionRequest((f"p{number}",), message, (0,))
                    yield partial(sampler.sample, request, problem(number), partial(solution_row, f"p{number}"))

            run_sampling(lambda: open_policy(settings, file.account), InstantGrader, file, tasks, num_requests)
    finally:
        server.terminate()
        server.join()
    first, last = marks[0], marks[-2]
    wall_s, answered = last.seconds - first.seconds, last.requests - first.requests
    return Measurement(
        share=answered / wall_s / (admitted / latency_s),
        per_s=answered / wall_s,
        client_cores=(last.client_s - first.client_s) / wall_s,
        server_cores=(last.server_s - first.server_s) / wall_s,
        client_ms=1e3 * (last.client_s - first.client_s) / answered,
        memory_mib=[mark.memory / 2**20 for mark in marks],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=50_000, help="requests of the memory measurement")
    num_requests = parser.parse_args().requests
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, client and server on the same machine")
    for in_flight in (64, 80):
        full = measure(0.2, 64, in_flight, 6_000)
        print(
            f"200 ms, 64 admitted, {in_flight} in flight: {full.per_s:.1f} requests/s, {full.share:.1%} of the capacity "
            f"(asked: at least 95%); {full}"
        )
    busy = measure(0.2, 100, 125, 10_000)
    print(f"200 ms, 100 admitted, 125 in flight: {busy.per_s:.1f} requests/s of 500; {busy} (asked: client under 1 core)")
    long = measure(0.01, 64, 80, num_requests)
    tenth, half, end = (long.memory_mib[mark] for mark in (1, 9, 19))
    growth = (end - tenth) * 2**20 / (0.9 * num_requests)
    print(
        f"{num_requests} requests: {tenth:.1f} MiB after a tenth, {half:.1f} at half, {end:.1f} at the end, {growth:.0f} bytes "
        f"per request (asked: flat); {long.per_s:.0f} requests/s with {long}"
    )


if __name__ == "__main__":
    main()
