"""A split by file puts each problem into one part; a made split depends on seed and question_ids alone."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.rows import make_problem
from dreamprm_code.errors import UserError
from dreamprm_code.problems import SplitError, make_split, read_split, split_by_file
from dreamprm_code.problems.settings import RunSettings
from dreamprm_code.settings import SettingsError


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "split.json"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_both_forms_and_both_kinds_of_file_say_the_same(write):
    for path in (
        write('{"a": "train", "2777": "test", "b": "train"}'),
        write('{"train": ["a", "b"], "test": [2777]}'),
        write("a: train\n2777: test\nb: train\n", "split.yaml"),
        write("train: [a, b]\ntest: [2777]\n", "split.yml"),
    ):
        assert read_split(path) == {"train": ["a", "b"], "test": ["2777"]}


def test_problems_keep_their_order_and_what_is_not_named_is_outside(write):
    split = split_by_file(map(make_problem, "abcd"), write('{"train": ["d", "a"], "meta": ["c"]}'))
    assert {name: [problem.question_id for problem in rows] for name, rows in split.items()} == {
        "train": ["a", "d"],
        "meta": ["c"],
    }
    assert split.outside == {"b"}
    assert [split.place_of(name) for name in "abx"] == ["in the part 'train'", "in no part", "unknown: not among the problems"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("split.json", '{"a": "train", "a": "test"}', "'a' stands twice"),
        ("split.yaml", "a: train\na: test\n", "'a' stands twice"),
        ("split.json", '{"train": ["a"], "test": ["b", "a"]}', r"'a' stands twice \(parts 'train' and 'test'\)"),
        ("split.json", '{"train": ["a", "x"]}', "'x' of the part 'train' is unknown"),
        ("split.json", '["a"]', "neither JSON nor YAML"),
        ("split.json", "{", "neither JSON nor YAML"),
        ("split.yaml", "a: [", "neither JSON nor YAML"),
        ("split.yaml", "", "neither JSON nor YAML"),
        ("split.json", '{"a": true}', "expected {question_id: part}"),
        ("split.json", '{"train": [true]}', "expected {question_id: part}"),
        ("split.json", '{"train": [["a"]]}', "expected {question_id: part}"),
    ],
)
def test_a_split_file_that_does_not_fit_is_an_error_that_names_it(write, name, text, said):
    with pytest.raises(SplitError, match=said) as caught:
        split_by_file(map(make_problem, "ab"), write(text, name))
    assert name in str(caught.value)


def test_a_missing_file_an_empty_part_and_a_repeated_problem_are_named(tmp_path, write):
    with pytest.raises(SplitError, match="cannot be read"):
        read_split(tmp_path / "none.json")
    split = split_by_file([make_problem("a")], write('{"train": ["a"], "meta": []}'))
    with pytest.raises(SplitError, match="the part 'meta' is empty"):
        split.require("meta")
    with pytest.raises(SplitError, match=r"no part 'test' \(parts: train, meta\)"):
        split.require("test")
    with pytest.raises(UserError, match="two problems have the question_id 'a'"):
        split_by_file([make_problem("a"), make_problem("a")], write('{"train": ["a"]}'))


def test_stages_take_windows_or_a_split_file(write, tmp_path):
    problems = tmp_path / "problems.jsonl"
    problems.write_text("".join(json.dumps(make_problem(name).to_dict()) + "\n" for name in "abc"))
    common = {"problems": str(problems), "data_dir": tmp_path}
    split = write('{"train": ["c"], "test": ["a"]}')
    assert [row.question_id for row in RunSettings(split_file=split, **common).window_split().require("train")] == ["c"]
    assert RunSettings(split_file=split, **common).window_split({"a"})["train"] == []
    assert len(RunSettings(windows={"train": [None, None]}, **common).window_split().require("train")) == 3
    with pytest.raises(SettingsError, match="both set"):
        RunSettings(windows={"train": [None, None]}, split_file=split, **common)
    with pytest.raises(SettingsError, match="set 'windows'"):
        RunSettings(**common)


IDS = st.lists(st.text(min_size=1, max_size=5), unique=True, max_size=30)


@given(IDS, st.integers(), st.randoms())
def test_a_made_split_is_disjoint_of_the_given_sizes_and_blind_to_the_order(ids, seed, random):
    sizes = {"test": len(ids) // 2, "meta": len(ids) // 4, "train": len(ids) // 8}
    parts = make_split(ids, sizes, seed)
    assert {name: len(part) for name, part in parts.items()} == sizes
    placed = [question_id for part in parts.values() for question_id in part]
    assert len(placed) == len(set(placed)) and set(placed) <= set(ids)
    random.shuffle(ids)
    assert make_split(ids, sizes, seed) == parts


@given(IDS, IDS, st.integers())
def test_adding_problems_moves_none(ids, more, seed):
    sizes = {"test": len(ids) // 2, "train": len(ids) // 4}
    before = make_split(ids, sizes, seed)
    assert make_split({*ids, *more}, sizes, seed, kept=before) == before
    larger = {"test": sizes["test"], "train": sizes["train"] + 1, "meta": 1}
    if len({*ids, *more}) >= sum(larger.values()):
        after = make_split({*ids, *more}, larger, seed, kept=before)
        assert after["test"] == before["test"] and after["train"][: sizes["train"]] == before["train"]
        assert {name: len(part) for name, part in after.items()} == larger


def test_the_order_is_that_of_the_hash_of_seed_and_question_id():
    ranks = {name: hashlib.sha256(f"1:{name}".encode()).hexdigest() for name in "abc"}
    first, second, _ = sorted("abc", key=ranks.__getitem__)
    assert make_split("abc", {"test": 1, "train": 1}, seed=1) == {"test": [first], "train": [second]}


def test_more_places_than_problems_and_a_part_that_shrinks_are_errors():
    with pytest.raises(SplitError, match="ask for 4 problems, there are 3"):
        make_split("abc", {"test": 4})
    with pytest.raises(SplitError, match="'test' has 2 problems already"):
        make_split("abc", {"test": 1}, kept={"test": ["a", "b"]})
