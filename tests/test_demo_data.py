"""The bundled problems: enough, split by a file, made from their sources, and solved by their reference programs."""

from __future__ import annotations

from collections import Counter

import pytest

import build_demo
from cli import read_config
from dreamprm_code import problems
from dreamprm_code.errors import UserError
from dreamprm_code.grading import Grader, GradeRequest
from dreamprm_code.jsonl import read_rows
from dreamprm_code.problems import load_problems, split_by_file
from dreamprm_code.records import Solution, Verdict
from dreamprm_code.steps import cof_violations, split_program


@pytest.fixture(scope="module")
def demo(root):
    return load_problems(root / "data" / "demo" / "problems.jsonl")


@pytest.fixture(scope="module")
def references(root):
    return read_rows(root / "data" / "demo" / "references.jsonl", Solution)


def test_the_bundled_files_are_what_their_sources_give(root, tmp_path):
    build_demo.main(build_demo.Settings(source=root / "data" / "demo" / "source", out=tmp_path))
    for name in ("problems.jsonl", "references.jsonl"):
        assert (tmp_path / name).read_bytes() == (root / "data" / "demo" / name).read_bytes()


def test_every_part_of_the_demo_has_problems_of_every_difficulty_and_some_that_the_policy_solves_now_and_then(root, demo):
    split = split_by_file(demo, root / read_config(root / "configs" / "demo.yaml")["shared"]["split_file"])
    assert {name: len(rows) for name, rows in split.items()} == {"train": 86, "meta": 36, "test": 74}
    assert split.num_outside == 27
    for rows in split.values():
        assert {problem.difficulty for problem in rows} == {"easy", "medium", "hard"}
        assert any(problem.is_functional for problem in rows)
    passes: dict[str, list[bool]] = {}
    for row in read_rows(root / "data/demo/sampled/test_solutions.jsonl", Solution):
        passes.setdefault(row.question_id, []).append(bool(row.passed))
    assert passes.keys() == {problem.question_id for problem in split["test"]}
    assert sum(0.1 <= sum(own) / len(own) <= 0.9 for own in passes.values()) > len(passes) / 2


def test_every_problem_has_public_and_private_tests_that_no_constant_answer_passes(demo):
    for problem in demo:
        tests = problems.test_cases(problem)
        assert len(tests.public) >= 2 and len(tests.private) >= 4
        assert len({test.output for test in tests.all}) >= 2
        assert {test.testtype for test in tests.all} == {"functional" if problem.is_functional else "stdin"}
        assert len(problem.question_content.split()) <= 170
        if not problem.is_functional:  # the sample in the statement is the first public test
            assert tests.public[0].input.rstrip() in problem.question_content
            assert problem.question_content.endswith(tests.public[0].output.rstrip())


def test_the_reference_programs_follow_the_rules_in_two_to_five_steps(demo, references):
    assert [solution.question_id for solution in references] == [problem.question_id for problem in demo]
    for problem, solution in zip(demo, references, strict=True):
        assert cof_violations(solution.code, problem.func_name) == []
        assert 2 <= len(split_program(solution.code).steps) <= 5


def test_the_reference_programs_pass_and_those_of_other_problems_fail(demo, references):
    """Each reference passes its own tests; the reference of the next problem of the same kind does not."""
    neighbours = {}
    for kind in (True, False):
        rows = [pair for pair in zip(demo, references, strict=True) if pair[0].is_functional is kind]
        for (problem, _), (_, other) in zip(rows, rows[1:] + rows[:1], strict=True):
            neighbours[problem.question_id] = other.code
    requests = [
        GradeRequest(("own", problem.question_id), problem, row.code) for problem, row in zip(demo, references, strict=True)
    ]
    requests += [GradeRequest(("other", problem.question_id), problem, neighbours[problem.question_id]) for problem in demo]
    with Grader() as grader:
        verdicts = {result.key: result.verdict for result in grader.grade(requests)}
    assert Counter(verdict for (kind, _), verdict in verdicts.items() if kind == "own") == {Verdict.PASSED: len(demo)}
    assert Verdict.PASSED not in {verdict for (kind, _), verdict in verdicts.items() if kind == "other"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("title =", "name ="), "setting 'name' is missing or unknown"),
        (('title = "Digit Sum"', ""), "setting 'title' is missing or unknown"),
        (('title = "Digit Sum"', "title ="), "not valid TOML"),
        (('    """Add the value of every character of a string of digits."""\n', ""), "digit_sum has no docstring"),
        (("total += n % 10", "total += n % 9"), "the second solution '"),
        (('"907\\n"', '"1234\\n"'), "two tests have one input"),
        (("print(digit_sum(text))", "digit_sum(text)"), "gives no output"),
    ],
)
def test_a_bad_source_is_one_clear_error(root, tmp_path, change, message):
    text = (root / "data" / "demo" / "source" / "001_digit_sum.toml").read_text()
    assert change[0] in text
    (tmp_path / "001_bad.toml").write_text(text.replace(*change))
    with pytest.raises(UserError, match=message) as caught:
        build_demo.build(tmp_path / "001_bad.toml")
    assert "001_bad.toml" in str(caught.value)
