"""Prefixes: how an answer is started, how the program is read back, and whether it kept its prefix."""

from __future__ import annotations

import pytest

from dreamprm_code.policies import CompletionRequest, PolicySettings, keep_prefix, program_of
from dreamprm_code.policies.continuation import joined_output, started_answer
from dreamprm_code.policies.requests import RenderChat, request_body
from dreamprm_code.steps import extract_code

PREFIX = 'def main():\n    """Plan."""\n    print(double(2))'
REST = "\n\n\ndef double(n):\n    return 2 * n\n\n\nmain()"


def test_a_started_answer_opens_a_fence_and_ends_with_the_prefix_without_its_newline():
    assert started_answer(PREFIX + "\n\n") == "```python\n" + PREFIX


@pytest.mark.parametrize(
    ("answer", "program"),
    [
        (REST + "\n```", PREFIX + REST),
        (REST + "\n```\nThis prints 4.\n```\n4\n```", PREFIX + REST),  # what follows the fence is no program
        (REST, PREFIX + REST),  # cut off, or stopped before the fence
        ("\n```", PREFIX),  # the prefix was the whole program
        ("```", PREFIX),
        (f"```python\n{PREFIX}{REST}\n```", PREFIX + REST),  # the server ignored the start and began afresh
        (f"Here is the program:\n```python\n{PREFIX}{REST}\n```", PREFIX + REST),
        (f"{PREFIX}{REST}\n```", PREFIX + REST),  # the server sent the start back
    ],
)
def test_the_program_is_read_back_from_whatever_the_server_made_of_the_start(answer, program):
    code = program_of(joined_output(PREFIX, answer), PREFIX, extract_code)
    assert code == program
    assert keep_prefix(code, PREFIX)[1]


def test_a_prefix_is_kept_line_by_line():
    assert keep_prefix(PREFIX + REST, PREFIX) == (PREFIX + REST, True)
    assert keep_prefix(PREFIX, PREFIX) == (PREFIX, True)
    trailing_blanks = PREFIX.replace("\n", "  \n")
    assert keep_prefix(trailing_blanks + REST, PREFIX) == (PREFIX + REST, True), "the prefix's own text is put in place"
    comment = PREFIX + "  # prints 4"
    assert keep_prefix(comment + REST, PREFIX) == (comment + REST, True), "a comment changes no function"


@pytest.mark.parametrize(
    "code",
    [
        PREFIX + " + 1" + REST,  # the last line goes on: another function
        PREFIX.replace("2", "3") + REST,
        "import sys\n\n\n" + PREFIX + REST,
        PREFIX.splitlines()[0],
        "",
    ],
)
def test_a_changed_line_is_a_rewritten_prefix(code):
    assert keep_prefix(code, PREFIX) == (code, False)


@pytest.mark.parametrize("ending", ["", "\n", "\n\n\n"])
def test_a_kept_program_starts_with_the_prefix_exactly(ending):
    code, kept = keep_prefix(PREFIX + REST, PREFIX + ending)
    assert kept and code.startswith(PREFIX + ending) and code.endswith("main()")


def body_of(mode: str, **settings) -> dict:
    asked = CompletionRequest(("q",), (), (0,), prefix="x = 1\n\n\ndef ", stop=("\ndef ", "\n```"), max_tokens=9)
    policy = PolicySettings(policy="openai:m", continuation=mode, **settings)
    return request_body(policy, "m", asked, asked.indices, RenderChat(None)).body


def test_servers_get_stop_texts_only_where_they_return_them_and_the_requests_own_limit():
    for field in ("include_stop_str_in_output", "no_stop_trim"):
        body = body_of("continue_final", extra_body={field: True})
        assert (body["stop"], body["max_tokens"]) == (["\ndef ", "\n```"], 9)
        assert body["messages"][-1]["content"] == "```python\nx = 1\n\n\ndef", "a header that was begun, without its blank"
        assert body_of("completion", extra_body={field: True})["stop"] == ["\ndef ", "\n```"]
    assert "stop" not in body_of("prefill")
    assert body_of("completion")["stop"] == ["\n```"]
