"""The equations of PPO against numbers worked out by hand, and the two models against simpler computations."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from builders.rl_toy import PROBLEMS, SPECIAL, settings, tiny_critic, tiny_policy
from builders.tokenizers import byte_tokenizer
from dreamprm_code.rl.models import Answer, TokenBatch, token_pieces
from dreamprm_code.rl.ppo import (
    Optimizers,
    RLError,
    explained_variance,
    gae,
    kl_estimate,
    policy_losses,
    ppo_step,
    value_losses,
    whiten,
    within_disk,
    within_memory,
)
from dreamprm_code.rl.prompting import Prompts

ALL = torch.ones(1, 3, dtype=torch.bool)


def test_gae_by_hand():
    """r = 0, 0.5, 1; V = 0.2, 0.4, 0.6; gamma 0.9, lambda 0.5.

    d = 0 + 0.9 * 0.4 - 0.2 = 0.16; 0.5 + 0.9 * 0.6 - 0.4 = 0.64; 1 - 0.6 = 0.4. A3 = 0.4, A2 = 0.64 + 0.45 * 0.4 = 0.82,
    A1 = 0.16 + 0.45 * 0.82 = 0.529. R = A + V.
    """
    reward, value = torch.tensor([[0.0, 0.5, 1.0]]), torch.tensor([[0.2, 0.4, 0.6]])
    advantage, returns = gae(reward, value, ALL, gamma=0.9, lam=0.5)
    assert advantage[0].tolist() == pytest.approx([0.529, 0.82, 0.4])
    assert returns[0].tolist() == pytest.approx([0.729, 1.22, 1.0])


def test_gae_with_lambda_1_is_what_follows_less_the_value_and_padding_changes_nothing():
    reward, value = torch.tensor([[0.0, 0.5, 1.0]]), torch.tensor([[0.2, 0.4, 0.6]])
    advantage, returns = gae(reward, value, ALL, gamma=1.0, lam=1.0)
    assert returns[0].tolist() == pytest.approx([1.5, 1.5, 1.0])
    wide = torch.nn.functional.pad
    mask = wide(ALL, (0, 2))
    padded, _ = gae(wide(reward, (0, 2)), wide(value, (0, 2), value=7.0), mask, 1.0, 1.0)
    assert padded[0].tolist() == pytest.approx([*advantage[0].tolist(), 0.0, 0.0])


def test_whitened_advantages_have_mean_0_and_variance_1_over_the_tokens():
    mask = torch.tensor([[True, True, False], [True, True, True]])
    found = whiten(torch.tensor([[1.0, 2.0, 9.0], [3.0, 4.0, 5.0]]), mask)
    assert found[~mask].item() == 0.0 and found[mask].mean().item() == pytest.approx(0.0, abs=1e-6)
    assert found[0, 0].item() == pytest.approx(-math.sqrt(2)), "(1 - 3) / sqrt(2)"
    assert whiten(torch.full((2, 3), 0.7), mask).abs().max() == 0.0, "nothing to prefer"


def test_the_clipped_surrogate_by_hand():
    """Ratio 1.5 counts as 1.2 for A = 2, in full for A = -2; ratio 0.5 in full for A = 2, as 0.8 for A = -2."""
    ratio = torch.tensor([[1.5, 1.5, 0.5, 0.5, 1.1]]).log()
    advantage = torch.tensor([[2.0, -2.0, 2.0, -2.0, 2.0]])
    found = policy_losses(ratio, torch.zeros(1, 5), advantage, clip=0.2)
    assert found[0].tolist() == pytest.approx([-2.4, 3.0, -1.0, 1.6, -2.2])


def test_the_clipped_value_loss_by_hand():
    """Old 0.5, return 1: 0.9 counts as 0.7 (the worse of 0.1 and 0.3 away): 0.045; 0.4 is within the clip: 0.18."""
    old, returns = torch.full((1, 2), 0.5), torch.ones(1, 2)
    found = value_losses(torch.tensor([[0.9, 0.4]]), old, returns, clip=0.2)
    assert found[0].tolist() == pytest.approx([0.045, 0.18])


def test_the_kl_estimate_by_hand_and_on_average():
    """pi_0 / pi = 2: 2 - ln 2 - 1. Its mean over draws from pi is the divergence: pi = (0.9, 0.1), pi_0 = (0.5, 0.5)."""
    assert kl_estimate(torch.tensor(0.0), torch.tensor(math.log(2))).item() == pytest.approx(1 - math.log(2))
    pi, other = torch.tensor([0.9, 0.1]), torch.tensor([0.5, 0.5])
    mean = (pi * kl_estimate(pi.log(), other.log())).sum()
    assert mean.item() == pytest.approx((pi * (pi / other).log()).sum().item(), abs=1e-6)


def test_explained_variance_by_hand():
    returns, mask = torch.tensor([[0.0, 1.0, 2.0, 50.0]]), torch.tensor([[True, True, True, False]])
    assert explained_variance(returns + 3, returns, mask) == pytest.approx(1.0)
    assert explained_variance(torch.ones(1, 4), returns, mask) == pytest.approx(0.0)
    assert explained_variance(2 * returns, returns, mask) == pytest.approx(0.0)
    assert explained_variance(returns, torch.ones(1, 4), mask) is None


def answer(prompt: str, text: str, policy) -> Answer:
    ids = policy.tokenizer(text).input_ids
    return Answer(policy.tokenizer(prompt).input_ids, ids, token_pieces(policy.tokenizer, ids), False)


def test_log_probabilities_and_values_do_not_depend_on_padding():
    policy, critic = tiny_policy(temperature=0.7), tiny_critic()
    with torch.no_grad():  # weights at which LoRA and head do something
        for number, parameter in enumerate([*policy.trained, *critic.prm.trainable_parameters()]):
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)))
        answers = [answer("a", "xy", policy), answer("longer prompt\n", "pqrst", policy)]
        both = TokenBatch.of(answers, policy.pad_id, policy.device)
        logprobs, values = policy.logprobs(both)[0], critic(both)
        for row, one in enumerate(answers):
            ids = torch.tensor([one.prompt_ids + one.token_ids])
            start, stop = len(one.prompt_ids) - 1, ids.shape[1] - 1
            every = torch.log_softmax(policy.base(ids).logits[0] / 0.7, dim=-1)
            wanted = [every[place, ids[0, place + 1]].item() for place in range(start, stop)]
            assert logprobs[row, : len(wanted)].tolist() == pytest.approx(wanted, abs=1e-5)
            hidden = critic.prm.backbone(input_ids=ids).last_hidden_state[0, start:stop]
            wanted = torch.sigmoid(critic.prm.head(hidden))[:, 0].tolist()
            assert values[row, : len(wanted)].tolist() == pytest.approx(wanted, abs=1e-5)
        assert (policy.reference_logprobs(both) - logprobs)[both.mask_BT].abs().max() > 1e-3, "LoRA is left out"


def test_an_answer_follows_from_its_seed_and_ends_with_the_end_token():
    policy = tiny_policy()
    prompts = [Prompts("statement", policy.tokenizer).ids(problem) for problem in PROBLEMS]
    first = policy.sample(prompts, [1, 2, 3, 4], 40)
    again = policy.sample([prompts[2]], [3], 40)
    assert again[0].token_ids == first[2].token_ids
    ended = [one for one in policy.sample(prompts * 16, list(range(64)), 40) if one.ended]
    assert ended and all(one.token_ids[-1] == policy.end_id and one.pieces[-1] == "" for one in ended)


def test_pieces_join_to_the_text_with_characters_of_several_tokens():
    tokenizer = byte_tokenizer(SPECIAL)
    ids = [*tokenizer("aé\nb").input_ids, tokenizer.eos_token_id]
    assert token_pieces(tokenizer, ids) == ["a", "", "é", "\n", "b", ""]


def batch_and_rewards(policy):
    answers = [answer("a", "xy", policy), answer("b", "zw", policy)]
    return TokenBatch.of(answers, policy.pad_id, policy.device), torch.tensor([[0.0, 1.0], [0.0, 0.0]])


def optimizers(policy, critic) -> Optimizers:
    return Optimizers(torch.optim.Adam(policy.trained, lr=1e-2), torch.optim.Adam(critic.trained, lr=1e-2))


def test_a_step_makes_the_rewarded_answer_likelier_and_the_micro_batch_changes_nothing():
    moved = []
    for micro_batch in (1, 2):
        policy, critic = tiny_policy(), tiny_critic()
        batch, rewards = batch_and_rewards(policy)
        before = policy.logprobs(batch)[0].sum(1)
        found = ppo_step(policy, critic, optimizers(policy, critic), batch, rewards, settings(micro_batch=micro_batch), 0)
        after = policy.logprobs(batch)[0].sum(1)
        assert after[0] - before[0] > after[1] - before[1]
        assert found["kl"] == pytest.approx(0.0, abs=1e-6) and found["reward"] == 0.5
        moved.append(after)
    assert torch.allclose(*moved, atol=1e-4)


def test_a_loss_that_is_no_number_and_too_little_memory_are_one_line(monkeypatch):
    policy, critic = tiny_policy(), tiny_critic()
    batch, rewards = batch_and_rewards(policy)
    with pytest.raises(RLError, match="lower lr or critic_lr"):
        ppo_step(policy, critic, optimizers(policy, critic), batch, rewards * math.nan, settings(), 0)

    moved = [parameter.clone() for parameter in policy.trained]
    policy.trained[0].register_hook(lambda gradient: gradient * math.inf)  # a finite loss with a gradient that is not
    with pytest.raises(RLError, match=r"a gradient became .*; lower lr or critic_lr"):
        ppo_step(policy, critic, optimizers(policy, critic), batch, rewards, settings(), 0)
    assert all(torch.equal(one, other) for one, other in zip(policy.trained, moved, strict=True)), "nothing has moved"

    def full(*arguments, **named):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(policy.base, "forward", full)
    with pytest.raises(RLError, match="2 programs of 3 tokens do not fit into memory; lower micro_batch") as error:
        ppo_step(policy, critic, optimizers(policy, critic), batch, rewards, settings(), 0)
    assert "\n" not in str(error.value)


def test_what_the_libraries_say_of_full_memory_and_a_full_disk_is_one_line():
    for message in (MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")):
        with pytest.raises(RLError, match="2 programs of 3 tokens do not fit"), within_memory(2, 3, "batch_size"):
            raise message
    full = "[enforce fail at inline_container.cc:672] . unexpected pos 1241152 vs 1241044"  # torch, at the end of a file
    for name in ("no space", full, "Error while serializing: I/O error: No space left on device (os error 28)"):
        with pytest.raises(RLError, match="out/policy: the disk is full; make room"), within_disk(Path("out/policy")):
            if name == "no space":
                with open("/dev/full", "wb") as device:
                    torch.save(ALL, device)
            raise RuntimeError(name) if name == full else SafetensorError(name)
    with pytest.raises(RuntimeError, match="a defect"), within_memory(2, 3, "batch_size"), within_disk(Path("out")):
        raise RuntimeError("a defect")
