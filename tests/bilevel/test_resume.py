"""What a training does with what one left that did not end well: full disks, damaged states, a second one in its folder."""

from __future__ import annotations

import fcntl
import resource
from pathlib import Path

import pytest
import torch
from torch import nn

from builders.features import Outcomes, tensor_data
from dreamprm_code import files
from dreamprm_code.bilevel import TrainResult, TrainSettings, train
from dreamprm_code.bilevel.progress import read_log
from dreamprm_code.errors import UserError
from dreamprm_code.files import write_bytes_atomic


def run(out_dir: Path, dies_at: int | None = None, checkpoint_every: int = 1) -> TrainResult:
    """Six steps on four labels and one outcome; it may die in a forward pass."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == dies_at:
            raise KeyboardInterrupt

    model.register_forward_pre_hook(count)
    rows = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.5, 0.5]])
    data = tensor_data(rows, [0.0, 0.25, 0.5, 1.0], [4] * 4, Outcomes(rows[:1], [1.0]))
    settings = TrainSettings(
        inner_only_steps=2, bilevel_steps=4, batch_programs=2, lr=0.1, eval_every=0, checkpoint_every=checkpoint_every,
        device="cpu", progress=False, log_to=[],
    )  # fmt: skip
    return train(settings, data, out_dir, model)


def test_a_log_without_room_is_one_clear_line(tmp_path):
    """A limit on the size of files ends the log in the middle of a row."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, before[1]))
    try:
        with pytest.raises(UserError, match=r"training_log\.jsonl: cannot be written \(.*\); make room"):
            run(tmp_path, checkpoint_every=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    text = (tmp_path / "training_log.jsonl").read_bytes()
    assert len(text) == 300 and not text.endswith(b"\n")


def test_a_state_without_room_names_its_file(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, before[1]))
    try:
        with pytest.raises(OSError, match=r"state\.pt"):
            run(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in (tmp_path / "resume").iterdir()] == ["lock"]


def test_a_row_that_was_cut_off_is_written_again(tmp_path):
    straight = run(tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", dies_at=7)
    log = tmp_path / "cut" / "training_log.jsonl"
    log.write_bytes(log.read_bytes() + b'{"phase": "bi-lev')
    resumed = run(tmp_path / "cut")
    assert resumed.labels == straight.labels
    assert [row["step"] for row in read_log(tmp_path / "cut")] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (b"", "not a resume checkpoint"),
        (b"not a checkpoint", "not a resume checkpoint"),
        ([1, 2], "not a resume checkpoint"),
        ("half", "not a resume checkpoint"),
        ("without params", "not the whole state of a training"),
        ("other shapes", "not the whole state of a training"),
    ],
)
def test_a_damaged_state_is_one_clear_line(tmp_path, damage, message):
    run(tmp_path)
    path = tmp_path / "resume" / "state.pt"
    state = torch.load(path, weights_only=True)
    if damage == "half":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif isinstance(damage, bytes):
        path.write_bytes(damage)
    else:
        if damage == "without params":
            del state["params"]
        elif damage == "other shapes":
            state["params"] = {name: value[:0] for name, value in state["params"].items()}
        torch.save(damage if isinstance(damage, list) else state, path)
    with pytest.raises(UserError, match=f"{message} .*delete this file to start again") as caught:
        run(tmp_path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_second_training_in_the_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LOCK_WAIT_S", 0.0)
    run(tmp_path)
    state = (tmp_path / "resume" / "state.pt").read_bytes()
    with (tmp_path / "resume" / "lock").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another training writes here"):
            run(tmp_path)
    assert (tmp_path / "resume" / "state.pt").read_bytes() == state
    assert run(tmp_path).steps == 6


def test_a_log_of_something_else_is_not_overwritten(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, dies_at=5)
    write_bytes_atomic(tmp_path / "training_log.jsonl", [b'{"epoch": 1}\n'])
    with pytest.raises(UserError, match="not the log of a training"):
        run(tmp_path)
    assert (tmp_path / "training_log.jsonl").read_bytes() == b'{"epoch": 1}\n'
