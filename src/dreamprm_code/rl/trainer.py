"""The loop around a step of PPO: sample, grade, reward, learn, report, save.

Everything that is drawn by chance follows from the seed and the step's number, and a resume checkpoint holds all that moves: a
run that was killed goes on to the same bits (on one machine).
"""

# B = programs, T = tokens of an answer

from __future__ import annotations

import itertools
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dreamprm_code.bilevel.progress import Reporter
from dreamprm_code.bilevel.resume import load_state, only_training_in, save_state, taking_up
from dreamprm_code.errors import UserError
from dreamprm_code.grading import Grader, GradeRequest
from dreamprm_code.policies.base import request_seed
from dreamprm_code.records import Problem
from dreamprm_code.rl.models import Answer, Critic, LoraPolicy, TokenBatch
from dreamprm_code.rl.ppo import Optimizers, RLError, ppo_step, within_memory
from dreamprm_code.rl.prompting import Prompts
from dreamprm_code.rl.rewards import hack_monitors, step_end_tokens, step_rewards, token_rewards
from dreamprm_code.rl.settings import PPOSettings
from dreamprm_code.steps import StepSettings, split_program

_LOG = logging.getLogger(__name__)

Grade = Callable[[Sequence[tuple[Problem, str]]], list[bool | None]]
"""Whether programs pass their problem's tests; None for one that could not be graded."""


class Scorer(NamedTuple):
    """A process reward model: ``score(problem, programs)`` gives a probability for each step, split as ``steps`` says."""

    score: Callable[[Problem, Sequence[str]], list[list[float]]]
    steps: StepSettings

    def ends(self, program: str, pieces: Sequence[str]) -> list[int]:
        """The tokens at which the steps of a program end, in an answer of these tokens that begins with it."""
        split = split_program(program, self.steps.max_functions, self.steps.granularity)
        return step_end_tokens(pieces, [len(prefix) for prefix in split.prefixes])


class Graded(NamedTuple):
    """A sampled program and whether it passed."""

    problem: Problem
    answer: Answer
    program: str
    passed: bool | None


def grade_with(grader: Grader) -> Grade:
    """Unit tests in the grader's workers, all programs at once."""

    def grade(programs: Sequence[tuple[Problem, str]]) -> list[bool | None]:
        requests = [GradeRequest(number, problem, code) for number, (problem, code) in enumerate(programs)]
        return [future.result().passed for future in [grader.submit(request) for request in requests]]

    return grade


def sample_programs(
    policy: LoraPolicy, prompts: Prompts, grade: Grade, problems: Sequence[Problem], samples: int, tokens: int, seed: int
) -> list[Graded]:
    """``samples`` graded programs of each problem, in order; answers depend on ``seed``, the problem and their index alone."""
    wanted = [(problem, index) for problem in problems for index in range(samples)]
    ids = {problem.question_id: prompts.ids(problem) for problem in problems}
    with within_memory(min(policy.slots, len(wanted)), tokens, "batch_size or max_tokens"):
        answers = policy.sample(
            [ids[problem.question_id] for problem, _ in wanted],
            [request_seed(seed, (problem.question_id,), index) for problem, index in wanted],
            tokens,
        )
    programs = [prompts.program(answer.text) for answer in answers]
    verdicts = grade([(problem, program) for (problem, _), program in zip(wanted, programs, strict=True)])
    return [
        Graded(problem, answer, program, verdict)
        for (problem, _), answer, program, verdict in zip(wanted, answers, programs, verdicts, strict=True)
    ]


def pass_rates(sampled: Sequence[Graded]) -> dict[str, float]:
    """Share of each problem's graded programs that pass."""
    rates: dict[str, float] = {}
    for question_id, group in itertools.groupby(sampled, key=lambda one: one.problem.question_id):
        known = [one.passed for one in group if one.passed is not None]
        if known:
            rates[question_id] = sum(known) / len(known)
    return rates


def rewards_of(sampled: Sequence[Graded], scorer: Scorer | None, settings: PPOSettings) -> Tensor:
    """reward_BT: the outcome at the last token, the PRM's rewards at the tokens that end a step."""
    ends: list[list[int]] = [[] for _ in sampled]
    rewards: list[list[float]] = [[] for _ in sampled]
    if scorer is not None and settings.reward != "outcome":
        for _, rows in itertools.groupby(range(len(sampled)), key=lambda row: sampled[row].problem.question_id):
            members = [row for row in rows if sampled[row].program.strip()]
            scored = scorer.score(sampled[members[0]].problem, [sampled[row].program for row in members]) if members else []
            for row, scores in zip(members, scored, strict=True):
                ends[row] = scorer.ends(sampled[row].program, sampled[row].answer.pieces)
                rewards[row] = step_rewards(settings.reward, scores, bool(sampled[row].passed), settings.reward_scale)
    outcomes = [settings.passed_reward if one.passed else settings.failed_reward for one in sampled]
    return token_rewards(rewards, ends, outcomes, [len(one.answer.token_ids) for one in sampled])


