"""Quick retries for the tests of sampling."""

from __future__ import annotations

import pytest

from dreamprm_code.policies import openai_server


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_server, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(openai_server, "LONGEST_WAIT_S", 0.05)
    monkeypatch.setattr(openai_server, "SERVER_PAUSE_S", 0.05)
    monkeypatch.setattr(openai_server, "NO_SERVER_S", 4.0)
