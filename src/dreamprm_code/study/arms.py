"""The arms of the study: what can be learned from the same noisy step labels and the same clean outcomes of programs.

Every arm has the same number of inner steps in total: an arm of several trainings divides them. ``labels`` and the others with
an outer level are the library's method (:mod:`dreamprm_code.study.linear` takes its steps in closed form).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from dreamprm_code.bilevel import METHODS, TrainSettings
from dreamprm_code.bilevel.noise import mixed_labels
from dreamprm_code.study.controlled import ControlledProgram
from dreamprm_code.study.linear import Array, Columns, Head, Rows, Slope, fit
from dreamprm_code.study.ngrams import LinearPRM
from dreamprm_code.study.released_recipe import ReleasedSettings, train_as_released
from dreamprm_code.study.robust import flip_share, forward_correction, generalized_cross_entropy, variance_weights


@dataclass(frozen=True)
class Cell:
    """One data set as features: ``steps`` with Monte-Carlo labels, ``prefixes`` of the outcome programs with their outcomes.

    ``is_whole_A`` marks whole programs among the prefixes, ``program_A`` says whose they are. ``full`` holds what the released
    recipe reads: features of steps and whole programs that are not reduced.
    """

    training: TrainSettings
    columns: Columns
    steps: Rows
    prefixes: Rows
    is_whole_A: Array
    program_A: Array
    full: tuple[Array, Array]
    agreement: float

    @property
    def whole(self) -> Rows:
        return self.prefixes.at(self.is_whole_A)

    @property
    def nothing(self) -> Rows:
        return self.steps.at(np.arange(0))

    def fit(self, steps: Rows, outcomes: Rows | None = None, outer: Rows | None = None, **settings: Any) -> Head:
        """Train a head; ``share`` of the inner steps (default all), ``slope`` and ``on_step`` as in :func:`fit`."""
        share = settings.pop("share", 1.0)
        passed_on = {name: settings.pop(name) for name in ("slope", "on_step") if name in settings}
        changes = {
            "learn": "none",
            "inner_only_steps": round(share * self.training.inner_only_steps),
            "bilevel_steps": round(share * self.training.bilevel_steps),
        }
        training = self.training.with_changes(**(changes | settings))
        return fit(training, self.columns, steps, outcomes, outer, **passed_on)


@dataclass(frozen=True)
class Trained:
    """A head and the labels that the arm leaves for the training steps."""

    head: Head
    label_R: Array
    weight_R: Array | None = None


@dataclass(frozen=True)
class Arm:
    """``reads`` and ``how`` are its lines in the table of arms."""

    train: Callable[[Cell], Trained]
    reads: str
    how: str


def _with_own_labels(cell: Cell, head: Head) -> Trained:
    """The labels that a head without a table leaves are its scores."""
    return Trained(head, head.scores(cell.steps.features))


def _untouched(cell: Cell, head: Head) -> Trained:
    return Trained(head, cell.steps.label_R)


def _none(cell: Cell) -> Trained:
    return _untouched(cell, cell.fit(cell.steps))


def _outer(cell: Cell, **settings: Any) -> Trained:
    head = cell.fit(cell.steps, outer=cell.whole, **settings)
    return Trained(head, head.label_R, head.weight_R if settings["learn"] == "weights" else None)


def _released(cell: Cell) -> Trained:
    """Through Betty and with dropout, as released; rounding aside, its head is that of the unreduced features."""
    training, (step_RF, whole_MF) = cell.training, cell.full
    torch.manual_seed(training.seed)
    model = LinearPRM(step_RF.shape[1], dropout=0.05)
    settings = ReleasedSettings(
        training.inner_only_steps,
        training.bilevel_steps,
        micro_rows=training.batch_programs // 8,
        lr=training.lr,
        seed=training.seed,
    )
    labels, outcomes = torch.from_numpy(cell.steps.label_R).float(), torch.from_numpy(cell.whole.label_R).float()
    weights = train_as_released(model, torch.from_numpy(step_RF), labels, torch.from_numpy(whole_MF), outcomes, settings)
    theta_F = model.head.weight.detach().numpy()[0]
    columns = Columns(np.arange(len(theta_F)), np.arange(len(theta_F)), np.ones(len(theta_F) + 2, np.float32))
    theta = np.append(theta_F, [model.head.bias.item(), 0.0]).astype(np.float32)
    weight_R = np.array(weights)
    return Trained(Head(columns, theta, cell.steps.label_R, weight_R), cell.steps.label_R, weight_R)


def _outcomes(cell: Cell, rows: Rows) -> Trained:
    return _with_own_labels(cell, cell.fit(cell.nothing, rows))


def _pool(cell: Cell, rows: Rows, **settings: Any) -> Trained:
    return _with_own_labels(cell, cell.fit(cell.steps, rows, **settings))


def _mixed(cell: Cell, rows: Rows, rounds: int) -> Trained:
    """A head's scores mixed into the labels, then a new head on the mixed labels and the outcomes; again for each round."""
    share = 1.0 / (rounds + 1)
    steps, head = cell.steps, cell.fit(cell.nothing, rows, share=share)
    for _ in range(rounds):
        scores = head.scores(steps.features).tolist()
        labels = mixed_labels(cell.steps.label_R.tolist(), [steps.num_rollouts] * len(steps), scores)
        steps = steps.with_labels(np.asarray(labels, np.float64))
        head = cell.fit(steps, rows, share=share)
    return Trained(head, steps.label_R)