class PPORun:
    """One run: its models, optimizers and log; ``step`` is the number of the last step taken."""

    def __init__(
        self,
        settings: PPOSettings,
        problems: Sequence[Problem],
        prompts: Prompts,
        policy: LoraPolicy,
        critic: Critic,
        grade: Grade,
        out_dir: Path,
        scorer: Scorer | None = None,
        identity: Mapping[str, Any] = MappingProxyType({}),
    ):
        if not problems:
            raise RLError("there is no problem to train on; check the split or the task's settings")
        if settings.reward != "outcome" and scorer is None:
            raise RLError(f"reward '{settings.reward}' needs the step scores of a PRM: name one, or set reward outcome")
        self.settings, self.problems, self.prompts, self.grade = settings, list(problems), prompts, grade
        self.policy, self.critic, self.scorer, self.out_dir = policy, critic, scorer, out_dir
        self.identity = {**settings.identity(), **identity, "problems": [problem.question_id for problem in problems]}
        self.optimizers = Optimizers(
            torch.optim.Adam(policy.trained, lr=settings.lr), torch.optim.Adam(critic.trained, lr=settings.critic_lr)
        )
        self.step = 0

    def run(self, each: Callable[[int], dict[str, float] | None] | None = None) -> list[dict[str, Any]]:
        """Take all steps that are left; returns the log's rows. ``each`` may measure after a step (and before the first, 0).

        Raises:
            UserError: a step that cannot be taken, or another run writes into the folder; the last resume checkpoint is as it
                was.
        """
        with only_training_in(self.out_dir):
            self._restore()
            return self._run(each)

    def _run(self, each: Callable[[int], dict[str, float] | None] | None) -> list[dict[str, Any]]:
        settings = self.settings
        with self._reporter() as reporter:
            if self.step == 0 and each is not None and (found := each(0)):
                reporter.write("validation", 0, {"loss": 0.0, **found})
            while self.step < settings.steps:
                try:
                    metrics = self.take_step(self.step + 1)
                except UserError as error:
                    raise RLError(f"step {self.step + 1}: {error}; run again to go on from the last checkpoint") from None
                self.step += 1
                reporter.write("ppo", self.step, metrics)
                if each is not None and (found := each(self.step)):
                    reporter.write("validation", self.step, {"loss": metrics["critic_loss"], **found})
                if self.step % settings.checkpoint_every == 0 or self.step == settings.steps:
                    self._save()
            return reporter.rows

    def take_step(self, number: int) -> dict[str, float]:
        """Step ``number`` (from 1): what it samples follows from the seed and the number."""
        settings = self.settings
        seed = request_seed(settings.seed, ("step",), number)
        begin = time.monotonic()
        sampled = sample_programs(
            self.policy,
            self.prompts,
            self.grade,
            list(self._batch(number)),
            settings.samples_per_problem,
            settings.max_tokens,
            seed,
        )
        sampled = [one for one in sampled if one.passed is not None]
        if not sampled:
            raise RLError("none of the step's programs could be graded")
        reward_BT = rewards_of(sampled, self.scorer, settings)
        sampled_at = time.monotonic()
        total_B = reward_BT.sum(1)
        is_flat = bool(total_B.max() - total_B.min() < 1e-9)
        if is_flat:
            _LOG.warning("step %d: all %d programs got the same reward; only the critic learns", number, len(sampled))
        metrics = ppo_step(
            self.policy,
            self.critic,
            self.optimizers,
            TokenBatch.of([one.answer for one in sampled], self.policy.pad_id, self.policy.device),
            reward_BT,
            settings,
            seed,
            learn_policy=number > settings.critic_only_steps and not is_flat,
        )
        return {
            "pass_rate": sum(bool(one.passed) for one in sampled) / len(sampled),
            **metrics,
            "equal_rewards": float(is_flat),
            "tokens": sum(len(one.answer.token_ids) for one in sampled) / len(sampled),
            **hack_monitors(one.program for one in sampled),
            "sampling_seconds": round(sampled_at - begin, 3),
            "step_seconds": round(time.monotonic() - begin, 3),
        }

    def _batch(self, number: int) -> Iterator[Problem]:
        """The problems of a step: each pass over all of them has an order of its own."""
        size, count = min(self.settings.batch_problems, len(self.problems)), len(self.problems)
        for place in range((number - 1) * size, number * size):
            order = list(range(count))
            random.Random(f"{self.settings.seed} {place // count}").shuffle(order)
            yield self.problems[order[place % count]]

    @contextmanager
    def _reporter(self) -> Iterator[Reporter]:
        reporter = Reporter(self.out_dir, self.settings, self.step)
        try:
            yield reporter
        finally:
            reporter.close()

    def _trained(self) -> list[Tensor]:
        return [*self.policy.trained, *self.critic.trained]

    def _save(self) -> None:
        state = {
            "step": self.step,
            "trained": [parameter.detach().cpu().clone() for parameter in self._trained()],
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }
        save_state(self.out_dir, self.identity, state)

    @torch.no_grad()
    def _restore(self) -> None:
        state = load_state(self.out_dir, self.identity)
        if state is None:
            return
        with taking_up(self.out_dir):
            for parameter, value in zip(self._trained(), state["trained"], strict=True):
                parameter.copy_(value)
            for optimizer, values in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(values)
            self.step = int(state["step"])
