"""The program in an answer is found by the rule that extraction.py states."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamprm_code.steps import extract_code

PROGRAM = "def main():\n    print(int(input()))\n\n\nmain()"
OTHER = "def main():\n    print(2)\n\n\nmain()"


@pytest.mark.parametrize(
    "output",
    [
        f"```python\n{PROGRAM}\n```",
        f"Here it is:\n\n```python\n{PROGRAM}\n```\n\nIt reads a number.",
        f"```\n{PROGRAM}\n```",
        f"```Python3\n\n{PROGRAM}\n\n```\n",
        f"``` py\n{PROGRAM}\n```",
        f"```{{.python}}\n{PROGRAM}\n```",
        f"```python title=a.py\n{PROGRAM}\n```",
        f"~~~python\n{PROGRAM}\n~~~",
        f"````python\n{PROGRAM}\n````",
        f"```python\n{PROGRAM}",
        f"```python\n{PROGRAM}```",
        f"The code is ```python\n{PROGRAM}\n```",
        "1. First:\n   ```python\n" + "\n".join("   " + line for line in PROGRAM.split("\n")) + "\n   ```\n",
        "1. ```python\n" + "\n".join("   " + line for line in PROGRAM.split("\n")) + "\n   ```\n",
        f"```python\n{PROGRAM}\n```".replace("\n", "\r\n"),
        PROGRAM,
        f"\n\n{PROGRAM}\n",
        f"Here is the program, as you asked.\n\n{PROGRAM}\n\nIt reads a number and prints it.\n",
        f"Here is an answer\nof two lines:\n{PROGRAM}",
        # reasoning
        f"<think>\n```python\n{OTHER}\n```\n</think>\n```python\n{PROGRAM}\n```",
        f"I wonder.\n```python\n{OTHER}\n</think>\n{PROGRAM}",
        f"<think>a</think>\n<think>```python\n{OTHER}\n```</think>\n```python\n{PROGRAM}\n```",
        f"<thinking>x = </thinking>{PROGRAM}",
        # several blocks
        f"```python\n{OTHER}\n```\nBetter:\n```python\n{PROGRAM}\n```",
        f"```python\n{PROGRAM}\n```\nUse it:\n```python\nprint(3)\n```",
        f"```python\n{PROGRAM}\n```\nIt prints\n```\n5\n```",
        f"```\n5\n```\ngives\n```\n{PROGRAM}\n```\n",
        f"```cpp\nint main() {{}}\n```\n```python\n{PROGRAM}\n```",
        f"```python\n{PROGRAM}\n```\n```java\nclass A {{}}\n```",
        f"```code\n{PROGRAM}\n```\n```text\n5\n```",
        f"```python\n{PROGRAM}\n```\nAgain, cut off:\n```python\ndef main():\n    print((",
        f"```python\n{PROGRAM}\n```python\nprint(3)\n```",
        f"```bash\npip install x\n```\n```\n{PROGRAM}\n```",
        f"```python\n```\n```python\n{PROGRAM}\n```",
        f"~~~\n```\n~~~\n```python\n{PROGRAM}\n```",
    ],
)
def test_the_program_is_found(output):
    assert extract_code(output).replace("\r", "") == PROGRAM


@pytest.mark.parametrize(
    "output",
    [
        "",
        "   \n",
        "I cannot solve this.",
        "# Answer\n\nThis cannot be solved.",
        "for this problem there is no answer",
        "from what is given nothing follows",
        "```python\n```",
        "```\n\n```",
        "```cpp\nint main() { return 0; }\n```",
        "```text\n5\n```",
        f"<think>\n```python\n{PROGRAM}\n```\nand then",
        f"<think>\n{PROGRAM}",
        f"<think>\n```python\n{PROGRAM}\n```\n</think>\nThe answer is above.",
    ],
)
def test_an_answer_without_a_program_gives_nothing(output):
    assert extract_code(output) == ""


def test_a_cut_off_program_is_kept_as_it_is():
    cut = "import sys\n\ndef main():\n    print((1,"
    assert extract_code(cut) == cut
    assert extract_code(f"```python\n{cut}") == cut


def test_a_broken_last_version_gives_way_to_a_whole_earlier_one_but_not_to_a_snippet():
    assert extract_code(f"```python\nprint(1)\n```\n```python\n{PROGRAM}\n```\n```python\nprint(2)\n```") == PROGRAM


def test_backticks_inside_the_program_do_not_end_it():
    code = "def main():\n    s = '```'\n    print(s, '``` x')\n\nmain()"
    assert extract_code(f"```python\n{code}\n```\nDone") == code


def test_indentation_inside_a_block_survives():
    code = "class Solution:\n\n    def f(self):\n\n        return 1"
    assert extract_code(f"```python\n{code}\n```") == code


@pytest.mark.parametrize("text", ["`" * 200_000, "```\n" * 50_000, "x = 1 +\n" * 20_000, "<think>" * 50_000, "(" * 100_000])
def test_huge_odd_answers_end(text):
    extract_code(text)


@given(st.text(st.sampled_from("`~ \n\rpython<think>/def x():=1\t"), max_size=200))
def test_any_answer_gives_a_string_without_blank_ends(output):
    code = extract_code(output)
    assert code == code.strip("\n") and (not code or code.strip())


def test_real_programs_survive_being_fenced(shared_data):
    for name in ("livecodebench", "leetcode", "mbpp", "humaneval", "slow"):
        for line in (shared_data / name / "programs.jsonl").open():
            code = json.loads(line)["code"]
            assert extract_code(f"Sure.\n```python\n{code}\n```\nDone.") == code.strip("\n").rstrip()
