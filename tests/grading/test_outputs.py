"""Fingerprints of outputs: equal for what counts as one output, different for what does not, none where there is none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from builders.grading import LIMITS, PROBLEMS
from builders.rows import make_problem
from dreamprm_code.grading import Grader, GradeRequest, GradeResult, GraderSettings, GradingError
from dreamprm_code.grading.sandbox.compare import lines_of, plain_number
from dreamprm_code.grading.sandbox.fingerprints import fingerprint_of_data, fingerprint_of_text
from dreamprm_code.records import Problem

WORDS = make_problem("words", [("3\n", "a b\nc"), ("10\n", "a b\nc")])
SETTINGS = {"all_tests": True, "keep_outputs": True, **LIMITS}


@pytest.fixture(scope="module")
def run_until_failure() -> Iterator[Callable[[Problem, str], GradeResult]]:
    with Grader(GraderSettings(workers=2, keep_outputs=True, **LIMITS)) as grader:
        yield lambda problem, code: grader.submit(GradeRequest(None, problem, code)).result(timeout=120)


@pytest.fixture(scope="module")
def run() -> Iterator[Callable[[Problem, str], GradeResult]]:
    with Grader(GraderSettings(workers=2, output_limit_mb=1, **SETTINGS)) as grader:
        yield lambda problem, code: grader.submit(GradeRequest(None, problem, code)).result(timeout=120)


@pytest.mark.parametrize(
    "same",
    [
        ("a b\nc\n", "a b\nc", "\n  a b\t\r\nc  \r\n\n"),
        ("1 2\n", "1  2", "1.0 +2", "1 2e0", "1.000 20e-1"),
        ("1200", "1.2e3", "12E2", "1200.00"),
        ("-0.5 x", "-0.5 x \n"),
        ("1" * 30, "1" * 30 + ".0"),
        ("0", "-0", "0.000", "0e7"),
        ("", "\n\n"),
    ],
)
def test_outputs_that_are_compared_as_equal_have_one_fingerprint(same: tuple[str, ...]):
    assert len({fingerprint_of_text(text) for text in same}) == 1


def test_outputs_that_are_compared_as_different_have_different_fingerprints():
    texts = ["a b\nc", "a  b\nc", "a b c", "1 2", "1\n2", "12", "1 x", "1.0 x", "0010", "10", "nan", "", "-5", "5", "1" * 30]
    assert len({fingerprint_of_text(text) for text in texts}) == len(texts)
    assert lines_of("a  b\nc") != lines_of("a b\nc")  # so says LiveCodeBench


def test_the_spelling_of_a_number_is_itself_a_number_with_this_spelling():
    spellings = ("0", "7", "12e30", "15e-1", "-5e-4", "0010", "999999999999999999")
    assert [plain_number(spelling) for spelling in spellings] == list(spellings)
    assert plain_number("1.50") == "15e-1" and plain_number("1" + "0" * 30) == "1e30"
    assert plain_number("1_0") is plain_number("nan") is plain_number("1e") is plain_number("") is None


def test_data_that_is_compared_as_equal_has_one_fingerprint():
    assert fingerprint_of_data([1, {"a": 2, "b": [True]}]) == fingerprint_of_data([1.0, {"b": [1], "a": 2.0}])
    values = [1, 1.5, "1", [1], [[1]], None, {"1": 1}, [1, 2], [2, 1], "", [], float("inf"), 10**30]
    assert len({fingerprint_of_data(value) for value in values}) == len(values)


def test_a_value_nested_too_deeply_has_none():
    value: list = []
    for _ in range(10_000):
        value = [value]
    assert fingerprint_of_data(value) is None


def test_programs_that_print_alike_have_equal_outputs_right_or_wrong(run):
    right = [run(WORDS, f"input()\nprint({text!r})") for text in ("a b\nc", " a b \r\nc\n\n")]
    wrong = [run(WORDS, f"input()\nprint({text!r})") for text in ("a c", "a c  ", "a  c")]
    assert [result.passed for result in (*right, *wrong)] == [True, True, False, False, False]
    assert right[0].outputs == right[1].outputs == (fingerprint_of_text("a b\nc"),) * 2
    assert wrong[0].outputs == wrong[1].outputs == (fingerprint_of_text("a c"),) * 2  # the first failure does not end the run
    assert wrong[2].outputs == (fingerprint_of_text("a  c"),) * 2


def test_functions_that_return_equal_data_have_equal_outputs(run):
    values = ["(n, {'b': 1, 'a': 2.0})", "[n, {'a': 2, 'b': True}]", "[n, {'a': 2, 'b': 2}]"]
    results = [run(PROBLEMS["double_function"], f"def solve(n):\n    return {value}") for value in values]
    assert results[0].outputs == results[1].outputs == tuple(fingerprint_of_data([n, {"a": 2, "b": 1}]) for n in (3, 10))
    assert results[1].outputs != results[2].outputs
    assert run(PROBLEMS["double_function"], "def solve(n):\n    return 2.0 * n").outputs == tuple(
        map(fingerprint_of_data, (6, 20))
    )


@pytest.mark.parametrize(
    ("problem", "code", "verdicts", "outputs"),
    [
        ("double", "print(int(input()) // (0 if input else 1))", ["runtime_error"] * 2, [None, None]),
        ("double", "n = int(input())\nprint(7)\nn == 3 and exit(1)", ["runtime_error", "wrong_answer"], [None, "7"]),
        ("double", "n = int(input())\nwhile n == 3: pass\nprint(20)", ["time_limit", "passed"], [None, "20"]),
        ("double", "n = int(input())\nprint('x' * (2 << 20) if n == 3 else 20)", ["output_limit", "passed"], [None, "20"]),
        ("double", "x = bytearray(2 << 30)", ["memory_limit"] * 2, [None, None]),
        ("double", "print 'x'", ["compile_error"], [None]),
        ("double", "  ", ["no_code"], [None]),
        ("double_function", "def solve(n):\n    return 8 // (n - 3)", ["runtime_error", "wrong_answer"], [None, 1]),
        ("double_function", "def solve(n):\n    while n == 3: pass\n    return 1", ["time_limit", "wrong_answer"], [None, 1]),
        ("double_function", "def solve(n):\n    return 'x' * (2 << 20)", ["output_limit"] * 2, [None, None]),
        ("double_function", "def solve(n):\n    return {n}", ["wrong_answer"] * 2, [None, None]),  # a set is no data
        ("double_function", "def solve(n) return", ["compile_error"], [None]),
    ],
)
def test_a_test_without_an_output_has_none_and_the_others_have_theirs(run, problem, code, verdicts, outputs):
    result = run(PROBLEMS[problem], code)
    assert [verdict.value for verdict in result.test_verdicts] == verdicts, result.reason
    of = fingerprint_of_data if problem == "double_function" else fingerprint_of_text
    assert list(result.outputs) == [None if output is None else of(output) for output in outputs]


def test_the_official_rules_give_outputs_too():
    with Grader(GraderSettings(compat="livecodebench", **SETTINGS)) as grader:
        stdin = grader.submit(GradeRequest(0, PROBLEMS["double"], "print(2 * int(input()), ' ')")).result(120)
        code = "class Solution:\n    def solve(self, n):\n        return 2 * n"
        functional = grader.submit(GradeRequest(0, PROBLEMS["double_function"], code)).result(120)
    assert stdin.outputs == tuple(map(fingerprint_of_text, ("6", "20")))
    assert functional.outputs == tuple(map(fingerprint_of_data, (6, 20)))


def test_outputs_are_kept_only_when_asked_for(grade):
    result = grade("double", "print(2 * int(input()))")
    assert (result.outputs, result.public_outputs, result.public_passed) == (None, None, True)


@pytest.mark.parametrize(
    ("code", "num_run", "passes"),
    [
        ("print(2 * int(input()))", 4, True),
        ("n = int(input())\nprint(2 * n if n < 5 else 0)", 3, True),  # the first private test ends the run
        ("n = int(input())\nprint(2 * n if n > 1 else 0)", 2, False),  # the second public test is run, no private one
        ("print(0)", 2, False),
        ("while True: pass", 1, False),  # a limit is not run into twice
        ("print 'x'", 1, False),
        ("", 1, False),
    ],
)
@pytest.mark.parametrize("kind", ["stdin", "function"])
def test_outputs_of_the_public_tests_cost_no_private_test(run_until_failure, code, num_run, passes, kind):
    """Two public tests (1 and 2) and two private ones (5 and 6)."""
    tests = [(f"{n}", f"{2 * n}") for n in (1, 2, 5, 6)]
    problem = make_problem("twice", tests, func_name="solve" if kind == "function" else None)
    public = json.loads(problem.public_test_cases)
    split = {"public_test_cases": json.dumps(public[:2]), "private_test_cases": json.dumps(public[2:])}
    if kind == "function":
        body = code.replace("n = int(input())\n", "").replace("int(input())", "n").replace("print(", "return (")
        code = f"def solve(n):\n    {body}" if code else ""
    result = run_until_failure(problem.model_copy(update=split), code)
    public_only = run_until_failure(problem.model_copy(update={"public_test_cases": split["public_test_cases"]}), code)
    assert (len(result.test_verdicts), result.public_passed) == (num_run, passes)
    assert result.public_outputs == public_only.public_outputs
    assert (result.public_outputs is None) is (code == "")


def test_programs_that_do_the_same_on_public_inputs_have_one_fingerprint(run):
    """Whatever the spelling of numbers; a crash and a limit are outputs of their own; a limit holds for the later inputs."""
    groups = [
        ["print(2 * int(input()))", "print(float(input()) * 2)"],
        ["print(int(input()))", "x = input()\nprint(x, '  ')"],
        ["print(1)", "print(1.0, end='')"],  # its first failure is that of the group above, with the same message
        ["n = int(input())\nprint(6 if n == 3 else 1)"],
        ["raise KeyError", "print(1)\nint('x')"],
        ["n = int(input())\nprint(1 if n == 3 else 1 // 0)"],
        ["while True: pass", "n = int(input())\nwhile n == 3: pass\nprint(2 * n)"],
        ["print("],
        ["print('x' * (2 << 20))"],
    ]
    found = [{run(PROBLEMS["double"], code).public_outputs for code in group} for group in groups]
    assert [len(outputs) for outputs in found] == [1] * len(groups)
    assert len(set.union(*found)) == len(groups)


def test_right_within_a_stated_tolerance_is_one_output(run):
    problem = make_problem(
        "third", [("1", "0.3333333333")], question_content="The absolute or relative error is at most 10^{-6}."
    )
    codes = ["print(1 / 3)", "print(0.33333333)", "print(0.34)", "print(0.340)"]
    first, second, third, fourth = (run(problem, code).public_outputs for code in codes)
    assert first == second != third == fourth


@pytest.mark.parametrize("name", ["cpu_limit_s", "sleep_limit_s", "wall_limit_s"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
def test_limits_that_cannot_work_are_refused(name, value):
    with pytest.raises(GradingError, match=f"{name} is .*must be a finite number above 0"):
        GraderSettings(**{name: value})


def test_what_could_not_be_graded_has_no_outputs(run):
    result = run(make_problem("empty", []), "print(1)")
    assert (result.passed, result.outputs) == (None, None)
