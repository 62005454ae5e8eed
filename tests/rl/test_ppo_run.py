"""PPO as a whole: it learns a toy, goes on after a kill to the same bits, and says what is wrong in one line."""

from __future__ import annotations

import os
import signal

import pytest
import torch

from builders.rl_toy import PROBLEMS, grade, run_of, tiny_policy, trained_prm
from builders.tokenizers import byte_tokenizer
from dreamprm_code import files
from dreamprm_code.bilevel.resume import ResumeError, load_state, only_training_in, save_state
from dreamprm_code.errors import UserError
from dreamprm_code.rl.models import same_tokens
from dreamprm_code.rl.ppo import RLError
from dreamprm_code.rl.trainer import Scorer, pass_rates, rewards_of, sample_programs
from dreamprm_code.steps import StepSettings


def rate(run) -> float:
    sampled = sample_programs(run.policy, run.prompts, grade, PROBLEMS, 16, 2, 99)
    return sum(pass_rates(sampled).values()) / len(PROBLEMS)


def test_it_raises_the_pass_rate_of_a_toy_by_20_points_with_every_seed_and_either_critic(tmp_path):
    for seed in (1, 2, 3):
        first_steps = []
        for name in ("base", "prm"):
            run = run_of(tmp_path / f"{name}{seed}", trained_prm(seed) if name == "prm" else None, seed=seed)
            before = rate(run)
            first_steps.append(run.run()[0]["explained_variance"])
            assert 0.15 < before < 0.5 and rate(run) > before + 0.2
        assert first_steps[1] > first_steps[0] + 0.05, "a PRM explains more of the returns than a new head"


def kill_at_5(step: int) -> None:
    if step == 5:
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path):
    whole = run_of(tmp_path / "whole", steps=6, checkpoint_every=2)
    wanted = whole.run()
    if (child := os.fork()) == 0:
        try:
            run_of(tmp_path / "cut", steps=6, checkpoint_every=2).run(kill_at_5)
        finally:
            os._exit(1)  # whatever happens, the child is no second test run
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    again = run_of(tmp_path / "cut", steps=6, checkpoint_every=2)
    found = again.run()
    assert again.step == 6
    clocks = ("seconds", "sampling_seconds", "step_seconds")
    assert [{k: v for k, v in row.items() if k not in clocks} for row in found] == [
        {k: v for k, v in row.items() if k not in clocks} for row in wanted
    ]
    for one, other in zip(whole._trained(), again._trained(), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(ResumeError, match=r"lr: 0\.02 there, 0\.01 now"):
        run_of(tmp_path / "cut", lr=0.01).run()


def test_a_state_that_lacks_a_part_and_a_second_run_in_the_folder_are_one_line(tmp_path, monkeypatch):
    run = run_of(tmp_path, steps=1)
    run.run()
    state = load_state(tmp_path, run.identity)
    save_state(tmp_path, run.identity, {**state, "trained": state["trained"][:-1]})
    with pytest.raises(ResumeError, match=r"resume/state\.pt: not the whole state of a training \(zip.*delete this file"):
        run_of(tmp_path, steps=2).run()
    monkeypatch.setattr(files, "LOCK_WAIT_S", 0.0)
    with only_training_in(tmp_path), pytest.raises(ResumeError, match="another training writes here; wait for it"):
        run_of(tmp_path, steps=2).run()


def test_equal_rewards_leave_the_policy_as_it_is_and_say_so(tmp_path, caplog):
    run = run_of(tmp_path, grade=lambda programs: [False] * len(programs), steps=1)
    before = [parameter.clone() for parameter in run.policy.trained]
    (row,) = run.run()
    assert row["equal_rewards"] == 1.0 and "step 1: all 32 programs got the same reward" in caplog.text
    assert all(torch.equal(one, other) for one, other in zip(before, run.policy.trained, strict=True))


def test_programs_that_could_not_be_graded_teach_nothing(tmp_path):
    def half(programs):
        return [None if number % 2 else passed for number, passed in enumerate(grade(programs))]

    (row,) = run_of(tmp_path / "half", grade=half, steps=1).run()
    assert row["pass_rate"] in [count / 16 for count in range(17)]
    with pytest.raises(RLError, match="step 1: none of the step's programs could be graded; run again"):
        run_of(tmp_path / "none", grade=lambda programs: [None] * len(programs)).run()


def test_weights_that_are_no_numbers_end_in_one_line_and_the_last_checkpoint_goes_on(tmp_path):
    def spoiling(programs):
        if run.step == 1:
            with torch.no_grad():
                run.policy.trained[0].fill_(torch.nan)
        return grade(programs)

    run = run_of(tmp_path, grade=spoiling, steps=3, checkpoint_every=1)
    with pytest.raises(RLError, match=r"step 2: the loss became nan .*; lower lr or critic_lr; run again to go on") as error:
        run.run()
    assert "\n" not in str(error.value)
    assert [row["step"] for row in run_of(tmp_path, steps=3, checkpoint_every=1).run()] == [1, 2, 3]


def test_sampling_that_does_not_fit_into_memory_is_one_line(tmp_path, monkeypatch):
    run = run_of(tmp_path)

    def full(*arguments, **named):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(run.policy.base, "forward", full)
    with pytest.raises(RLError, match="step 1: 16 programs of 2 tokens do not fit into memory; lower batch_size or max_tokens"):
        run.run()


def test_mistakes_are_one_line(tmp_path):
    with pytest.raises(RLError, match="no problem to train on"):
        run_of(tmp_path, problems=[])
    with pytest.raises(RLError, match="reward 'dense' needs the step scores of a PRM"):
        run_of(tmp_path, reward="dense")
    broken = Scorer(lambda problem, programs: [[float("nan")] for _ in programs], StepSettings())
    with pytest.raises(RLError, match=r"step 1: step scores must be probabilities.*run again"):
        run_of(tmp_path / "nan", reward="dense", scorer=broken).run()
    policy = tiny_policy()

    with pytest.raises(UserError, match="another tokenizer"):
        same_tokens(policy.tokenizer, byte_tokenizer({"eos_token": "<|other|>"}))


def test_step_rewards_stand_where_the_lines_end(tmp_path):
    """Text "x=1\\ny=2": lines end at tokens 2 and 6. Dense, failed: 0.25 / 2 * (2 * 0.9 - 1, 2 * 0.2 - 1)."""
    run = run_of(tmp_path)
    ids = run.policy.tokenizer("x=1\ny=2").input_ids
    (one,) = sample_programs(run.policy, run.prompts, lambda programs: [False], PROBLEMS[:1], 1, 7, 0)
    one = one._replace(answer=type(one.answer)(one.answer.prompt_ids, ids, list("x=1\ny=2"), False), program="x=1\ny=2")
    scorer = Scorer(lambda problem, programs: [[0.9, 0.2] for _ in programs], StepSettings(200, "line"))
    (found,) = rewards_of([one], scorer, run.settings.with_changes(reward="dense")).tolist()
    assert found == pytest.approx([0, 0, 0.1, 0, 0, 0, -0.075])
