"""Fixtures of the PRM's tests."""

from __future__ import annotations

import pytest
from prm_samples import make_problem, make_tokenizer
from transformers import PreTrainedTokenizerFast

from dreamprm_code.records import Problem


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return make_tokenizer()


@pytest.fixture(scope="session")
def problem() -> Problem:
    return make_problem()
