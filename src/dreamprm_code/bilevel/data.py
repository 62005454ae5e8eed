"""Rows of the files into units. Who belongs where (each problem is on one side only):

* inner: the steps of training programs but the last, with Monte-Carlo labels;
* outer: whole meta programs with their unit-test outcome; with ``train_outcomes`` also the training programs' last steps;
* validation: the meta programs of a share of the meta problems, kept out of both levels; they choose the checkpoint.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dreamprm_code.bilevel.units import DataError, RowKey, TrainingData, Unit
from dreamprm_code.prm.encoding import EncodingError, StepEncoder
from dreamprm_code.prm.input_text import program_prefixes
from dreamprm_code.prm.trees import build_tree, collate
from dreamprm_code.records import Problem, Solution, StepLabel


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
