"""The prompts state the Chain-of-Function rules, their examples obey them, and no problem can break them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest

from builders.rows import make_problem
from dreamprm_code import prompts, templates
from dreamprm_code.prompts import check_template, continuation_messages, load_template, retry_message, solution_messages, turns
from dreamprm_code.records import Problem
from dreamprm_code.steps import cof_violations, extract_code, split_program
from dreamprm_code.templates import TemplateError


def problem(func_name: str | None = None, **fields: str) -> Problem:
    row = {
        "question_title": "Braces {n}",
        "question_content": "Print {x} and {0} and {{}} } {% if %} {{ y }} {# z #}.\n",
        "starter_code": "class Solution:\n    def solve(self, d: dict = {}) -> int:\n        " if func_name else "",
    }
    return make_problem(func_name=func_name, **(row | fields))


@pytest.mark.parametrize("func_name", [None, "solve"])
@pytest.mark.parametrize("style", ["cof", "plain"])
def test_a_problem_full_of_braces_stands_in_the_prompt_unchanged(func_name, style):
    row = problem(func_name)
    *example, message = solution_messages(row, style)
    assert [turn["role"] for turn in example] == (["user", "assistant"] if style == "cof" else [])
    assert message["role"] == "user"
    assert row.question_content.strip() in message["content"] and "# Braces {n}" in message["content"]
    assert row.starter_code in message["content"]
    assert ("`solve`" in message["content"]) == (func_name is not None)


def test_a_problem_with_a_plain_function_is_asked_for_one():
    row = problem("solve", starter_code="def solve(d):\n")
    (plain,) = solution_messages(row, "plain")
    assert "with a function `solve`" in plain["content"] and "class" not in plain["content"]
    example, answer, last = solution_messages(row, "cof")
    assert "first `solve`, short" in last["content"] and "def solve(d):" in last["content"]
    assert "class" not in example["content"] + answer["content"] + last["content"]


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("cof_stdin", "297ccb535e722d8b"),
        ("cof_functional", "c68426059d6ae038"),
        ("cof_function", "f4501ab3fa489c1b"),
        ("plain_stdin", "27fc57af65181df9"),
        ("plain_functional", "c4db08aead7e3464"),
        ("plain_function", "88513ac0384bf58e"),
        ("continuation", "f2f84e30e237835f"),
        ("cof_retry", "83a1e1e8520f8452"),
    ],
)
def test_what_a_model_reads_is_to_the_byte_what_the_files_at_hand_were_sampled_with(name, digest):
    """Digests of the chats that the templates gave before they were written for Jinja2."""
    style, _, kind = name.partition("_")
    if name == "continuation":
        chat = continuation_messages(problem(), "def main():\n    return {1: {2}}  ")
    elif name == "cof_retry":
        chat = retry_message(["no {helper}", "unused"])
    elif kind == "function":
        chat = solution_messages(problem("solve", starter_code="def solve(d):\n"), style)
    else:
        chat = solution_messages(problem("solve" if kind == "functional" else None), style)
    assert hashlib.sha256(json.dumps(chat, ensure_ascii=False).encode()).hexdigest()[:16] == digest


def test_a_prefix_stands_in_the_continuation_prompt_unchanged():
    prefix = "def main():\n    '''{Doc} {}.'''\n    return {1: {2}}  "
    (message,) = continuation_messages(problem(), prefix)
    assert f"```python\n{prefix}\n```" in message["content"]


def example(func_name: str | None, **fields: str) -> str:
    """The worked example: the assistant's turn."""
    _, answer, last = solution_messages(problem(func_name, **fields))
    assert "Copy only the structure of the example, never its logic" in last["content"]
    return extract_code(answer["content"])


