"""Rows of other libraries: ``{"prompt", "completions", "labels"}`` (TRL's stepwise form) and Math-Shepherd's text.

A completion is what one step adds to the program; joined by ``separator`` ("" in files of ours) they are the program. A label
is the value of the prefix that ends with its step, in [0, 1]; the last one is the outcome of the whole program.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Annotated, Any, ClassVar

from pydantic import Field

from dreamprm_code.errors import UserError
from dreamprm_code.problems import make_split
from dreamprm_code.records import (
    CorrectedLabel,
    Index,
    Problem,
    Record,
    RecordError,
    Rollout,
    Share,
    Solution,
    StepLabel,
    Verdict,
)
from dreamprm_code.steps import StepSettings, split_program

STEP_TAG = "ки"
"""What ends a step in Math-Shepherd's ``input``; ``label`` has + or - in its place."""

MOST_ROLLOUTS = 1000
"""Labels without counts become the smallest counts that give them, of at most so many rollouts (error below 1e-6)."""

_COLUMNS = ("prompt", "completions", "labels", "question_id", "solution_idx", "num_rollouts")


class StepRow(Record):
    """One program. The last three fields are ours: with them, rows come back as the labels that they were made from."""

    key_fields: ClassVar[tuple[str, ...]] = ("question_id", "solution_idx")

    prompt: str
    completions: list[str]
    labels: list[Share]
    question_id: str | None = None
    solution_idx: Index | None = None
    num_rollouts: list[Annotated[int, Field(ge=0, le=1 << 31)]] | None = None


def step_rows(
    problems: Iterable[Problem],
    labels: Iterable[StepLabel],
    corrected: Iterable[CorrectedLabel] = (),
    separator: str = "",
    counts: Counter[str] | None = None,
) -> list[StepRow]:
    """A row for each program whose steps all have a label; the ``corrected`` values take the place of the Monte-Carlo ones.

    ``counts`` gets how many programs were left out, by reason.

    Raises:
        UserError: the problem of a label is not given.
    """
    counts = Counter() if counts is None else counts
    known = {problem.question_id: problem for problem in problems}
    values = {row.key: row.corrected_value for row in corrected}
    programs: dict[tuple[str, int], list[StepLabel]] = defaultdict(list)
    for label in labels:
        programs[label.question_id, label.solution_idx].append(label)
    rows = []
    for (question_id, solution_idx), steps in sorted(programs.items()):
        steps.sort(key=lambda label: label.step_idx)
        found = [values.get(label.key, label.mc_value) for label in steps]
        pieces = _pieces([label.prefix for label in steps], separator)
        if len(steps) < steps[0].num_steps or None in found:
            counts["programs_with_a_step_without_label"] += 1
        elif pieces is None:
            counts["programs_whose_steps_do_not_begin_with_the_separator"] += 1
        else:
            rows.append(
                StepRow(
                    prompt=prompt_of(_problem(known, question_id)),
                    completions=pieces,
                    labels=[value for value in found if value is not None],
                    question_id=question_id,
                    solution_idx=solution_idx,
                    num_rollouts=None if values else [label.num_rollouts for label in steps],
                )
            )
    return rows


def outcome_rows(
    problems: Iterable[Problem], programs: Iterable[Solution | Rollout], counts: Counter[str] | None = None
) -> list[StepRow]:
    """A row for each graded program, which is its only step; its label is its outcome."""
    counts = Counter() if counts is None else counts
    known = {problem.question_id: problem for problem in problems}
    rows = []
    for program in programs:
        if program.passed is None or not program.code.strip():
            counts["programs_without_verdict_or_code"] += 1
            continue
        prompt = prompt_of(_problem(known, program.question_id))
        rows.append(
            StepRow(prompt=prompt, completions=[program.code], labels=[float(program.passed)], question_id=program.question_id)
        )
    return rows


def prompt_of(problem: Problem) -> str:
    """The statement, and the starter code where there is some."""
    return "\n\n".join(part for part in (problem.question_content, problem.starter_code) if part)


