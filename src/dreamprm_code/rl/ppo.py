"""One step of PPO with a reward at every token and a critic, top to bottom.

s_t is the prompt with the answer's first t tokens, a_t the next token, pi the policy, pi_0 the frozen reference, V the critic.

    1   r_t = step rewards and outcome (rewards.py) - kl log(pi(a_t|s_t) / pi_0(a_t|s_t))
    2   d_t = r_t + gamma V(s_t+1) - V(s_t),  V = 0 behind the last token
        A_t = d_t + gamma lambda A_t+1                                    generalised advantage estimation
    3   R_t = A_t + V(s_t)                                                the critic's target
    4   A   <- (A - mean) / sd, over all tokens of the batch
    5   rho_t = pi_new(a_t|s_t) / pi(a_t|s_t)
        policy loss: mean of -min(rho A, clip(rho, 1 - e, 1 + e) A)
        critic loss: mean of max((V_new - R)^2, (clip(V_new, V - e, V + e) - R)^2) / 2

5 is repeated over minibatches. What differs from TRL's last PPOTrainer (1.12): rewards stand where their step ends, not at the
last token alone; the critic may be any process reward model (:mod:`dreamprm_code.rl.models`).
"""

# B = programs, T = tokens of an answer, L = tokens of prompt and answer

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dreamprm_code.errors import UserError
from dreamprm_code.rl.models import Critic, LoraPolicy, TokenBatch
from dreamprm_code.rl.settings import PPOSettings

_EPS = 1e-8


class RLError(UserError):
    """A step that cannot be taken; the message says why and what to change."""


@contextmanager
def within_memory(num_programs: int, length: int, remedy: str) -> Iterator[None]:
    """Running out of memory becomes one line that says what to lower.

    Raises:
        RLError: in the place of the device's or the CPU's error.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        # on CPUs torch says it in words
        if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "DefaultCPUAllocator" in str(error):
            raise RLError(f"{num_programs} programs of {length} tokens do not fit into memory; lower {remedy}") from None
        raise


@contextmanager
def within_disk(folder: Path) -> Iterator[None]:
    """A full disk becomes one line; safetensors, tokenizers and torch each have an error of their own for it.

    Raises:
        RLError: in the place of theirs.
    """
    try:
        yield
    except Exception as error:
        if any(
            words in str(error) for words in ("No space left on device", "PytorchStreamWriter failed writing", "unexpected pos")
        ):
            raise RLError(f"{folder}: the disk is full; make room and run the same command again: it goes on") from None
        raise


class Optimizers(NamedTuple):
    policy: torch.optim.Optimizer
    critic: torch.optim.Optimizer


def gae(reward_BT: Tensor, value_BT: Tensor, mask_BT: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    """Equations 2 and 3: (advantage_BT, return_BT), zero behind the end; ``mask_BT`` is True on an answer's tokens."""
    value_BT = value_BT * mask_BT
    next_BT = torch.cat([value_BT[:, 1:], torch.zeros_like(value_BT[:, :1])], dim=1)
    delta_BT = (reward_BT + gamma * next_BT - value_BT) * mask_BT
    advantage_BT, carried_B = torch.zeros_like(delta_BT), torch.zeros_like(delta_BT[:, 0])
    for t in reversed(range(delta_BT.shape[1])):
        carried_B = delta_BT[:, t] + gamma * lam * carried_B
        advantage_BT[:, t] = carried_B
    return advantage_BT * mask_BT, (advantage_BT + value_BT) * mask_BT


