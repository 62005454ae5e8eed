"""What a training run says while it runs: a progress bar, ``training_log.jsonl`` and TensorBoard files.

Written by the first process only. One row per step and one per validation; the file of a resumed run equals that of an
uninterrupted one but for ``seconds``.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from dreamprm_code.bilevel.settings import ReportSettings
from dreamprm_code.bilevel.trackers import Trackers
from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.jsonl import read_dicts
from dreamprm_code.progress import progress_bar

LOG_NAME = "training_log.jsonl"


def read_log(out_dir: str | Path) -> list[dict[str, Any]]:
    """The rows of a run's log."""
    return [row for _, row in read_dicts(Path(out_dir) / LOG_NAME)]


class Reporter:
    """Rows after ``start_step`` of an earlier, killed attempt are dropped: they will be written again."""

    def __init__(self, out_dir: Path, settings: ReportSettings, start_step: int):
        self.rows: list[dict[str, Any]] = []
        self._postfix: dict[str, str] = {}
        self._seconds_before = 0.0
        path = out_dir / LOG_NAME
        if start_step and path.exists():
            self.rows = [row for row in read_log(out_dir) if row["step"] <= start_step]
            self._seconds_before = max((row["seconds"] for row in self.rows), default=0.0)
        write_bytes_atomic(path, [self._line(row) for row in self.rows])
        self._stream = path.open("ab")
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
        """One row; ``phase`` is warm-up, bi-level, or validation."""
        row = {
            "phase": phase,
            "step": step,
            **values,
            "seconds": round(self._seconds_before + time.monotonic() - self._begin, 3),
        }
        self.rows.append(row)
        self._stream.write(self._line(row))
        self._stream.flush()
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
