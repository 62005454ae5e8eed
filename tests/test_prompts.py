"""The prompts state the Chain-of-Function rules, their examples obey them, and no problem can break them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from dreamprm_code import prompts
from dreamprm_code.prompts import PromptError, check_template, continuation_messages, load_template, solution_messages, turns
from dreamprm_code.records import Problem
from dreamprm_code.steps import cof_violations, extract_code, split_program


def problem(func_name: str | None = None, **fields: str) -> Problem:
    row = {
        "question_id": "q1",
        "question_title": "Braces {n}",
        "question_content": "Print {x} and {0} and {{}} } {.\n",
        "platform": "demo",
        "contest_id": "c",
        "contest_date": "2024-05-01",
        "starter_code": "class Solution:\n    def solve(self, d: dict = {}) -> int:\n        " if func_name else "",
        "difficulty": "easy",
        "public_test_cases": "[]",
        "private_test_cases": "[]",
        "metadata": json.dumps({"func_name": func_name} if func_name else {}),
    }
    return Problem.from_dict(row | fields)


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


def test_a_prefix_stands_in_the_continuation_prompt_unchanged():
    prefix = "def main():\n    '''{Doc} {}.'''\n    return {1: {2}}  "
    (message,) = continuation_messages(problem(), prefix)
    assert f"```python\n{prefix}\n```" in message["content"]


def example(func_name: str | None) -> str:
    """The worked example: the assistant's turn."""
    _, answer, last = solution_messages(problem(func_name))
    assert "Copy only the structure of the example, never its logic" in last["content"]
    return extract_code(answer["content"])


@pytest.mark.parametrize(("func_name", "called"), [(None, None), ("solve", "busiestStretch")])
def test_the_worked_example_obeys_the_rules_that_the_prompt_states(func_name, called):
    assert cof_violations(example(func_name), called) == []
    assert len(split_program(example(func_name)).steps) == 3


def test_the_worked_examples_run():
    command = [sys.executable, "-c", example(None)]
    run = subprocess.run(command, input="7\n1 1 2 3 3 1 1\n", capture_output=True, text=True, timeout=30)
    assert run.stdout == "2 3\n"
    namespace: dict = {}
    exec(example("solve"), namespace)
    assert namespace["Solution"]().busiestStretch([1, 5, 2, 4, 3, 6], 2) == 4
    assert namespace["Solution"]().busiestStretch([3, 3, 3], 2) == 0


def test_the_baseline_says_nothing_about_structure():
    for name in ("plain_stdin", "plain_functional"):
        assert "docstring" not in load_template(name) and "helper" not in load_template(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{question_content} {unknown}", r"'\{unknown\}' is unknown"),
        ("{question_content} {prefix}", r"'\{prefix\}' is unknown"),
        ("{question_content.__class__}", "is unknown"),
        ("{question_content!r}", "is unknown"),
        ("{question_content:>5}", "is unknown"),
        ("{question_content} {}", r"'\{\}' is unknown"),
        ("{question_content} {0}", r"'\{0\}' is unknown"),
        ("{question_title}", r"'\{question_content\}' is missing"),
        ("{question_content} { alone", "write a brace"),
        ("{question_content} alone }", "write a brace"),
        ("<!-- user -->\n{question_content}\n<!-- assistant -->\nx", "the turns must be"),
        ("<!-- assistant -->\n{question_content}\n<!-- user -->\nx", "the turns must be"),
        ("before\n<!-- user -->\n{question_content}\n<!-- assistant -->\nx\n<!-- user -->\ny", "nothing may stand before"),
    ],
)
def test_a_template_with_wrong_fields_is_one_clear_error(text, message):
    with pytest.raises(PromptError, match=message):
        check_template(text, "cof_stdin", "t.md")


def test_an_unknown_style_and_a_missing_template_are_errors(tmp_path, monkeypatch):
    with pytest.raises(PromptError, match="no prompt 'fancy_stdin'"):
        solution_messages(problem(), "fancy")
    monkeypatch.setattr(prompts, "FOLDER", tmp_path)
    load_template.cache_clear()
    try:
        with pytest.raises(PromptError, match=r"cof_stdin\.md: cannot be read"):
            solution_messages(problem())
    finally:
        load_template.cache_clear()


def test_the_fingerprint_changes_with_any_template(tmp_path, monkeypatch):
    before = prompts.prompt_fingerprint()
    for name in prompts.REQUIRED_FIELDS:
        (tmp_path / f"{name}.md").write_text(load_template(name) + ("!" if name == "continuation" else "") + "\n")
    monkeypatch.setattr(prompts, "FOLDER", tmp_path)
    load_template.cache_clear()
    try:
        assert prompts.prompt_fingerprint() != before
    finally:
        load_template.cache_clear()


def test_turns_are_told_apart_by_lines_of_their_own():
    text = "<!-- user -->\na <!-- assistant -->\n\n<!-- assistant -->\nb\n\nc\n\n<!-- user -->\nd"
    assert turns(text) == [("user", "a <!-- assistant -->"), ("assistant", "b\n\nc"), ("user", "d")]
    assert turns("one turn") == [("user", "one turn")]
