"""Every number of a run of PPO."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dreamprm_code.bilevel.settings import ReportSettings
from dreamprm_code.rl.rewards import FORMS
from dreamprm_code.settings import OneOf


class PPOSettings(ReportSettings):
    """The papers on process rewards publish none of these; all are ours."""

    steps: int = Field(100, ge=1, description="PPO steps; each samples a batch, learns from it and forgets it")
    batch_problems: int = Field(8, ge=1, description="problems per step")
    samples_per_problem: int = Field(8, ge=1, description="programs per problem and step")
    max_tokens: int = Field(256, ge=1, description="longest answer, in tokens")
    temperature: float = Field(1.0, gt=0, description="of sampling, and of the probabilities that are learned")

    reward: Annotated[str, OneOf(tuple(FORMS))] = Field(
        "dense", description="rewards at step ends, beside the outcome: outcome is none, dense the paper's (rl/rewards.py)"
    )
    reward_scale: float = Field(1.0, ge=0, description="factor of the rewards at step ends")
    passed_reward: float = Field(1.0, description="reward at the last token of a program that passes its tests")
    failed_reward: float = Field(0.0, description="and of one that fails")
    kl: float = Field(0.02, ge=0, description="reward of -kl log(policy / reference) at every token")
    gamma: float = Field(1.0, gt=0, le=1, description="discount per token; differences are policy-invariant at 1")
    gae_lambda: float = Field(0.95, ge=0, le=1, description="of generalised advantage estimation")

    epochs: int = Field(2, ge=1, description="passes over a step's programs")
    minibatch: int = Field(32, ge=1, description="programs per update")
    micro_batch: int = Field(32, ge=1, description="programs per forward pass; bounds the memory, not the result")
    clip: float = Field(0.2, gt=0, description="the ratio of new to old probabilities counts within 1 +- clip")
    value_clip: float = Field(0.2, gt=0, description="new values count within +- value_clip of the old ones")
    lr: float = Field(1e-4, gt=0, description="learning rate of the policy's LoRA")
    critic_lr: float = Field(3e-4, gt=0, description="learning rate of the critic")
    max_norm: float = Field(1.0, gt=0, description="largest norm of each gradient")
    critic_only_steps: int = Field(0, ge=0, description="first steps in which only the critic learns")

    checkpoint_every: int = Field(5, ge=1, description="steps between resume checkpoints")

    @property
    def total_steps(self) -> int:
        return self.steps

    @property
    def kind(self) -> str:
        return f"ppo-{self.reward}"

    def identity(self) -> dict[str, object]:
        """The settings that decide the result: a checkpoint resumes only with equal ones. More steps may be added."""
        left_out = {"steps", "progress", "log_to", "run_name", "micro_batch", "checkpoint_every"}
        return {name: getattr(self, name) for name in PPOSettings.model_fields if name not in left_out}
