"""import_problems.py: public sets from files of every kind into problems.jsonl and split.json."""

from __future__ import annotations

import json

import datasets
import pytest

import import_problems
from builders.public_rows import HUMAN_EVAL, HUMAN_EVAL_PLUS, MBPP, MBPP_PLUS
from dreamprm_code.errors import UserError
from dreamprm_code.hub import SourceError, iter_source
from dreamprm_code.problems import load_problems, read_split


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_sources_of_all_kinds_become_problems_and_a_split(tmp_path, capsys):
    tuples = MBPP | {"task_id": 903, "test_list": ["assert pair((1, 2)) == 3"], "challenge_test_list": []}
    files = [write_jsonl(tmp_path / "mbpp.jsonl", [MBPP, tuples]), write_jsonl(tmp_path / "human_eval.jsonl", [HUMAN_EVAL])]
    datasets.Dataset.from_list([MBPP_PLUS]).to_parquet(tmp_path / "plus.parquet")
    out = tmp_path / "out" / "problems.jsonl"
    config = import_problems.Settings(
        sources=[*files, str(tmp_path / "plus.parquet")], out=out, parts={"test": 1, "train": 2}, workers=1
    )
    import_problems.main(config)
    assert {row.question_id for row in load_problems(out)} == {"Mbpp/901", "HumanEval/900", "Mbpp/902"}
    assert {name: len(ids) for name, ids in read_split(out.with_name("split.json")).items()} == {"test": 1, "train": 2}
    said = capsys.readouterr().out
    assert "3 problems" in said and "1 left out" in said and "1 x an argument holds a tuple" in said
    left_out = [json.loads(line) for line in (tmp_path / "out" / "problems.jsonl.left_out.jsonl").read_text().splitlines()]
    assert {"question_id": "Mbpp/903", "reason": "no test is left", "num_tests": None} in left_out
    counts = json.loads((tmp_path / "out" / "problems.jsonl.meta.json").read_text())["counts"]
    assert counts["problems"] == 3 and counts["left_out: an argument holds a tuple"] == 1

    before = read_split(out.with_name("split.json"))
    import_problems.main(config.with_changes(sources=files, parts={"test": 1, "train": 1}, out=tmp_path / "out2" / "p.jsonl"))
    more = write_jsonl(tmp_path / "more.jsonl", [MBPP | {"task_id": number} for number in range(3)])
    import_problems.main(config.with_changes(sources=[*config.sources, more], parts={"test": 3, "train": 3}))
    after = read_split(out.with_name("split.json"))
    assert all(set(before[name]) <= set(after[name]) and len(after[name]) == 3 for name in before)


def test_a_folder_of_parquet_files_is_a_data_set_as_on_the_hub(tmp_path):
    (tmp_path / "set" / "data").mkdir(parents=True)
    for part, row in (("train", MBPP), ("test", MBPP | {"task_id": 7})):
        datasets.Dataset.from_list([row]).to_parquet(tmp_path / "set" / "data" / f"{part}-00000-of-00001.parquet")
    source = str(tmp_path / "set")
    assert sorted(row["task_id"] for _, row in iter_source(source)) == [7, 901]
    assert [(where, row["task_id"]) for where, row in iter_source(source, part="test")] == [(f"{source}: row 1", 7)]


def test_mistakes_are_one_error_that_names_the_source(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    path = write_jsonl(tmp_path / "mbpp.jsonl", [MBPP])
    out = tmp_path / "problems.jsonl"
    with pytest.raises(UserError, match="over an input"):
        import_problems.main(import_problems.Settings(sources=[path], out=path))
    with pytest.raises(UserError, match=r"mbpp\.jsonl:1: question_id 'Mbpp/901' comes from an earlier source"):
        import_problems.main(import_problems.Settings(sources=[path, path], out=out))
    with pytest.raises(UserError, match="ask for 5 problems, there are 1"):
        import_problems.main(import_problems.Settings(sources=[path], out=out, parts={"test": 5}))
    assert not out.exists()
    with pytest.raises(SourceError, match="neither a file, nor a folder, nor a name on the hub"):
        import_problems.main(import_problems.Settings(sources=["nowhere.jsonl"], out=out))
    with pytest.raises(SourceError, match=r"no/such-set: cannot be read .*download"):
        import_problems.main(import_problems.Settings(sources=["no/such-set"], out=out))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(SourceError, match=r"broken\.parquet: cannot be read"):
        import_problems.main(import_problems.Settings(sources=[str(tmp_path / "broken.parquet")], out=out))


def test_evalplus_rows_of_both_sets(tmp_path):
    out = tmp_path / "problems.jsonl"
    path = write_jsonl(tmp_path / "plus.jsonl", [HUMAN_EVAL_PLUS, MBPP_PLUS])
    import_problems.main(import_problems.Settings(sources=[path], out=out, workers=1))
    assert [row.func_name for row in load_problems(out)] == ["total", "pair"]
