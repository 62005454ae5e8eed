"""The bi-level step for a linear head, in closed form and without autograd: thousands of trainings in minutes.

For a linear head the gradient of a row's logit is the row's features, so the inner gradient, the outer gradient and the
derivative of every logit along a direction are products with the feature matrix, and Adam and its derivative are a few lines
of numpy. The result is that of :func:`dreamprm_code.bilevel.train` up to rounding, at a twentieth of its time
(tests/study/test_linear.py compares them).

Features that are equal in every row have equal weights at every step (they start equal, and Adam treats each alike). So one
column stands for all of them: the logit counts it as often as it occurs, its gradient is that of one.
"""

# R = training steps, P = rows of the inner pool (training steps, then outcome rows), N = rows of a batch,
# F = features, C = distinct columns, then the bias and a column of value 0, K = columns that a row holds

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from dreamprm_code.bilevel import TrainSettings
from dreamprm_code.bilevel.noise import binomial_sd, posterior_value
from dreamprm_code.bilevel.trainer import scheduled

Array = np.ndarray
Slope = Callable[[Array, Array], Array]
"""dl/dz of each row from its score and its label: all that a loss is to a linear head."""


def sigmoid(logit: Array) -> Array:
    return 0.5 + 0.5 * np.tanh(0.5 * logit)


@dataclass(frozen=True)
class Columns:
    """Which features share a column: ``of_F`` is each feature's column, ``first_C`` the first feature of each."""

    of_F: Array
    first_C: Array
    count_C: Array

    @classmethod
    def equal_in(cls, feature_RF: Array) -> Columns:
        """Groups the features that are equal in every row."""
        places: dict[bytes, int] = {}
        features = np.ascontiguousarray(feature_RF.T)
        of_F = np.array([places.setdefault(feature.tobytes(), len(places)) for feature in features])
        _, first_C, count_C = np.unique(of_F, return_index=True, return_counts=True)
        return cls(of_F, first_C, np.append(count_C, [1, 0]).astype(np.float32))

    def reduce(self, feature_RF: Array) -> Features:
        """One column of each group, and the bias."""
        feature_RC = np.hstack([feature_RF[:, self.first_C], np.ones((len(feature_RF), 1), np.float32)])
        held_RC = feature_RC != 0.0
        width = int(held_RC.sum(1).max())
        column_RK = np.argsort(~held_RC, axis=1, kind="stable")[:, :width]
        value_RK = np.take_along_axis(feature_RC, column_RK, axis=1)
        return Features(np.where(value_RK != 0.0, column_RK, len(self.first_C) + 1), value_RK)


@dataclass(frozen=True)
class Features:
    """Rows of reduced features: the columns that each holds, and their values; shorter rows end in a column of value 0."""

    column_RK: Array
    value_RK: Array

    def __len__(self) -> int:
        return len(self.column_RK)

    def at(self, rows: Array) -> Features:
        return Features(self.column_RK[rows], self.value_RK[rows])

    def times(self, theta_C: Array) -> Array:
        """The product with a vector, [rows]."""
        return np.einsum("rk,rk->r", self.value_RK, theta_C[self.column_RK])

    def transposed_times(self, slope_R: Array, num_columns: int) -> Array:
        """The product of the transposed rows with a vector, [C]."""
        parts = self.value_RK * slope_R[:, None]
        return np.bincount(self.column_RK.ravel(), parts.ravel(), num_columns).astype(np.float32)

    def joined(self, other: Features, padding: int) -> Features:
        """These rows, then the other's; ``padding`` is the column of value 0."""
        width = max(self.column_RK.shape[1], other.column_RK.shape[1])

        def wide(matrix: Array, fill: float) -> Array:
            return np.pad(matrix, ((0, 0), (0, width - matrix.shape[1])), constant_values=fill)

        columns = [wide(part.column_RK, padding) for part in (self, other)]
        values = [wide(part.value_RK, 0.0) for part in (self, other)]
        return Features(np.concatenate(columns), np.concatenate(values))


