"""A step is a function; prefixes grow strictly, end where their functions end, and the last is the program."""

from __future__ import annotations

import ast
import json
import textwrap
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamprm_code.steps import split_program
from dreamprm_code.steps.python_source import lines_of, parse
from dreamprm_code.steps.splitting import UNPARSABLE


def source(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def names(code: str, **options) -> list[str]:
    return [step.name for step in split_program(code, **options).steps]


def check(code: str, **options) -> None:
    """The invariants of every split."""
    result = split_program(code, **options)
    assert result.prefixes[-1] == code
    for shorter, longer in pairwise(result.prefixes):
        assert len(shorter) < len(longer) and longer.startswith(shorter)
    assert "".join(result.texts) == code
    assert len(result.steps) <= (options.get("max_functions", 10) or len(result.steps))


THREE = source(
    '''
    import sys

    LIMIT = 10

    def main():
        """Doc."""
        print(read())

    # reads the number
    @cached
    def read():
        """Doc."""
        return scale(int(input()))  # one number


    def scale(n):
        """Doc."""
        return n * LIMIT

    main()
    '''
)


def test_three_functions_give_three_prefixes_that_end_with_their_functions():
    main, read, scale = split_program(THREE).prefixes
    assert main.endswith("print(read())") and main.startswith("import sys")
    assert read.endswith("return scale(int(input()))  # one number")
    assert scale == THREE


def test_what_stands_between_functions_belongs_to_the_later_and_the_tail_to_the_last():
    first, second, third = split_program(THREE).texts
    assert "import sys" in first and "LIMIT = 10" in first
    assert second.strip().startswith("# reads the number\n@cached\ndef read")
    assert third.strip().endswith("main()")


def test_methods_are_steps_and_the_class_header_belongs_to_the_first():
    code = source(
        """
        from typing import List

        class Node:
            weight: int = 0

            def __init__(self): self.x = 1

        class Solution:
            '''Solves it.'''

            @staticmethod
            def solve(a: List[int]) -> int:
                def inner(x):
                    return x
                return inner(a[0])

            async def rest(self):
                return 2
        """
    )
    assert names(code) == ["Node.__init__", "Solution.solve", "Solution.rest"]
    assert "class Solution" in split_program(code).texts[1]
    assert "def inner" in split_program(code).texts[1] and split_program(code).prefixes[1].endswith("return inner(a[0])")
    check(code)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("if __name__ == '__main__':\n    def f():\n        return 1\n    f()\n", ["f"]),
        (
            "try:\n    import x\nexcept ImportError:\n    def f(): pass\nelse:\n    def g(): pass\nfinally:\n    h = 1\n",
            ["f", "g"],
        ),
        ("for i in range(3):\n    def f(): pass\nelse:\n    def g(): pass\n", ["f", "g"]),
        ("with a as b:\n    def f(): pass\n", ["f"]),
        ("match x:\n    case 1:\n        def f(): pass\n    case _:\n        def g(): pass\n", ["f", "g"]),
        ("class A:\n    class B:\n        def f(self): pass\n    if True:\n        def g(self): pass\n", ["A.B.f", "A.g"]),
        ("def f(): return 1\ndef g(): return 2\n", ["f", "g"]),
        ("async def f(): return 1\nasync def g(): return 2", ["f", "g"]),
        ("f = lambda x: x\nprint(f(1))\n", ["<program>"]),
        ("print(1)", ["<program>"]),
        ("", ["<program>"]),
        ("def f(): pass\ndef f(): pass\n", ["f", "f"]),
    ],
)
def test_where_functions_are_found(code, expected):
    assert names(code) == expected
    assert split_program(code).fallback is None
    check(code)


@pytest.mark.parametrize(
    ("code", "first_prefix"),
    [
        ("def f(): return 1;\ndef g(): pass", "def f(): return 1;"),
        ("def f(): x = 1; return x  # é ü\ndef g(): pass", "def f(): x = 1; return x  # é ü"),
        ("def f(): return 'é日本'\ndef g(): pass", "def f(): return 'é日本'"),
        ("def f():\r\n\treturn 1\r\n\r\ndef g(): pass\r\n", "def f():\r\n\treturn 1"),
        ("def f():\r    return 1\rdef g(): pass\r", "def f():\r    return 1"),
        ("def f():\n    return 1   \t \n\ndef g(): pass", "def f():\n    return 1"),
        ("\x0cdef f():\n    return 1\n\x0c\ndef g(): pass", "\x0cdef f():\n    return 1"),
        ("def f():\n    return '\x0c\x0b\x1c\u2028'\ndef g(): pass", "def f():\n    return '\x0c\x0b\x1c\u2028'"),
        ("def f():\n    return (1 +\\\n  2)\ndef g(): pass", "def f():\n    return (1 +\\\n  2)"),
        ("def f():\n    return 1 \\\n\ndef g(): pass", "def f():\n    return 1"),
        ('def f():\n    return """a\n\n# no comment\ndef h(): pass\n"""\ndef g(): pass', None),
        ("def f(\n    a,\n    b=')',\n):\n    return [\n        1,\n    ]\ndef g(): pass", None),
        ("\ufeffdef f(): return 1  # é\ndef g(): pass", "\ufeffdef f(): return 1  # é"),
        ("# -*- coding: latin-1 -*-\ndef f(): return 'é'\ndef g(): pass", "# -*- coding: latin-1 -*-\ndef f(): return 'é'"),
        (
            "def f():\n    if 1:\n        return 1\n    # trailing comment\n\ndef g(): pass",
            "def f():\n    if 1:\n        return 1",
        ),
    ],
)
def test_line_ends_tabs_unicode_and_continuations(code, first_prefix):
    assert names(code) == ["f", "g"]
    prefix = split_program(code).prefixes[0]
    assert prefix == (first_prefix or code[: code.index("\ndef g")])
    assert parse(prefix) is not None
    check(code)


