"""The stage of GRPO from problem file to policy folder, with real grading, TRL and a tiny model."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

import rl_grpo
from builders.rl_toy import SPECIAL, tiny_config
from builders.rows import make_problem
from builders.tokenizers import byte_tokenizer
from dreamprm_code import files
from dreamprm_code.bilevel.resume import only_training_in
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import write_rows
from dreamprm_code.policies.local import load_model
from dreamprm_code.prm import PRM, StepSettings

pytest.importorskip("trl", reason="TRL is not installed (requirements-rl.txt)")

from dreamprm_code.rl.grpo import StepRewardGRPOTrainer, Watch


@pytest.fixture
def run(tmp_path) -> dict:
    AutoModelForCausalLM.from_config(tiny_config(260)).save_pretrained(tmp_path / "start")
    byte_tokenizer(SPECIAL).save_pretrained(tmp_path / "start")
    write_rows(tmp_path / "problems.jsonl", [make_problem(name, contest_date="2024-01-05") for name in "abcdef"])
    PRM.create(str(tmp_path / "start"), tokenizer=byte_tokenizer(SPECIAL), steps=StepSettings(200, "line")).save_pretrained(
        tmp_path / "prm"
    )
    return {
        "problems": str(tmp_path / "problems.jsonl"), "data_dir": tmp_path, "out_dir": tmp_path / "out", "style": "statement",
        "windows": {"train": ["2024-01-01", None]}, "policy": str(tmp_path / "start"), "prm": tmp_path / "prm", "steps": 5,
        "batch_problems": 2, "samples_per_problem": 2, "max_tokens": 6, "lr": 1e-3, "checkpoint_every": 2, "grade_workers": 1,
    }  # fmt: skip


def curve(folder) -> list[dict]:
    rows = [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]
    clocks = ("step_time", "runtime", "per_second")
    return [{name: value for name, value in row.items() if not any(word in name for word in clocks)} for row in rows]


def test_a_run_cut_off_goes_on_to_the_same_curve_and_writes_a_policy(run, tmp_path, monkeypatch, caplog, capsys):
    rl_grpo.main(rl_grpo.Settings(**run))
    wanted = curve(run["out_dir"])
    assert [row["step"] for row in wanted] == [1, 2, 3, 4, 5] and "equal outcomes in every group" in caplog.text
    assert "rl_grpo: 5 steps; mean outcome of the first 0.000" in capsys.readouterr().out

    def cut_off(self, args, state, control, **more):
        if state.global_step == 5:  # the last checkpoint is of step 4, one step into the second epoch of three
            raise KeyboardInterrupt

    again = run | {"out_dir": tmp_path / "again"}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Watch, "on_step_end", cut_off)
        rl_grpo.main(rl_grpo.Settings(**again))
    assert not (again["out_dir"] / "policy").exists()
    rl_grpo.main(rl_grpo.Settings(**again))
    assert curve(again["out_dir"]) == wanted
    one, other = (load_model(str(folder / "policy"), "float32", "cpu")[0] for folder in (run["out_dir"], again["out_dir"]))
    for mine, its in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, its)
    with pytest.raises(UserError, match=r"lr: 0\.001 there, 0\.01 now"):
        rl_grpo.main(rl_grpo.Settings(**again | {"lr": 0.01}))
    rl_grpo.main(rl_grpo.Settings(**again))  # a run that has ended takes no further step
    assert curve(again["out_dir"]) == wanted and not (again["out_dir"] / "checkpoint-6").exists()
    monkeypatch.setattr(files, "LOCK_WAIT_S", 0.0)
    with only_training_in(again["out_dir"]), pytest.raises(UserError, match="another training writes here"):
        rl_grpo.main(rl_grpo.Settings(**again))
    last = again["out_dir"] / "checkpoint-5"
    (last / "optimizer.pt").rename(tmp_path / "optimizer.pt")
    with pytest.raises(UserError, match=r"checkpoint-5: cannot be taken up \(there is no optimizer\.pt\); delete this folder"):
        rl_grpo.main(rl_grpo.Settings(**again))
    (tmp_path / "optimizer.pt").rename(last / "optimizer.pt")
    (last / "model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match=r"checkpoint-5: cannot be taken up .*delete this folder") as error:
        rl_grpo.main(rl_grpo.Settings(**again))
    assert "\n" not in str(error.value)


def test_weights_that_are_no_numbers_are_named_before_anything_is_written(run):
    model = AutoModelForCausalLM.from_pretrained(run["policy"])
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    model.save_pretrained(run["policy"])
    with pytest.raises(UserError, match=r"embed_tokens.* holds values that are not finite"):
        rl_grpo.main(rl_grpo.Settings(**run))
    assert not run["out_dir"].exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prm": None}, "reward dense needs a PRM: set prm, or reward outcome"),
        ({"reward": "sum"}, "'reward' is 'sum'"),
        ({"samples_per_problem": 1}, "'samples_per_problem' is 1"),
        ({"trl": {"no_such": 1}}, "TRL refuses these settings: .*no_such"),
        ({"windows": {"train": ["2030-01-01", None]}}, "no problem"),
        ({"policy": "models/typo.gguf"}, "no such file"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(run, change, message):
    with pytest.raises(UserError, match=message) as error:
        rl_grpo.main(rl_grpo.Settings(**run | change))
    assert "\n" not in str(error.value) and not run["out_dir"].exists()


def test_a_batch_that_does_not_fit_into_memory_is_one_line(run, monkeypatch):
    def full(*arguments, **named):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(StepRewardGRPOTrainer, "_generate_and_score_completions", full)
    with pytest.raises(UserError, match="4 programs of 6 tokens do not fit into memory; lower batch_problems or max_tokens"):
        rl_grpo.main(rl_grpo.Settings(**run))
