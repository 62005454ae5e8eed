"""A recorded file answers by key."""

from __future__ import annotations

import asyncio
import json

import pytest

from dreamprm_code.policies import Account, Completion, CompletionRequest, Failure, PolicyError, PolicySettings, open_policy
from dreamprm_code.policies.base import request_seed


def ask(path, key, indices):
    async def run():
        policy = open_policy(PolicySettings(policy=f"recorded:{path}"), Account())
        return [result async for result in policy.complete(CompletionRequest(key, (), indices))]

    return asyncio.run(run())


def test_solutions_and_rollouts_are_found_by_their_keys(tmp_path):
    path = tmp_path / "recorded.jsonl"
    rows = [
        {"question_id": "a", "solution_idx": 1, "output": "one", "finish_reason": "length"},
        {"question_id": "a", "solution_idx": 1, "step_idx": 0, "rollout_idx": 1, "output": "two"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found, missing = ask(path, ("a",), (1, 2))
    assert found == Completion(1, "one", "length") and isinstance(missing, Failure) and missing.state == "not_recorded"
    assert ask(path, ("a", 1, 0), (1,)) == [Completion(1, "two", "stop")]


def test_rows_without_a_key_are_errors_with_their_line(tmp_path):
    path = tmp_path / "recorded.jsonl"
    path.write_text('{"question_id": "a", "solution_idx": 0, "output": "x"}\n{"question_id": "a", "output": "x"}\n')
    with pytest.raises(PolicyError, match=r"recorded\.jsonl:2: .*solution_idx"):
        ask(path, ("a",), (0,))


@pytest.mark.parametrize("change", [{"solution_idx": [0]}, {"solution_idx": "0"}, {"question_id": ["a"]}, {"output": None}])
def test_keys_of_another_type_are_errors_with_their_line(tmp_path, change):
    path = tmp_path / "recorded.jsonl"
    path.write_text(json.dumps({"question_id": "a", "solution_idx": 0, "output": "x"} | change) + "\n")
    with pytest.raises(PolicyError, match=r"recorded\.jsonl:1: a recorded completion needs"):
        ask(path, ("a",), (0,))


def test_what_a_recorded_row_does_not_say_is_unknown(tmp_path):
    path = tmp_path / "recorded.jsonl"
    row = {"question_id": "a", "solution_idx": 0, "output": "x", "finish_reason": None, "prompt_tokens": "many"}
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(row).encode())  # a byte order mark, as Windows editors write it
    assert ask(path, ("a",), (0,)) == [Completion(0, "x", "stop", None, None)]


def test_seeds_depend_on_the_row_alone():
    assert request_seed(1, ("a", 2), 3) == request_seed(1, ("a", 2), 3)
    seeds = {request_seed(seed, (name, step), index) for seed in (1, 2) for name in "ab" for step in (0, 1) for index in (0, 1)}
    assert len(seeds) == 16 and all(0 <= seed < 2**31 for seed in seeds)


@pytest.mark.parametrize(
    ("policy", "message"), [(None, "set POLICY"), ("gpt", "is none of openai:MODEL"), ("local:/no/such.gguf", "no such file")]
)
def test_a_policy_that_is_not_set_or_not_there_is_one_clear_line(policy, message):
    with pytest.raises(ValueError, match=message):
        open_policy(PolicySettings(policy=policy), Account())
