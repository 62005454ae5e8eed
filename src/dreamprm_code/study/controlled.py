"""Data sets of known truth, drawn from a simulated policy: training steps, clean meta programs, held-out programs.

*Held-out programs* are new compositions of functions for problems that training has seen. *Held-out problems* are problems of
which neither level has seen anything. The meta programs belong to the training problems, or to problems of their own: the
pipeline allows the latter only, but a reader that knows no language cannot carry an outcome across problems.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dreamprm_code.study.simulated_policy import LabelNoise, NoisyLabels, ProblemPool, SimulatedPolicy

META = ("same", "disjoint", "own")
"""Whose outcomes are known: programs of the training problems; of other problems; the latter, and the training programs."""


@dataclass(frozen=True)
class ControlledProgram:
    """A program with the true value of each of its prefixes (the last: 1.0 if it passes, else 0.0).

    ``log_likelihoods`` hold, for each prefix, the mean over its functions of their log-probability under the policy.
    """

    question_id: str
    prefixes: tuple[str, ...]
    true_values: tuple[float, ...]
    log_likelihoods: tuple[float, ...]

    @property
    def passed(self) -> bool:
        return self.true_values[-1] == 1.0


@dataclass(frozen=True)
class ControlledStep:
    """A middle step with its noisy count, its truth, and whether the noise reached it."""

    question_id: str
    prefix: str
    true_value: float
    num_rollouts: int
    num_correct: int
    is_spoilt: bool

    @property
    def mc_value(self) -> float:
        return self.num_correct / self.num_rollouts


@dataclass(frozen=True)
class ControlledSizes:
    """Sizes of a data set; programs are per problem. The policy's strength is drawn per problem and spread per function.

    With ``meta_problems`` 0 the meta programs belong to the training problems, else to so many problems of their own.
    """

    train_problems: int = 16
    meta_problems: int = 0
    held_out_problems: int = 8
    train_programs: int = 40
    meta_programs: int = 100
    held_out_programs: int = 32
    num_rollouts: int = 16
    strength: tuple[float, float] = (0.8, 0.95)
    spread: float = 0.08

    @property
    def num_problems(self) -> int:
        return self.train_problems + self.meta_problems + self.held_out_problems


@dataclass(frozen=True)
class ControlledData:
    """``steps`` are those of the ``train`` programs but the last; ``train`` knows what became of the programs themselves."""

    train: tuple[ControlledProgram, ...]
    steps: tuple[ControlledStep, ...]
    meta: tuple[ControlledProgram, ...]
    held_out_programs: tuple[ControlledProgram, ...]
    held_out_problems: tuple[ControlledProgram, ...]


@dataclass(frozen=True)
class _DrawnProblem:
    """A problem with its policy. Each use of it has a random stream of its own: the size of one changes no other."""

    policy: SimulatedPolicy
    seed: tuple[int, int]

    def programs(self, count: int, use: int) -> list[ControlledProgram]:
        policy, rng = self.policy, np.random.default_rng([*self.seed, use])
        made = []
        for _ in range(count):
            functions = policy.complete((), rng)
            starts = [functions[: end + 1] for end in range(len(functions))]
            made.append(
                ControlledProgram(
                    policy.pool.question_id,
                    tuple(policy.pool.prefix(start) for start in starts),
                    tuple(policy.true_value(start) for start in starts),
                    tuple(policy.log_likelihood(start) for start in starts),
                )
            )
        return made

    def steps(self, count: int, num_rollouts: int, noise: LabelNoise, use: int) -> list[ControlledStep]:
        """The middle steps of the programs that ``programs(count, use)`` gives, with noisy labels."""
        policy, rng = self.policy, np.random.default_rng([*self.seed, use])
        labels = NoisyLabels(policy, noise, np.random.default_rng([*self.seed, use, 1]))
        made = []
        for _ in range(count):
            functions = policy.complete((), rng)
            for end in range(1, len(functions)):
                num_correct, is_spoilt = labels.num_correct(functions[:end], num_rollouts)
                made.append(
                    ControlledStep(
                        policy.pool.question_id,
                        policy.pool.prefix(functions[:end]),
                        policy.true_value(functions[:end]),
                        num_rollouts,
                        num_correct,
                        is_spoilt,
                    )
                )
        return made


def draw_data(pools: Sequence[ProblemPool], sizes: ControlledSizes, noise: LabelNoise, seed: int) -> ControlledData:
    """A data set; the same for the same arguments. Another noise changes the labels alone, another size what it is the size of.

    Raises:
        ValueError: fewer pools than problems asked for.
    """
    if len(pools) < sizes.num_problems:
        raise ValueError(f"{sizes.num_problems} problems asked for, {len(pools)} there")
    problems = []
    for place in np.random.default_rng(seed).permutation(len(pools)).tolist():
        rng = np.random.default_rng([seed, place])
        success = rng.uniform(*sizes.strength) + rng.uniform(-sizes.spread, sizes.spread, pools[place].num_steps)
        policy = SimulatedPolicy(pools[place], tuple(np.clip(success, 0.5, 0.99).tolist()))
        problems.append(_DrawnProblem(policy, (seed, place)))
    train, rest = problems[: sizes.train_problems], problems[sizes.train_problems :]
    unseen, own = rest[: sizes.held_out_problems], rest[sizes.held_out_problems : sizes.num_problems - sizes.train_problems]

    def programs(chosen: Iterable[_DrawnProblem], count: int, use: int) -> tuple[ControlledProgram, ...]:
        return tuple(program for problem in chosen for program in problem.programs(count, use))

    return ControlledData(
        train=programs(train, sizes.train_programs, use=0),
        steps=tuple(
            step for problem in train for step in problem.steps(sizes.train_programs, sizes.num_rollouts, noise, use=0)
        ),
        meta=programs(own or train, sizes.meta_programs, use=1),
        held_out_programs=programs(train, sizes.held_out_programs, use=2),
        held_out_problems=programs(unseen, sizes.held_out_programs, use=2),
    )