def _retrained(cell: Cell) -> Trained:
    corrected = cell.fit(cell.steps, outer=cell.whole, learn="labels", agreement=cell.agreement, share=0.5).label_R
    return Trained(cell.fit(cell.steps.with_labels(corrected), cell.whole, share=0.5), corrected)


def _joint(cell: Cell, rows: Rows, **settings: Any) -> Trained:
    """Outcomes in both levels at once."""
    settings = {"learn": "labels", "agreement": cell.agreement} | settings
    head = cell.fit(cell.steps, rows, outer=cell.whole, **settings)
    return Trained(head, head.label_R)


def _best(cell: Cell, **settings: Any) -> Trained:
    """The library's method ``joint``, with its own outer learning rate and not that of ``labels`` here."""
    method = {name: value for name, value in METHODS["joint"].items() if name in TrainSettings.model_fields}
    return _joint(cell, cell.prefixes, **(method | {"outer_lr": 0.5 * cell.training.outer_lr} | settings))


def _split_joint(cell: Cell) -> Trained:
    """Half of the outcome programs in the inner level, the other half in the outer level, which the inner has not fitted."""
    inner_A = _some_programs(cell, 0.5)
    outer = cell.prefixes.at(~inner_A & cell.is_whole_A)
    rows = cell.prefixes.at(inner_A & cell.is_whole_A)
    head = cell.fit(cell.steps, rows, outer=outer, learn="labels", agreement=cell.agreement)
    return Trained(head, head.label_R)


def _some_programs(cell: Cell, share: float) -> Array:
    """Which prefixes belong to a random share of the outcome programs."""
    chosen = np.random.default_rng(cell.training.seed).random(int(cell.program_A.max()) + 1) < share
    return chosen[cell.program_A]


def _variance(cell: Cell) -> Trained:
    weight_R = variance_weights(cell.steps.label_R, cell.steps.num_rollouts, floor=0.1)
    return _with_own_labels(cell, cell.fit(cell.steps.with_weights(weight_R), cell.whole))


def _forward(cell: Cell, pooled: bool) -> Trained:
    """The share of flips is estimated with a head that read outcomes only."""
    judge = cell.fit(cell.nothing, cell.whole, share=0.5)
    share = flip_share(cell.steps.label_R, judge.scores(cell.steps.features))
    return _robust(cell, forward_correction(share), pooled, share=0.5)


