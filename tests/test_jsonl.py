"""Typed JSON Lines: what is written comes back, broken input names its line, a kill loses at most one row."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamprm_code.files import manifest_path, write_bytes_atomic
from dreamprm_code.jsonl import JsonlError, RowAppender, dump_row, iter_rows, read_rows, sort_file, write_rows
from dreamprm_code.records import RecordError, SolutionScores, Step, StepLabel


def step(step_idx: int = 0, prefix: str = "x = 1\n", question_id: str = "q") -> Step:
    return Step(question_id=question_id, solution_idx=0, step_idx=step_idx, num_steps=1000, name="f", prefix=prefix)


@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=5))
def test_rows_come_back_as_written(tmp_path_factory: pytest.TempPathFactory, prefixes: list[str]) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "steps.jsonl"
    rows = [step(index, prefix) for index, prefix in enumerate(prefixes)]
    write_rows(path, rows)
    assert read_rows(path, Step) == rows


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not valid JSON"),
        ("[1]", "expected a JSON object"),
        ('{"question_id": "q"}', "field 'solution_idx' is missing"),
        (dump_row(step(1)).decode().strip()[:-1] + ', "colour": 1}', "field 'colour' is unknown"),
        (dump_row(step(1)).decode().strip().replace('"step_idx":1', '"step_idx":"1"'), "field 'step_idx'"),
        (dump_row(step(1)).decode().strip().replace('"step_idx":1', '"step_idx":1000'), "not below num_steps"),
    ],
)
def test_a_bad_line_is_named_with_file_and_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "steps.jsonl"
    path.write_text(dump_row(step(0)).decode() + line + "\n")
    with pytest.raises(JsonlError, match=message) as error:
        read_rows(path, Step)
    assert f"{path}:2:" in str(error.value)


def test_a_missing_file_says_which_stage_to_run(tmp_path: Path) -> None:
    with pytest.raises(JsonlError, match="stage before"):
        list(iter_rows(tmp_path / "none.jsonl", Step))


def test_repeated_keys_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    path.write_bytes(dump_row(step(0)) * 2)
    with pytest.raises(JsonlError, match=r"row 2 repeats the key .* of row 1"):
        read_rows(path, Step)
    with pytest.raises(JsonlError, match=r"steps\.jsonl:2: this row repeats the key"):
        RowAppender(path, Step)


def test_a_torn_last_line_is_cut_and_its_row_can_be_added_again(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    whole = dump_row(step(0)) + dump_row(step(1))
    manifest_path(path).write_text("{}")  # a stage writes it before its first row
    for cut in (len(whole) - 1, len(whole) - 20, len(dump_row(step(0))), 3, 0):
        path.write_bytes(whole[:cut])
        with RowAppender(path, Step) as appender:
            missing = [row for row in (step(0), step(1)) if row.key not in appender.keys]
            appender.append(*missing)
        assert path.read_bytes() == whole


@pytest.mark.parametrize("tail", [dump_row(step(1))[:-20], b"\0" * 30, b'{"question_id":"q\0\0'])
def test_a_row_before_a_torn_line_is_enough_to_know_the_file(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "steps.jsonl"
    path.write_bytes(dump_row(step(0)) + tail)
    with RowAppender(path, Step) as appender:
        assert appender.keys == {step(0).key}
    assert path.read_bytes() == dump_row(step(0))


@pytest.mark.parametrize("before", [b"", dump_row(step(0))])
def test_a_whole_row_without_newline_is_kept_and_completed(tmp_path: Path, before: bytes) -> None:
    path = tmp_path / "steps.jsonl"
    path.write_bytes(before + dump_row(step(1))[:-1])
    with RowAppender(path, Step) as appender:
        assert step(1).key in appender.keys
        appender.append(step(2))
    assert path.read_bytes() == before + dump_row(step(1)) + dump_row(step(2))


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'[{"question_id": "q", "code_list": ["x"]}]', "1: expected a JSON object"),
        (b'{"question_id": "q", "code_list": ["x"]}', "1: not a Step row"),
        (b'{"question_id": "q", "code_li', "1: not valid JSON"),
        (b"import os\n\nprint(os.name)", "1: not valid JSON"),
        (b"notes", "1: not valid JSON"),
        (dump_row(step(0)) + b"notes", "2: not valid JSON"),
        (dump_row(step(0)) + b'{"question_id": "q"}', "2: not a Step row"),
        (dump_row(step(0)) + b"{}\n" + dump_row(step(1))[:-20], "2: not a Step row"),
        (dump_row(step(0)) + dump_row(step(0))[:-1], "2: this row repeats the key"),
        (dump_row(step(0)) + b'{"question_id":\n' + dump_row(step(1)), "2: not valid JSON"),
    ],
)
def test_a_file_of_anything_else_is_refused_and_stays_as_it_is(tmp_path: Path, content: bytes, place: str) -> None:
    path = tmp_path / "mine.txt"
    path.write_bytes(content)
    with pytest.raises(JsonlError, match="choose another output file") as error:
        RowAppender(path, Step)
    assert str(error.value).startswith(f"{path}:{place}")
    assert path.read_bytes() == content


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path, tmp_path / "file" / "steps.jsonl"):
        with pytest.raises(JsonlError, match="choose another output file"):
            RowAppender(path, Step)


def test_a_second_writer_is_kept_out(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    with RowAppender(path, Step), pytest.raises(JsonlError, match="another process"):
        RowAppender(path, Step)
    RowAppender(path, Step).close()


def test_a_killed_writer_leaves_whole_rows(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "steps.jsonl"
    program = (
        "import sys; from dreamprm_code.jsonl import RowAppender; from dreamprm_code.records import Step\n"
        "appender = RowAppender(sys.argv[1], Step); print('go', flush=True)\n"
        "for i in range(100000): appender.append("
        "Step(question_id=str(i), solution_idx=0, step_idx=0, num_steps=1, name='f', prefix='y' * 300))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"go\n"
    while path.stat().st_size < 100_000:
        pass
    process.kill()
    process.wait()
    process.stdout.close()
    with RowAppender(path, Step) as appender:
        assert len(appender.keys) > 100
        assert appender.keys == {(str(i), 0, 0) for i in range(len(appender.keys))}


def test_an_interrupted_replacement_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    write_rows(path, [step(0)])
    before = path.read_bytes()

    def failing():
        yield step(1)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write_rows(path, failing())
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["steps.jsonl"]


def test_sorting_makes_the_order_of_completion_invisible(tmp_path: Path) -> None:
    rows = [step(index, question_id=name) for name in "ba" for index in (10, 2)]
    write_rows(tmp_path / "one.jsonl", rows)
    write_rows(tmp_path / "two.jsonl", rows[::-1])
    sort_file(tmp_path / "one.jsonl", Step)
    sort_file(tmp_path / "two.jsonl", Step)
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    assert [row.key for row in read_rows(tmp_path / "one.jsonl", Step)] == [
        ("a", 0, 2),
        ("a", 0, 10),
        ("b", 0, 2),
        ("b", 0, 10),
    ]


def label(**changes) -> dict:
    row = {
        "question_id": "q", "solution_idx": 0, "step_idx": 0, "num_steps": 2, "name": "f", "prefix": "x",
        "num_rollouts": 16, "num_correct": 4, "max_functions": 10, "granularity": "function",
    }  # fmt: skip
    return row | changes


def test_a_label_is_a_share_of_rollouts_and_a_last_steps_own_outcome() -> None:
    assert StepLabel.from_dict(label()).mc_value == 0.25
    assert StepLabel.from_dict(label(num_rollouts=0, num_correct=0)).mc_value is None
    for changes, message in [
        ({"num_rollouts": -1, "num_correct": 0}, "num_rollouts"),
        ({"num_correct": 17}, "exceeds num_rollouts"),
        ({"num_correct": -1}, "num_correct"),
        ({"step_idx": 1}, "labelled by its own outcome"),
    ]:
        with pytest.raises(ValueError, match=message):
            StepLabel.from_dict(label(**changes))


@pytest.mark.parametrize("scores", [[0.5], [0.5, 1.1], [0.5, float("nan")], [0.1, 0.2, 0.3]])
def test_scores_are_one_per_step_and_within_0_and_1(scores: list[float]) -> None:
    with pytest.raises(ValueError):
        SolutionScores(question_id="q", solution_idx=0, num_steps=2, step_scores=scores)


def test_a_step_that_was_not_read_has_no_score_but_a_reason() -> None:
    row = {"question_id": "q", "solution_idx": 0, "num_steps": 2, "step_scores": [None, None], "unread": "too_long"}
    assert SolutionScores.from_dict(row).to_dict() == row
    for changes in ({"unread": None}, {"step_scores": [0.5, 0.5]}, {"unread": "tired"}):
        with pytest.raises(ValueError, match="unread"):
            SolutionScores.from_dict(row | changes)


def test_a_row_of_code_names_its_language_where_it_is_not_python():
    row = {"question_id": "q", "solution_idx": 0, "step_idx": 0, "num_steps": 1, "name": "main", "prefix": "int main() {}"}
    assert Step.from_dict(row).to_dict() == row
    assert Step.from_dict(row).language == "python"
    assert Step.from_dict(row | {"language": "cpp"}).to_dict() == row | {"language": "cpp"}
    with pytest.raises(RecordError, match=r"field 'language': .*'cobol' is not one of python, cpp"):
        Step.from_dict(row | {"language": "cobol"})


def test_a_pipe_or_device_is_not_replaced_by_a_file(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="Not a regular file"):
        write_bytes_atomic(pipe, [b"1"])
    assert pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]
