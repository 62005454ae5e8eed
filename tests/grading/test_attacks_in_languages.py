"""Hostile programs in C++ and JavaScript get a fair verdict and leave nothing; an innocent one follows each."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import psutil
import pytest
from attacks_in_languages import CHEAP, LANGUAGE_ATTACKS, LanguageAttack
from grading_problems import LIMITS, PROBLEMS

from dreamprm_code.grading import Grader, GradeRequest, GraderSettings

INNOCENT = {
    "cpp": '#include <cstdio>\nint main() { int n; scanf("%d", &n); printf("%d", 2 * n); } // ',
    "javascript": "const fs = require('fs');\nconst found = fs.readdirSync('.');\n"
    "console.log(found.length === 1 ? 2 * fs.readFileSync(0, 'utf8') : found); // ",
}


def run_language_attacks(attacks: list[LanguageAttack], folder: Path) -> tuple[dict[str, str], list[str]]:
    """Verdicts by "language: name", of the innocent programs after them, too, and what was wrong with the host afterwards."""
    folder.chmod(0o777)
    (folder / "keep").write_text("untouched")
    settings = GraderSettings(
        languages=("cpp", "javascript"), build_cpu_limit_s=4, build_memory_limit_mb=512, isolation="namespaces", **LIMITS
    )
    before = {process.pid for process in psutil.process_iter()}
    with socket.create_server(("127.0.0.1", 0)) as server, Grader(settings) as grader:
        requests = []
        for attack in attacks:
            name = f"{attack.language}: {attack.name}"
            code = attack.code.replace("@SCRATCH@", str(folder)).replace("@PORT@", str(server.getsockname()[1]))
            requests.append(GradeRequest(name, PROBLEMS["double"], code, attack.language))
            requests.append(
                GradeRequest(f"after {name}", PROBLEMS["double"], INNOCENT[attack.language] + name, attack.language)
            )
        verdicts = {str(result.key): str(result.verdict) for result in grader.grade(requests)}
        names = {"node", "main", "cc1plus", "g++"}
        left = [process.name() for process in psutil.process_iter() if process.pid not in before and process.name() in names]
    wrong = [f"{name} still runs" for name in left]
    if sorted(path.name for path in folder.iterdir()) != ["keep"] or (folder / "keep").read_text() != "untouched":
        wrong.append("the scratch folder was changed")
    wrong += [f"{path} was planted" for path in ("/usr/lib/planted", "/etc/planted") if Path(path).exists()]
    return verdicts, wrong


def unfair(attacks: list[LanguageAttack], verdicts: dict[str, str]) -> dict[str, str]:
    allowed = {f"{attack.language}: {attack.name}": attack.verdicts for attack in attacks}
    return {name: verdict for name, verdict in verdicts.items() if verdict not in allowed.get(name, ("passed",))}


@pytest.mark.skipif(not shutil.which("g++") or not shutil.which("node"), reason="needs g++ and node")
def test_attacks_get_their_verdicts_and_leave_nothing(tmp_path):
    attacks = [attack for attack in LANGUAGE_ATTACKS if attack.name in CHEAP]
    assert {attack.name for attack in attacks} == CHEAP
    verdicts, wrong = run_language_attacks(attacks, tmp_path)
    assert not unfair(attacks, verdicts)
    assert not wrong
