"""Step rows go out and come back as they were; rows of other libraries are read by their columns."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import export_rows
import import_rows
from dreamprm_code.errors import UserError
from dreamprm_code.interchange import (
    StepRow,
    math_shepherd_text,
    outcome_rows,
    read_step_row,
    step_rows,
    training_rows,
)
from dreamprm_code.jsonl import read_rows, write_rows
from dreamprm_code.problems import load_problems, read_split
from dreamprm_code.records import CorrectedLabel, RecordError, Rollout, Solution, StepLabel

TEXT = st.text(st.characters(blacklist_categories=("Cs",)), max_size=12)
PIECES = st.lists(TEXT.filter(bool), min_size=1, max_size=5)


@st.composite
def programs(draw, labels):
    """Rows of several problems; the last label is an outcome."""
    rows = []
    for number in range(draw(st.integers(2, 5))):
        prompt = draw(TEXT) + str(number)
        for _ in range(draw(st.integers(1, 3))):
            pieces = draw(PIECES)
            values = [draw(labels) for _ in pieces[1:]] + [float(draw(st.booleans()))]
            rows.append(StepRow(prompt=prompt, completions=pieces, labels=values))
    return rows


SHARES = st.tuples(st.integers(1, 40), st.integers(0, 40)).map(lambda pair: min(pair) / pair[0])


@given(programs(SHARES), st.sampled_from(["", "\n", "\n\n"]))
def test_rows_come_back_from_step_labels_with_the_same_texts_and_labels(rows, separator):
    found = training_rows([(f"row {number}", row) for number, row in enumerate(rows)], separator, meta_share=0.2)
    back = step_rows(found.problems, found.step_labels, separator=separator)
    train = {problem.question_content for problem in found.problems if problem.question_id in found.parts["train"]}
    wanted = Counter((row.prompt, tuple(row.completions), tuple(row.labels)) for row in rows if row.prompt in train)
    assert Counter((row.prompt, tuple(row.completions), tuple(row.labels)) for row in back) == wanted
    outcomes = Counter((row.prompt, separator.join(row.completions), row.labels[-1]) for row in rows if row.prompt not in train)
    meta = {problem.question_id: problem.question_content for problem in found.problems}
    assert Counter((meta[row.question_id], row.code, float(bool(row.passed))) for row in found.meta_solutions) == outcomes
    assert not set(found.parts["train"]) & set(found.parts["meta"])


@given(programs(SHARES))
def test_step_labels_come_back_with_their_counts(rows):
    first = training_rows([("", row) for row in rows])
    out = step_rows(first.problems, first.step_labels)
    again = training_rows([("", row) for row in out]) if len({row.prompt for row in out}) > 1 else None
    if again is not None:
        kept = {label.key: label for label in first.step_labels}
        assert all(label == kept[label.key] for label in again.step_labels)


@given(programs(st.sampled_from([0.0, 1.0])))
def test_math_shepherd_text_comes_back(rows):
    for row in rows:
        if "ки" in "".join([row.prompt, *row.completions]) or "Step 1:" in row.prompt:
            continue
        columns = math_shepherd_text(row)
        assert read_step_row(columns) == row
        assert len(columns["label"]) == len(columns["input"]) - len(row.labels)


def test_math_shepherds_own_form_is_read():
    text = "Two and two? Step 1: 2+2 = <<2+2=4>>4. ки\nStep 2: The answer is: 4 ки"
    row = read_step_row({"input": text, "label": text.replace("ки", "+", 1).replace("ки", "-"), "task": "GSM8K"})
    assert row == StepRow(prompt="Two and two?", completions=["2+2 = <<2+2=4>>4.", "The answer is: 4"], labels=[1.0, 0.0])


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"prompt": "p", "completions": ["a"]}, "'labels' is missing"),
        ({"prompt": "p", "completions": [], "labels": []}, "no completion"),
        ({"prompt": "p", "completions": ["a"], "labels": [1, 0]}, "1 completions, 2 labels"),
        ({"prompt": "p", "completions": ["a", ""], "labels": [1, 0]}, "completion 1 is empty"),
        ({"prompt": "p", "completions": ["a"], "labels": [1.5]}, "labels.0"),
        ({"prompt": "p", "completions": ["a"], "labels": ["+"]}, "labels.0"),
        ({"prompt": "p", "completions": ["a"], "labels": [10**400]}, "labels.0"),
        ({"prompt": "p", "completions": ["a"], "labels": [1], "num_rollouts": [10**400]}, "num_rollouts.0"),
        ({"prompt": [{"role": "user"}], "completions": ["a"], "labels": [1]}, "'prompt'"),
        ({"input": "p Step 1: a ки", "label": "p Step 1: a ?"}, "not 'input' with"),
        ({"input": "p Step 1: a ки", "label": "p Step 1: b +"}, "not 'input' with"),
        ({"input": "p a ки", "label": "p a +"}, "no 'Step 1:'"),
        ({"input": "p", "label": "p"}, "no 'Step 1:'"),
        ({"input": "p", "label": 3}, "not both text"),
    ],
)
def test_a_row_that_fits_no_form_says_why(columns, said):
    with pytest.raises(RecordError, match=said):
        read_step_row(columns)


def test_bools_are_labels_and_unknown_columns_are_ignored():
    columns = {"prompt": "p", "completions": ["a", "b"], "labels": [True, False], "source": "x", "num_rollouts": None}
    assert read_step_row(columns).labels == [1.0, 0.0]


def test_a_soft_last_label_is_no_outcome_and_labels_become_the_smallest_counts():
    rows = [StepRow(prompt=str(n), completions=["a", "b"], labels=[0.3125, 0.5]) for n in range(2)]
    found = training_rows([("", row) for row in rows], meta_share=0.5)
    assert [(label.num_correct, label.num_rollouts) for label in found.step_labels] == [(5, 16), (0, 0)]
    assert found.meta_solutions == []
    assert (found.counts["last_labels_that_are_no_outcome"], found.counts["meta_programs_without_outcome"]) == (1, 1)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([StepRow(prompt="p", completions=["a"], labels=[1.0])], "two problems or more"),
        (
            [StepRow(prompt=p, completions=["a"], labels=[1.0], question_id="q") for p in "ab"],
            "f:1: question_id 'q' has another",
        ),
        (
            [StepRow(prompt="p", completions=["a"], labels=[1.0], question_id="q", solution_idx=0)] * 2,
            "f:1: repeats the program 0 of 'q'",
        ),
        (
            [StepRow(prompt=p, completions=["a", "b"], labels=[0.3, 1.0], num_rollouts=[2, 1]) for p in "ab"],
            r"f:\d: label 0.3 of step 0 is no share of 2 rollouts",
        ),
    ],
)
def test_rows_that_contradict_each_other_name_their_place(rows, said):
    with pytest.raises(UserError, match=said):
        training_rows([(f"f:{number}", row) for number, row in enumerate(rows)], meta_share=0.5)


@pytest.fixture
def demo(root):
    folder = root / "data" / "demo"
    return load_problems(folder / "problems.jsonl"), folder / "sampled"


def test_the_demos_labels_make_the_round_trip_through_files(demo, root, tmp_path):
    _, sampled = demo
    labels = read_rows(sampled / "step_labels.jsonl", StepLabel)
    shared = {"problems": str(root / "data/demo/problems.jsonl"), "labels": sampled / "step_labels.jsonl"}
    export_rows.main(export_rows.Settings(out=tmp_path / "rows.jsonl", **shared))
    import_rows.main(import_rows.Settings(source=str(tmp_path / "rows.jsonl"), data_dir=tmp_path / "run"))
    back = read_rows(tmp_path / "run" / "step_labels.jsonl", StepLabel)
    parts = read_split(tmp_path / "run" / "split.json")
    gaps = {label.key[:2] for label in labels if not label.num_rollouts}
    wanted = [label for label in labels if label.key[:2] not in gaps and label.question_id in parts["train"]]
    assert [label.model_copy(update={"name": ""}) for label in wanted] == back and len(back) > 20
    outcomes = {label.key[:2]: label.mc_value for label in labels if label.is_last}
    solutions = read_rows(tmp_path / "run" / "meta_solutions.jsonl", Solution)
    assert solutions and all(float(bool(row.passed)) == outcomes[row.key] for row in solutions)

    export_rows.main(export_rows.Settings(out=tmp_path / "text.jsonl", form="math-shepherd", **shared))
    lines = [json.loads(line) for line in (tmp_path / "text.jsonl").read_text().splitlines()]
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [read_step_row(line).completions for line in lines] == [row["completions"] for row in rows]
    assert [read_step_row(line).labels for line in lines] == [[float(value > 0) for value in row["labels"]] for row in rows]


def test_corrected_values_and_outcomes_go_out(demo):
    problems, sampled = demo
    labels = read_rows(sampled / "step_labels.jsonl", StepLabel)
    moved = [
        CorrectedLabel(
            question_id=label.question_id,
            solution_idx=label.solution_idx,
            step_idx=label.step_idx,
            mc_value=label.mc_value,
            corrected_value=0.625,
            weight=1.0,
        )
        for label in labels
        if not label.is_last and label.mc_value is not None
    ]
    rows = step_rows(problems, labels, moved)
    assert {value for row in rows for value in row.labels[:-1]} == {0.625}
    assert {value for row in rows for value in row.labels[-1:]} == {0.0, 1.0}
    rollouts = read_rows(sampled / "rollouts.jsonl", Rollout)
    counts: Counter[str] = Counter()
    rows = outcome_rows(problems, rollouts, counts)
    assert len(rows) + counts["programs_without_verdict_or_code"] == len(rollouts)
    assert sum(row.labels[0] for row in rows) == sum(bool(row.passed) for row in rollouts if row.code.strip())


def test_mistakes_name_file_and_line(tmp_path, root):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"prompt": "p", "completions": ["a"], "labels": [1]}\n{"prompt": "q", "completions": ["a"], "labels": [2]}\n'
    )
    with pytest.raises(UserError, match=r"rows\.jsonl:2: .*labels\.0.*--skip-broken"):
        import_rows.main(import_rows.Settings(source=str(path), data_dir=tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    path.write_text(path.read_text() + '{"prompt": "r", "completions": ["a"], "labels": [0]}\n')
    import_rows.main(import_rows.Settings(source=str(path), data_dir=tmp_path / "run", skip_broken=True))
    assert len(load_problems(tmp_path / "run" / "problems.jsonl")) == 2
    with pytest.raises(UserError, match="is there already"):
        import_rows.main(import_rows.Settings(source=str(path), data_dir=tmp_path / "run", skip_broken=True))
    with pytest.raises(UserError, match="give --labels"):
        export_rows.main(export_rows.Settings(problems=str(root / "data/demo/problems.jsonl"), out=tmp_path / "x.jsonl"))
    strange = load_problems(root / "data/demo/problems.jsonl")[0]
    write_rows(tmp_path / "problems.jsonl", [strange.model_copy(update={"question_id": "other"})])
    labels = root / "data/demo/sampled/step_labels.jsonl"
    with pytest.raises(UserError, match="is unknown: not among the problems"):
        export_rows.main(
            export_rows.Settings(problems=str(tmp_path / "problems.jsonl"), labels=labels, out=tmp_path / "x.jsonl")
        )
