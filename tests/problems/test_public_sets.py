"""Rows of public sets become problems whose tests are inputs and outputs; what cannot be is left out by reason."""

from __future__ import annotations

import ast
import json

import pytest

from builders.public_rows import HUMAN_EVAL, HUMAN_EVAL_PLUS, MBPP, MBPP_PLUS, evalplus
from dreamprm_code.errors import UserError
from dreamprm_code.grading import Grader, GradeRequest, GraderSettings
from dreamprm_code.problems import load_problems, test_cases
from dreamprm_code.problems.asserts import UNKNOWN, Case, LeftOutError, cases_of_asserts, cases_of_inputs
from dreamprm_code.problems.public_sets import Draft, LeftOut, convert
from dreamprm_code.records import Problem


@pytest.mark.parametrize(
    ("text", "case"),
    [
        ("assert f(1, [2, 'a']) == {'b': None}", Case([1, [2, "a"]], {"b": None})),
        ("assert f() == -1", Case([], -1)),
        ("assert 3 == f(1)", Case([1], 3)),
        ("assert f(1) is True", Case([1], True)),
        ("assert f((1)) == (1, 2), 'a message'", Case([1], (1, 2))),
        ("assert abs(f(1.5) - 0.5) < 1e-6", Case([1.5], 0.5, 1e-6)),
        ("assert abs(0.5 - f(1)) <= 0.01", Case([1], 0.5, 0.01)),
        ("assert math.isclose(f(1), 2.5, rel_tol=0.001)", Case([1], 2.5, 0.001)),
        ("def check(candidate):\n    assert f(1) == 2", Case([1], 2)),
    ],
)
def test_an_assert_that_compares_a_call_with_a_literal_is_a_test(text, case):
    assert cases_of_asserts(text, {"f"}) == ([case], {})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("assert f(g(1)) == 2", "an argument is not a literal"),
        ("assert f(x) == 2", "an argument is not a literal"),
        ("assert f((1, 2)) == 2", "an argument holds a tuple"),
        ("assert f([(1, 2)]) == 2", "an argument holds a tuple"),
        ("assert f({1}) == 2", "an argument holds a set"),
        ("assert f({1: 2}) == 2", "an argument holds a dict whose keys are not strings"),
        ("assert f(1j) == 2", "an argument holds a complex"),
        ("assert f(1e999) == 2", "an argument is not a finite number"),
        ("assert f('\\ud800') == 2", "an argument is not Unicode text"),
        ("assert f(1) == {1, 2}", "the expected result holds a set"),
        ("assert f(1) == g(2)", "the expected result is not a literal"),
        ("assert set(f(1)) == {1}", "an assert that does not compare the function's own result"),
        ("assert f(1) != 2", "an assert that does not compare a result with a value"),
        ("assert f(1)", "an assert that does not compare a result with a value"),
        ("assert 0 < f(1) < 2", "an assert that does not compare a result with a value"),
        ("assert abs(f(1) - 2) < 0.3", "a tolerance that is not a power of ten below 1"),
        ("assert f(a=1) == 2", "a call with keyword or starred arguments"),
        ("assert f(*[1]) == 2", "a call with keyword or starred arguments"),
        ("assert True", "an assert that says nothing about the function"),
        ("for i in range(3):\n    assert f(i) == i", "an assert in a loop or a block"),
    ],
)
def test_any_other_assert_is_left_out_with_its_reason(text, reason):
    assert cases_of_asserts(text, {"f"}) == ([], {reason: 1})


