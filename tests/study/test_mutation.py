"""Mutations and rewrites: one function changes, every other byte stays, and the tests tell wrong from right."""

from __future__ import annotations

import ast

import pytest

from dreamprm_code.study.mutation import Source, mutations, rewrites

PROGRAM = '''import sys   # kept as it is


def main():
    """Print the largest sum of a window — naïve comparison of numbers such as 1 < 2."""
    size, *numbers = map(int, sys.stdin.read().split())
    print(best_window(numbers,  size))


def best_window(numbers, size):
    """Slide a window of `size`."""
    total = sum(numbers[:size])
    best = total
    for index in range(size, len(numbers)):
        total += numbers[index]
        total -= numbers[index - size]
        if total > best:
            best = total
    return best


main()
'''


def run(code: str, numbers: list[int], size: int) -> int:
    """best_window of a program, without its call of main."""
    names: dict = {}
    exec(code.replace("\nmain()\n", "\n"), names)
    return names["best_window"](numbers, size)


@pytest.mark.parametrize("make", [mutations, rewrites])
def test_only_the_changed_function_changes(make):
    """Text before and after the mutated function stays byte for byte, and exactly that function parses to another tree."""
    source = Source(PROGRAM)
    bounds = {node.name: (source.start(node), source.end(node)) for node in source.functions()}
    found = make(PROGRAM, 0, 50)
    assert found
    for change in found:
        start, end = bounds[change.function]
        data, changed = PROGRAM.encode(), change.code.encode()
        assert changed.startswith(data[:start]) and changed.endswith(data[end:])
        before = {node.name: ast.dump(node) for node in Source(PROGRAM).functions()}
        after = {node.name: ast.dump(node) for node in Source(change.code).functions()}
        assert [name for name in before if before[name] != after[name]] == [change.function]
        assert PROGRAM.splitlines()[change.line - 1] not in change.code.splitlines() or change.code.count("\n") > 0


def test_docstrings_are_never_touched():
    for change in mutations(PROGRAM, 0, 200) + rewrites(PROGRAM, 0, 200):
        assert "naïve comparison of numbers such as 1 < 2" in change.code
        assert "Slide a window of `size`." in change.code


def test_operators_that_the_program_offers_are_all_used():
    """Worked out by hand: one comparison, two updates, a range and subscripts, constants, names, an if and a call."""
    operators = {change.operator for change in mutations(PROGRAM, 0, 200)}
    assert operators == {
        "comparison",  # total > best
        "operator",  # +=, -=, index - size
        "off by one",  # range(size, ...), numbers[index]
        "wrong variable",
        "swapped arguments",  # range(size, len(numbers)), best_window(numbers, size)
        "missing update",
        "dropped branch",
    }


def test_the_comparison_mutants_are_the_expected_texts():
    changed = {change.code for change in mutations(PROGRAM, 0, 200) if change.operator == "comparison"}
    assert changed == {PROGRAM.replace("total > best", f"total {wrong} best") for wrong in (">=", "<")}


def test_rewrites_mean_the_same_and_most_mutations_do_not():
    cases = [([1, 5, -2, 4, 4, 0], 2), ([3, 1, 2], 1), ([-5, -1, -7, -2], 3)]
    expected = [run(PROGRAM, *case) for case in cases]
    for change in rewrites(PROGRAM, 1, 50):
        assert [run(change.code, *case) for case in cases] == expected, change
    wrong = 0
    helpers = [change for change in mutations(PROGRAM, 1, 200) if change.function == "best_window"]
    for change in helpers:
        try:
            wrong += [run(change.code, *case) for case in cases] != expected
        except Exception:
            wrong += 1
    assert wrong > 0.7 * len(helpers)


def test_same_seed_same_mutations_and_no_duplicates():
    first, second = mutations(PROGRAM, 3, 8), mutations(PROGRAM, 3, 8)
    assert first == second
    assert len({change.code for change in first}) == len(first)
    assert mutations(PROGRAM, 4, 8) != first


def test_removing_the_only_statement_leaves_pass():
    code = "def f(n):\n    total = 0\n    for k in range(n):\n        total += k\n    return total\n"
    removed = [change.code for change in mutations(code, 0, 200) if change.operator == "missing update"]
    assert removed == [code.replace("total += k", "pass")]


def test_names_inside_f_strings_are_left_alone():
    code = 'def f(a, b):\n    return f"{a + 1} {b}"\n'
    assert not mutations(code, 0, 50)
    assert not rewrites(code, 0, 50)


def test_methods_are_functions_and_broken_code_is_refused():
    code = "class Solution:\n    def add(self, a, b):\n        return a + b\n"
    assert {change.function for change in mutations(code, 0, 9)} == {"add"}
    with pytest.raises(SyntaxError):
        mutations("def f(:", 0, 1)
