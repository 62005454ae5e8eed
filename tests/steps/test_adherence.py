"""Each Chain-of-Function rule is found broken exactly where it is broken."""

from __future__ import annotations

import textwrap

import pytest

from dreamprm_code.steps import cof_violations
from dreamprm_code.steps.adherence import CofViolationKind as Kind

STDIN = '''
import sys


def main():
    """Read, solve, print."""
    print(double(int(input())))


def double(n):
    """Twice n."""
    return 2 * n


if __name__ == "__main__":
    main()
'''

FUNCTIONAL = '''
class Solution:
    def solve(self, n: int) -> int:
        """Use double."""
        return self.double(n)

    def double(self, n: int) -> int:
        """Twice n."""
        return 2 * n
'''


def kinds(code: str, func_name: str | None = None) -> list[Kind]:
    return [violation.kind for violation in cof_violations(code, func_name)]


def test_programs_that_follow_the_rules_have_no_violations():
    assert cof_violations(STDIN, None) == []
    assert cof_violations(STDIN.replace('if __name__ == "__main__":\n    main()', "main()"), None) == []
    assert cof_violations(FUNCTIONAL, "solve") == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("def main", "def main(", [Kind.UNPARSABLE]),
        ("def main():", "def first(): 'Doc.'\n\ndef main():\n    first()", [Kind.MAIN_NOT_FIRST, Kind.MISSING_DOCSTRING]),
        ('    """Twice n."""\n', "", [Kind.MISSING_DOCSTRING]),
        ('"""Twice n."""', '""" """', [Kind.MISSING_DOCSTRING]),
        ("    return 2 * n", "    def inner(): return 2\n    return inner() * n", [Kind.NESTED_FUNCTION]),
        ("print(double(int(input())))", "print(2 * int(input()))", [Kind.UNUSED_HELPER]),
        ("    return 2 * n", "    return double(n)", []),
        ('    main()\n', "    main()\nmain()\n", [Kind.NOT_ONE_FINAL_CALL]),
        ('    main()\n', "    pass\n", [Kind.NOT_ONE_FINAL_CALL]),
        ('    main()\n', "    main()\nprint()\n", [Kind.NOT_ONE_FINAL_CALL]),
        ('    main()\n', "    main()\n    print()\n", [Kind.NOT_ONE_FINAL_CALL]),
        ("import sys", "import sys\nsys.setrecursionlimit(9999)", []),
    ],
)  # fmt: skip
def test_each_departure_of_a_stdin_program_is_named(old, new, expected):
    assert old in STDIN
    assert kinds(STDIN.replace(old, new)) == expected


def test_a_helper_that_only_calls_itself_is_unused():
    code = STDIN.replace("print(double(int(input())))", "print(1)").replace("return 2 * n", "return double(n - 1)")
    assert kinds(code) == [Kind.UNUSED_HELPER]


def test_a_single_function_lacks_a_helper_and_a_bare_script_a_function():
    assert kinds('def main():\n    """Doc."""\n\nmain()\n') == [Kind.NO_HELPER]
    assert kinds("print(int(input()))") == kinds("") == [Kind.NO_FUNCTION]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("def solve", "def answer", [Kind.MAIN_NOT_FIRST]),
        ("class Solution", "class Answer", [Kind.MAIN_NOT_FIRST]),
        ("class Solution", "def before():\n    '''Doc.'''\n\nclass Solution", [Kind.MAIN_NOT_FIRST, Kind.UNUSED_HELPER]),
        ("return self.double(n)", "return n + n", [Kind.UNUSED_HELPER]),
    ],
)
def test_each_departure_of_a_functional_program_is_named(old, new, expected):
    assert sorted(kinds(FUNCTIONAL.replace(old, new), "solve")) == sorted(expected)


def test_methods_that_python_calls_count_as_used():
    code = textwrap.dedent(
        '''
        def main():
            """Doc."""
            print(len(Bag()))

        class Bag:
            def __len__(self):
                """Doc."""
                return 1

        main()
        '''
    )
    assert cof_violations(code, None) == []


def test_odd_programs_are_judged_without_a_crash():
    functions = "".join(f"def f{n}():\n    'Doc.'\n    return f{n + 1}()\n" for n in range(3_000))
    assert Kind.MAIN_NOT_FIRST in kinds(functions)
    long_guard = STDIN.replace('__name__ == "__main__"', "1" + "+1" * 150 + ' == "__main__"')
    assert kinds(long_guard) == [Kind.NOT_ONE_FINAL_CALL]
    assert kinds("x" + ".a" * 200_000) == kinds("\0") == kinds("\ud800") == [Kind.UNPARSABLE]


def test_the_detail_names_the_function():
    (violation,) = cof_violations(STDIN.replace('    """Twice n."""\n', ""), None)
    assert violation.detail == "double has no docstring"
