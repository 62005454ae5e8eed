"""The stage from problem file to policy folder, with real grading and a tiny model."""

from __future__ import annotations

import json

import pytest
from transformers import AutoModelForCausalLM

import rl_ppo
from builders.rl_toy import SPECIAL, tiny_config
from builders.tokenizers import byte_tokenizer
from dreamprm_code.bilevel.progress import read_log
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import write_rows
from dreamprm_code.policies.local import load_model
from dreamprm_code.prm import PRM, StepSettings
from dreamprm_code.records import Problem


@pytest.fixture
def run(tmp_path) -> dict:
    AutoModelForCausalLM.from_config(tiny_config(260)).save_pretrained(tmp_path / "start")
    byte_tokenizer(SPECIAL).save_pretrained(tmp_path / "start")
    problems = [
        Problem.from_tests([("3", "6")], question_id=name).model_copy(
            update={"contest_date": date, "question_content": f"Double {name}."}
        )
        for name, date in (("a", "2024-01-05"), ("b", "2024-01-06"), ("t", "2024-03-05"))
    ]
    write_rows(tmp_path / "problems.jsonl", problems)
    prm = PRM.create(str(tmp_path / "start"), tokenizer=byte_tokenizer(SPECIAL), steps=StepSettings(200, "line"))
    prm.save_pretrained(tmp_path / "prm")
    return {
        "problems": str(tmp_path / "problems.jsonl"), "data_dir": tmp_path, "out_dir": tmp_path / "out", "style": "statement",
        "windows": {"train": ["2024-01-01", "2024-02-01"], "test": ["2024-03-01", None]}, "policy": str(tmp_path / "start"),
        "prm": tmp_path / "prm", "value_init": "prm", "reward": "dense", "steps": 2, "batch_problems": 2, "max_tokens": 6,
        "samples_per_problem": 2, "grade_workers": 1, "batch_size": 4, "test_samples": 1, "progress": False, "device": "cpu",
    }  # fmt: skip


def test_the_stage_learns_reports_and_writes_a_policy_that_other_stages_read(run, capsys):
    rl_ppo.main(rl_ppo.Settings(**run))
    out = run["out_dir"]
    steps = [row for row in read_log(out) if row["phase"] == "ppo"]
    assert [row["step"] for row in steps] == [1, 2]
    assert {"pass_rate", "reward", "kl", "entropy", "comment_share", "lines", "functions", "tokens"} < steps[0].keys()
    assert list((out / "tensorboard").iterdir())
    report = json.loads((out / "rl.json").read_text())
    assert report["steps"] == 2 and report["test_pass_rate"] == {"0": 0.0, "2": 0.0}
    assert "rl_ppo: steps 2" in capsys.readouterr().out
    model, _ = load_model(str(out / "policy"), "float32", "cpu")
    assert not any("lora" in name for name, _ in model.named_parameters())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prm": None}, "need a PRM: set prm, or value_init base and reward outcome"),
        ({"reward": "sum"}, "'reward' is 'sum'"),
        ({"steps": 0}, "'steps' is 0"),
        ({"clip": -0.2}, "'clip' is -0.2"),
        ({"windows": {"train": ["2030-01-01", None], "test": ["2024-03-01", "2024-04-01"]}}, "no problem"),
        ({"policy": "models/typo.gguf"}, "no such file"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(run, change, message):
    with pytest.raises(UserError, match=message) as error:
        rl_ppo.main(rl_ppo.Settings(**run | change))
    assert "\n" not in str(error.value) and not run["out_dir"].exists()
