"""Does the client keep a server full, how much of a core does it take, and does its memory grow?

    python benchmarks/generation.py [--requests 50000]

A loopback server in a process of its own answers every chat completion after a fixed latency and admits a fixed number at once,
so that its capacity (admitted / latency) is known. The client is the whole path of a sampling stage: requests, retries, reading
answers, rows written to a file; only the grader is replaced by one that answers at once. Prints three measurements:

* 200 ms, 64 admitted: requests per second as a share of the capacity of 320;
* 200 ms, 100 admitted: CPU time of the client at the capacity of 500 requests per second;
* 10 ms, 64 admitted: resident memory of the client over many requests.
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
from functools import partial
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from dreamprm_code.generation import SampledFile, Sampler, run_sampling, solution_row
from dreamprm_code.grading import GradeRequest, GradeResult
from dreamprm_code.policies import CompletionRequest, PolicySettings, open_policy
from dreamprm_code.records import Problem, Solution, Verdict

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


class InstantGrader:
    """Every program passes at once: grading is not measured here."""

    def submit(self, request: GradeRequest) -> concurrent.futures.Future[GradeResult]:
        future: concurrent.futures.Future[GradeResult] = concurrent.futures.Future()
        future.set_result(GradeResult(request.key, Verdict.PASSED, "", None, 1, 0.0, 0.0))
        return future


def problem(number: int) -> Problem:
    text = {name: "" for name in Problem.model_fields} | {"question_id": f"p{number}", "contest_date": "2024-01-01"}
    return Problem(**text)


def measure(latency_s: float, admitted: int, in_flight: int, num_requests: int) -> dict[str, Any]:
    """One run of a sampling stage; rates leave out its first and last twentieth, where the server is not full."""
    spawn = multiprocessing.get_context("spawn")
    ports = spawn.Queue()
    server = spawn.Process(target=serve, args=(latency_s, admitted, ports), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ports.get(timeout=60)}/v1"
    process = psutil.Process()
    marks: list[tuple[int, float, float, int]] = []
    settings = PolicySettings(policy="openai:m", base_urls=[url], max_in_flight=in_flight, answers_per_request=1)
    message = ({"role": "user", "content": "Write a program. " * 120},)
    try:
        with tempfile.TemporaryDirectory() as folder:
            written = 0
            every = max(1, num_requests // 20)

            def on_row(row: Solution) -> None:
                nonlocal written
                written += 1
                if written % every == 0:
                    cpu = process.cpu_times()
                    marks.append((written, time.perf_counter(), cpu.user + cpu.system, process.memory_info().rss))

            path = Path(folder) / "solutions.jsonl"
            file = SampledFile(path, Solution, stage="benchmark", settings=settings, identity={}, on_row=on_row)

            def tasks(sampler: Sampler) -> Iterator[Callable[[], Any]]:
                for number in range(num_requests):
                    request = CompletionRequest((f"p{number}",), message, (0,))
                    yield partial(sampler.sample, request, problem(number), partial(solution_row, f"p{number}"))

            run_sampling(lambda: open_policy(settings, file.account), InstantGrader(), file, tasks, num_requests)
    finally:
        server.terminate()
        server.join()
    steady = marks[1:-1]
    (first, t0, cpu0, _), (last, t1, cpu1, _) = steady[0], steady[-1]
    return {
        "requests_per_s": (last - first) / (t1 - t0),
        "capacity_per_s": admitted / latency_s,
        "cpu_share": (cpu1 - cpu0) / (t1 - t0),
        "cpu_ms_per_request": 1e3 * (cpu1 - cpu0) / (last - first),
        "memory_mib": [round(mark[3] / 2**20, 1) for mark in marks],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=50_000, help="requests of the memory measurement")
    num_requests = parser.parse_args().requests
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, client and server on the same machine")
    full = measure(0.2, 64, 64, 6_000)
    share = full["requests_per_s"] / full["capacity_per_s"]
    print(f"200 ms, 64 admitted: {full['requests_per_s']:.1f} requests/s, {share:.1%} of the capacity")
    busy = measure(0.2, 100, 100, 10_000)
    print(
        f"200 ms, 100 admitted: {busy['requests_per_s']:.1f} requests/s with {busy['cpu_share']:.0%} of one core, "
        f"{busy['cpu_ms_per_request']:.2f} ms of CPU per request"
    )
    long = measure(0.01, 64, 64, num_requests)
    memory = long["memory_mib"]
    print(
        f"{num_requests} requests: resident memory {memory[1]} MiB after a tenth, {memory[len(memory) // 2]} at half, "
        f"{memory[-1]} at the end; {long['requests_per_s']:.0f} requests/s"
    )


if __name__ == "__main__":
    main()