def _robust(cell: Cell, slope: Slope, pooled: bool, **settings: Any) -> Trained:
    if not pooled:
        return _untouched(cell, cell.fit(cell.steps, slope=slope, **settings))
    return _with_own_labels(cell, cell.fit(cell.steps, cell.whole, slope=slope, **settings))


def _stopped(cell: Cell, pooled: bool, every: int = 50) -> Trained:
    """A quarter of the outcome programs is held out; the step with the lowest log-loss on it is kept."""
    held_A = _some_programs(cell, 0.25)
    held = cell.prefixes.at(held_A & cell.is_whole_A)
    checked: list[tuple[float, Head]] = []

    def check(step: int, fitted: Callable[[], Head]) -> None:
        if step % every == 0:
            head = fitted()
            score_N = np.clip(head.scores(held.features), 1e-6, 1.0 - 1e-6)
            loss = -float(np.mean(held.label_R * np.log(score_N) + (1.0 - held.label_R) * np.log(1.0 - score_N)))
            checked.append((loss, head))

    rows = cell.prefixes.at(~held_A & cell.is_whole_A) if pooled else None
    cell.fit(cell.steps, rows, on_step=check)
    _, best = min(checked, key=lambda pair: pair[0])
    return _with_own_labels(cell, best) if pooled else _untouched(cell, best)


def _corrected_from(cell: Cell, label_R: Array) -> Trained:
    """Labels that say nothing of their rows, then the published outer level: what it brings of its own."""
    head = cell.fit(cell.steps.with_labels(label_R), outer=cell.whole, learn="labels")
    return Trained(head, head.label_R)


def _shuffled(cell: Cell) -> Array:
    return np.random.default_rng(cell.training.seed).permutation(cell.steps.label_R)


def _smoothed(cell: Cell) -> Rows:
    return cell.steps.with_labels(0.8 * cell.steps.label_R + 0.1)


MC = "step labels"
WHOLE = "outcomes of whole programs"
EVERY = "outcomes at every prefix of their programs"

OUTCOMES_ARM, POOL_ARM, BEST_ARM = "outcomes", "pool", "pool at every prefix + agreement"

