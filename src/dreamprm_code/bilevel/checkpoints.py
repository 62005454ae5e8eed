"""Resume checkpoints: all that a killed run needs to go on exactly where it was.

One file ``resume/state.pt`` of tensors and plain values, written atomically and loaded with ``weights_only=True``: trainable
parameters, both optimizers, the table, the best checkpoint so far and the counters. Data order and dropout follow from the seed
and the counters, so no random state is kept.
"""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import torch

from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import write_bytes_atomic

STATE_NAME = "resume/state.pt"


class CheckpointError(UserError):
    """A resume checkpoint that does not belong to this run or cannot be read."""


def save_state(out_dir: Path, identity: dict[str, Any], state: dict[str, Any]) -> None:
    """Replace the resume checkpoint; a kill leaves the old one or the new one."""
    buffer = io.BytesIO()
    torch.save({"identity": json.dumps(identity, sort_keys=True), **state}, buffer)
    write_bytes_atomic(out_dir / STATE_NAME, [buffer.getvalue()])


def load_state(out_dir: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The resume checkpoint on the CPU, or None.

    Raises:
        CheckpointError: it was made with other settings or data, or it is damaged.
    """
    path = out_dir / STATE_NAME
    if not path.exists():
        return None
    remedy = "choose another data directory, or delete this file to start again"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        before = json.loads(state.pop("identity"))
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path}: not a resume checkpoint ({str(error).splitlines()[0]}); {remedy}") from None
    now = json.loads(json.dumps(identity))
    if differing := sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name)):
        details = ", ".join(f"{name}: {before.get(name)!r} there, {now.get(name)!r} now" for name in differing)
        raise CheckpointError(f"{path} is of a run with other settings ({details}); {remedy}")
    return state
