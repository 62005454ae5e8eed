"""Resume checkpoints: all that a killed run needs to go on exactly where it was.

One file ``resume/state.pt`` of tensors and plain values, written atomically and loaded with ``weights_only=True``: trainable
parameters, both optimizers, the table, the best checkpoint so far and the counters. Data order and dropout follow from the seed
and the counters, so no random state is kept.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from dreamprm_code.bilevel.units import TrainingData
from dreamprm_code.errors import UserError
from dreamprm_code.files import lock, write_bytes_atomic

if TYPE_CHECKING:
    from dreamprm_code.bilevel.trainer import BiLevelRun

STATE_NAME = "resume/state.pt"
LOCK_NAME = "resume/lock"
REMEDY = "give another folder with --out-dir, or delete this file to start again"
BROKEN = (RuntimeError, KeyError, ValueError, AttributeError, TypeError, IndexError)  # what reading a damaged state may raise


class ResumeError(UserError):
    """A resume checkpoint that does not belong to this run or cannot be read."""


def data_fingerprint(data: TrainingData) -> str:
    """Hash of the table's keys and values and of every unit's place: a run resumes only on the same data."""
    digest = hashlib.sha256(repr((data.keys, data.mc_value, data.num_rollouts, data.start_labels)).encode())
    for side in (data.inner, data.outer, data.validation):
        places = [(unit.question_id, unit.rows, unit.outcomes, unit.num_tokens, unit.fold) for unit in side]
        digest.update(repr(places).encode())
    return digest.hexdigest()[:16]


def save_state(out_dir: Path, identity: dict[str, Any], state: dict[str, Any]) -> None:
    """Replace the resume checkpoint; a kill leaves the old one or the new one."""
    buffer = io.BytesIO()
    torch.save({"identity": json.dumps(identity, sort_keys=True), **state}, buffer)
    write_bytes_atomic(out_dir / STATE_NAME, [buffer.getvalue()])


def load_state(out_dir: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The resume checkpoint on the CPU, or None.

    Raises:
        ResumeError: it was made with other settings or data, or it is damaged.
    """
    path = out_dir / STATE_NAME
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        before = json.loads(state.pop("identity"))
    except (*BROKEN, pickle.UnpicklingError, EOFError) as error:
        raise ResumeError(f"{path}: not a resume checkpoint ({_first_line(error)}); {REMEDY}") from None
    now = json.loads(json.dumps(identity))
    if differing := sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name)):
        details = ", ".join(f"{name}: {before.get(name)!r} there, {now.get(name)!r} now" for name in differing)
        raise ResumeError(f"{path} is of a run with other settings ({details}); {REMEDY}")
    return state


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def save(run: BiLevelRun, finished: bool) -> None:
    """Write the resume checkpoint of a run as it is now; the first process does."""
    if not run.processes.is_first:
        return
    state: dict[str, Any] = {
        "step": run.step,
        "finished": finished,
        "params": run.params(),
        "optimizer": run.inner.optimizer.state_dict(),
        "inner_batches": (run.inner_batches.taken, run.inner_batches.position),
        "best": run.best,
        "stale": run.stale,
    }
    if run.outer is not None:
        assert run.table.value_R is not None
        state["table"] = run.table.value_R.detach().cpu().clone()
        state["outer_optimizer"] = run.outer.optimizer.state_dict()
        state["outer_batches"] = [(batches.taken, batches.position) for batches in run.outer_batches]
    save_state(run.out_dir, run.identity, state)


@contextmanager
def only_training_in(out_dir: Path) -> Iterator[None]:
    """Two trainings that write into one folder would each spoil the other's state and log.

    Raises:
        ResumeError: another process trains there.
    """
    path = out_dir / LOCK_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as stream:
        if not lock(stream):
            raise ResumeError(f"{out_dir}: another training writes here; wait for it, stop it, or give another --out-dir")
        yield


@contextmanager
def taking_up(out_dir: Path) -> Iterator[None]:
    """What a readable checkpoint lacks, or holds in another shape, becomes one line.

    Raises:
        ResumeError: in the place of what the parts of the run say.
    """
    try:
        yield
    except BROKEN as error:
        path = out_dir / STATE_NAME
        raise ResumeError(f"{path}: not the whole state of a training ({_first_line(error)}); {REMEDY}") from None


@torch.no_grad()
def restore(run: BiLevelRun) -> bool:
    """Take up the resume checkpoint of a killed run, if there is one; True if that run had finished.

    Raises:
        ResumeError: as :func:`load_state`.
    """
    state = load_state(run.out_dir, run.identity) if run.settings.checkpoint_every else None
    if state is None:
        return False
    with taking_up(run.out_dir):
        run.step, run.best, run.stale = state["step"], state["best"], state["stale"]
        run.set_params(state["params"])
        run.inner.optimizer.load_state_dict(state["optimizer"])
        run.inner_batches.skip_to(*state["inner_batches"])
        if run.outer is not None:
            assert run.table.value_R is not None
            run.table.value_R.copy_(state["table"])
            run.outer.optimizer.load_state_dict(state["outer_optimizer"])
            for batches, place in zip(run.outer_batches, state["outer_batches"], strict=True):
                batches.skip_to(*place)
        finished = bool(state["finished"])
    return finished
