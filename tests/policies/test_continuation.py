"""Prefixes: how an answer is started, how the program is read back, and whether it kept its prefix."""

from __future__ import annotations

import pytest

from dreamprm_code.policies import keep_prefix, program_of
from dreamprm_code.policies.continuation import joined_output, started_answer
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
