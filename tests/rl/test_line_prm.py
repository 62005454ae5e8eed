"""A PRM of lines: one pass for all of them, and the study of how it ranks held-out lines, on toy files."""

from __future__ import annotations

import json

import line_prm
import pytest
import torch

from builders.models import plain_backbone, tiny_prm
from builders.rows import make_labels, make_problem, make_solution
from builders.tokenizers import make_tokenizer
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import read_rows, write_rows
from dreamprm_code.labels import steps_of
from dreamprm_code.prm.input_text import program_prefixes
from dreamprm_code.records import StepLabel
from dreamprm_code.steps import StepSettings
from dreamprm_code.study.measures import at_one_place, grouped_auroc

LINES = StepSettings(200, "line")
CODE = """def main():
    'Print it.'
    n = int(input())  # read
    print(twice(n))


def twice(n):
    return {}


main()
"""


def test_all_lines_in_one_pass_equal_line_by_line():
    """Twelve programs of a problem in one token tree; each line again in a sequence of its own, padded, without a tree."""
    prm, problem = tiny_prm(make_tokenizer(), steps=LINES), make_problem()
    programs = [CODE.format(f"2 * n + {number}") for number in range(12)]
    for program, scores in zip(programs, prm.score(problem, programs), strict=True):
        sequences = prm.encoder.encode_prefixes(problem, program_prefixes(program, 200, "line"))
        assert len(scores) == len(sequences) == 6, "docstring, comments and blank lines are no lines"
        with torch.no_grad():
            alone = [torch.sigmoid(prm.model.reference_logits([sequence]))[0].item() for sequence in sequences]
        assert scores == pytest.approx(alone, abs=1e-5)


def test_auroc_over_groups_by_hand():
    """Rights at 0.9 and 0.4, wrongs at 0.5 and 0.1: three of four pairs. Resampling one group alone cannot change it."""
    group = [(0.9, True), (0.4, True), (0.5, False), (0.1, False)]
    assert grouped_auroc([group]) == pytest.approx((0.75, 0.75, 0.75))


def test_what_the_place_leaves_by_hand():
    """Programs of two steps and one of one: 0.4 and 0.2 have the mean 0.3 at the first step, 0.9 and 0.5 0.7 at the second."""
    found = at_one_place([[0.4, 0.9], [0.2, 0.5], [0.6]])
    assert found == [pytest.approx([0.1, 0.2]), pytest.approx([-0.1, -0.2]), [0.0]]


def labels_of(solution, first_lost: int) -> list[StepLabel]:
    split = {"max_functions": 200, "granularity": "line", "inferred": True, "num_rollouts": 1}
    return [
        StepLabel(**step.to_dict(), **split, num_correct=int(step.step_idx < first_lost)) for step in steps_of(solution, LINES)
    ]


@pytest.fixture
def files(tmp_path) -> dict:
    """Four problems with a program that passes and one that is lost at the fifth of its six lines."""
    problems, solutions, lines, functions = [], [], [], []
    for number in range(4):
        problems.append(make_problem(f"q{number}", contest_date=f"2024-01-0{number + 1}"))
        for index, passed in enumerate((True, False)):
            code = CODE.format(f"2 * n + {0 if passed else number + 1}")
            solutions.append(make_solution(f"q{number}", index, code, passed))
            lines += labels_of(solutions[-1], 6 if passed else 4)
            functions += make_labels(f"q{number}", index, code, [4, int(passed)])
    for name in ("lines", "functions"):
        (tmp_path / name).mkdir()
    write_rows(tmp_path / "problems.jsonl", problems)
    write_rows(tmp_path / "lines" / "cof_solutions.jsonl", solutions)
    write_rows(tmp_path / "lines" / "step_labels.jsonl", lines)
    write_rows(tmp_path / "functions" / "step_labels.jsonl", functions)
    backbone = plain_backbone(tmp_path / "backbone", make_tokenizer())
    return {
        "problems": str(tmp_path / "problems.jsonl"), "windows": {"train": ["2024-01-01", None]},
        "data_dir": tmp_path / "lines", "function_dir": tmp_path / "functions", "out_dir": tmp_path / "out",
        "backbone": str(backbone), "layers": 1,
        "dtype": "float32", "folds": 2, "steps": 3,
    }  # fmt: skip


def test_the_study_scores_every_line_with_a_head_that_has_not_seen_its_problem(files, capsys):
    """Places by hand: of the lines that hold 8 stand before the fifth, 1 is one, 9 and 1 for the sixth: (8.5 + 9.5) / 20."""
    line_prm.main(line_prm.Settings(**files))
    rows = read_rows(files["out_dir"] / "line_scores.jsonl", line_prm.LineScore)
    assert len(rows) == 4 * 2 * 6 and {row.holds for row in rows if row.passed} == {True}
    assert [row.holds for row in rows if row.key[:2] == ("q0", 1)] == [True] * 4 + [False] * 2
    for row in rows:  # three lines are main's, three twice's: one score for each function
        same = [other.scores["function PRM"] for other in rows if other.key[:2] == row.key[:2]]
        assert len(set(same)) == 2
    text = capsys.readouterr().out
    assert "48 lines of 8 programs (4 pass) of 4 problems, 8 of them from the transition on" in text
    assert "| place: share of the program's lines | 0.900 [" in text and "| 1.000 [1.000, 1.000] |" in text
    manifest = json.loads((files["out_dir"] / "line_scores.jsonl.meta.json").read_text())
    assert manifest["counts"]["lines"] == 48


def test_the_study_says_that_labels_are_missing(files):
    path = files["data_dir"] / "step_labels.jsonl"
    write_rows(path, [row for row in read_rows(path, StepLabel) if row.num_correct])
    with pytest.raises(UserError, match="no program is labelled that is lost at some line"):
        line_prm.main(line_prm.Settings(**files))