@dataclass(frozen=True)
class Rows:
    """Rows with soft labels and loss weights; ``num_rollouts`` matters to tables only."""

    features: Features
    label_R: Array
    weight_R: Array
    num_rollouts: int = 1

    @classmethod
    def of(cls, features: Features, label_R: Sequence[float] | Array, num_rollouts: int = 1) -> Rows:
        return cls(features, np.asarray(label_R, np.float64), np.ones(len(label_R), np.float32), num_rollouts)

    def __len__(self) -> int:
        return len(self.label_R)

    def with_labels(self, label_R: Array) -> Rows:
        return replace(self, label_R=label_R)

    def with_weights(self, weight_R: Array) -> Rows:
        return replace(self, weight_R=weight_R.astype(np.float32))

    def at(self, rows: Array) -> Rows:
        """These rows only."""
        return Rows(self.features.at(rows), self.label_R[rows], self.weight_R[rows], self.num_rollouts)


@dataclass(frozen=True)
class Head:
    """``theta_C`` ends in the bias and 0; ``label_R`` and ``weight_R`` are the table's at the end, for the training steps."""

    columns: Columns
    theta_C: Array
    label_R: Array
    weight_R: Array

    def scores(self, features: Features) -> Array:
        """Scores in [0, 1] of reduced features."""
        return sigmoid(features.times(self.theta_C * self.columns.count_C).astype(np.float64))

    def scores_of_all(self, feature_SF: Array) -> Array:
        """Scores of rows in which features that share a column may differ."""
        logit_S = feature_SF @ self.theta_C[self.columns.of_F] + self.theta_C[-2]
        return sigmoid(logit_S.astype(np.float64))


