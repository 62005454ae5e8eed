"""Servers that fail in every way: what is asked for arrives once, or ends as a named failure."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from asking import ask, request, sample, settings_for
from fault_server import TRANSIENT, FaultServer, program_for

from dreamprm_code.jsonl import read_rows
from dreamprm_code.policies import (
    Account,
    BudgetReached,
    Completion,
    Failure,
    FailureState,
    PolicyError,
    PolicySettings,
    Price,
    open_policy,
)
from dreamprm_code.records import Solution
from dreamprm_code.sampling.file import FailedRequest

pytestmark = pytest.mark.usefixtures("quick_retries")


@pytest.fixture
def server():
    servers: list[FaultServer] = []

    def start(**settings: Any) -> FaultServer:
        servers.append(FaultServer(**settings))
        return servers[-1]

    yield start
    for one in servers:
        one.close()


def test_a_thousand_requests_through_every_fault_give_exactly_the_expected_rows(server, tmp_path):
    prompts = {f"q{number:04}": f"print q{number:04}" for number in range(1000)}
    prompts["q0007"], prompts["q0011"] = "always refuse q0007", "always filter q0011"
    prompts["q0013"] = "too long q0013"
    first, second = server(seed=1), server(seed=2)
    path = tmp_path / "solutions.jsonl"
    counts = sample(path, settings_for(first, second, max_in_flight=64, timeout_s=4.0), prompts, 3)
    rows = read_rows(path, Solution)
    expected = {(name, index) for name in prompts for index in range(3) if name not in ("q0007", "q0011")}
    assert {row.key for row in rows} == expected
    assert all(row.code == program_for(prompts[row.question_id]) and row.passed for row in rows)
    assert {row.question_id for row in rows if row.finish_reason == "length"} == {"q0013"}
    failures = read_rows(tmp_path / "solutions.jsonl.failures.jsonl", FailedRequest)
    assert {(row.key, row.state) for row in failures} == {
        ((name, index), state) for name, state in (("q0007", "refused"), ("q0011", "content_filter")) for index in range(3)
    }
    assert set(TRANSIENT) == set(first.faults) | set(second.faults), "every fault happened"
    assert counts["usage"]["prompt_tokens"] + counts["usage"]["completion_tokens"] == first.tokens + second.tokens
    assert max(first.max_open, second.max_open) <= 64

    before = len(first.bodies), len(second.bodies)
    again = sample(path, settings_for(first, second), prompts, 3)
    bodies = first.bodies[before[0] :] + second.bodies[before[1] :]
    assert {body["messages"][-1]["content"] for body in bodies} == {"always refuse q0007", "always filter q0011"}
    assert again["failed"] == 6, "only the failed ones are tried again"
    assert read_rows(path, Solution) == rows


def test_a_server_that_dies_and_comes_back_costs_nothing(server, tmp_path):
    one = server(fault_share=0.0, latency_s=0.02)
    prompts = {f"q{number}": f"print q{number}" for number in range(60)}

    async def run() -> list[Any]:
        policy = open_policy(settings_for(one, max_in_flight=4), Account())

        async def get(name: str) -> list[Any]:
            return [result async for result in policy.complete(request(name))]

        tasks = [asyncio.create_task(get(name)) for name in prompts]
        await asyncio.sleep(0.05)
        port = int(one.url.split(":")[2].split("/")[0])
        await asyncio.to_thread(one.close)
        await asyncio.sleep(0.2)
        server(fault_share=0.0, port=port)
        results = await asyncio.gather(*tasks)
        await policy.aclose()
        return results

    results = asyncio.run(run())
    assert all(len(got) == 1 and isinstance(got[0], Completion) for got in results)


def test_the_deadline_ends_a_request_as_a_named_failure(server):
    one = server()
    one.reply_to = lambda body: (503, {"error": {"message": "down"}})
    (failure,) = ask(settings_for(one, deadline_s=0.3), request("a"))
    assert isinstance(failure, Failure) and failure.state is FailureState.SERVER_ERROR and failure.attempts > 2


@pytest.mark.parametrize(
    ("pieces", "closes", "state"),
    [
        ([], True, FailureState.CONNECTION),
        ([b'HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{"choices"'], True, FailureState.CONNECTION),
        ([b"SSH-2.0-OpenSSH_9.6\r\n"], True, FailureState.CONNECTION),
        ([], False, FailureState.TIMEOUT),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n", *[b" "] * 49], False, FailureState.TIMEOUT),
    ],
    ids=["hangs up", "hangs up inside", "speaks no HTTP", "is silent", "sends a byte at a time"],
)
def test_what_became_of_a_request_without_a_reply_is_named(pieces, closes, state):
    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.05)
        if not closes:
            await reader.read()  # until the client gives up
        writer.close()

    async def run() -> list[Completion | Failure]:
        listener = await asyncio.start_server(connection, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
        policy = open_policy(PolicySettings(policy="openai:m", base_urls=[url], timeout_s=0.4, deadline_s=3.0), Account())
        try:
            return [result async for result in policy.complete(request("a"))]
        finally:
            await policy.aclose()
            listener.close()

    (failure,) = asyncio.run(run())
    assert isinstance(failure, Failure) and failure.state is state and failure.attempts > 1


def test_retry_after_is_obeyed(server):
    one = server()
    replies = [(429, {"error": {"message": "wait"}})]
    one.reply_to = lambda body: replies.pop() if replies else (200, {"choices": [{"message": {"content": "x"}}]})
    account = Account()
    (completion,) = ask(settings_for(one), request("a"), account=account)
    assert isinstance(completion, Completion) and account.events == {"retry_rate_limited": 1}


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (401, "Incorrect API key provided: sk-abcdef123456", "check the key in OPENAI_API_KEY"),
        (404, "The model `m` does not exist", "is the model 'm' served there?"),
        (400, "maximum context length is 4096 tokens, you requested 9000", "maximum context length"),
        (429, "insufficient_quota: You exceeded your current quota", "insufficient_quota"),
    ],
)
def test_errors_that_no_retry_mends_stop_with_one_line(server, status, message, expected):
    one = server()
    one.reply_to = lambda body: (status, {"error": {"message": message}})
    with pytest.raises(PolicyError) as error:
        ask(settings_for(one), request("a"))
    assert expected in str(error.value) and "\n" not in str(error.value)
    assert "sk-abcdef123456" not in str(error.value), "no key in messages"
    assert len(one.bodies) == 1


def test_the_server_of_openai_needs_a_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(PolicyError, match="set the environment variable OPENAI_API_KEY"):
        open_policy(PolicySettings(policy="openai:o4-mini"), Account())


def test_servers_that_answer_n_with_one_are_asked_one_by_one(server):
    one = server(fault_share=0.0, takes_n=False)
    results = ask(settings_for(one), request("a", tuple(range(4))), request("b", tuple(range(4))))
    assert [(result.index, type(result)) for result in results] == [(index, Completion) for index in range(4)] * 2
    assert [body.get("n", 1) for body in one.bodies] == [4, 3, 2, 1, 1, 1, 1, 1]


def test_servers_that_reject_n_are_asked_one_by_one(server):
    one = server()

    def reply(body: dict[str, Any]) -> tuple[int, Any]:
        if body.get("n", 1) > 1:
            return 400, {"error": {"message": "n > 1 is not supported"}}
        return 200, {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}

    one.reply_to = reply
    assert len(ask(settings_for(one), request("a", (0, 1, 2)))) == 3


def test_reasoning_models_get_no_temperature(server):
    one = server(fault_share=0.0)
    ask(settings_for(one, reasoning_effort="high", temperature=0.3), request("a"))
    body = one.bodies[0]
    assert body["reasoning_effort"] == "high" and body["max_completion_tokens"] == 100
    assert not {"temperature", "top_p", "max_tokens", "seed"} & body.keys()


def test_extra_fields_are_sent_and_belong_to_what_a_completion_is(server):
    one = server(fault_share=0.0)
    settings = settings_for(one, extra_body={"repeat_penalty": 1.0, "model": "another"})
    ask(settings, request("a"))
    assert one.bodies[0]["repeat_penalty"] == 1.0 and one.bodies[0]["model"] != "another"
    assert settings.sampling_identity()["extra_body"] == settings.extra_body
    assert "extra_body" not in settings_for(one).sampling_identity()


def test_a_reasoning_model_that_ran_out_of_tokens_is_a_row_not_a_retry(server):
    one = server()
    one.reply_to = lambda body: (200, {"choices": [{"message": {"content": ""}, "finish_reason": "length"}]})
    (completion,) = ask(settings_for(one), request("a"))
    assert isinstance(completion, Completion) and completion.output == "" and completion.finish_reason == "length"


PREFIX = "def main():\n    helper()"


@pytest.mark.parametrize(
    ("mode", "path", "fields"),
    [
        ("continue_final", "/v1/chat/completions", {"continue_final_message": True, "add_generation_prompt": False}),
        ("prefill", "/v1/chat/completions", {}),
        ("instruction", "/v1/chat/completions", {}),
        ("completion", "/v1/completions", {"stop": ["\n```"]}),
    ],
)
def test_each_way_of_continuing_a_prefix_sends_its_own_request(server, mode, path, fields):
    one = server()
    answer = "\n\n\ndef helper():\n    pass\n```"
    one.reply_to = lambda body: (200, {"choices": [{"message": {"content": answer}, "text": answer, "finish_reason": "stop"}]})
    instruction = ({"role": "user", "content": "repeat and complete"},)
    (result,) = ask(settings_for(one, continuation=mode), request("a", prefix=PREFIX, instruction=instruction))
    body = one.bodies[0]
    assert body["path"] == path and all(body[name] == value for name, value in fields.items())
    if mode == "instruction":
        assert body["messages"] == list(instruction) and result.output == answer
    elif mode == "completion":
        assert body["prompt"] == f"print a\n\n```python\n{PREFIX}" and result.output == f"```python\n{PREFIX}{answer}"
    else:
        assert body["messages"][-1] == {"role": "assistant", "content": f"```python\n{PREFIX}"}
        assert result.output == f"```python\n{PREFIX}{answer}"


def test_a_budget_of_tokens_is_exceeded_by_what_is_in_flight_at_most(server, tmp_path):
    one = server(fault_share=0.3, latency_s=0.005)
    prompts = {f"q{number}": f"print q{number}" for number in range(200)}
    settings = settings_for(one, max_tokens_total=1500, max_in_flight=8)
    counts = sample(tmp_path / "s.jsonl", settings, prompts, 1)
    used = counts["usage"]["prompt_tokens"] + counts["usage"]["completion_tokens"]
    assert used == one.tokens
    assert 1500 <= used < 1500 + 8 * 50, "at most 8 requests of at most 50 tokens were in flight"
    assert "--max-tokens-total 1500" in counts["stopped"]
    assert counts["rows"] == len(read_rows(tmp_path / "s.jsonl", Solution)) > 0
    before = len(one.bodies)
    sample(tmp_path / "s.jsonl", settings, prompts, 1)
    assert len(one.bodies) == before, "the ceiling holds over runs"
    raised = sample(tmp_path / "s.jsonl", settings_for(one, max_tokens_total=10**9), prompts, 1)
    assert raised["rows"] == 200, "a higher ceiling goes on where the other stopped"


def test_a_budget_of_money():
    account = Account(price=Price(input=1.0, output=4.0), max_cost=0.01)
    account.add(2_000, 1_000)
    assert account.cost == pytest.approx((2_000 * 1 + 1_000 * 4) / 1e6)  # 0.006 dollars
    account.check()
    account.add(0, 1_000)  # another 0.004: the ceiling is reached
    with pytest.raises(BudgetReached, match=r"\$0\.0100 spent"):
        account.check()
    with pytest.raises(ValueError, match="max_cost needs the model's price"):
        Account(max_cost=1.0)


def test_neither_the_key_nor_a_header_reaches_the_files(server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-key")
    one = server(fault_share=0.5)
    sample(tmp_path / "s.jsonl", settings_for(one), {"q1": "print q1", "q2": "always refuse q2"}, 1)
    texts = [path.read_text() for path in tmp_path.iterdir()]
    assert len(texts) == 4 and not any("secret" in text for text in texts)
    assert json.loads((tmp_path / "s.jsonl.meta.json").read_text())["config"]["api_key_env"] == "OPENAI_API_KEY"
