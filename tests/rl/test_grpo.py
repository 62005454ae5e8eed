"""The subclass of TRL's trainer: token advantages by hand, and equal to plain TRL without step rewards."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, TrainerState

from builders.rl_toy import SPECIAL, tiny_config
from builders.tokenizers import byte_tokenizer

pytest.importorskip("trl", reason="TRL is not installed (requirements-rl.txt)")

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from dreamprm_code.rl.grpo import StepRewardGRPOTrainer, Watch, last_checkpoint, step_advantages
from dreamprm_code.rl.ppo import RLError


def test_step_advantages_by_hand():
    """Two completions of a prompt. Steps of the first end at tokens 1 and 3 and earn 1 and 2, the second's at 0 and earns 4.

    To go: 3, 2, 0 and 4, 0, 0; means by step 3.5, 1, 0. Tokens of the first are in steps 0 0 1 1 2, of the second 0 1 1 1 1.
    """
    found = step_advantages([[1.0, 2.0], [4.0]], [[1, 3], [0]], num_generations=2, width=5)
    assert found.tolist() == [[-0.5, -0.5, 1.0, 1.0, 0.0], [0.5, -1.0, -1.0, -1.0, -1.0]]
    assert step_advantages([[], []], [[], []], 2, 3).tolist() == [[0.0] * 3] * 2


def ascii_share(completions, **columns) -> list[float]:
    return [sum(letter.isascii() for letter in text) / 4 for text in completions]


def nothing(inputs, pieces, outcomes):
    return [([0.0], [0]) for _ in pieces]


def first_token(inputs, pieces, outcomes):
    """What is earned at the first token alone; the outcomes are those of the reward function."""
    assert outcomes == pytest.approx([ascii_share(["".join(texts)])[0] for texts in pieces])
    return [([float(texts[0].isascii() and texts[0] != "")], [0]) for texts in pieces]


def trained(trainer_class, folder, **more) -> tuple[list[torch.Tensor], list[float]]:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(tiny_config(260), dtype=torch.float32)
    arguments = GRPOConfig(
        output_dir=str(folder), use_cpu=True, bf16=False, max_steps=20, per_device_train_batch_size=8, num_generations=4,
        max_completion_length=4, learning_rate=1e-2, report_to="none", logging_steps=1, save_strategy="no", seed=3,
        disable_tqdm=True,
    )  # fmt: skip
    trainer = trainer_class(
        model=model, reward_funcs=ascii_share, args=arguments, processing_class=byte_tokenizer(SPECIAL),
        train_dataset=Dataset.from_list([{"prompt": letter} for letter in "abcd"]), **more,
    )  # fmt: skip
    trainer.train()
    rewards = [row["reward"] for row in trainer.state.log_history if "reward" in row]
    return [parameter.detach().clone() for parameter in model.parameters()], rewards


def test_twenty_steps_equal_plain_trl_without_step_rewards_and_not_with_them(tmp_path):
    wanted, rewards = trained(GRPOTrainer, tmp_path)
    assert len(rewards) == 20
    for step_rewards in (None, nothing):  # advantages [B], and [B, T] of equal rows
        found, again = trained(StepRewardGRPOTrainer, tmp_path, step_rewards=step_rewards)
        assert again == rewards and all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))
    found, _ = trained(StepRewardGRPOTrainer, tmp_path, step_rewards=first_token)
    assert not all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


def test_numbers_that_are_none_stop_and_equal_outcomes_are_said(caplog):
    state = TrainerState(global_step=4)
    with pytest.raises(RLError, match="step 4: grad_norm became nan; lower lr; the last checkpoint is kept"):
        Watch().on_log(None, state, None, {"loss": 0.1, "grad_norm": float("nan")})
    Watch().on_log(None, state, None, {"loss": 0.0, "frac_reward_zero_std": 0.5})
    assert not caplog.text
    Watch().on_log(None, state, None, {"loss": 0.0, "frac_reward_zero_std": 1.0})
    assert "step 4: equal outcomes in every group" in caplog.text


def test_a_checkpoint_that_a_kill_cut_off_is_passed_over(tmp_path):
    assert last_checkpoint(tmp_path) is None
    for step, state in ((5, '{"global_step": 5}'), (10, '{"global_step": 10}'), (15, '{"glob'), (20, None)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if state is not None:
            (folder / "trainer_state.json").write_text(state)
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
