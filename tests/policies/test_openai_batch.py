"""The Batch API against a small server of it: half the price, resumed after a kill, nothing submitted twice."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dreamprm_code.policies import (
    Account,
    Completion,
    CompletionRequest,
    Failure,
    PolicyError,
    PolicySettings,
    Price,
    open_policy,
    openai_batch,
)


class BatchServer(ThreadingHTTPServer):
    """Files and batches in memory; a batch ends when it was polled ``polls`` times."""

    def __init__(self, polls: int = 2):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, str] = {}
        self.batches: dict[str, dict] = {}
        self.polls, self.status, self.num_polled = polls, "completed", 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def result(self, line: dict) -> dict:
        prompt = line["body"]["messages"][-1]["content"]
        if "reject" in prompt:
            return {"custom_id": line["custom_id"], "response": None, "error": {"message": "no"}}
        choice = {"message": {"content": f"answer to {prompt}"}, "finish_reason": "stop"}
        number = line["body"].get("n", 1)
        usage = {"prompt_tokens": 10, "completion_tokens": 5 * number}
        return {
            "custom_id": line["custom_id"],
            "response": {"status_code": 200, "body": {"choices": [choice] * number, "usage": usage}},
        }


class Handler(BaseHTTPRequestHandler):
    server: BatchServer

    def log_message(self, *args) -> None:
        pass

    def reply(self, body: object) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path.endswith("/files"):
            file_id = f"file-{len(self.server.files)}"
            boundary = re.search("boundary=(.*)", self.headers["content-type"]).group(1).encode()
            part = next(part for part in body.split(b"--" + boundary) if b'filename="' in part)
            self.server.files[file_id] = part.split(b"\r\n\r\n", 1)[1].rstrip(b"\r\n").decode()
            self.reply({"id": file_id, "object": "file"})
        else:
            asked = json.loads(body)
            batch_id = f"batch-{len(self.server.batches)}"
            self.server.batches[batch_id] = {"id": batch_id, "object": "batch", "status": "in_progress", "polled": 0, **asked}
            self.reply(self.server.batches[batch_id])

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path.endswith("/content"):
            self.reply(self.server.files[path.split("/")[-2]])
        elif path.endswith("/batches"):
            self.reply({"object": "list", "data": list(self.server.batches.values()), "has_more": False})
        else:
            batch = self.server.batches[path.split("/")[-1]]
            batch["polled"] += 1
            self.server.num_polled += 1
            if batch["polled"] >= self.server.polls and batch["status"] == "in_progress":
                batch["status"] = self.server.status
                if self.server.status == "failed":
                    batch["errors"] = {"data": [{"message": "invalid model"}]}
                lines = [json.loads(text) for text in self.server.files[batch["input_file_id"]].splitlines()]
                output = f"out-{batch['id']}"
                self.server.files[output] = "\n".join(json.dumps(self.server.result(line)) for line in reversed(lines))
                batch["output_file_id"] = output
            self.reply(batch)


@pytest.fixture
def batches(monkeypatch):
    monkeypatch.setattr(openai_batch, "QUIET_S", 0.05)
    server = BatchServer()
    yield server
    server.shutdown()
    server.server_close()


def settings_for(server: BatchServer, **more) -> PolicySettings:
    url = f"http://127.0.0.1:{server.server_port}/v1"
    return PolicySettings(policy="openai:m", base_urls=[url], batch=True, batch_poll_s=0.05, max_tokens=50, **more)


def request(name: str, *indices: int) -> CompletionRequest:
    return CompletionRequest((name,), ({"role": "user", "content": name},), indices)


async def ask(settings, account, state, *requests) -> list[list[Completion | Failure]]:
    policy = open_policy(settings, account, state)

    async def one(asked):
        return [result async for result in policy.complete(asked)]

    try:
        return await asyncio.gather(*map(one, requests))
    finally:
        await policy.aclose()


def test_all_requests_go_into_one_batch_and_every_answer_comes_back(batches, tmp_path):
    account = Account(price=Price(1.0, 4.0), batch=True)
    names = [f"p{number}" for number in range(20)]
    results = asyncio.run(ask(settings_for(batches), account, tmp_path / "b.json", *(request(name, 0, 1) for name in names)))
    assert len(batches.batches) == 1
    for name, got in zip(names, results, strict=True):
        assert [(item.index, item.output) for item in got] == [(0, f"answer to {name}"), (1, f"answer to {name}")]
    assert (account.prompt_tokens, account.completion_tokens) == (200, 200)
    assert account.cost == pytest.approx((200 * 1.0 + 200 * 4.0) / 1e6 / 2), "half the price"


def test_a_stopped_run_finds_its_batch_again(batches, tmp_path):
    batches.polls = 10**9
    state = tmp_path / "b.json"

    async def stopped() -> None:
        task = asyncio.create_task(ask(settings_for(batches), Account(), state, request("a", 0, 1), request("b", 0)))
        while not batches.num_polled:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(stopped())
    batches.polls = 1
    first, second = asyncio.run(ask(settings_for(batches), Account(), state, request("a", 1), request("b", 0)))
    assert len(batches.batches) == 1, "nothing is submitted twice, even where some rows were written meanwhile"
    assert [item.index for item in first] == [1] and second[0].output == "answer to b"


def test_a_run_killed_before_it_noted_the_batch_finds_it_by_its_file(batches, tmp_path):
    state = tmp_path / "b.json"
    asyncio.run(ask(settings_for(batches), Account(), state, request("a", 0)))
    noted = json.loads(state.read_text())
    noted[0] |= {"id": None, "consumed": False}
    state.write_text(json.dumps(noted))
    asyncio.run(ask(settings_for(batches), Account(), state, request("a", 0)))
    assert len(batches.batches) == 1


def test_rejected_requests_are_failures_and_are_asked_again_by_the_next_run(batches, tmp_path):
    state = tmp_path / "b.json"
    good, bad = asyncio.run(ask(settings_for(batches), Account(), state, request("a", 0), request("reject", 0, 1)))
    assert isinstance(good[0], Completion) and [item.state for item in bad] == ["rejected", "rejected"]
    asyncio.run(ask(settings_for(batches), Account(), state, request("reject", 0, 1)))
    assert len(batches.batches) == 2


def test_a_refused_batch_stops_with_its_reason(batches, tmp_path):
    batches.status = "failed"
    with pytest.raises(PolicyError, match="was refused: invalid model"):
        asyncio.run(ask(settings_for(batches), Account(), tmp_path / "b.json", request("a", 0)))


def test_a_batch_never_holds_more_than_the_ceiling_allows(batches, tmp_path):
    from dreamprm_code.policies import BudgetReached

    account = Account(max_tokens_total=200)  # a request may use 50 answer tokens and 1 of its prompt: three fit

    async def run() -> list:
        policy = open_policy(settings_for(batches), account, tmp_path / "b.json")

        async def one(name):
            return [result async for result in policy.complete(request(name, 0))]

        try:
            return await asyncio.gather(*(one(f"p{number}") for number in range(6)), return_exceptions=True)
        finally:
            await policy.aclose()

    results = asyncio.run(run())
    assert [isinstance(result, BudgetReached) for result in results] == [False] * 3 + [True] * 3
    assert account.total_tokens <= 200
