"""Windows are half-open and disjoint, and no problem is in two."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.rows import make_problem
from dreamprm_code.errors import UserError
from dreamprm_code.problems import Window, WindowError, split_by_windows, windows_from


def test_a_window_includes_its_start_and_excludes_its_end():
    problems = [
        make_problem(date, contest_date=date)
        for date in ("2024-04-30T23:59:59", "2024-05-01", "2024-05-31", "2024-06-01T00:00:00")
    ]
    split = split_by_windows(problems, {"may": Window("2024-05-01", "2024-06-01"), "june": Window("2024-06-01", None)})
    assert {name: [problem.question_id for problem in rows] for name, rows in split.items()} == {
        "may": ["2024-05-01", "2024-05-31"],
        "june": ["2024-06-01T00:00:00"],
    }
    assert split.num_outside == 1


def test_time_zones_are_compared_as_utc():
    split = split_by_windows([make_problem("a", contest_date="2024-05-01T01:00:00+02:00")], {"may": Window("2024-05-01", None)})
    assert (split["may"], split.num_outside) == ([], 1)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Window(None, "2024-08-02"), Window("2024-08-01", None)),
        (Window("2024-01-01", "2024-12-01"), Window("2024-03-01", "2024-04-01")),
        (Window(None, None), Window("2024-01-01", None)),
        (Window("2024-01-01", "2024-02-01"), Window("2024-01-01", "2024-02-01")),
    ],
)
def test_overlapping_windows_are_an_error_that_names_both(first, second):
    for pair in ({"train": first, "test": second}, {"test": second, "train": first}):
        with pytest.raises(WindowError, match="overlap") as caught:
            split_by_windows([], pair)
        assert "'train'" in str(caught.value) and "'test'" in str(caught.value)


@pytest.mark.parametrize(
    "window", [Window("2024-05-01", "2024-05-01"), Window("2024-05-02", "2024-05-01"), Window("May", None)]
)
def test_a_window_that_holds_no_time_is_an_error(window):
    with pytest.raises(WindowError, match="'train'"):
        split_by_windows([], {"train": window})


def test_a_repeated_question_id_is_an_error_even_outside_all_windows():
    with pytest.raises(UserError, match="question_id 'a'"):
        split_by_windows(
            [make_problem("a", contest_date="2020-01-01"), make_problem("a")], {"train": Window("2024-01-01", None)}
        )


def test_an_empty_split_that_a_stage_needs_is_an_error():
    split = split_by_windows(iter([make_problem("a")]), {"train": Window(None, None)})
    assert len(split.require("train")) == 1
    with pytest.raises(WindowError, match="no window 'test'"):
        split.require("test")
    with pytest.raises(WindowError, match=r"no problem .* 'late' \[2030-01-01, \.\.\.\) \(1 are in no window\)"):
        split_by_windows([make_problem("a")], {"late": Window("2030-01-01", None)}).require("late")


def test_windows_are_read_from_a_configuration():
    assert windows_from({"train": [None, "2024-08-01"]}) == {"train": Window(None, "2024-08-01")}
    assert windows_from({"train": [date(2024, 1, 1), None]}) == {"train": Window("2024-01-01", None)}
    for bad in (["2024-08-01"], "2024-08-01", [], [2024, 2025], None):
        with pytest.raises(WindowError, match="'train'"):
            windows_from({"train": bad})


@given(st.lists(st.dates(), max_size=20), st.lists(st.dates(), min_size=4, max_size=4, unique=True))
def test_each_problem_is_in_one_window_or_counted(dates, bounds):
    a, b, c, d = (date.isoformat() for date in sorted(bounds))
    problems = [make_problem(str(number), contest_date=date.isoformat()) for number, date in enumerate(dates)]
    split = split_by_windows(problems, {"train": Window(a, b), "meta": Window(b, c), "test": Window(c, d)})
    placed = [problem.question_id for rows in split.values() for problem in rows]
    assert len(placed) == len(set(placed)) == len(problems) - split.num_outside
    assert all(a <= problem.contest_date < d for rows in split.values() for problem in rows)
