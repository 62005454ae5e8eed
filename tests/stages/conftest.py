"""Fixtures of the stages' tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builders.tokenizers import byte_tokenizer
from dreamprm_code.prm.backbone import SHAPES


@pytest.fixture(scope="module")
def backbone(tmp_path_factory) -> Path:
    """A folder with a tiny config and a byte-level tokenizer; its weights are random."""
    folder = tmp_path_factory.mktemp("backbone")
    (folder / "config.json").write_text(json.dumps(SHAPES["tiny"]))
    byte_tokenizer({"pad_token": "<pad>", "eos_token": "<eos>", "step": "<step>"}).save_pretrained(folder)
    return folder
