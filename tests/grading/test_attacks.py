"""No program gets a verdict that it does not deserve, changes the host, or outlives its grading."""

from __future__ import annotations

import pytest
from attacks import ATTACKS, run_attacks, undeserved

from dreamprm_code.grading import GraderSettings, GradingError
from dreamprm_code.grading.sandbox.levels import LEVELS

AT_LOWER_LEVELS = frozenset(
    {
        "write a verdict into every inherited descriptor",
        "a byte of results now and then instead of an answer",
        "CPU time of many short-lived children of a parent that ignores their death",
        "fill the folder in memory",
        "files without a name",
        "folders nested too deep to walk",
        "hold memory outside the limits",
        "signals to everything in sight",
        "write to the host",
        "change the mode of the host's files",
        "daemon by double fork",
        "network",
        "a service of the user, by the path of its socket",
        "signals by the kernel's hand",
        "files emptied or marked without being opened for writing",
        "the environment and memory of whoever started it",
        "leave the folder unreadable for the next program",
        "calls that no program needs",
        "watch what others do with files",
        "use up the signals that the user may have waiting",
        "files below a path that is too long to be named",
        "nameless files of a process whose program cannot be read",
    }
)
"""What is tried at the weaker levels, too: one attack at least on each thing that they promise."""


@pytest.mark.parametrize("level", LEVELS)
def test_attacks_fail_at_every_level_that_withstands_them(level, tmp_path):
    assert {attack.name for attack in ATTACKS} >= AT_LOWER_LEVELS
    attacks = [attack for attack in ATTACKS if LEVELS.index(level) <= LEVELS.index(attack.needs)]
    if level != LEVELS[0]:
        attacks = [attack for attack in attacks if attack.name in AT_LOWER_LEVELS]
    try:
        verdicts, wrong = run_attacks(attacks, level, tmp_path)
    except GradingError as error:
        pytest.skip(str(error))
    assert not undeserved(attacks, verdicts)
    assert not wrong


def test_a_required_level_is_refused_where_it_is_not_to_be_had(monkeypatch):
    with pytest.raises(GradingError, match="choose auto"):
        GraderSettings(isolation="required:armour")
    assert GraderSettings(isolation="required:landlock").levels() == ("namespaces", "landlock")
    assert GraderSettings(isolation="rlimits").levels() == ("rlimits",)
