"""What training reads: units (steps that one forward reads together) of the inner level, the outer level and validation.

R = rows of the table = steps with a Monte-Carlo label. A unit holds some programs of one problem; its ``item`` is whatever
``TrainingData.collate`` turns into the model's batch: a token tree for the PRM, a row of features for a toy.

Who belongs where (each problem is on one side only):

* inner: the steps of training programs but the last, with Monte-Carlo labels;
* outer: whole meta programs with their unit-test outcome; with ``train_outcomes`` also the training programs' last steps;
* validation: the meta programs of a share of the meta problems, kept out of both levels; they choose the checkpoint.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from dreamprm_code.errors import UserError
from dreamprm_code.prm.encoding import EncodingError, StepEncoder
from dreamprm_code.prm.input_text import program_prefixes
from dreamprm_code.prm.trees import build_tree, collate
from dreamprm_code.records import CorrectedLabel, Problem, Solution, StepLabel

RowKey = tuple[str, int, int]  # question_id, solution_idx, step_idx


class DataError(UserError):
    """Rows from which nothing can be learned; the message says what is missing."""


@dataclass(frozen=True)
class Unit:
    """``rows`` index the table (inner units), ``outcomes`` are clean labels (outer, validation units): one per scored step."""

    item: Any
    rows: tuple[int, ...] = ()
    outcomes: tuple[float, ...] = ()
    num_programs: int = 1
    num_tokens: int = 1
    question_id: str = ""

    @property
    def num_steps(self) -> int:
        return len(self.rows) or len(self.outcomes)


@dataclass(frozen=True)
class TrainingData:
    """``keys``, ``mc_value``, ``num_rollouts`` describe the table's rows; ``counts`` says what was used and what dropped."""

    keys: tuple[RowKey, ...]
    mc_value: tuple[float, ...]
    num_rollouts: tuple[int, ...]
    inner: tuple[Unit, ...]
    outer: tuple[Unit, ...]
    validation: tuple[Unit, ...]
    collate: Callable[[Sequence[Any]], Any]
    counts: dict[str, int] = field(default_factory=dict)

    def with_labels(self, labels: Sequence[float]) -> TrainingData:
        """The same data with other labels in the place of the Monte-Carlo values: to retrain on corrected ones."""
        if len(labels) != len(self.mc_value):
            raise ValueError(f"{len(labels)} labels for {len(self.mc_value)} rows")
        return replace(self, mc_value=tuple(labels))

    def corrected(self, labels: Sequence[float], weights: Sequence[float]) -> list[CorrectedLabel]:
        """The rows of ``corrected_labels.jsonl``, in the table's order."""
        return [
            CorrectedLabel(
                question_id=key[0],
                solution_idx=key[1],
                step_idx=key[2],
                mc_value=mc_value,
                corrected_value=label,
                weight=weight,
            )
            for key, mc_value, label, weight in zip(self.keys, self.mc_value, labels, weights, strict=True)
        ]


def tensor_data(
    features_RF: Tensor,
    mc_value: Sequence[float],
    num_rollouts: Sequence[int],
    outer_features_MF: Tensor,
    outcomes: Sequence[float],
    validation_features_VF: Tensor | None = None,
    validation_outcomes: Sequence[float] = (),
) -> TrainingData:
    """One unit per row of features, for a model that maps [S, F] to logit_S: toys, and studies with known truth."""

    def clean(features: Tensor | None, values: Sequence[float]) -> tuple[Unit, ...]:
        if features is None:
            return ()
        return tuple(
            Unit(row[None], outcomes=(float(value),), question_id=f"q{index}")
            for index, (row, value) in enumerate(zip(features, values, strict=True))
        )

    return TrainingData(
        keys=tuple((f"row{index}", 0, 0) for index in range(len(features_RF))),
        mc_value=tuple(float(value) for value in mc_value),
        num_rollouts=tuple(int(count) for count in num_rollouts),
        inner=tuple(Unit(row[None], rows=(index,), question_id=f"row{index}") for index, row in enumerate(features_RF)),
        outer=clean(outer_features_MF, outcomes),
        validation=clean(validation_features_VF, validation_outcomes),
        collate=torch.cat,
    )


