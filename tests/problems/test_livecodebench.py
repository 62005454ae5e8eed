"""LiveCodeBench's results file is written and read back without loss, and an ungraded program never becomes a failed one."""

from __future__ import annotations

import json

import pytest

from builders.rows import make_problem, make_solution
from dreamprm_code.problems.livecodebench import (
    ResultsError,
    problems_of_results,
    read_livecodebench_results,
    write_livecodebench_results,
)
from dreamprm_code.records import Solution, Verdict


def solution(question_id: str, index: int, verdict: Verdict | None) -> Solution:
    reason = "" if verdict in (None, Verdict.PASSED) else "because"
    fields = {"output": f"```python\nprint({index})\n```", "finish_reason": "unknown", "verdict": verdict, "reason": reason}
    return make_solution(question_id, index, f"print({index})", **fields)


def test_round_trip_keeps_programs_and_verdicts(tmp_path):
    verdicts = [Verdict.PASSED, Verdict.WRONG_ANSWER, Verdict.TIME_LIMIT, Verdict.RUNTIME_ERROR, Verdict.HARNESS_ERROR]
    rows = [solution("b", index, verdict) for index, verdict in enumerate(verdicts)]
    write_livecodebench_results(tmp_path / "r.json", [make_problem("a"), make_problem("b")], rows[::-1])
    assert read_livecodebench_results(tmp_path / "r.json") == rows
    (entry,) = json.loads((tmp_path / "r.json").read_text())
    assert entry["graded_list"] == [True, False, False, False, None]
    assert entry["pass@1"] == 1 / 4  # the ungraded one leaves the denominator
    assert [json.loads(report).get("error_code") for report in entry["metadata"]] == [None, -2, -3, -4, -5]
    assert "public_test_cases" not in entry and entry["question_content"] == "Read N, print 2N."


def test_ungraded_programs_are_written_in_the_custom_evaluators_form(tmp_path):
    write_livecodebench_results(tmp_path / "r.json", [make_problem("a")], [solution("a", 0, None), solution("a", 1, None)])
    (entry,) = json.loads((tmp_path / "r.json").read_text())
    assert "graded_list" not in entry and entry["code_list"] == ["print(0)", "print(1)"]
    assert [row.passed for row in read_livecodebench_results(tmp_path / "r.json")] == [None, None]


def test_a_list_and_one_object_per_line_read_the_same(tmp_path):
    entries = [{"question_id": "a", "code_list": ["x", "y"]}, {"question_id": "b", "code_list": []}]
    (tmp_path / "list.json").write_text(json.dumps(entries))
    (tmp_path / "lines.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    rows = read_livecodebench_results(tmp_path / "list.json")
    assert rows == read_livecodebench_results(tmp_path / "lines.jsonl")
    assert [(row.question_id, row.solution_idx, row.code, row.verdict) for row in rows] == [
        ("a", 0, "x", None),
        ("a", 1, "y", None),
    ]


def test_a_failure_without_a_code_is_a_wrong_answer_that_says_so(tmp_path):
    (tmp_path / "r.json").write_text(json.dumps([{"question_id": "a", "code_list": ["x"], "graded_list": [False]}]))
    (row,) = read_livecodebench_results(tmp_path / "r.json")
    assert row.verdict is Verdict.WRONG_ANSWER and "no error code" in row.reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"code_list": []}]', "entry 0: field 'question_id'"),
        ('[{"question_id": "a"}]', "entry 0: field 'code_list'"),
        ('{"question_id": "a", "code_list": [1]}', r"r\.json:1: field 'code_list'"),
        ('[{"question_id": "a", "code_list": ["x"], "graded_list": []}]', "0 entries in 'graded_list', 1 in 'code_list'"),
        ('[{"question_id": "a", "code_list": ["x"], "graded_list": ["yes"]}]', "'graded_list' is not a list"),
        ('[{"question_id": "a", "code_list": ["x"], "output_list": []}]', "0 entries in 'output_list'"),
        ('[{"question_id": "a", "code_list": []}, {"question_id": "a", "code_list": []}]', "already at"),
        ('[{"question_id": "a", "code_list": ["\\ud800"]}]', "entry 0: program 0: "),
        ("[" * 100_000, "not valid JSON"),
        ("[1]", "entry 0 is not"),
        ("[{", "not valid JSON"),
    ],
)
def test_a_broken_file_is_one_clear_error(tmp_path, text, message):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises((ResultsError), match=message):
        read_livecodebench_results(tmp_path / "r.json")


def test_what_a_list_cannot_say_is_refused_before_anything_is_written(tmp_path):
    for rows, message in (([solution("a", 1, None)], "numbered 0 to 0"), ([solution("z", 0, None)], "not among the problems")):
        with pytest.raises(ResultsError, match=message):
            write_livecodebench_results(tmp_path / "r.json", [make_problem("a")], rows)
    assert not (tmp_path / "r.json").exists()


def test_a_byte_order_mark_before_a_results_list_is_no_part_of_it(tmp_path):
    path = tmp_path / "r.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps([{"question_id": "a", "code_list": ["print(1)"]}]).encode())
    assert [row.code for row in read_livecodebench_results(path)] == ["print(1)"]


def test_a_results_file_holds_its_problems_but_their_tests(tmp_path):
    path = tmp_path / "r.json"
    write_livecodebench_results(path, [make_problem("a")], [solution("a", 0, Verdict.PASSED)])
    (problem,) = problems_of_results(path)
    assert problem == make_problem("a").model_copy(
        update={"public_test_cases": "[]", "private_test_cases": "[]", "metadata": "{}"}
    )
    path.write_text(json.dumps([{"question_id": "a", "code_list": []}]))
    with pytest.raises(ResultsError, match=r"r\.json: lacks the statement of problem 'a'; name the problems"):
        problems_of_results(path)