ARMS: dict[str, Arm] = {
    "none": Arm(_none, MC, "cross-entropy on the Monte-Carlo labels"),
    "label smoothing": Arm(lambda cell: _untouched(cell, cell.fit(_smoothed(cell))), MC, "labels pulled towards 1/2 by 20%"),
    "GCE": Arm(lambda cell: _robust(cell, generalized_cross_entropy(0.7), False), MC, "generalized cross-entropy, q = 0.7"),
    "forward correction": Arm(
        lambda cell: _forward(cell, False), f"{MC}; {WHOLE}, for the noise rate", "share of flips estimated from outcomes"
    ),
    "early stopping": Arm(
        lambda cell: _stopped(cell, False), f"{MC}; {WHOLE} (a quarter), to stop", "the step with the best log-loss on outcomes"
    ),
    "released": Arm(_released, f"{MC}; {WHOLE}, outer", "weights by Betty's darts, dropout, table decay, last micro-batch"),
    "weights": Arm(lambda cell: _outer(cell, learn="weights"), f"{MC}; {WHOLE}, outer", "loss weights, exact hypergradient"),
    "labels": Arm(
        lambda cell: _outer(cell, learn="labels"), f"{MC}; {WHOLE}, outer", "the paper's method, exact hypergradient"
    ),
    "labels + agreement": Arm(
        lambda cell: _outer(cell, learn="labels", agreement=cell.agreement),
        f"{MC}; {WHOLE}, outer",
        "and labels move towards what their Monte-Carlo value and the head say together",
    ),
    "labels from 1/2": Arm(
        lambda cell: _corrected_from(cell, np.full(len(cell.steps), 0.5)),
        f"{WHOLE}, outer",
        "control: `labels`, started at 1/2",
    ),
    "shuffled labels": Arm(
        lambda cell: _corrected_from(cell, _shuffled(cell)),
        f"shuffled {MC}; {WHOLE}, outer",
        "control: `labels`, started shuffled",
    ),
    "outcomes": Arm(lambda cell: _outcomes(cell, cell.whole), WHOLE, "an outcome reward model"),
    "outcomes at every prefix": Arm(
        lambda cell: _outcomes(cell, cell.prefixes), EVERY, "each prefix has the outcome of its program as a label"
    ),
    "pool": Arm(lambda cell: _pool(cell, cell.whole), f"{MC} and {WHOLE}", "one pool, plain training"),
    "pool, label smoothing": Arm(
        lambda cell: _with_own_labels(cell, cell.fit(_smoothed(cell), cell.whole)),
        f"{MC} and {WHOLE}",
        "as above, smoothed labels",
    ),
    "pool, GCE": Arm(
        lambda cell: _robust(cell, generalized_cross_entropy(0.7), True), f"{MC} and {WHOLE}", "GCE on the step labels"
    ),
    "pool, forward correction": Arm(
        lambda cell: _forward(cell, True), f"{MC} and {WHOLE}", "forward correction of the step labels"
    ),
    "pool, early stopping": Arm(lambda cell: _stopped(cell, True), f"{MC} and {WHOLE}", "a quarter of the outcomes stops"),
    "pool, variance weights": Arm(_variance, f"{MC} and {WHOLE}", "steps weighted by 1 / (binomial variance + 0.1^2), mean 1"),
    "pool at every prefix": Arm(lambda cell: _pool(cell, cell.prefixes), f"{MC} and {EVERY}", "one pool, plain training"),
    "mixed once": Arm(
        lambda cell: _mixed(cell, cell.whole, 1),
        f"{MC} and {WHOLE}",
        "scores of an outcome head mixed into the labels, then a pool",
    ),
    "mixed twice": Arm(
        lambda cell: _mixed(cell, cell.whole, 2), f"{MC} and {WHOLE}", "and once more with the new head's scores"
    ),
    "mixed once at every prefix": Arm(lambda cell: _mixed(cell, cell.prefixes, 1), f"{MC} and {EVERY}", "as `mixed once`"),
    "labels + agreement, retrained": Arm(
        _retrained, f"{MC}; {WHOLE}, outer, then in the pool", "labels corrected first, then a pool with them"
    ),
    "pool + labels + agreement": Arm(
        lambda cell: _joint(cell, cell.whole), f"{MC} and {WHOLE}, in both levels", "labels corrected while the pool trains"
    ),
    "pool + labels + agreement, split": Arm(
        _split_joint, f"{MC} and {WHOLE}, half in each level", "the outer level measures what the inner has not fitted"
    ),
    "agreement at every prefix": Arm(
        lambda cell: _best(cell, outer_lr=0.0), f"{MC} and {EVERY}", "the next one without the outer level's gradient"
    ),
    BEST_ARM: Arm(
        _best,
        f"{MC} and {EVERY}; {WHOLE}, outer",
        "labels corrected while the pool trains: agreement 0.5, score_sd 0.1, half the outer rate",
    ),
}
"""Name in the tables, in their order."""

CONTROLS: dict[str, Callable[[ControlledProgram], list[float]]] = {
    "shortest": lambda program: [-float(len(prefix)) for prefix in program.prefixes],
    "longest": lambda program: [float(len(prefix)) for prefix in program.prefixes],
    "log-likelihood": lambda program: list(program.log_likelihoods),
}
"""Scores of a program's prefixes without training; the last chooses."""

SWEEP_ARMS = (
    "none",
    "labels",
    "labels + agreement",
    OUTCOMES_ARM,
    "outcomes at every prefix",
    POOL_ARM,
    "pool at every prefix",
    "mixed once",
    BEST_ARM,
)
"""Those that also run at other rates and with other numbers of meta programs."""