def in_validation(question_id: str, share: float, seed: int) -> bool:
    """A stable coin flip per problem: adding problems moves none of the others."""
    digest = hashlib.sha256(f"{seed}:{question_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def split_meta(question_ids: Iterable[str], share: float, seed: int) -> set[str]:
    """The meta problems kept for validation; with a positive share at least one on each side.

    Raises:
        DataError: fewer than two meta problems.
    """
    ids = sorted(set(question_ids))
    if share <= 0.0:
        return set()
    if len(ids) < 2:
        raise DataError(f"a validation split needs two meta problems with graded programs, found {len(ids)}; sample more")
    chosen = {question_id for question_id in ids if in_validation(question_id, share, seed)}
    return chosen if 0 < len(chosen) < len(ids) else {ids[0]}


@dataclass(frozen=True)
class _Program:
    """Token sequences of one program's wanted steps, with the table rows or the outcome."""

    sequences: list[list[int]]
    rows: tuple[int, ...] = ()
    outcomes: tuple[float, ...] = ()


def _units(programs: dict[str, list[_Program]], programs_per_tree: int, max_tree_tokens: int) -> tuple[Unit, ...]:
    """Trees of at most so many programs of one problem and, where a single program allows it, so many tokens."""

    def unit(question_id: str, group: list[_Program]) -> Unit:
        tree = build_tree([sequence for program in group for sequence in program.sequences])
        return Unit(
            tree,
            rows=tuple(row for program in group for row in program.rows),
            outcomes=tuple(value for program in group for value in program.outcomes),
            num_programs=len(group),
            num_tokens=tree.num_tokens,
            question_id=question_id,
        )

    units = []
    for question_id, members in programs.items():
        group: list[_Program] = []
        for member in members:
            if group and (len(group) == programs_per_tree or unit(question_id, [*group, member]).num_tokens > max_tree_tokens):
                units.append(unit(question_id, group))
                group = []
            group.append(member)
        units.append(unit(question_id, group))
    return tuple(units)


def _all_prefixes(labels: Sequence[StepLabel], max_functions: int, granularity: str) -> list[str] | None:
    """Every prefix of a program, those of steps without a label too: a step's text says where the earlier steps ended.

    None where they cannot be known: the last step has no row, or splitting the program again gives other steps.
    """
    num_steps = labels[0].num_steps
    by_step = {label.step_idx: label.prefix for label in labels}
    if len(by_step) == num_steps:
        return [by_step[step_idx] for step_idx in range(num_steps)]
    if num_steps - 1 not in by_step:
        return None
    prefixes = list(program_prefixes(by_step[num_steps - 1], max_functions, granularity))
    agrees = len(prefixes) == num_steps and all(prefixes[step_idx] == prefix for step_idx, prefix in by_step.items())
    return prefixes if agrees else None


def build_training_data(
    problems: Iterable[Problem],
    step_labels: Sequence[StepLabel],
    meta_solutions: Sequence[Solution],
    encoder: StepEncoder,
    *,
    train_outcomes: bool = False,
    validation_share: float = 0.25,
    max_functions: int = 10,
    granularity: str = "function",
    programs_per_tree: int = 8,
    max_tree_tokens: int = 8192,
    seed: int = 42,
) -> TrainingData:
    """Encode rows of the files into units.

    Meta programs without a verdict or without code are dropped and counted, and so are programs whose code does not fit the
    encoder's ``max_length``. ``max_functions`` and ``granularity`` are those of the labels: meta programs are split alike.

    Raises:
        DataError: a row's problem is unknown, a problem is on both sides, or a side is empty.
    """
    known = {problem.question_id: problem for problem in problems}
    counts: Counter[str] = Counter()
    train_ids = {label.question_id for label in step_labels}
    meta_ids = {solution.question_id for solution in meta_solutions}
    if both := sorted(train_ids & meta_ids):
        raise DataError(
            f"problem {both[0]} has training labels and meta programs ({len(both)} such problems): separate the windows"
        )
    if unknown := sorted((train_ids | meta_ids) - known.keys()):
        raise DataError(
            f"problem {unknown[0]} is not in the problems file ({len(unknown)} unknown): use the file they were made from"
        )

    by_program: dict[tuple[str, int], list[StepLabel]] = defaultdict(list)
    for label in step_labels:
        by_program[label.question_id, label.solution_idx].append(label)
    keys: list[RowKey] = []
    mc_value: list[float] = []
    num_rollouts: list[int] = []
    inner: dict[str, list[_Program]] = defaultdict(list)
    outer: dict[str, list[_Program]] = defaultdict(list)
    validation: dict[str, list[_Program]] = defaultdict(list)
    for (question_id, solution_idx), labels in sorted(by_program.items()):
        prefixes = _all_prefixes(labels, max_functions, granularity)
        if prefixes is None:
            counts["train_programs_incomplete"] += 1
            continue
        try:
            sequences = encoder.encode_prefixes(known[question_id], prefixes)
        except EncodingError:
            counts["train_programs_too_long"] += 1
            continue
        labels = sorted(labels, key=lambda label: label.step_idx)
        middle = [(label, sequences[label.step_idx]) for label in labels if not label.is_last]
        last = [(label, sequences[label.step_idx]) for label in labels if label.is_last]
        if middle:
            counts["inner_programs"] += 1
            rows = tuple(range(len(keys), len(keys) + len(middle)))
            keys += [(question_id, solution_idx, label.step_idx) for label, _ in middle]
            mc_value += [label.mc_value for label, _ in middle]
            num_rollouts += [label.num_rollouts for label, _ in middle]
            inner[question_id].append(_Program([sequence for _, sequence in middle], rows=rows))
        else:
            counts["train_programs_of_one_step"] += 1
        if last and train_outcomes:
            counts["outer_train_programs"] += 1
            ((label, sequence),) = last
            outer[question_id].append(_Program([sequence], outcomes=(label.mc_value,)))

    usable: dict[str, list[Solution]] = defaultdict(list)
    for solution in sorted(meta_solutions, key=lambda solution: solution.key):
        if solution.passed is None:
            counts["meta_programs_not_graded"] += 1
        elif not solution.code.strip():
            counts["meta_programs_without_code"] += 1
        else:
            usable[solution.question_id].append(solution)
    held_out = split_meta(usable, validation_share, seed)
    for question_id, solutions in usable.items():
        side, name = (validation, "validation_programs") if question_id in held_out else (outer, "outer_programs")
        for solution in solutions:
            try:
                sequence = encoder.encode_program(known[question_id], solution.code, max_functions, granularity)[-1]
            except EncodingError:
                counts["meta_programs_too_long"] += 1
                continue
            counts[name] += 1
            side[question_id].append(_Program([sequence], outcomes=(float(bool(solution.passed)),)))

    if not keys:
        raise DataError("no training program has a step before its last: there is no Monte-Carlo label to fit")
    if not outer:
        raise DataError("no graded meta program is left for the outer level: sample meta programs, or lower validation_share")
    counts["inner_rows"] = len(keys)
    counts["statements_shortened"] = encoder.counts["statements_shortened"]
    return TrainingData(
        tuple(keys),
        tuple(mc_value),
        tuple(num_rollouts),
        *(_units(side, programs_per_tree, max_tree_tokens) for side in (inner, outer, validation)),
        collate,
        dict(sorted(counts.items())),
    )


@dataclass(frozen=True)
class Window:
    """The units of one step. ``num_steps`` is their number of scored steps over all processes: the loss's denominator."""

    units: tuple[Unit, ...]

    @property
    def num_steps(self) -> int:
        return sum(unit.num_steps for unit in self.units)


class Windows:
    """An endless stream of windows: shuffled passes over the units, cut where ``num_programs`` programs are reached.

    Pass p is shuffled by (seed, p) alone, so window k is the same in a run that was resumed, and for any number of processes.
    """

    def __init__(self, units: Sequence[Unit], num_programs: int, seed: int):
        if not units:
            raise DataError("a stream of windows needs at least one unit")
        self.units, self.num_programs, self.seed = tuple(units), num_programs, seed
        self.taken = 0
        self._stream = self._units()

    def _units(self) -> Iterator[Unit]:
        epoch = 0
        while True:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            yield from (self.units[index] for index in torch.randperm(len(self.units), generator=generator).tolist())
            epoch += 1

    def next(self) -> Window:
        self.taken += 1
        units: list[Unit] = []
        programs = 0
        while programs < self.num_programs:
            units.append(next(self._stream))
            programs += units[-1].num_programs
        return Window(tuple(units))

    def skip_to(self, taken: int) -> None:
        """Go on after ``taken`` windows; only forwards."""
        while self.taken < taken:
            self.next()


def micro_batches(units: Sequence[Unit], max_tokens: int) -> Iterator[list[Unit]]:
    """Cut a window into runs of units of at most ``max_tokens`` together (a larger unit stands alone)."""
    group: list[Unit] = []
    size = 0
    for unit in units:
        if group and size + unit.num_tokens > max_tokens:
            yield group
            group, size = [], 0
        group.append(unit)
        size += unit.num_tokens
    if group:
        yield group