def batch_rows(num_rows: int, size: int, count: int, seed: int) -> Array:
    """The rows of ``count`` batches [count, size]: the order of :class:`dreamprm_code.bilevel.batches.Batches`."""
    generators = (torch.Generator().manual_seed(seed * 1_000_003 + epoch) for epoch in range(-(-size * count // num_rows)))
    stream = torch.cat([torch.randperm(num_rows, generator=generator) for generator in generators])
    return stream[: size * count].view(count, size).numpy()


class _Adam:
    """torch's Adam without decay, and the derivative of its step with respect to the gradient."""

    def __init__(self, value: Array):
        self.value, self.step = value, 0
        self.mean, self.square = np.zeros_like(value), np.zeros_like(value)

    def move(self, grad: Array, lr: float) -> None:
        self.step += 1
        self.grad, self.lr = grad, lr
        self.mean += 0.1 * (grad - self.mean)
        self.square += 0.001 * (grad * grad - self.square)
        self.root = np.sqrt(self.square / (1.0 - 0.999**self.step)).astype(self.value.dtype)
        self.floored = self.root + 1e-8
        self.value -= (lr / (1.0 - 0.9**self.step)) * self.mean / self.floored

    def pull_back(self, vector: Array) -> Array:
        """As :func:`dreamprm_code.bilevel.method.pull_back`."""
        bias1, bias2 = 1.0 - 0.9**self.step, 1.0 - 0.999**self.step
        second = self.mean * self.grad * (0.001 / bias1 / bias2) / np.maximum(self.root * self.floored * self.floored, 1e-38)
        return self.lr * (0.1 / bias1 / self.floored - second) * vector


def fit(
    training: TrainSettings,
    columns: Columns,
    steps: Rows,
    outcomes: Rows | None = None,
    outer: Rows | None = None,
    slope: Slope | None = None,
    on_step: Callable[[int, Callable[[], Head]], None] | None = None,
) -> Head:
    """A linear head from zero: ``steps`` and ``outcomes`` in one inner pool; ``outer`` corrects the labels of ``steps``.

    Of ``training`` it reads learn, both step counts, batch sizes, learning rates, schedule, agreement, score_sd and seed, and
    does what ``bilevel.train`` does with Adam, without decay and clipping. ``slope`` is another loss for the training steps.
    ``on_step(step, head)`` is called after each step; ``head()`` is the head then.

    Raises:
        ValueError: an outer level without outer rows, or with another loss than cross-entropy.
    """
    if training.learn != "none" and (outer is None or slope is not None):
        raise ValueError("the outer level needs outer rows and cross-entropy")
    count_C = columns.count_C
    features, label_P, weight_P = steps.features, steps.label_R.copy(), steps.weight_R.copy()
    if outcomes is not None:
        features = features.joined(outcomes.features, padding=len(count_C) - 1)
        label_P, weight_P = np.append(label_P, outcomes.label_R), np.append(weight_P, outcomes.weight_R)
    head = _Adam(np.zeros(len(count_C), np.float32))
    batches = batch_rows(len(label_P), min(training.batch_programs, len(label_P)), training.total_steps, training.seed)
    table = None
    if training.learn != "none" and outer is not None:
        table = _Table(training, steps, outer, label_P, weight_P)

    def fitted() -> Head:
        return Head(columns, head.value.copy(), label_P[: len(steps)].copy(), weight_P[: len(steps)].copy())

    for step, rows in enumerate(batches, 1):
        seen = features.at(rows)
        score_N = sigmoid(seen.times(head.value * count_C))
        target_N = label_P[rows].astype(np.float32)
        slope_N = score_N - target_N
        if slope is not None:
            slope_N = np.where(rows < len(steps), slope(score_N, target_N), slope_N)
        slope_N *= weight_P[rows] / np.float32(len(rows))
        lr = scheduled(training.lr, step, training.lr_warmup_steps, training.total_steps, training.schedule)
        head.move(seen.transposed_times(slope_N, len(count_C)), lr)
        if table is not None and step > training.inner_only_steps:
            table.correct(step - training.inner_only_steps, head, count_C, rows, seen, score_N, target_N)
        if on_step is not None:
            on_step(step, fitted)
    return fitted()


class _Table:
    """The outer level: labels or weights of the training steps, changed in place in the pool's arrays."""

    def __init__(self, training: TrainSettings, steps: Rows, outer: Rows, label_P: Array, weight_P: Array):
        self.training, self.outer, self.num_steps = training, outer, len(steps)
        self.label_P, self.weight_P, self.mc_value_R = label_P, weight_P, steps.label_R.copy()
        num_rollouts = torch.full((len(steps),), steps.num_rollouts)
        self.sd_R = binomial_sd(torch.from_numpy(self.mc_value_R), num_rollouts).numpy()
        is_label = training.learn == "labels"
        self.adam = _Adam(steps.label_R.copy() if is_label else steps.weight_R.astype(np.float64))
        self.high, self.into_P = (1.0, label_P) if is_label else (2.0, weight_P)
        size = min(training.outer_programs, len(outer))
        self.batches = batch_rows(len(outer), size, training.bilevel_steps, training.seed + 1)

    def correct(
        self, step: int, head: _Adam, count_C: Array, rows_N: Array, seen: Features, score_N: Array, target_N: Array
    ) -> None:
        """One outer step after the inner step that read ``rows_N``, at whose scores and targets it is differentiated."""
        training, chosen = self.training, self.batches[step - 1]
        read = self.outer.features.at(chosen)
        error_N = sigmoid(read.times(head.value * count_C)) - self.outer.label_R[chosen].astype(np.float32)
        along_C = head.pull_back(read.transposed_times(error_N / np.float32(len(chosen)), len(count_C)))
        is_step = rows_N < self.num_steps
        rows = rows_N[is_step]
        tangent = seen.at(is_step).times(along_C * count_C).astype(np.float64)
        mixed = -self.weight_P[rows] if training.learn == "labels" else (score_N - target_N)[is_step]
        grad_R = np.zeros(self.num_steps)
        np.add.at(grad_R, rows, -mixed * tangent / len(rows_N))  # a batch that ends a pass may hold a row twice
        value_R = self.adam.value
        self.adam.move(grad_R, scheduled(training.outer_lr, step, 0, training.bilevel_steps, training.schedule))
        if training.agreement > 0.0:
            mc_value, sd, score = (torch.from_numpy(a) for a in (self.mc_value_R[rows], self.sd_R[rows], score_N[is_step]))
            target = posterior_value(mc_value, sd, score.double(), training.score_sd).numpy()
            value_R[rows] += training.agreement * (target - value_R[rows])
        np.clip(value_R, 0.0, self.high, out=value_R)
        self.into_P[: self.num_steps] = value_R