def test_lists_of_inputs_are_tests_with_or_without_results():
    assert cases_of_inputs(evalplus("[[1, 'a'], [[2]]]", "[3, [4]]")) == ([Case([1, "a"], 3), Case([[2]], [4])], {})
    cases, left_out = cases_of_inputs(evalplus("[[1], [(2, 3)], [inf]]", None))
    assert [(case.arguments, case.expected is UNKNOWN) for case in cases] == [([1], True)]
    assert left_out == {"an argument holds a tuple": 1, "an argument is not a literal": 1}
    tolerant = cases_of_inputs(evalplus("[[1]]", "[0.5]", "assertion(candidate(*inp), {wanted}, 1e-4)"))
    assert tolerant.cases == [Case([1], 0.5, 1e-4)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def check(candidate):\n    pass", "no list of inputs"),
        (evalplus("[[1]]", "[1, 2]"), "differ in length"),
        (evalplus("[[1]]", "[1]", "assert _poly(*candidate(*inp), inp) <= 0.0001"), "rule of the problem's own"),
        ("inputs = [", "not Python"),
    ],
)
def test_another_form_of_lists_is_an_error(text, reason):
    with pytest.raises(LeftOutError, match=reason):
        cases_of_inputs(text)


@pytest.fixture(scope="module")
def finished():
    with Grader(GraderSettings(all_tests=True, keep_results=True)) as grader:

        def finish(row: dict) -> tuple[Problem | None, dict[str, int | None]]:
            draft = convert(row, "made")
            assert isinstance(draft, Draft)
            result = grader.submit(GradeRequest(None, draft.to_grade(), draft.reference)).result(timeout=120)
            problem, left_out = draft.finish(result.test_verdicts, result.outputs or ())
            return problem, {item.reason: item.num_tests for item in left_out}

        yield finish


def decoded(problem: Problem) -> tuple[list, list]:
    return tuple([(test.input, json.loads(test.output)) for test in tests] for tests in test_cases(problem))


def test_human_eval(finished):
    problem, left_out = finished(HUMAN_EVAL)
    assert (problem.question_id, problem.question_title, problem.func_name) == ("HumanEval/900", "total", "total")
    assert problem.starter_code == "from typing import List\n\n\ndef total(numbers: List[float]) -> float:\n"
    assert problem.question_content.startswith("Add numbers.\n>>> total([1, 2])\n3")
    assert "absolute or relative error of at most 1e-6" in problem.question_content
    assert decoded(problem) == ([("[1, 2]", 3), ("[]", 0)], [("[0.5, 0.25]", 0.75)])
    assert left_out == {
        "an assert that says nothing about the function": 1,
        "the reference gives another result than the test expects": 1,
    }


def test_a_shown_example_that_contradicts_a_test_is_no_test(finished):
    row = HUMAN_EVAL | {"test": "def check(candidate):\n    assert candidate([]) == 0\n    assert candidate([1, 2]) == 3\n"}
    row["prompt"] = row["prompt"].replace("    3\n", "    4\n")
    problem, left_out = finished(row)
    assert decoded(problem) == ([("[]", 0)], [("[1, 2]", 3)])
    assert left_out == {}


def test_mbpp_shows_its_first_test_and_tuples_come_back_as_lists(finished):
    problem, left_out = finished(MBPP)
    assert (problem.question_id, problem.func_name) == ("Mbpp/901", "pair")
    assert problem.question_content.endswith("Your code should pass this test:\nassert pair(2) == (2, 4)")
    assert decoded(problem) == ([("2", [2, 4])], [("3", [3, 9]), ("4", [4, 16]), ("-1", [-1, 1])])
    assert left_out == {}


def test_outputs_that_evalplus_does_not_give_are_the_references(finished):
    problem, left_out = finished(HUMAN_EVAL_PLUS)
    assert decoded(problem) == ([("[1, 2]", 3), ("[]", 0)], [("[5]", 5), ("[2.5]", 2.5)])
    assert "1e-6" in problem.question_content
    assert left_out == {"the reference gives no result that is data": 1}
    problem, left_out = finished(MBPP_PLUS)
    assert decoded(problem) == ([("2", [2, 4])], [("3", [3, 9]), ("4", [4, 16]), ("10", [10, 100])])
    assert left_out == {"the reference gives another result than the test expects": 1}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"code": "def pair(n:"}, "the reference is not Python"),
        ({"test_list": ["assert other(1) == 2"]}, "the tests call no function of the reference, or several"),
        ({"test_list": []}, "the tests call no function of the reference, or several"),
        ({"test_list": ["assert pair(1) == helper(1)"]}, "the tests call no function of the reference, or several"),
        ({"test_list": ["assert pair(1) =="]}, "a text that is not Python"),
        (
            {"test_list": ["assert set(pair(2)) == set((2, 4))"], "test": MBPP_PLUS["test"]},
            "does not compare the function's own",
        ),
    ],
)
def test_a_problem_that_cannot_be_converted_says_why(changes, reason):
    found = convert(MBPP | changes, "made")
    assert isinstance(found, LeftOut) and reason in found.reason and found.num_tests is None