def whiten(value_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Equation 4. Values that are all equal become 0: there is nothing to prefer."""
    count = mask_BT.sum()
    centred_BT = (value_BT - masked_mean(value_BT, mask_BT)) * mask_BT
    deviation = (centred_BT.square().sum() / count).sqrt()
    return centred_BT / deviation if deviation > _EPS else torch.zeros_like(centred_BT)


def masked_mean(value_BT: Tensor, mask_BT: Tensor) -> Tensor:
    return (value_BT * mask_BT).sum() / mask_BT.sum()


def policy_losses(logprob_BT: Tensor, old_BT: Tensor, advantage_BT: Tensor, clip: float) -> Tensor:
    """Equation 5 for each token, the clipped surrogate."""
    ratio_BT = (logprob_BT - old_BT).exp()
    return -torch.minimum(ratio_BT * advantage_BT, ratio_BT.clamp(1 - clip, 1 + clip) * advantage_BT)


def value_losses(value_BT: Tensor, old_BT: Tensor, return_BT: Tensor, clip: float) -> Tensor:
    """Equation 5 for each token, the critic's."""
    near_BT = old_BT + (value_BT - old_BT).clamp(-clip, clip)
    return 0.5 * torch.maximum((value_BT - return_BT).square(), (near_BT - return_BT).square())


def kl_estimate(logprob_BT: Tensor, reference_BT: Tensor) -> Tensor:
    """Of KL(pi || pi_0) from tokens drawn from pi: e^x - x - 1 with x = log(pi_0 / pi); never negative."""
    log_ratio_BT = reference_BT - logprob_BT
    return log_ratio_BT.exp() - log_ratio_BT - 1.0


def explained_variance(value_BT: Tensor, return_BT: Tensor, mask_BT: Tensor) -> float | None:
    """1 - Var(R - V) / Var(R) over an answer's tokens: 1 is perfect, 0 a constant. None where the returns are all equal."""
    returns, errors = return_BT[mask_BT], (return_BT - value_BT)[mask_BT]
    variance = returns.var(unbiased=False)
    return None if variance < _EPS else float(1.0 - errors.var(unbiased=False) / variance)


def ppo_step(
    policy: LoraPolicy,
    critic: Critic,
    optimizers: Optimizers,
    batch: TokenBatch,
    reward_BT: Tensor,
    settings: PPOSettings,
    seed: int,
    learn_policy: bool = True,
) -> dict[str, float]:
    """Equations 1 to 5: moves policy and critic; returns what is worth a curve. ``seed`` decides the minibatches.

    Raises:
        RLError: a loss that is not finite, or a micro-batch that does not fit into memory; the models are then spoilt.
    """
    mask_BT = batch.mask_BT
    reward_BT = reward_BT.to(mask_BT.device)
    with torch.no_grad():
        old_BT = _in_parts(batch, settings.micro_batch, lambda part: policy.logprobs(part)[0])
        reference_BT = _in_parts(batch, settings.micro_batch, policy.reference_logprobs)
        value_BT = _in_parts(batch, settings.micro_batch, critic)
    shaped_BT = (reward_BT - settings.kl * (old_BT - reference_BT)) * mask_BT  # 1
    advantage_BT, return_BT = gae(shaped_BT, value_BT, mask_BT, settings.gamma, settings.gae_lambda)  # 2, 3
    explained = explained_variance(value_BT, _to_go(shaped_BT, settings.gamma), mask_BT)
    metrics = {
        **({} if explained is None else {"explained_variance": explained}),
        "reward": float((reward_BT * mask_BT).sum(1).mean()),
        "kl": float(masked_mean(kl_estimate(old_BT, reference_BT), mask_BT)),
        "value": float(masked_mean(value_BT, mask_BT)),
        "advantage_sd": float(advantage_BT[mask_BT].std(unbiased=False)),
    }
    advantage_BT = whiten(advantage_BT, mask_BT)  # 4
    losses: dict[str, list[float]] = {"policy_loss": [], "critic_loss": [], "clipped": [], "entropy": []}
    for rows in _minibatches(len(mask_BT), settings, seed):
        num_tokens = mask_BT[rows].sum()
        sums = dict.fromkeys(losses, 0.0)
        for part in rows.split(settings.micro_batch):
            some, there_BT = batch.rows(part), mask_BT[part]
            with within_memory(len(part), batch.input_ids_BL.shape[1], "micro_batch or max_tokens"):
                logprob_BT, entropy_BT = policy.logprobs(some)
                loss_BT = policy_losses(logprob_BT, old_BT[part], advantage_BT[part], settings.clip)
                policy_loss = (loss_BT * there_BT).sum() / num_tokens
                loss_BT = value_losses(critic(some), value_BT[part], return_BT[part], settings.value_clip)
                critic_loss = (loss_BT * there_BT).sum() / num_tokens
                if not (policy_loss + critic_loss).isfinite():
                    raise RLError(f"the loss became {policy_loss.item()} (critic: {critic_loss.item()}); lower lr or critic_lr")
                (policy_loss + critic_loss).backward()
            outside_BT = ((logprob_BT - old_BT[part]).exp() - 1).abs() > settings.clip
            sums["policy_loss"] += float(policy_loss.detach())
            sums["critic_loss"] += float(critic_loss.detach())
            sums["clipped"] += float((outside_BT & there_BT).sum() / num_tokens)
            sums["entropy"] += float((entropy_BT * there_BT).sum() / num_tokens)
        norms = [nn.utils.clip_grad_norm_(trained, settings.max_norm) for trained in (policy.trained, critic.trained)]
        if not all(norm.isfinite() for norm in norms):
            raise RLError(f"a gradient became {norms[0].item()} (critic: {norms[1].item()}); lower lr or critic_lr")
        for optimizer in optimizers:
            if learn_policy or optimizer is optimizers.critic:
                optimizer.step()
            optimizer.zero_grad()
        for name, value in sums.items():
            losses[name].append(value)
    return metrics | {name: sum(values) / len(values) for name, values in losses.items()}


def _to_go(reward_BT: Tensor, gamma: float) -> Tensor:
    """Discounted sums of what follows: returns without a critic, against which every critic can be judged."""
    return gae(reward_BT, torch.zeros_like(reward_BT), torch.ones_like(reward_BT, dtype=torch.bool), gamma, 1.0)[0]


def _in_parts(batch: TokenBatch, size: int, read: Callable[[TokenBatch], Tensor]) -> Tensor:
    num_rows, length = batch.input_ids_BL.shape
    with within_memory(min(size, num_rows), length, "micro_batch or max_tokens"):
        return torch.cat([read(batch.rows(rows)) for rows in torch.arange(num_rows).split(size)])


def _minibatches(num_rows: int, settings: PPOSettings, seed: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(settings.epochs):
        yield from torch.randperm(num_rows, generator=generator).split(settings.minibatch)
