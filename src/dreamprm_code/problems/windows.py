"""Split problems by contest date into half-open, disjoint windows."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from dreamprm_code.errors import UserError
from dreamprm_code.problems.splits import Split
from dreamprm_code.records import Problem


class WindowError(UserError):
    """Windows that overlap, hold no time, or hold no problem; the message names them."""


class Window(NamedTuple):
    """Contest dates from ``start`` (included) to ``end`` (excluded), ISO 8601; None leaves that side open."""

    start: str | None
    end: str | None

    def __str__(self) -> str:
        return f"[{self.start or '...'}, {self.end or '...'})"


class WindowSplit(Split):
    """Problems by window."""

    def __init__(self, windows: Mapping[str, Window], wanted: Container[str] | None = None):
        super().__init__(windows, wanted=wanted)
        self.windows = dict(windows)

    def missing(self, name: str) -> UserError:
        return WindowError(f"no window '{name}' is set; set it under windows: {{{name}: [start, end]}}")

    def empty(self, name: str) -> UserError:
        return WindowError(
            f"no problem has a contest date in the window '{name}' {self.windows[name]} ({self.num_outside} are in no "
            "window); change the window or the problems"
        )


def parse_date(text: str) -> datetime:
    """An ISO 8601 date or time as a naive UTC time; raises ValueError."""
    moment = datetime.fromisoformat(text.strip())
    try:
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except OverflowError as error:  # year 1 or 9999 with a time zone
        raise ValueError(str(error)) from None


def windows_from(setting: Mapping[str, Sequence[str | date | None]]) -> dict[str, Window]:
    """Windows from a configuration's ``{name: [start, end]}`` (YAML reads a bare date as a date); raises WindowError."""
    windows = {}
    for name, bounds in setting.items():
        if not isinstance(bounds, (list, tuple)) or len(bounds) != 2:
            raise WindowError(f"window '{name}': expected [start, end], found {bounds!r}")
        start, end = (bound.isoformat() if isinstance(bound, date) else bound for bound in bounds)
        if not all(isinstance(bound, (str, type(None))) for bound in (start, end)):
            raise WindowError(f"window '{name}': {bounds!r} are not ISO 8601 dates")
        windows[name] = Window(start, end)
    return windows


def split_by_windows(
    problems: Iterable[Problem], windows: Mapping[str, Window], wanted: Container[str] | None = None
) -> WindowSplit:
    """Put each problem into the one window that holds its contest date; the order of problems is kept.

    Takes an iterator as well: problems outside all windows are not held, nor those that are not ``wanted``.

    Raises:
        WindowError: a window is empty or is no date, or two windows overlap (both are named).
        UserError: two problems have one question_id, or a contest date that cannot be read.
    """
    spans = {name: _span(name, window) for name, window in windows.items()}
    ordered = sorted(spans, key=lambda name: spans[name])
    for earlier, later in itertools.pairwise(ordered):
        if spans[later][0] < spans[earlier][1]:
            raise WindowError(
                f"windows '{earlier}' {windows[earlier]} and '{later}' {windows[later]} overlap; "
                "they are half-open, so the end of one may be the start of the next"
            )
    split = WindowSplit(windows, wanted)
    for problem in problems:
        try:
            moment = parse_date(problem.contest_date)
        except ValueError:
            raise UserError(
                f"problem {problem.question_id}: contest_date {problem.contest_date!r} is not an ISO 8601 date, by which "
                "windows split; give it one, or split by question_ids (split_file)"
            ) from None
        split.put(problem, next((name for name, (start, end) in spans.items() if start <= moment < end), None))
    return split


def _span(name: str, window: Window) -> tuple[datetime, datetime]:
    try:
        start = datetime.min if window.start is None else parse_date(window.start)
        end = datetime.max if window.end is None else parse_date(window.end)
    except ValueError:
        raise WindowError(f"window '{name}' {window}: not ISO 8601 dates") from None
    if start >= end:
        raise WindowError(f"window '{name}' {window} holds no time: its end must be later than its start")
    return start, end