def test_a_problem_without_a_test_is_left_out():
    draft = convert(MBPP, "made")
    assert isinstance(draft, Draft)
    problem, rows = draft.finish([], [])
    assert problem is None and rows[-1].reason == "no test is left"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"a": 1}, "of no known set"),
        (MBPP | {"code": 3}, "column 'code' is missing or not text"),
        (MBPP | {"test_list": "assert"}, "column 'test_list' is not a list of texts"),
        ({key: value for key, value in MBPP.items() if key != "task_id"}, "'task_id' is missing"),
        ({"question_content": "x", "public_test_cases": 3}, "not a Problem row"),
    ],
)
def test_rows_of_no_known_form_are_errors_that_name_the_row(row, said):
    with pytest.raises(UserError, match=said) as caught:
        convert(row, "file.jsonl:7")
    assert "file.jsonl:7" in str(caught.value)


def test_the_reference_sets_written_in_public_form_come_back_as_they_are(shared_data):
    """490 MBPP and 90 HumanEval problems: their tests written as asserts, converted, are the tests that they have."""
    other = []
    for name in ("mbpp", "humaneval"):
        programs = {}
        for line in (shared_data / name / "programs.jsonl").read_text().splitlines():
            row = json.loads(line)
            programs[row["question_id"]] = row["code"]
        for problem in load_problems(shared_data / name / "problems.jsonl"):
            tests = test_cases(problem)
            called = "candidate" if name == "humaneval" else problem.func_name
            asserts = [
                f"assert {called}({', '.join(repr(json.loads(part)) for part in test.input.splitlines())})"
                f" == {json.loads(test.output)!r}"
                for test in (tests.all if name == "mbpp" else tests.private)
            ]
            code = programs[problem.question_id]
            if name == "mbpp":
                row = {"task_id": problem.question_id[5:], "text": "", "code": code, "test_list": asserts}
            else:
                function = next(node for node in ast.parse(code).body if getattr(node, "name", None) == problem.func_name)
                lines = code.splitlines(keepends=True)
                texts = (node.value for node in function.body if isinstance(node, ast.Expr))
                cut = next(node.end_lineno for node in texts if isinstance(node, ast.Constant))
                row = {"prompt": "".join(lines[:cut]), "canonical_solution": "".join(lines[cut:])}
                check = "def check(candidate):\n" + "".join(f"    {text}\n" for text in asserts)
                row |= {"task_id": problem.question_id, "entry_point": problem.func_name, "test": check}
            draft = convert(row, problem.question_id)
            assert isinstance(draft, Draft), draft
            found = [(case.arguments, json.loads(json.dumps(case.expected))) for case in draft.cases]  # tuples as lists
            wanted = [([json.loads(part) for part in test.input.splitlines()], json.loads(test.output)) for test in tests.all]
            seen: list = []
            for item in wanted:
                if all(item[0] != other[0] for other in seen):
                    seen.append(item)
            assert draft.func_name == problem.func_name and draft.question_id == problem.question_id
            if name == "mbpp":
                assert found == seen, problem.question_id
            else:
                assert all(item in found for item in wanted[len(tests.public) :]), problem.question_id
                if (draft.starter_code, draft.statement) != (problem.starter_code, problem.question_content):
                    other.append(problem.question_id)
    assert other == ["HumanEval/142", "HumanEval/155"]  # a stray quotation mark and a space in their docstrings
