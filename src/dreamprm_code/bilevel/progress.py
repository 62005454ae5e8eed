"""What a training run says while it runs: a progress bar, ``training_log.jsonl`` and TensorBoard files.

Written by the first process only. One row per step and one per validation; the file of a resumed run equals that of an
uninterrupted one but for ``seconds``.
"""

from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path
from typing import Any

from dreamprm_code.bilevel.settings import ReportSettings
from dreamprm_code.bilevel.trackers import Trackers
from dreamprm_code.errors import UserError
from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.jsonl import read_dicts
from dreamprm_code.progress import progress_bar

LOG_NAME = "training_log.jsonl"


def read_log(out_dir: str | Path) -> list[dict[str, Any]]:
    """The rows of a run's log."""
    return [row for _, row in read_dicts(Path(out_dir) / LOG_NAME)]


def _rows_until(path: Path, step: int) -> list[dict[str, Any]]:
    """The rows of a log up to a step. A line that a full disk or a kill cut off is the last one, and of a later step."""
    text = path.read_bytes()
    if not text.endswith(b"\n"):
        write_bytes_atomic(path, [text[: text.rfind(b"\n") + 1]])
    rows = read_log(path.parent)
    if not all(isinstance(row.get(name), (int, float)) for row in rows for name in ("step", "seconds")):
        raise UserError(f"{path}: not the log of a training; move it away, or give another folder")
    return [row for row in rows if row["step"] <= step]


class Reporter:
    """Rows after ``start_step`` of an earlier, killed attempt are dropped: they will be written again."""

    def __init__(self, out_dir: Path, settings: ReportSettings, start_step: int):
        self.rows: list[dict[str, Any]] = []
        self._postfix: dict[str, str] = {}
        self._seconds_before = 0.0
        self.path = out_dir / LOG_NAME
        if start_step and self.path.exists():
            self.rows = _rows_until(self.path, start_step)
            self._seconds_before = max((row["seconds"] for row in self.rows), default=0.0)
        write_bytes_atomic(self.path, [self._line(row) for row in self.rows])
        self._stream = self.path.open("ab", buffering=0)
        self._begin = time.monotonic()
        name = settings.run_name or f"{out_dir.resolve().name}-{settings.kind}-seed{settings.seed}"
        self._trackers = Trackers(settings.log_to, out_dir, name, settings.model_dump(), start_step)
        self._bar = progress_bar(
            total=settings.total_steps, initial=start_step, desc="warm-up", unit="steps", disable=not settings.progress
        )

    @staticmethod
    def _line(row: dict[str, Any]) -> bytes:
        return json.dumps(row).encode() + b"\n"

    def write(self, phase: str, step: int, values: dict[str, float]) -> None:
        """One row; ``phase`` is warm-up, bi-level, or validation.

        Raises:
            UserError: it cannot be written.
        """
        row = {
            "phase": phase,
            "step": step,
            **values,
            "seconds": round(self._seconds_before + time.monotonic() - self._begin, 3),
        }
        self.rows.append(row)
        line = self._line(row)
        try:
            if self._stream.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be written ({error.strerror}); make room and run the same command again: it goes on from "
                "the last resume checkpoint"
            ) from None
        side = "validation" if phase == "validation" else "train"
        self._trackers.log({f"{side}/{name}": value for name, value in values.items()}, step)
        self._postfix |= {
            short: f"{values[name]:.4f}" if phase != "validation" else f"{values['loss']:.4f}"
            for short, name in (
                (("val", "loss"),)
                if phase == "validation"
                else (("loss", "loss"), ("meta", "outer_loss"), ("moved", "mean_movement"))
            )
            if name in values
        }
        if phase != "validation":
            self._bar.set_description_str(phase, refresh=False)
            self._bar.set_postfix(self._postfix, refresh=False)
            self._bar.update(1)

    def close(self) -> None:
        self._bar.close()
        self._stream.close()
        self._trackers.close()


class Silence:
    """The same calls for the processes that do not report."""

    rows: list[dict[str, Any]]

    def __init__(self) -> None:
        self.rows = []

    def write(self, phase: str, step: int, values: dict[str, float]) -> None:
        self.rows.append({"phase": phase, "step": step, **values})

    def close(self) -> None:
        pass
