"""Several evaluations of the same candidates become one table."""

from __future__ import annotations

import checkpoints
import pytest

from builders.rows import make_solution
from cli import parse_settings
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import read_rows, write_rows
from dreamprm_code.records import SolutionScores
from dreamprm_code.study.real_tables import ArmScores


def compare(folder, *scored: str) -> None:
    flags = ["--solutions", str(folder / "test_solutions.jsonl"), "--out-dir", str(folder / "out"), "--scored", *scored]
    checkpoints.main(parse_settings(checkpoints.Settings, "checkpoints", "", flags))


def write_scores(folder, values: dict[str, list[list[float | None]]]) -> None:
    rows = [
        SolutionScores(
            question_id=name,
            solution_idx=index,
            num_steps=len(steps),
            step_scores=steps,
            unread=None if None not in steps else "too_long",
        )
        for name, programs in values.items()
        for index, steps in enumerate(programs)
    ]
    write_rows(folder / "test_scores.jsonl", rows)


def test_seeds_of_a_method_are_folders_of_one_name(tmp_path, capsys):
    programs = [make_solution(name, index, passed=index == 1) for name in ("a", "b") for index in range(2)]
    write_rows(tmp_path / "test_solutions.jsonl", programs)
    write_scores(tmp_path / "s1", {"a": [[0.1, 0.2], [0.8, 0.9]], "b": [[0.9], [0.1]]})
    write_scores(tmp_path / "s2", {"a": [[0.1], [0.3]], "b": [[None], [0.1]]})
    compare(tmp_path, f"joint={tmp_path / 's1'}", f"joint={tmp_path / 's2'}")
    shown = capsys.readouterr().out
    assert "| joint | 1.5 (1, 2) |" in shown and "| oracle | 2 |" in shown
    assert (tmp_path / "out/table.md").read_text() in shown
    rows = read_rows(tmp_path / "out/scores.jsonl", ArmScores)
    assert [(row.seed, row.question_id, row.scores) for row in rows] == [
        (1, "a", [0.15, 0.85]), (1, "b", [0.9, 0.1]), (2, "a", [0.1, 0.3]), (2, "b", [0.0, 0.1]),
    ]  # fmt: skip

    write_scores(tmp_path / "s3", {"a": [[0.1], [0.3]]})
    for wrong, message in (
        (
            f"x={tmp_path / 's3'}",
            "test_scores.jsonl: no scores of ('b', 0) (2 such candidates); evaluate on the same --solutions",
        ),
        ("joint", "'joint' is not NAME=FOLDER"),
    ):
        with pytest.raises(UserError) as error:
            compare(tmp_path, wrong)
        assert message in str(error.value)
