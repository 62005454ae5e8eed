"""No program gets a verdict that it does not deserve, changes the host, or outlives its grading."""

from __future__ import annotations

import os
import socket
import time

import psutil
import pytest
from attacks import ATTACKS, Attack
from grading_problems import LIMITS, PROBLEMS

from dreamprm_code.grading import Grader, GraderConfig, GradeRequest, GradingError
from dreamprm_code.grading.sandbox.isolation import LEVELS


def run_attacks(attacks: list[Attack], level: str, folder) -> tuple[dict[str, str], list[str]]:
    """Grade all attacks at a level; returns verdicts by name and what was wrong with the host afterwards."""
    folder.chmod(0o777)
    kept = folder / "keep"
    kept.write_text("untouched")
    kept.chmod(0o666)
    before = {process.pid for process in psutil.process_iter()}
    verdicts = {}
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as abstract,
        Grader(GraderConfig(workers=2, isolation=level, **LIMITS)) as grader,
    ):
        name = f"grading-test-{os.getpid()}"
        abstract.bind("\0" + name)
        abstract.listen()
        places = {"@SCRATCH@": str(folder), "@PORT@": str(server.getsockname()[1]), "@ABSTRACT@": name}
        requests = []
        for attack in attacks:
            code = attack.code
            for place, value in places.items():
                code = code.replace(place, value)
            requests.append(GradeRequest(attack.name, PROBLEMS[attack.problem], code))
            # An innocent program after each attack shall find everything in order.
            innocent = f"import os\nassert not os.listdir('.'), os.listdir('.')\nprint(2 * int(input()))  # after {attack.name}"
            requests.append(GradeRequest("after " + attack.name, PROBLEMS["double"], innocent))
        for result in grader.grade(requests):
            verdicts[result.key] = str(result.verdict)
    wrong = []
    time.sleep(0.2)
    ours = os.getpid()
    for process in psutil.process_iter(["cmdline", "ppid"]):
        if process.pid not in before and process.pid != ours and "worker_start.py" in " ".join(process.info["cmdline"] or []):
            parents = [parent.pid for parent in process.parents()]
            if ours in parents:
                wrong.append(f"process {process.pid} survived")
    if kept.stat().st_mode & 0o777 != 0o666 or kept.stat().st_mtime < 1:
        wrong.append("the mode or time of a file was changed")
    if sorted(path.name for path in folder.iterdir()) != ["keep"] or kept.read_text() != "untouched":
        wrong.append(f"the scratch folder was changed: {sorted(path.name for path in folder.iterdir())}")
    wrong += [f"{path} was planted" for path in ("/tmp/planted", "/etc/planted", "/dev/shm/planted") if os.path.exists(path)]
    return verdicts, wrong


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
    undeserved = {attack.name: verdicts[attack.name] for attack in attacks if verdicts[attack.name] not in attack.verdicts}
    assert not undeserved
    disturbed = {name: verdict for name, verdict in verdicts.items() if name.startswith("after ") and verdict != "passed"}
    assert not disturbed
    assert not wrong


def test_a_required_level_is_refused_where_it_is_not_to_be_had(monkeypatch):
    with pytest.raises(GradingError, match="choose auto"):
        GraderConfig(isolation="required:armour")
    assert GraderConfig(isolation="required:landlock").levels() == ("namespaces", "landlock")
    assert GraderConfig(isolation="rlimits").levels() == ("rlimits",)
