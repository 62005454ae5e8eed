"""Fixtures of the PRM's tests."""

from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerFast

from builders.programs import SUM
from builders.tokenizers import make_tokenizer
from dreamprm_code.records import Problem


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return make_tokenizer()


@pytest.fixture(scope="session")
def problem() -> Problem:
    return SUM
