"""Data sets of known truth, drawn from a simulated policy: training steps, clean meta programs, held-out programs.

*Held-out programs* are new compositions of functions for problems that training has seen. *Held-out problems* are problems of
which neither level has seen anything. The meta programs belong to the training problems: what a meta outcome says
about a training label must be learnable from the text, and a reader that knows no language cannot carry it across problems.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dreamprm_code.study.simulated_policy import Drawn, LabelNoise, NoisyLabels, ProblemPool, SimulatedPolicy


@dataclass(frozen=True)
class ControlledProgram:
    """A program with the true value of each of its prefixes (the last: 1.0 if it passes, else 0.0)."""

    question_id: str
    prefixes: tuple[str, ...]
    true_values: tuple[float, ...]

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
    """Sizes of a data set; programs are per problem. The policy's strength is drawn per problem and spread per function."""

    train_problems: int = 16
    held_out_problems: int = 8
    train_programs: int = 40
    meta_programs: int = 100
    held_out_programs: int = 32
    num_rollouts: int = 16
    strength: tuple[float, float] = (0.8, 0.95)
    spread: float = 0.08


@dataclass(frozen=True)
class ControlledData:
    steps: tuple[ControlledStep, ...]
    meta: tuple[ControlledProgram, ...]
    held_out_programs: tuple[ControlledProgram, ...]
    held_out_problems: tuple[ControlledProgram, ...]


def _programs(
    policy: SimulatedPolicy, count: int, rng: np.random.Generator
) -> list[tuple[tuple[Drawn, ...], ControlledProgram]]:
    made = []
    for _ in range(count):
        functions = policy.complete((), rng)
        ends = range(1, len(functions) + 1)
        program = ControlledProgram(
            policy.pool.question_id,
            tuple(policy.pool.prefix(functions[:end]) for end in ends),
            tuple(policy.true_value(functions[:end]) for end in ends),
        )
        made.append((functions, program))
    return made


def draw_data(pools: Sequence[ProblemPool], sizes: ControlledSizes, noise: LabelNoise, seed: int) -> ControlledData:
    """A data set; the same for the same arguments, and equal but for the labels for another noise rate.

    Raises:
        ValueError: fewer pools than problems asked for.
    """
    needed = sizes.train_problems + sizes.held_out_problems
    if len(pools) < needed:
        raise ValueError(f"{needed} problems asked for, {len(pools)} there")
    rng, label_rng = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    chosen = [pools[index] for index in rng.permutation(len(pools))[:needed]]
    steps: list[ControlledStep] = []
    meta: list[ControlledProgram] = []
    seen: list[ControlledProgram] = []
    unseen: list[ControlledProgram] = []
    for number, pool in enumerate(chosen):
        success = rng.uniform(*sizes.strength) + rng.uniform(-sizes.spread, sizes.spread, pool.num_steps)
        policy = SimulatedPolicy(pool, tuple(np.clip(success, 0.5, 0.99).tolist()))
        if number >= sizes.train_problems:
            unseen += [program for _, program in _programs(policy, sizes.held_out_programs, rng)]
            continue
        labels = NoisyLabels(policy, noise, label_rng)
        for functions, program in _programs(policy, sizes.train_programs, rng):
            for index in range(pool.num_steps - 1):
                num_correct, is_spoilt = labels.num_correct(functions[: index + 1], sizes.num_rollouts)
                steps.append(
                    ControlledStep(
                        pool.question_id,
                        program.prefixes[index],
                        program.true_values[index],
                        sizes.num_rollouts,
                        num_correct,
                        is_spoilt,
                    )
                )
        meta += [program for _, program in _programs(policy, sizes.meta_programs, rng)]
        seen += [program for _, program in _programs(policy, sizes.held_out_programs, rng)]
    return ControlledData(tuple(steps), tuple(meta), tuple(seen), tuple(unseen))
