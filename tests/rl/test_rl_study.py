"""The study of four arms: its table by hand, and all of it with a policy that has learned next to nothing."""

from __future__ import annotations

import json
import shutil

import pytest
from transformers import AutoTokenizer

import rl
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import read_rows
from dreamprm_code.records import Problem
from dreamprm_code.study.mini_policy import make_model, make_tokenizer
from dreamprm_code.study.mini_tasks import make_tasks
from dreamprm_code.study.rl_tables import ArmResult, curves, table


def result(arm: str, seed: int, a: float, b: float, explained: float) -> ArmResult:
    monitors = {"kl": 0.01, "entropy": 0.2, "lines": 4.0, "comment_share": 0.0}
    return ArmResult(
        arm=arm, seed=seed, rates={"a": a, "b": b}, curve=[[2.0, (a + b) / 2]], train_curve=[0.3, 0.4], kl_curve=[0.0, 0.01],
        explained=[explained, 0.5], monitors=monitors, seconds_per_step=1.5,
    )  # fmt: skip


def test_the_table_by_hand():
    """Two tasks, from 0.25 and 0.75; one arm ends at (0.5, 1) and (0, 1) of two seeds: 0.25 and 1, mean 0.625."""
    facts = {
        "rates": {"a": 0.25, "b": 0.75},
        "failed": 3,
        "explained by the base": -0.01,
        "AUROC of the place": (0.8, 0.7, 0.9),
    }
    results = [
        result("outcome only", 1, 0.5, 1.0, 0.0),
        result("outcome only", 2, 0.0, 1.0, 0.2),
        result("+ dense", 1, 1, 1, 0.1),
    ]
    text = table(results, facts, "held-out")
    assert "on 2 held-out tasks, mean of 2 seeds" in text and "before PPO 50.0 [" in text
    first, second = (line for line in text.split("\n") if line.startswith(("| outcome only", "| + dense")))
    assert first.startswith("| outcome only | 62.5 [") and "| +12.5 [" in first and "|  | 75.0, 50.0 | 0.100 | 0.300 |" in first
    assert "| +50.0 [" in second and "| +37.5 [" in second, "against before, against the first arm"
    assert "| explained by the base | -0.010 |" in text and "| AUROC of the place | 0.800 [0.700, 0.900] |" in text
    assert "failed" not in text
    assert curves(results, facts) is not None


def test_equal_programs_of_a_problem_are_graded_once_and_what_could_not_be_graded_again():
    a, b = (Problem.from_tests([("", "")], question_id=name) for name in "ab")
    asked = []

    def grade(programs):
        asked.append([(problem.question_id, code) for problem, code in programs])
        return [None if code == "?" else code == "right" for _, code in programs]

    remembered = rl.remembering(grade)
    assert remembered([(a, "right"), (a, "wrong"), (a, "right"), (b, "right")]) == [True, False, True, True]
    assert remembered([(a, "wrong"), (a, "?")]) == [False, None] == remembered([(a, "wrong"), (a, "?")])
    assert asked == [[("a", "right"), ("a", "wrong"), ("b", "right")], [("a", "?")], [("a", "?")]]


def test_the_study_runs_goes_on_and_refuses_other_settings(tmp_path, capsys):
    settings = rl.Settings(
        out_dir=tmp_path / "out", arms=["outcome only", "+ both"], seeds=[1], families=["number"], hidden=16, layers=1,
        imitation_steps=30, imitation_tasks=20, train_tasks=4, measured_tasks=3, measured_samples=2, prm_tasks=4, prm_steps=2,
        max_rollouts=1, steps=2, eval_every=1, batch_problems=2, samples_per_problem=2, max_tokens=12,
    )  # fmt: skip
    rl.main(settings)
    text = capsys.readouterr().out
    for row in ("| outcome only |", "| + both |", "explained by the PRM of outcomes", "AUROC of the place"):
        assert row in text
    rows = read_rows(tmp_path / "out" / "arms.jsonl", ArmResult)
    assert [row.arm for row in rows] == ["outcome only", "+ both"] and all(len(row.curve) == 2 for row in rows)
    manifest = json.loads((tmp_path / "out" / "arms.jsonl.meta.json").read_text())
    assert manifest["identity"]["steps"] == 2 and "<svg" in (tmp_path / "out" / "curves.svg").read_text()
    shutil.rmtree(tmp_path / "out" / "and_both-1")  # as if killed before the second arm
    rl.main(settings)
    again = read_rows(tmp_path / "out" / "arms.jsonl", ArmResult)
    assert [row.rates for row in again] == [row.rates for row in rows] and again[1].kl_curve == rows[1].kl_curve
    with pytest.raises(UserError, match=r"lr: 0\.001 there, 0\.01 now"):
        rl.main(settings.with_changes(lr=0.01))
    with pytest.raises(UserError, match=r"hidden: 16 there, 24 now.*another start_dir"):
        rl.main(settings.with_changes(hidden=24, out_dir=tmp_path / "other", start_dir=tmp_path / "out" / "start"))
    with pytest.raises(UserError, match="there is no arm 'dense'; choose from outcome only"):
        rl.main(settings.with_changes(arms=["dense"]))


def test_the_policy_is_read_back_with_the_tokenizer_that_it_was_trained_with(tmp_path):
    """Some architectures' folders are given another rule of splitting words when they are loaded."""
    tasks = make_tasks(["number", "list"], 40, False, 0, 2)
    tokenizer = make_tokenizer([task.program for task in tasks])
    tokenizer.save_pretrained(tmp_path)
    make_model(len(tokenizer), 8, 1, 0).save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert all(again(task.program).input_ids == tokenizer(task.program).input_ids for task in tasks)