def math_shepherd_text(row: StepRow, above: float = 0.0) -> dict[str, str]:
    """Math-Shepherd's columns; a step is "+" where its value is more than ``above`` (0: some rollout was right, as there).

    Raises:
        UserError: the row's text holds one of the format's marks.
    """
    if STEP_TAG in "".join([row.prompt, *row.completions]) or "Step 1:" in row.prompt:
        raise UserError(f"the text of {row.key} holds '{STEP_TAG}' or 'Step 1:', which Math-Shepherd's format cannot carry")
    steps = [f"Step {number}: {text} " for number, text in enumerate(row.completions, start=1)]
    signs = ["+" if label > above else "-" for label in row.labels]
    return {
        "input": f"{row.prompt} " + "\n".join(step + STEP_TAG for step in steps),
        "label": f"{row.prompt} " + "\n".join(step + sign for step, sign in zip(steps, signs, strict=True)),
        "task": "code",
    }


def read_step_row(columns: Mapping[str, Any]) -> StepRow:
    """A row of either form, known by its columns; columns that are not known are ignored.

    Raises:
        RecordError: it is neither, or its lists do not fit together.
    """
    if "input" in columns and "label" in columns and "completions" not in columns:
        return _read_math_shepherd(columns["input"], columns["label"])
    fields = {name: columns[name] for name in _COLUMNS if columns.get(name) is not None}
    if isinstance(fields.get("labels"), list):
        fields["labels"] = [float(label) if isinstance(label, int) and label in (0, 1) else label for label in fields["labels"]]
    row = StepRow.from_dict(fields)
    if not row.completions:
        raise RecordError("there is no completion")
    if len(row.labels) != len(row.completions) or len(row.num_rollouts or row.labels) != len(row.labels):
        raise RecordError(f"{len(row.completions)} completions, {len(row.labels)} labels or another number of num_rollouts")
    if "" in row.completions:
        raise RecordError(f"completion {row.completions.index('')} is empty")
    return row


def _read_math_shepherd(text: Any, label: Any) -> StepRow:
    if not isinstance(text, str) or not isinstance(label, str):
        raise RecordError("columns 'input' and 'label' are not both text")
    *segments, rest = text.split(STEP_TAG)
    signs, place = [], 0
    for segment in segments:
        place += len(segment) + 1
        if label[place - len(segment) - 1 : place - 1] != segment or label[place - 1 : place] not in ("+", "-"):
            raise RecordError(
                f"'label' is not 'input' with + or - in the place of each '{STEP_TAG}' (at character {place - 1})"
            )
        signs.append(float(label[place - 1] == "+"))
    prompt, mark, first = segments[0].partition("Step 1:") if segments else ("", "", "")
    if not mark or rest.strip():
        raise RecordError(f"'input' has no 'Step 1:' before its first '{STEP_TAG}', or text after its last one")
    steps = [first.removeprefix(" ")]
    for number, segment in enumerate(segments[1:], start=2):
        steps.append(re.sub(rf"\AStep {number}: ?", "", segment.removeprefix("\n")))
    return read_step_row(
        {"prompt": prompt.removesuffix(" "), "completions": [step.removesuffix(" ") for step in steps], "labels": signs}
    )


@dataclass
class Imported:
    """What ``train_prm.py`` reads: problems without tests, labels of the training ones, whole programs of the meta ones."""

    problems: list[Problem] = field(default_factory=list)
    parts: dict[str, list[str]] = field(default_factory=dict)
    step_labels: list[StepLabel] = field(default_factory=list)
    meta_solutions: list[Solution] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def training_rows(
    rows: Sequence[tuple[str, StepRow]],
    separator: str = "",
    meta_share: float = 0.2,
    settings: StepSettings | None = None,
    seed: int = 42,
) -> Imported:
    """Rows for training from ``(where, row)`` pairs. A share of the problems, drawn by hash, becomes the meta problems.

    Raises:
        UserError: at ``where``: a row repeats another's key, or one question_id has two prompts; or there are fewer than two
            problems.
    """
    settings = settings or StepSettings()
    prompts: dict[str, str] = {}
    taken: dict[str, set[int]] = defaultdict(set)
    for where, row in rows:
        question_id = _question_id(row)
        if prompts.setdefault(question_id, row.prompt) != row.prompt:
            raise UserError(f"{where}: question_id {question_id!r} has another prompt than in an earlier row")
        if row.solution_idx is not None:
            if row.solution_idx in taken[question_id]:
                raise UserError(f"{where}: repeats the program {row.solution_idx} of {question_id!r}; delete one of them")
            taken[question_id].add(row.solution_idx)
    if len(prompts) < 2:
        raise UserError("training needs rows of two problems or more: some for the labels, some for the outcomes")
    found = Imported(problems=[_problem_of(question_id, prompt) for question_id, prompt in prompts.items()])
    num_meta = min(max(2, round(meta_share * len(prompts))), len(prompts) - 1)  # one of two chooses the checkpoint
    found.parts = make_split(prompts, {"meta": num_meta, "train": len(prompts) - num_meta}, seed)
    meta = set(found.parts["meta"])
    for where, row in rows:
        question_id = _question_id(row)
        solution_idx = row.solution_idx
        if solution_idx is None:
            solution_idx = next(number for number in range(len(taken[question_id]) + 1) if number not in taken[question_id])
            taken[question_id].add(solution_idx)
        if question_id in meta:
            _add_meta(found, row, question_id, solution_idx, separator)
        else:
            _add_labels(found, row, question_id, solution_idx, separator, settings, where)
    return found


