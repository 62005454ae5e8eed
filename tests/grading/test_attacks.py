"""No program gets a verdict that it does not deserve, changes the host, or outlives its grading."""

from __future__ import annotations

import pytest
from attacks import ATTACKS, run_attacks, undeserved

from dreamprm_code.grading import GraderConfig, GradingError
from dreamprm_code.grading.sandbox.isolation import LEVELS


@pytest.mark.parametrize("level", LEVELS)
def test_attacks_fail_at_every_level_that_withstands_them(level, tmp_path):
    attacks = [attack for attack in ATTACKS if LEVELS.index(level) <= LEVELS.index(attack.needs)]
    if level != LEVELS[0]:
        attacks = [
            attack for number, attack in enumerate(attacks) if number % 3 == 0 or {"mode", "nested"} & set(attack.name.split())
        ]
    try:
        verdicts, wrong = run_attacks(attacks, level, tmp_path)
    except GradingError as error:
        pytest.skip(str(error))
    assert not undeserved(attacks, verdicts)
    assert not wrong


def test_a_required_level_is_refused_where_it_is_not_to_be_had(monkeypatch):
    with pytest.raises(GradingError, match="choose auto"):
        GraderConfig(isolation="required:armour")
    assert GraderConfig(isolation="required:landlock").levels() == ("namespaces", "landlock")
    assert GraderConfig(isolation="rlimits").levels() == ("rlimits",)
