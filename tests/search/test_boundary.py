"""Where a function ends in a text that is being written."""

from __future__ import annotations

import itertools

import pytest

from builders.typist import Typist, walk
from dreamprm_code.search.boundary import cut, normalised
from dreamprm_code.steps import split_program

PLAIN = '''import sys
from functools import cache

LIMIT = 10 ** 9


def main():
    """Plan."""
    print(solve(int(input())))


def solve(n):
    """Work."""
    return 2 * n


main()
'''
DECORATED = """def main():
    print(solve(3))


# The number of ways,
# without repeating work.
@cache
@trace("a")
def solve(n):
    return n


async def later():
    pass


if __name__ == "__main__":
    main()
"""
STRING = '''def usage():
    return """
def not_a_function():
@not_a_decorator
class NotAClass:
if __name__ == "nobody":
"""


def table():
    return [
1,
2]


usage()
'''
CLASSES = '''class Point:
    x: int = 0


class Solution:
    """Two methods are two steps of the PRM, and one of the search."""

    def first(self, n):
        return self.second(n)

    def second(self, n):
        return n

    bound = 3


def last():
    return Solution().first(1)
'''


@pytest.mark.parametrize("returns_stops", [True, False], ids=["stops", "runs on"])
@pytest.mark.parametrize(
    ("program", "names"),
    [
        (PLAIN, ["main", "solve"]),
        (DECORATED, ["main", "solve", "later", "later"]),
        (STRING, ["usage", "table"]),
        (CLASSES, ["Solution.second", "last"]),
        ("print(1)\n", ["<program>"]),
    ],
    ids=["plain", "decorated", "string", "classes", "no function"],
)
def test_steps_end_at_functions_and_rejoin_to_the_program(program, names, returns_stops):
    """Prefixes are the PRM's own; a tail (``if __name__``) is a round of its own and belongs to the last step."""
    typist = Typist(program + "```\nIt prints.", returns_stops=returns_stops)
    beams = walk(typist)
    steps = {step.prefix: step.name for step in split_program(program.rstrip()).steps}
    last = steps[program.rstrip()]
    ends = {step.name: step.prefix for step in split_program(program.rstrip() + "\n\n\ndef end():\n    pass").steps}
    assert [beam.prefix for beam in beams[:-1]] == [ends[name] for name in names[:-1]]
    assert beams[-1].prefix == program.rstrip() and names[-1] == last
    assert beams[-1].finish_reason == "stop"
    for before, after in itertools.pairwise(beams):
        assert before.finish_reason is None and after.output.startswith(before.output), "the header is given back"


def test_the_header_that_was_begun_is_given_back():
    typist = Typist(DECORATED + "```")
    first, second, *_ = walk(typist)
    assert first.output.endswith("\n\n\n# The number of ways,\n# without repeating work.\n@")
    assert second.output.endswith("\n\n\nasync def"), "without the blank: it is part of the next token"
    assert typist.asked[1].prefix == first.output.removeprefix("```python\n")


def test_an_unfinished_function_ends_with_its_program():
    (only,) = walk(Typist(PLAIN + "```"), max_tokens=100)
    assert only.finish_reason == "length" and only.num_tokens == 100
    assert PLAIN.startswith(only.prefix) and 97 < len(only.prefix) < 100, "the blank behind a header was written twice"
    first, second = walk(Typist(PLAIN + "```"), max_tokens=125)
    assert (first.finish_reason, second.finish_reason) == (None, "stop"), "the limit is of each function"


def test_a_model_that_never_stops_ends_at_the_last_function():
    endless = "".join(f"def f{number}():\n    return {number}\n\n\n" for number in range(1000))
    beams = walk(Typist(endless), max_tokens=200, max_functions=4)
    assert [beam.finish_reason for beam in beams] == [None, None, None, "length"]
    assert beams[-1].num_tokens <= 4 * 200
    text = walk(Typist("x = 1\n" * 1000), max_tokens=200)
    assert [beam.finish_reason for beam in text] == ["length"], "nor does one that writes no function"


def test_a_text_that_python_cannot_read_runs_on_as_one_step():
    broken = "def main(:\n    pass\n\n\ndef solve():\n    pass\n"
    (only,) = walk(Typist(broken + "```"))
    assert only.prefix == broken.rstrip() and only.finish_reason == "stop"


def test_an_answer_that_ends_without_a_fence_is_a_program():
    assert walk(Typist(PLAIN))[-1].prefix == PLAIN.rstrip()
    assert walk(Typist("```"))[-1].prefix == ""


def test_nothing_is_cut_before_a_function_is_complete():
    assert cut("import sys\n\n\ndef ", 0) is None
    assert cut("x = '''\ndef ", 0) is None
    found = cut("def f():\n    pass  # done\n\nN = 3\nclass ", 0)
    assert found is not None and (found.text[-5:], found.end, found.is_closed) == (
        "class",
        len("def f():\n    pass  # done"),
        False,
    )
    assert cut("def f():\n    pass\n\ndef ", len("def f():\n    pass")) is None
    assert cut("def f():\n    pass\n\ndef ", 0, to_end=True) is None


def test_programs_that_differ_in_words_alone_are_equal():
    one = 'def f(x):\n    """Double."""\n    return 2 * x  # twice\n'
    assert normalised(one) == normalised("def f(x):\n\n    return (2*x)")
    assert normalised(one) != normalised("def f(y):\n    return 2 * y")
    assert normalised("def f(:") == "def f(:"
