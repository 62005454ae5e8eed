"""Monte-Carlo labels, counted by hand."""

from __future__ import annotations

import pytest

from builders.rollouts import CODE, rollout, solution
from dreamprm_code.labels import LabelError, split_settings_of, step_labels, steps_of
from dreamprm_code.records import Verdict
from dreamprm_code.steps import StepSettings


def test_a_program_has_one_step_per_function_and_the_last_is_the_program():
    first, last = steps_of(solution())
    assert (first.name, first.prefix, first.num_steps) == ("main", "def main():\n    print(twice(2))", 2)
    assert (last.name, last.prefix, last.is_last) == ("twice", CODE, True)
    assert steps_of(solution(code="")) == []


def test_the_label_is_the_share_of_passing_rollouts_that_kept_the_prefix_and_were_graded():
    rollouts = [
        rollout(0, Verdict.PASSED),
        rollout(1, Verdict.WRONG_ANSWER),
        rollout(2, Verdict.TIME_LIMIT),
        rollout(3, Verdict.PASSED, keeps=False, code="main()"),  # rewrote the prefix
        rollout(4, Verdict.HARNESS_ERROR),  # could not be graded
    ]
    first, last = step_labels(steps_of(solution()), rollouts, [solution()])
    assert (first.num_correct, first.num_rollouts, first.mc_value) == (1, 3, 1 / 3)
    assert (last.num_correct, last.num_rollouts) == (1, 1), "the program's own outcome"


def test_every_step_has_a_row_and_what_could_not_be_graded_no_label():
    ungraded = solution(verdict=Verdict.HARNESS_ERROR)
    rows = step_labels(steps_of(ungraded), [rollout(0, Verdict.HARNESS_ERROR)], [ungraded])
    assert [(row.step_idx, row.num_rollouts, row.mc_value) for row in rows] == [(0, 0, None), (1, 0, None)]


def test_labels_say_how_the_programs_were_split():
    lines = StepSettings(3, "line")
    rows = step_labels(steps_of(solution(), lines), [], [solution()], lines)
    assert [row.name for row in rows] == ["line 1", "line 2", "line 5 ... line 9"]
    assert split_settings_of(rows) == lines
    other = step_labels(steps_of(solution(1)), [], [solution(1)])
    with pytest.raises(LabelError, match=r"step label \('q', 1, 0\) was split with .*function.*the first one with .*line"):
        split_settings_of([*rows, *other])
    with pytest.raises(LabelError, match="no step labels"):
        split_settings_of([])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (rollout(0, Verdict.PASSED, step=1), "no step that takes rollouts"),
        (rollout(0, Verdict.PASSED, step=7), "no step that takes rollouts"),
        (rollout(0, Verdict.PASSED, code="main()"), "does not begin with its step's prefix"),
    ],
)
def test_rollouts_of_other_solutions_are_an_error(row, message):
    with pytest.raises(LabelError, match=message):
        step_labels(steps_of(solution()), [row], [solution()])
