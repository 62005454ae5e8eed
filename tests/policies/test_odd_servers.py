"""Addresses where nothing answers, odd replies, servers that refuse a field or speak a dialect."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from typing import Any

import pytest
from asking import ask, request, sample, settings_for
from fault_server import FaultServer

from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import read_rows
from dreamprm_code.policies import (
    Account,
    BudgetReached,
    Completion,
    Failure,
    PolicyError,
    PolicySettings,
    Price,
    open_policy,
    openai_server,
)
from dreamprm_code.records import Solution
from dreamprm_code.sampling.file import FailedRequest

pytestmark = pytest.mark.usefixtures("quick_retries")
KEY = "Abc123Def456Ghi789"


@pytest.fixture
def server():
    one = FaultServer(fault_share=0.0)
    yield one
    one.close()


def answer(content: Any = "x", **more: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": content}, "finish_reason": "stop"}]} | more


def test_an_address_without_a_server_is_one_line_long_before_the_deadline(monkeypatch):
    monkeypatch.setattr(openai_server, "NO_SERVER_S", 0.3)
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/v1"
        before = time.monotonic()
        with pytest.raises(
            PolicyError, match=rf"no server answers at {url} \(.+\); start it, or give another address"
        ) as error:
            ask(PolicySettings(policy="openai:m", base_urls=[url]), request("a"))
    assert time.monotonic() - before < 10 and "\n" not in str(error.value)


def test_an_address_that_is_none_is_refused_at_once():
    with pytest.raises(PolicyError, match="'localhost:8000/v1' is no address such as"):
        ask(PolicySettings(policy="openai:m", base_urls=["localhost:8000/v1"]), request("a"))


ODD = {
    "a lone surrogate": b'{"choices": [{"message": {"content": "print(1) \\ud800"}, "finish_reason": "stop"}]}',
    "deep nesting": b'{"choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number of 5000 digits": b'{"choices": [], "usage": {"prompt_tokens": ' + b"9" * 5000 + b"}}",
    "too many bytes": json.dumps(answer("x" * 200_000)).encode(),
    "no text": json.dumps(answer(7)).encode(),
    "no UTF-8": b'{"choices": [{"message": {"content": "\xff\xfe"}}]}',
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_reply_is_one_failed_row_and_never_the_end_of_the_run(server, tmp_path, monkeypatch, odd):
    monkeypatch.setattr(openai_server, "MAX_REPLY_BYTES", 150_000 if "bytes" in odd else 2**20)
    good = answer("```python\nprint('q1')\n```", usage={"prompt_tokens": 5, "completion_tokens": 7})
    server.reply_to = lambda body: (200, ODD[odd] if "q0" in body["messages"][-1]["content"] else good)
    counts = sample(tmp_path / "s.jsonl", settings_for(server), {"q0": "print q0", "q1": "print q1"}, 1)
    assert [row.question_id for row in read_rows(tmp_path / "s.jsonl", Solution)] == ["q1"]
    (failure,) = read_rows(tmp_path / "s.jsonl.failures.jsonl", FailedRequest)
    assert failure.state == "malformed" and len(failure.detail) < 500
    assert (counts["rows"], counts["failed"], counts["missing"]) == (1, 1, 1)


def test_token_counts_that_cannot_be_are_not_counted(server):
    server.reply_to = lambda body: (200, answer(usage={"prompt_tokens": 10**30, "completion_tokens": 12}))
    account = Account(price=Price(1.0, 1.0))
    (completion,) = ask(settings_for(server), request("a"), account=account)
    assert completion == Completion(0, "x", "stop", None, 12) and account.total_tokens == 12


@pytest.mark.parametrize("status", [200, 400, 500, "answer"])
def test_a_key_that_a_server_repeats_is_masked_everywhere(server, tmp_path, monkeypatch, status):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    told = f"{'x' * 170} the key {KEY} is odd"  # a cut after 200 or 300 characters must not leave its beginning
    reply = answer(f"# {KEY}") if status == "answer" else {"error": {"message": told}}
    server.reply_to = lambda body: (200 if status == "answer" else status, reply)
    texts = []
    try:
        sample(tmp_path / "s.jsonl", settings_for(server, deadline_s=0.5), {"q0": "print q0"}, 1)
    except PolicyError as error:
        texts.append(str(error))
    texts += [path.read_text() for path in tmp_path.iterdir()]
    assert texts and not any(KEY[:6] in text for text in texts) and any("***" in text for text in texts)


def test_a_server_that_refuses_n_does_not_stop_concurrent_requests(server):
    def reply(body: dict[str, Any]) -> tuple[int, Any]:
        return (400, {"error": {"message": "only one choice is allowed"}}) if body.get("n", 1) > 1 else (200, answer())

    server.reply_to = reply

    async def run() -> list[Completion | Failure]:
        policy = open_policy(settings_for(server), Account())

        async def one(name: str) -> list[Completion | Failure]:
            return [result async for result in policy.complete(request(name, (0, 1, 2)))]

        try:
            return [result for found in await asyncio.gather(*map(one, "abcdefgh")) for result in found]
        finally:
            await policy.aclose()

    results = asyncio.run(run())
    assert len(results) == 24 and all(isinstance(result, Completion) for result in results)
    assert sum(body.get("n", 1) > 1 for body in server.bodies) == 8, "each request in flight was refused once"


def test_a_field_that_a_server_refuses_is_named_and_can_be_left_out(server):
    def reply(body: dict[str, Any]) -> tuple[int, Any]:
        return (400, {"error": {"message": "Extra inputs are not permitted: seed"}}) if "seed" in body else (200, answer())

    server.reply_to = reply
    with pytest.raises(PolicyError, match="not permitted: seed; --omit-fields seed leaves it out"):
        ask(settings_for(server), request("a"))
    settings = settings_for(server, omit_fields=["seed", "temperature"])
    assert ask(settings, request("a")) == [Completion(0, "x", "stop")]
    assert "temperature" not in server.bodies[-1] and server.bodies[-1]["max_tokens"] == 100
    assert settings.sampling_identity()["omit_fields"] == ["seed", "temperature"]
    with pytest.raises(UserError, match="'omit_fields' is 'model'; choose from 'seed', 'temperature'"):
        settings_for(server, omit_fields=["model"])


def test_an_answer_in_parts_is_its_text_without_the_thoughts(server):
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}, "b"]
    server.reply_to = lambda body: (200, answer(parts))
    assert ask(settings_for(server), request("a")) == [Completion(0, "ab", "stop")]


def test_classic_azure_paths(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    url = server.url.replace("/v1", "/openai/deployments/mine?api-version=2024-10-21")
    ask(PolicySettings(policy="openai:mine", base_urls=[url]), request("a"))
    assert server.bodies[0]["path"] == "/openai/deployments/mine/chat/completions?api-version=2024-10-21"


def test_a_model_of_the_responses_api_is_one_line(server):
    message = "This model is only supported in v1/responses and not in v1/chat/completions."
    server.reply_to = lambda body: (404, {"error": {"message": message}})
    with pytest.raises(PolicyError, match="'m' answers on the Responses API alone, which is not supported"):
        ask(settings_for(server), request("a"))


def test_a_ceiling_holds_for_all_files_of_a_folder_and_a_kill_forgets_nothing(tmp_path):
    price = Price(input=1.0, output=1.0)
    first = Account(price=price, max_cost=1.0)
    first.load(tmp_path / "meta_solutions.jsonl.usage.json")
    first.start()
    first.add(300_000, 300_000)  # not closed: as a kill would leave it
    second = Account(price=price, max_cost=1.0)
    second.load(tmp_path / "test_solutions.jsonl.usage.json")
    second.start()
    second.check()
    second.add(0, 400_000)
    with pytest.raises(BudgetReached, match=r"\$1\.0000 spent of --max-cost"):
        second.check()
    again = Account(price=price)
    again.load(tmp_path / "meta_solutions.jsonl.usage.json")
    assert (again.total_tokens, again.num_requests, again.tokens_elsewhere) == (600_000, 1, 400_000)
    for account in (first, second):
        account.close()


def test_a_usage_file_that_cannot_be_read_is_one_line(tmp_path):
    path = tmp_path / "s.jsonl.usage.json"
    for text in ("[]", "{", '{"prompt_tokens": "3"}'):
        path.write_text(text)
        with pytest.raises(UserError, match=r"cannot be read .* delete it to count from zero"):
            Account().load(path)


def test_a_reasoning_model_whose_thoughts_may_take_all_tokens_is_warned_about():
    (line,) = PolicySettings(policy="openai:o4-mini", max_tokens=4096).warnings()
    assert "max_tokens 4096" in line and "thoughts" in line
    assert not PolicySettings(policy="openai:o4-mini", max_tokens=32_768).warnings()
    assert not PolicySettings(policy="openai:Qwen/Qwen3-Coder-30B-A3B-Instruct").warnings()
