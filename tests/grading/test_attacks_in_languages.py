"""Hostile programs in C++ and JavaScript get a fair verdict and leave nothing; an innocent one follows each."""

from __future__ import annotations

import shutil

import pytest
from attacks_in_languages import CHEAP, LANGUAGE_ATTACKS, run_language_attacks, unfair


@pytest.mark.skipif(not shutil.which("g++") or not shutil.which("node"), reason="needs g++ and node")
def test_attacks_get_their_verdicts_and_leave_nothing(tmp_path):
    attacks = [attack for attack in LANGUAGE_ATTACKS if attack.name in CHEAP]
    assert {attack.name for attack in attacks} == CHEAP
    verdicts, wrong = run_language_attacks(attacks, tmp_path)
    assert not unfair(attacks, verdicts)
    assert not wrong
