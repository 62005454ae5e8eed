"""Rows of the files into units: who serves where.

There are two kinds of scored step: *labelled* steps (those of training programs but the last, with Monte-Carlo labels) and
whole programs with their unit-test *outcome* (meta programs, and the training programs' last steps).

* inner level: the labelled steps and, beside the paper, the outcomes that ``inner_outcomes`` names, each at the whole program
  or (``outcome_prefixes``) at every prefix of it; and with ``rollout_outcomes`` the rollouts behind the labels, for each is a
  graded program too (the whole program only: at its prefix it is in the label already);
* outer level: the outcomes that ``outer_outcomes`` names (the paper: meta programs);
* validation: the meta programs of some problems, kept out of both levels; they choose the checkpoint.

A meta problem is on one of these sides, by a stable coin flip. With ``both_levels`` the outcomes of the outer level's problems
serve both levels at every step. With ``folds`` = K > 1 they serve both, but in turn: the problems are dealt to K folds, which
take turns as the outer level's data, and *no inner batch since the outer step before, the unrolled one among them, holds an
outcome of a problem of the fold that judges*: an outcome never judges the step that it was fitted in. Earlier steps did fit
it, the inner-only ones too, so the parameters are not independent of the outer data as those of K separate trainings would be.
Labelled steps of such problems stay in the batches.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dreamprm_code.bilevel.settings import PUBLISHED_ROLES, OutcomeSettings
from dreamprm_code.bilevel.units import DataError, RowKey, TrainingData, Unit, coin, fold_of_each
from dreamprm_code.labels import split_settings_of
from dreamprm_code.prm.encoding import EncodingError, StepEncoder
from dreamprm_code.prm.input_text import program_prefixes
from dreamprm_code.prm.trees import StepTokens, build_tree, collate
from dreamprm_code.records import Problem, Rollout, Solution, StepLabel

OUTCOME_COUNTS = (
    "inner_train_outcomes",
    "inner_meta_outcomes",
    "inner_rollout_outcomes",
    "outer_train_outcomes",
    "outer_meta_outcomes",
    "validation_outcomes",
)
"""How many outcomes serve where, beside ``inner_labels``, in ``TrainingData.counts``."""


def sides_of(question_ids: Iterable[str], roles: OutcomeSettings, seed: int) -> dict[str, str]:
    """``validation``, ``inner`` or ``outer`` for each meta problem; with a positive share at least one for validation.

    Raises:
        DataError: a validation split of fewer than two problems.
    """
    ids = sorted(set(question_ids))
    is_parted = roles.inner_outcomes in ("meta", "both") and roles.folds == 1 and not roles.both_levels
    inner_share = roles.inner_share if is_parted else 0.0
    sides = {}
    for question_id in ids:
        place = coin(question_id, seed) - roles.validation_share
        sides[question_id] = "validation" if place < 0 else "inner" if place < inner_share else "outer"
    if roles.validation_share > 0:
        if len(ids) < 2:
            raise DataError(f"a validation split needs two meta problems with graded programs, found {len(ids)}; give it more")
        if len(set(sides.values()) & {"validation"}) != 1:
            sides[ids[0]] = "validation"
        elif set(sides.values()) == {"validation"}:
            sides = dict.fromkeys(ids, "outer") | {ids[0]: "validation"}
    return sides


@dataclass(frozen=True)
class _Program:
    """Token sequences of one program's wanted steps: ``labelled`` with their table rows, ``judged`` with the outcome."""

    labelled: list[StepTokens]
    rows: tuple[int, ...] = ()
    judged: list[StepTokens] = field(default_factory=list)
    outcomes: tuple[float, ...] = ()

    def with_outcome(self, judged: list[StepTokens], outcome: float) -> _Program:
        return replace(self, judged=judged, outcomes=(outcome,) * len(judged))


