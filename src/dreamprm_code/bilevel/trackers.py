"""Where a training run's curves go beside its log: TensorBoard, Weights & Biases, Trackio, through accelerate's trackers."""

from __future__ import annotations

import importlib.util
import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamprm_code.errors import UserError
from dreamprm_code.files import write_bytes_atomic

TRACKERS = ("tensorboard", "wandb", "trackio")
PROJECT = "dreamprm-code"
ID_FILE = "tracked_run.json"


def require_trackers(names: Sequence[str]) -> None:
    """Refuse trackers whose package is not installed.

    Raises:
        UserError: names the first one.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise UserError(f"log_to {name}: the package is not installed; pip install {name}, or leave it out of --log-to")


class Trackers:
    """The trackers of one run. A resumed run goes on in the same place, a new one begins another.

    ``run_name`` and ``settings`` are shown with the curves. Values are named ``train/loss``, ``validation/loss`` ...
    """

    def __init__(
        self, names: Sequence[str], out_dir: Path, run_name: str, settings: Mapping[str, Any], start_step: int
    ) -> None:
        require_trackers(names)
        self._open: list[Any] = []
        if not names:
            return
        from accelerate import tracking  # type: ignore[import-untyped]

        # its own logger wants accelerate's process state, which would set up devices and threads once more
        vars(tracking)["logger"] = logging.getLogger(tracking.__name__)
        run_id = _run_id(out_dir, start_step)
        for name in names:
            if name == "tensorboard":  # the curve of a killed attempt is cut off at the step that the run resumes from
                purge = {"purge_step": start_step + 1} if start_step else {}
                tracker: Any = tracking.TensorBoardTracker("tensorboard", out_dir, **purge)
            elif name == "wandb":
                tracker = tracking.WandBTracker(PROJECT, name=run_name, id=run_id, resume="allow", dir=str(out_dir))
            else:
                tracker = tracking.TrackioTracker(PROJECT, name=f"{run_name}-{run_id}", resume="allow")
            tracker.main_process_only = False  # only the first process makes trackers
            tracker.start()
            if name != "tensorboard":  # there it would be another curve for each attempt
                tracker.store_init_configuration(json.loads(json.dumps(settings, default=str)))
            self._open.append(tracker)

    def log(self, values: Mapping[str, float], step: int) -> None:
        for tracker in self._open:
            tracker.log(dict(values), step=step)

    def close(self) -> None:
        for tracker in self._open:
            tracker.finish()
        self._open.clear()


def _run_id(out_dir: Path, start_step: int) -> str:
    """One id for a run and its resumed parts, kept beside its log."""
    path = out_dir / ID_FILE
    if not start_step or not path.exists():
        write_bytes_atomic(path, [json.dumps({"id": uuid.uuid4().hex[:12]}).encode() + b"\n"])
    return str(json.loads(path.read_text(encoding="utf-8"))["id"])