def test_above_the_cap_the_last_step_takes_the_rest():
    code = "\n".join(f"def f{number}(): return {number}" for number in range(14)) + "\nf0()\n"
    assert names(code) == [f"f{number}" for number in range(9)] + ["f9 ... f13"]
    assert names(code, max_functions=1) == ["f0 ... f13"]
    assert len(split_program(code, max_functions=None).steps) == len(split_program(code, max_functions=14).steps) == 14
    for max_functions in (1, 2, 13, 14, 15, None):
        check(code, max_functions=max_functions)


@pytest.mark.parametrize(
    "code",
    [
        "def f():\n    return (1\n",
        "def f(:\n",
        "print 'python 2'\n",
        "x = '\0'",
        "\ud800 = 1",
        "(" * 10_000,
        "-" * 200_000 + "1",
        "1" + "+1" * 200_000,
        "x" + ".a" * 200_000,
        "def f():\n  return 1\n return 2\n",
        "#include <stdio.h>\nint main() { return 0; }\n",
    ],
    ids=range(11),
)
def test_a_program_that_does_not_parse_is_one_step_and_says_so(code):
    result = split_program(code)
    assert result.fallback == UNPARSABLE and result.prefixes == (code,)
    for granularity in ("line", "program"):
        check(code, granularity=granularity)


def test_very_long_programs_split():
    code = "if x:\n    pass\n" + "elif x:\n    pass\n" * 900 + "else:\n    def f(): pass\n"
    assert names(code) == ["f"]
    code = "\n".join(f"def f{number}():\n    return {number}\n" for number in range(2_000))
    assert len(split_program(code, max_functions=None).steps) == 2_000


def test_line_steps_are_logical_lines_and_comments_and_docstrings_belong_to_the_next():
    code = "import sys\n\n# comment\nx = [\n    1,\n]; y = 2\ndef f():\n    '''a\n    b'''\n    return 1\n# end\n"
    result = split_program(code, granularity="line")
    assert [step.name for step in result.steps] == ["line 1", "line 6", "line 7", "line 10"]
    assert result.texts[1] == "\n\n# comment\nx = [\n    1,\n]; y = 2"
    assert [step.name for step in split_program('"a"; b = 1\n"c"\nf("d")', granularity="line").steps] == ["line 1", "line 3"]
    check(code, granularity="line")
    assert len(split_program(code, max_functions=3, granularity="line").steps) == 3


def test_program_granularity_is_one_step():
    assert split_program(THREE, granularity="program").prefixes == (THREE,)


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match="max_functions is 0"):
        split_program("", max_functions=0)
    with pytest.raises(ValueError, match="unknown granularity"):
        split_program("", granularity="block")


# Programs made of these pieces parse; joined at random they mix all the shapes above.
PIECES = (
    "import sys",
    "x = 1; y = 2",
    "# a comment",
    "",
    "\x0c",
    "def f(a):\n    '''Doc.\n\ndef no(): pass\n'''\n    def inner():\n        return 1\n    return inner()",
    "@decorate\n# why\n@again(1)\nasync def g():\n\tawait h()  # tab",
    "class A:\n    '''Doc.'''\n    z = 1\n\n    def m(self): return 1;\n    # after\n    @property\n"
    "    def n(self):\n        return (1,\n2)",
    "if x:\n    def h(): return 'é'\nelse:\n    pass",
    "def one(): return 1 # 日本",
    "print('''\ndef fake():\n    pass\n''')",
    "def cont(): return 1 + \\\n 2",
)


@given(st.lists(st.sampled_from(PIECES), max_size=20), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.integers(1, 12))
def test_every_program_of_odd_pieces_keeps_the_invariants(pieces, line_end, final, max_functions):
    code = "\n".join(pieces).replace("\n", line_end) + line_end * final
    tree = ast.parse(code)
    assert split_program(code).fallback is None
    for granularity in ("function", "line", "program"):
        check(code, granularity=granularity)
        check(code, max_functions=max_functions, granularity=granularity)
    ends = {node.end_lineno for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    for prefix in split_program(code, max_functions=None).prefixes[:-1]:
        assert len(lines_of(prefix)) in ends


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("\r\n\t\x0c '\"#:;()\\def"), max_size=60))
def test_any_text_at_all_keeps_the_invariants(code):
    for granularity in ("function", "line", "program"):
        check(code, granularity=granularity)


@pytest.mark.parametrize("name", ["livecodebench", "leetcode", "mbpp", "humaneval", "hostile", "slow"])
def test_real_programs_keep_the_invariants(shared_data, name):
    codes = [json.loads(line)["code"] for line in (shared_data / name / "programs.jsonl").open()]
    num_fallback = 0
    for code in codes:
        result = split_program(code)
        check(code)
        num_fallback += result.fallback is not None
        if result.fallback is None:
            tree = parse(code)
            assert tree is not None
            ends = {node.end_lineno for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
            assert all(len(lines_of(prefix)) in ends for prefix in result.prefixes[:-1])
    assert num_fallback <= (5 if name == "hostile" else 0)
