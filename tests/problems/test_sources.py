"""Problems come from a file, a folder of shards or the hub; everything wrong with them is one error that says where."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from builders.rows import make_problem
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import JsonlError, write_rows
from dreamprm_code.problems import ProblemError, Window, load_problems, split_by_windows
from dreamprm_code.problems.sources import shard_name


@pytest.fixture
def shards(tmp_path):
    for number in range(1, 7):
        write_rows(tmp_path / shard_name(number), [make_problem(f"q{number}a"), make_problem(f"q{number}b")])
    return tmp_path


@pytest.mark.parametrize(
    ("release", "numbers"),
    [
        ("release_v1", [1]),
        ("release_v3", [1, 2, 3]),
        ("release_v6", [1, 2, 3, 4, 5, 6]),
        ("release_latest", [1, 2, 3, 4, 5, 6]),
        ("v1", [1]),
        ("v5", [5]),
        ("v2_v4", [2, 3, 4]),
        (None, [1, 2, 3, 4, 5, 6]),
        ("", [1, 2, 3, 4, 5, 6]),
    ],
)
def test_a_release_is_its_shards_in_order(shards, release, numbers):
    ids = [problem.question_id for problem in load_problems(shards, release)]
    assert ids == [f"q{number}{letter}" for number in numbers for letter in "ab"]


@pytest.mark.parametrize("release", ["release_v7", "v0", "v4_v2", "release_v", "6", "release_v1_v2"])
def test_an_unknown_release_is_an_error(shards, release):
    with pytest.raises(ProblemError, match="unknown release"):
        load_problems(shards, release)


def test_a_missing_shard_is_named(shards):
    (shards / "test4.jsonl").unlink()
    assert len(load_problems(shards, "release_v3")) == 6
    with pytest.raises(ProblemError, match=r"needs test4\.jsonl"):
        load_problems(shards, "release_v5")


def test_a_folder_without_shards_and_a_missing_file_are_errors(tmp_path):
    with pytest.raises(ProblemError, match="holds none"):
        load_problems(tmp_path)
    for source in (tmp_path / "none.jsonl", str(tmp_path / "none.jsonl"), "data/none.jsonl", "none", ""):
        if source:
            with pytest.raises(ProblemError, match="no such problem file"):
                load_problems(source)


def test_a_release_of_a_single_file_is_an_error(shards):
    assert len(load_problems(shards / "test.jsonl", "")) == 2
    with pytest.raises(ProblemError, match="single file"):
        load_problems(shards / "test.jsonl", "release_v6")


def test_a_question_id_in_two_shards_is_an_error_that_names_both(shards):
    write_rows(shards / "test3.jsonl", [make_problem("new"), make_problem("q1b")])
    with pytest.raises(ProblemError, match=r"test3\.jsonl:2: question_id 'q1b' is already at .*test\.jsonl:2"):
        load_problems(shards)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"metadata": "{"}, "'metadata' is not a JSON object"),
        ({"metadata": '{"x": ' + "9" * 5000 + "}"}, "'metadata' is not a JSON object"),
        ({"metadata": "[" * 100_000}, "'metadata' is not a JSON object"),
        ({"contest_date": "0001-01-01T00:00:00+05:00"}, "not an ISO 8601 date"),
        ({"metadata": "[]"}, "'metadata' is not a JSON object"),
        ({"metadata": '{"func_name": 3}'}, "'metadata' is not a JSON object"),
        ({"metadata": '{"func_name": "a b"}'}, "not a Python name"),
        ({"contest_date": "last May"}, "not an ISO 8601 date"),
    ],
)
def test_a_bad_field_is_an_error_with_file_and_line(tmp_path, fields, message):
    write_rows(tmp_path / "p.jsonl", [make_problem("a"), make_problem("b", **fields)])
    with pytest.raises(ProblemError, match=rf"p\.jsonl:2: .*{message}"):
        load_problems(tmp_path / "p.jsonl")


def test_a_date_may_be_empty_but_not_where_windows_split_by_it(tmp_path):
    write_rows(tmp_path / "p.jsonl", [make_problem("a", contest_date="")])
    problems = load_problems(tmp_path / "p.jsonl")
    assert [problem.contest_date for problem in problems] == [""]
    with pytest.raises(UserError, match="problem a: contest_date '' is not an ISO 8601 date, by which windows split"):
        split_by_windows(problems, {"test": Window("2024-01-01", None)})


@pytest.mark.parametrize("line", ["{", "[]", "[" * 100_000, '{"a": ' + "9" * 5000 + "}", "\udc80"])
def test_a_line_that_is_no_object_is_an_error_with_file_and_line(tmp_path, line):
    (tmp_path / "p.jsonl").write_bytes(line.encode("utf-8", "surrogateescape") + b"\n")
    with pytest.raises(JsonlError, match=r"p\.jsonl:1: "):
        load_problems(tmp_path / "p.jsonl")


def test_half_a_surrogate_pair_is_an_error_at_reading_and_not_at_writing(tmp_path):
    line = make_problem("a").model_dump_json().replace("Double", "\\ud83d")
    (tmp_path / "p.jsonl").write_text(line + "\n")
    with pytest.raises(JsonlError, match=r"p\.jsonl:1: .*question_title is not Unicode text"):
        load_problems(tmp_path / "p.jsonl")


def test_a_row_that_is_no_problem_is_an_error_with_file_and_line(tmp_path):
    (tmp_path / "p.jsonl").write_text('{"question_id": "x"}\n')
    with pytest.raises(JsonlError, match=r"p\.jsonl:1: .*'question_title' is missing"):
        load_problems(tmp_path / "p.jsonl")


def test_the_hub_is_asked_for_the_shards_of_the_release(shards, monkeypatch):
    asked = []

    def download(repository, name, *, repo_type, revision):
        asked.append((repository, name, repo_type, revision))
        return str(shards / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert len(load_problems(Path("livecodebench/code_generation_lite@abc"), "release_v2")) == 4
    assert asked == [
        ("livecodebench/code_generation_lite", "test.jsonl", "dataset", "abc"),
        ("livecodebench/code_generation_lite", "test2.jsonl", "dataset", "abc"),
    ]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (LocalEntryNotFoundError("x"), "cannot be reached"),
        (EntryNotFoundError("x"), r"has no file test\.jsonl"),
        (ConnectionError("name resolution\nlong story"), r"ConnectionError: name resolution\); go online"),
    ],
)
def test_an_unreachable_hub_is_one_clear_error(monkeypatch, error, message):
    def download(*_, **__):
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(ProblemError, match=message) as caught:
        load_problems("livecodebench/code_generation_lite")
    assert "\n" not in str(caught.value)


def test_real_files_of_the_same_schema_load(shared_data):
    counts = {name: len(load_problems(shared_data / name / "problems.jsonl")) for name in ("livecodebench", "leetcode", "mbpp")}
    assert counts == {"livecodebench": 514, "leetcode": 104, "mbpp": 490}