@pytest.mark.parametrize(
    ("func_name", "starter", "called"),
    [
        (None, "", None),
        ("solve", "class Solution:\n    def solve(self):", "busiestStretch"),
        ("solve", "def solve(text):", "second_most_common"),
    ],
)
def test_the_worked_example_obeys_the_rules_that_the_prompt_states(func_name, starter, called):
    code = example(func_name, starter_code=starter)
    assert cof_violations(code, called) == []
    assert len(split_program(code).steps) == 3


def test_the_worked_examples_run():
    command = [sys.executable, "-c", example(None)]
    run = subprocess.run(command, input="7\n1 1 2 3 3 1 1\n", capture_output=True, text=True, timeout=30)
    assert run.stdout == "2 3\n"
    namespace: dict = {}
    exec(example("solve", starter_code="def solve(text):"), namespace)
    assert namespace["second_most_common"]("b a c a b a") == "b" and namespace["second_most_common"]("b a") == "b"
    exec(example("solve"), namespace)
    assert namespace["Solution"]().busiestStretch([1, 5, 2, 4, 3, 6], 2) == 4
    assert namespace["Solution"]().busiestStretch([3, 3, 3], 2) == 0


def test_the_baseline_says_nothing_about_structure():
    for name in ("plain_stdin", "plain_functional", "plain_function"):
        assert "docstring" not in load_template(name) and "helper" not in load_template(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ question_content }} {{ unknown }}", "field 'unknown' is unknown; known: func_name, platform"),
        ("{{ question_content }} {{ prefix }}", "'prefix' is unknown"),
        ("{{ question_content.headline }}", "has no attribute 'headline'"),
        ("{{ question_content | lowre }}", "t.md:1: No filter named 'lowre'"),
        ("{{ question_content }}\n{{ }}", "t.md:2: Expected an expression"),
        ("{{ question_content }}\n{% if %}", "t.md:2: "),
        ("{{ question_content }} {{ alone", "t.md:1: "),
        ("{{ question_title }}", r"the field \{\{ question_content \}\} is missing"),
        ("{question_content}", r"the field \{\{ question_content \}\} is missing"),
        ("<!-- user -->\n{{ question_content }}\n<!-- assistant -->\nx", "the turns must be"),
        ("<!-- assistant -->\n{{ question_content }}\n<!-- user -->\nx", "the turns must be"),
        ("before\n<!-- user -->\n{{ question_content }}\n<!-- assistant -->\nx\n<!-- user -->\ny", "nothing may stand before"),
    ],
)
def test_a_template_with_wrong_fields_is_one_clear_error(text, message):
    with pytest.raises(TemplateError, match=message):
        check_template(text, "cof_stdin", "t.md")


def test_an_unknown_style_and_a_missing_template_are_errors(tmp_path, monkeypatch):
    with pytest.raises(TemplateError, match="no prompt 'fancy_stdin'"):
        solution_messages(problem(), "fancy")
    monkeypatch.setattr(templates, "prompts_folder", lambda: tmp_path)
    load_template.cache_clear()
    try:
        with pytest.raises(TemplateError, match=r"cof_stdin\.md: cannot be read"):
            solution_messages(problem())
    finally:
        load_template.cache_clear()


def test_the_fingerprint_changes_with_any_template(tmp_path, monkeypatch):
    before = prompts.prompt_fingerprint()
    for name in prompts.REQUIRED_FIELDS:
        (tmp_path / f"{name}.md").write_text(load_template(name) + ("!" if name == "continuation" else "") + "\n")
    monkeypatch.setattr(templates, "prompts_folder", lambda: tmp_path)
    load_template.cache_clear()
    try:
        assert prompts.prompt_fingerprint() != before
    finally:
        load_template.cache_clear()


def test_turns_are_told_apart_by_lines_of_their_own():
    text = "<!-- user -->\na <!-- assistant -->\n\n<!-- assistant -->\nb\n\nc\n\n<!-- user -->\nd"
    assert turns(text) == [("user", "a <!-- assistant -->"), ("assistant", "b\n\nc"), ("user", "d")]
    assert turns("one turn") == [("user", "one turn")]