def _units(
    programs: dict[str, list[_Program]], programs_per_tree: int, max_tree_tokens: int, folds: Mapping[str, int]
) -> tuple[Unit, ...]:
    """Trees of at most so many programs of one problem and, where a single program allows it, so many tokens."""

    def unit(question_id: str, group: list[_Program]) -> Unit:
        labelled = [sequence for program in group for sequence in program.labelled]
        tree = build_tree(labelled + [sequence for program in group for sequence in program.judged])
        return Unit(
            tree,
            rows=tuple(row for program in group for row in program.rows),
            outcomes=tuple(value for program in group for value in program.outcomes),
            num_programs=len(group),
            num_tokens=tree.num_tokens,
            question_id=question_id,
            fold=folds.get(question_id, -1),
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


def all_prefixes(labels: Sequence[StepLabel]) -> list[str] | None:
    """Every prefix of a program, those of steps without a label too: a step's text says where the earlier steps ended.

    None where they cannot be known: the last step has no row, or splitting the program again gives other steps.
    """
    num_steps = labels[0].num_steps
    by_step = {label.step_idx: label.prefix for label in labels}
    if len(by_step) == num_steps:
        return [by_step[step_idx] for step_idx in range(num_steps)]
    if num_steps - 1 not in by_step:
        return None
    prefixes = list(program_prefixes(by_step[num_steps - 1], labels[0].max_functions, labels[0].granularity))
    agrees = len(prefixes) == num_steps and all(prefixes[step_idx] == prefix for step_idx, prefix in by_step.items())
    return prefixes if agrees else None


def build_training_data(
    problems: Iterable[Problem],
    step_labels: Sequence[StepLabel],
    meta_solutions: Sequence[Solution],
    encoder: StepEncoder,
    roles: OutcomeSettings = PUBLISHED_ROLES,
    *,
    rollouts: Sequence[Rollout] = (),
    has_outer: bool = True,
    programs_per_tree: int = 8,
    max_tree_tokens: int = 8192,
    seed: int = 42,
) -> TrainingData:
    """Encode rows of the files into units; ``roles`` says which outcomes serve where, ``has_outer`` whether a level will learn.

    Meta programs without a verdict or without code are dropped and counted, and so are programs whose code does not fit the
    encoder's ``max_length``. Other programs are split as those of the labels were. ``rollouts`` are read with
    ``rollout_outcomes`` alone; equal programs of one problem count once.

    Raises:
        LabelError: there are no labels, or they were made with different splits.
        DataError: a row's problem is unknown, a problem is on both sides, or a side that is needed is empty.
    """
    known = {problem.question_id: problem for problem in problems}
    counts: Counter[str] = Counter()
    _check_problems(known, step_labels, meta_solutions)
    steps = split_settings_of(step_labels)
    in_both = {"train", "both"}
    shares = roles.both_levels or roles.folds > 1
    if not shares and roles.inner_outcomes in in_both and roles.outer_outcomes in in_both:
        raise DataError(
            "the outcomes of training programs fit and judge: set both_levels or folds, or change inner_outcomes or "
            "outer_outcomes"
        )
    first = 0 if roles.outcome_prefixes == "every" else -1  # of a program's prefixes, for an outcome of the inner level
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
        prefixes = all_prefixes(labels)
        if prefixes is None:
            counts["train_programs_incomplete"] += 1
            continue
        try:
            sequences = encoder.encode_prefixes(known[question_id], prefixes)
        except EncodingError:
            counts["train_programs_too_long"] += 1
            continue
        labels = sorted((label for label in labels if label.num_rollouts), key=lambda label: label.step_idx)
        middle = [label for label in labels if not label.is_last and roles.inner_labels]
        outcome = next((label.mc_value for label in labels if label.is_last), None)
        program = _Program([sequences[label.step_idx] for label in middle], tuple(range(len(keys), len(keys) + len(middle))))
        if outcome is not None and roles.inner_outcomes in in_both:
            counts["inner_train_outcomes"] += 1
            program = program.with_outcome(sequences[first:], outcome)
        if judges := outcome is not None and roles.outer_outcomes in in_both:
            counts["outer_train_outcomes"] += 1
            outer[question_id].append(_Program([]).with_outcome(sequences[-1:], outcome))
        if not program.rows and not program.outcomes:
            counts["train_programs_without_use"] += not judges
            continue
        counts["inner_programs"] += 1
        inner[question_id].append(program)
        keys += [(question_id, solution_idx, label.step_idx) for label in middle]
        mc_value += [label.mc_value for label in middle if label.mc_value is not None]
        num_rollouts += [label.num_rollouts for label in middle]

    if roles.rollout_outcomes:
        for rollout in _outcomes_of(rollouts, by_program):
            try:
                sequences = encoder.encode_program(
                    known[rollout.question_id], rollout.code, steps.max_functions, steps.granularity, rollout.language
                )
            except EncodingError:
                counts["rollouts_too_long"] += 1
                continue
            counts["inner_rollout_outcomes"] += 1
            inner[rollout.question_id].append(_Program([]).with_outcome(sequences[-1:], float(bool(rollout.passed))))

    usable: dict[str, list[Solution]] = defaultdict(list)
    for solution in sorted(meta_solutions, key=lambda solution: solution.key):
        if solution.passed is None:
            counts["meta_programs_not_graded"] += 1
        elif not solution.code.strip():
            counts["meta_programs_without_code"] += 1
        else:
            usable[solution.question_id].append(solution)
    sides = sides_of(usable, roles, seed)
    for question_id, solutions in usable.items():
        for solution in solutions:
            try:
                sequences = encoder.encode_program(
                    known[question_id], solution.code, steps.max_functions, steps.granularity, solution.language
                )
            except EncodingError:
                counts["meta_programs_too_long"] += 1
                continue
            outcome = float(bool(solution.passed))
            program = _Program([]).with_outcome(sequences[-1:], outcome)
            if sides[question_id] == "validation":
                counts["validation_outcomes"] += 1
                validation[question_id].append(program)
                continue
            if sides[question_id] == "inner" or (shares and roles.inner_outcomes in {"meta", "both"}):
                counts["inner_meta_outcomes"] += 1
                inner[question_id].append(_Program([]).with_outcome(sequences[first:], outcome))
            if sides[question_id] == "outer" and roles.outer_outcomes in {"meta", "both"}:
                counts["outer_meta_outcomes"] += 1
                outer[question_id].append(program)

    counts["inner_labels"] = len(keys)
    counts["inner_outcome_terms"] = sum(len(program.outcomes) for programs in inner.values() for program in programs)
    counts.update(dict.fromkeys(OUTCOME_COUNTS, 0))
    _check_sides(roles, has_outer, keys, inner, outer, counts)
    counts["statements_shortened"] = encoder.counts["statements_shortened"]
    folds = fold_of_each(outer, roles.folds, seed) if roles.folds > 1 and has_outer else {}
    inner_units, outer_units, validation_units = (
        _units(side, programs_per_tree, max_tree_tokens, folds) for side in (inner, outer, validation)
    )
    return TrainingData(
        keys=tuple(keys),
        mc_value=tuple(mc_value),
        num_rollouts=tuple(num_rollouts),
        inner=inner_units,
        outer=outer_units,
        validation=validation_units,
        collate=collate,
        counts=dict(sorted(counts.items())),
    )


def _outcomes_of(rollouts: Sequence[Rollout], programs: Container[tuple[str, int]]) -> Iterator[Rollout]:
    """The graded rollouts that hold a program, one of those that are equal.

    Raises:
        DataError: a rollout is of a program without step labels.
    """
    seen = set()
    for rollout in sorted(rollouts, key=lambda rollout: rollout.key):
        if (rollout.question_id, rollout.solution_idx) not in programs:
            raise DataError(
                f"a rollout of problem {rollout.question_id}, program {rollout.solution_idx}, which has no step labels: "
                "rollouts.jsonl and step_labels.jsonl are of different runs"
            )
        if rollout.passed is not None and rollout.code.strip() and (rollout.question_id, rollout.code) not in seen:
            seen.add((rollout.question_id, rollout.code))
            yield rollout


def _check_problems(known: Mapping[str, Problem], step_labels: Sequence[StepLabel], meta: Sequence[Solution]) -> None:
    train_ids = {label.question_id for label in step_labels}
    meta_ids = {solution.question_id for solution in meta}
    if both := sorted(train_ids & meta_ids):
        raise DataError(
            f"problem {both[0]} has training labels and meta programs ({len(both)} such problems): separate the windows"
        )
    if unknown := sorted((train_ids | meta_ids) - known.keys()):
        raise DataError(
            f"problem {unknown[0]} is not in the problems file ({len(unknown)} unknown): use the file they were made from"
        )


def _check_sides(
    roles: OutcomeSettings, has_outer: bool, keys: Sequence[RowKey], inner: Mapping, outer: Mapping, counts: Counter[str]
) -> None:
    """Every side that is needed holds something."""
    if roles.inner_labels and not keys:
        raise DataError("no training program has a step before its last: there is no Monte-Carlo label to fit")
    for kind in ("train", "meta"):
        if roles.inner_outcomes in (kind, "both") and not counts[f"inner_{kind}_outcomes"]:
            raise DataError(f"no outcome of a {kind} program is left for the inner level: sample more, or raise inner_share")
    if not inner:
        raise DataError("the inner level has neither labels nor outcomes: set inner_labels or inner_outcomes")
    if has_outer and not outer:
        raise DataError(
            "no graded meta program is left for the outer level: sample meta programs, or lower validation_share or inner_share"
        )
