"""Rows into units: who serves where, and that no problem's outcome is on two sides."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from builders.rollouts import rollout
from builders.rows import make_problem
from builders.tokenizers import byte_tokenizer
from builders.training import PROGRAM, labels, solution
from dreamprm_code.bilevel import OutcomeSettings, TrainingData, build_training_data
from dreamprm_code.bilevel.data import sides_of
from dreamprm_code.bilevel.units import DataError
from dreamprm_code.prm.encoding import StepEncoder
from dreamprm_code.records import Rollout, Verdict

TRAIN, META = [f"t{index}" for index in range(5)], [f"m{index}" for index in range(24)]


@pytest.fixture(scope="module")
def encoder() -> StepEncoder:
    return StepEncoder(byte_tokenizer({"pad_token": "<pad>", "eos_token": "<eos>", "step": "<step>"}))


def data_of(encoder: StepEncoder, *, one_step: bool = False, rollouts: Sequence[Rollout] = (), **settings) -> TrainingData:
    """Five training programs of three steps (or, the first, of one), two programs for each of 24 meta problems."""
    rows = [row for index, name in enumerate(TRAIN) for row in labels(name, index)]
    if one_step:
        alone = rows[2].model_copy(update={"step_idx": 0, "num_steps": 1})
        rows = [alone, *rows[3:]]
    problems = [make_problem(name, contest_date="2024-01-05") for name in (*TRAIN, *META)]
    solutions = [solution(name, index, index == 0) for name in META for index in range(2)]
    return build_training_data(problems, rows, solutions, encoder, OutcomeSettings(**settings), rollouts=rollouts)


def rollout_of(index: int, passed: bool | None, solution_idx: int = 1, n: int | None = None) -> Rollout:
    """A completion of the first function of a training program of t1."""
    verdict = None if passed is None else Verdict.PASSED if passed else Verdict.WRONG_ANSWER
    code = PROGRAM.format(n=index if n is None else n)
    return rollout(index, verdict, keeps=index != 7, code=code, program=("t1", solution_idx))


def problems_of(units) -> set[str]:
    return {unit.question_id for unit in units if unit.outcomes}


def test_the_default_is_the_published_method(encoder):
    data = data_of(encoder)
    assert all(unit.rows and not unit.outcomes for unit in data.inner) and len(data.keys) == 10
    assert problems_of(data.outer) | problems_of(data.validation) == set(META)
    assert not problems_of(data.outer) & problems_of(data.validation)
    assert {unit.fold for unit in (*data.inner, *data.outer)} == {-1} and data.num_folds == 1


def test_shares_part_the_meta_problems_and_leave_validation_as_it_is(encoder):
    data = data_of(encoder, inner_outcomes="both", inner_share=0.4)
    inner, outer, held_out = (problems_of(units) for units in (data.inner, data.outer, data.validation))
    assert inner >= set(TRAIN) and not inner & outer and not inner & held_out and not outer & held_out
    assert (inner - set(TRAIN)) | outer | held_out == set(META) and outer and held_out
    assert held_out == problems_of(data_of(encoder).validation)
    assert problems_of(data_of(encoder, inner_outcomes="meta", inner_share=0.5).inner) > inner - set(TRAIN)
    assert {key[2] for key in data.keys} == {0, 1}  # the table holds middle steps only
    unit = next(unit for unit in data.inner if unit.question_id == "t1")
    assert len(unit.rows) == 2 and unit.outcomes == (1.0,) and len(unit.item.read_at_S) == 3
    counts = data.counts
    assert counts["inner_labels"] == 10 and counts["inner_train_outcomes"] == 5
    assert counts["inner_meta_outcomes"] == 2 * len(inner - set(TRAIN)) and counts["outer_meta_outcomes"] == 2 * len(outer)


def test_outcomes_at_every_prefix_stand_beside_the_labels_and_judge_as_whole_programs(encoder):
    """What the study's arm reads: labelled steps, then each prefix with its program's outcome; outside, whole programs."""
    data = data_of(encoder, inner_outcomes="both", outer_outcomes="both", both_levels=True, outcome_prefixes="every")
    assert problems_of(data.inner) == problems_of(data.outer) == {*TRAIN, *META} - problems_of(data.validation)
    assert not {unit.question_id for unit in data.inner} & problems_of(data.validation)
    (unit,) = (unit for unit in data.inner if unit.question_id == "t1")
    rows, read = labels("t1", 1), unit.item.read_at_S.tolist()
    assert len(unit.rows) == 2 and unit.outcomes == (1.0, 1.0, 1.0) and read[:2] == read[2:4] and unit.num_programs == 1
    assert unit.item.depths_T[read[2:]].tolist() == [
        len(sequence) - 1
        for sequence in encoder.encode_prefixes(make_problem("t1", contest_date="2024-01-05"), [row.prefix for row in rows])
    ]
    name = min({*META} & problems_of(data.inner))
    (unit,) = (unit for unit in data.inner if unit.question_id == name)
    assert unit.outcomes == (1.0, 1.0, 1.0, 0.0, 0.0, 0.0) and unit.num_programs == 2
    assert {unit.outcomes for unit in data.outer if unit.question_id == name} == {(1.0, 0.0)}
    assert all(len(unit.outcomes) == unit.num_programs for unit in (*data.outer, *data.validation))
    assert data.counts["inner_outcome_terms"] == 3 * (5 + data.counts["inner_meta_outcomes"])


def test_rollouts_are_outcomes_of_whole_programs_once_each(encoder):
    """Three programs that differ, one twice, one ungraded: each graded one is read at its end, in the inner level alone."""
    rows = [rollout_of(5, True), rollout_of(6, False), rollout_of(7, True), rollout_of(8, True, n=5), rollout_of(9, None)]
    roles = {"inner_outcomes": "both", "outer_outcomes": "both", "both_levels": True, "outcome_prefixes": "every"}
    plain, data = data_of(encoder, **roles), data_of(encoder, rollouts=rows, rollout_outcomes=True, **roles)
    assert data.counts["inner_rollout_outcomes"] == 3 and "inner_rollout_outcomes" in plain.counts
    (before,), (after,) = ([unit for unit in side.inner if unit.question_id == "t1"] for side in (plain, data))
    assert after.rows == before.rows and after.outcomes == (*before.outcomes, 1.0, 0.0, 1.0) and after.num_programs == 4
    assert [unit.outcomes for unit in data.outer] == [unit.outcomes for unit in plain.outer]
    assert data_of(encoder, rollouts=rows, **roles).counts["inner_rollout_outcomes"] == 0
    with pytest.raises(DataError, match="problem t1, program 3, which has no step labels"):
        data_of(encoder, rollouts=[rollout_of(5, True, solution_idx=3)], rollout_outcomes=True)


def test_a_program_of_one_step_is_an_outcome(encoder):
    """It has no labelled step. Without outcomes of training programs inside or outside it is left out, and counted."""
    assert data_of(encoder, one_step=True).counts["train_programs_without_use"] == 1
    inside = data_of(encoder, one_step=True, inner_outcomes="train")
    assert next(unit for unit in inside.inner if unit.question_id == "t0").rows == ()
    assert problems_of(inside.inner) == set(TRAIN) and inside.counts.get("train_programs_without_use", 0) == 0
    outside = data_of(encoder, one_step=True, outer_outcomes="train")
    assert problems_of(outside.outer) == set(TRAIN) and outside.counts.get("train_programs_without_use", 0) == 0


def test_with_folds_each_problem_has_one_fold_on_both_sides(encoder):
    data = data_of(encoder, inner_outcomes="both", outer_outcomes="both", folds=3)
    outer = {unit.question_id: unit.fold for unit in data.outer}
    inner = {unit.question_id: unit.fold for unit in data.inner if unit.outcomes}
    assert inner == outer and set(outer.values()) == {0, 1, 2} and data.num_folds == 3
    assert not problems_of(data.validation) & outer.keys()
    only_train = data_of(encoder, inner_outcomes="train", folds=2)
    assert {unit.fold for unit in only_train.inner} == {-1}  # none of them judges: nothing to hold out


def test_sides_are_stable_when_problems_are_added():
    roles = OutcomeSettings(inner_outcomes="meta")
    few, many = sides_of(META[:12], roles, 42), sides_of(META, roles, 42)
    assert {name: many[name] for name in few} == few and set(many.values()) == {"validation", "inner", "outer"}
    assert sides_of(META, roles, 43) != many


def test_validation_has_a_problem_even_if_the_coin_gives_it_none():
    assert list(sides_of(META[:2], OutcomeSettings(validation_share=1e-9), 42).values()) == ["validation", "outer"]
    assert list(sides_of(META[:2], OutcomeSettings(validation_share=0.999), 42).values()) == ["validation", "outer"]
    with pytest.raises(DataError, match="needs two meta problems"):
        sides_of(META[:1], OutcomeSettings(), 42)