def _add_meta(found: Imported, row: StepRow, question_id: str, solution_idx: int, separator: str) -> None:
    if row.labels[-1] not in (0.0, 1.0):
        found.counts["meta_programs_without_outcome"] += 1
        return
    verdict = Verdict.PASSED if row.labels[-1] else Verdict.WRONG_ANSWER
    program = separator.join(row.completions)
    found.meta_solutions.append(
        Solution(
            question_id=question_id,
            solution_idx=solution_idx,
            output=program,
            code=program,
            finish_reason="unknown",
            passed=verdict.passed,
            verdict=verdict,
            reason="the last label of an imported row",
        )
    )


def _add_labels(
    found: Imported, row: StepRow, question_id: str, solution_idx: int, separator: str, settings: StepSettings, where: str
) -> None:
    prefixes = [separator.join(row.completions[: number + 1]) for number in range(len(row.completions))]
    own = split_program(prefixes[-1], settings.max_functions, settings.granularity)
    found.counts["programs_with_other_steps"] += list(own.prefixes) != prefixes
    for step_idx, (prefix, label) in enumerate(zip(prefixes, row.labels, strict=True)):
        is_last = step_idx == len(prefixes) - 1
        if row.num_rollouts is not None:
            total = row.num_rollouts[step_idx]
            correct = round(label * total)
            if total and abs(correct / total - label) > 1e-9:
                raise UserError(f"{where}: label {label} of step {step_idx} is no share of {total} rollouts")
        elif is_last and label not in (0.0, 1.0):
            found.counts["last_labels_that_are_no_outcome"] += 1
            correct, total = 0, 0
        else:
            correct, total = Fraction(label).limit_denominator(MOST_ROLLOUTS).as_integer_ratio()
        fields = {"question_id": question_id, "solution_idx": solution_idx, "step_idx": step_idx, "num_steps": len(prefixes)}
        fields |= {"name": "", "prefix": prefix, "num_rollouts": total, "num_correct": correct}
        try:
            found.step_labels.append(
                StepLabel.from_dict(fields | {"max_functions": settings.max_functions, "granularity": settings.granularity})
            )
        except RecordError as error:
            raise UserError(f"{where}: {error}") from None


def _problem_of(question_id: str, prompt: str) -> Problem:
    return Problem.from_text(
        prompt, question_id=question_id, platform="imported", contest_date="1970-01-01", difficulty="unknown"
    )


def _question_id(row: StepRow) -> str:
    return row.question_id or "prompt_" + hashlib.sha256(row.prompt.encode()).hexdigest()[:16]


def _problem(known: Mapping[str, Problem], question_id: str) -> Problem:
    if question_id not in known:
        raise UserError(
            f"problem {question_id!r} is unknown: not among the problems; use the file that the rows were made from"
        )
    return known[question_id]


def _pieces(prefixes: Sequence[str], separator: str) -> list[str] | None:
    """What each prefix adds to the one before it, without the separator; None where it does not begin with that, or is that."""
    pieces = [prefixes[0]]
    for before, prefix in itertools.pairwise(prefixes):
        if not prefix.startswith(before + separator) or prefix == before + separator:
            return None
        pieces.append(prefix[len(before + separator) :])
    return pieces
