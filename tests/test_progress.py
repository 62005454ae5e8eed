"""Progress without a terminal is whole lines; loading a model shows nothing."""

from __future__ import annotations

import io
import sys

import pytest

from dreamprm_code import progress
from dreamprm_code.devices import find_device
from dreamprm_code.errors import UserError
from dreamprm_code.progress import progress_bar, quiet_transformers


def test_without_a_terminal_there_are_whole_lines_and_none_without_news(monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    with progress_bar(total=3, desc="rows", unit="rows") as bar:
        for _ in range(2):
            bar.update()
        bar.set_postfix_str("passed 1", refresh=False)
        bar.update()
    with progress_bar(total=5, desc="nothing", unit="rows", initial=5):
        pass
    text = stream.getvalue()
    lines = text.splitlines()
    assert text.endswith("\n") and "\r" not in text and not any(line == "" for line in lines)
    assert lines[0].startswith("rows: 1/3 rows, ") and lines[-1].startswith("rows: 3/3 rows, ") and "passed 1" in lines[-1]
    assert "nothing" not in text


def test_a_line_comes_every_ten_seconds_at_most(monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    with progress_bar(total=1000, desc="rows", unit="rows") as bar:
        for _ in range(1000):
            bar.update()
    assert stream.getvalue().count("\n") == 1, "the last line alone: the work took less"


def test_loading_a_gguf_file_shows_no_bar(monkeypatch, capsys):
    from transformers import modeling_gguf_pytorch_utils as gguf

    with quiet_transformers():
        assert list(gguf.tqdm([1, 2], desc="Converting")) == [1, 2]
    assert capsys.readouterr() == ("", "")
    assert list(gguf.tqdm([1, 2], desc="Converting")) == [1, 2]
    assert "Converting" in capsys.readouterr().err, "as it was, afterwards"


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "mps", "cpu:x", ""])
def test_a_device_that_is_not_there_is_one_line(name):
    with pytest.raises(UserError, match=r"device '.*' cannot be used here \(.+\); choose cpu, cuda") as error:
        find_device(name)
    assert "\n" not in str(error.value)
    assert find_device("cpu").type == "cpu"
