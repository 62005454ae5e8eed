"""All attacks, and how they are run: each followed by an innocent program that shall find everything in order.

    python tests/grading/attacks.py --repeat 5 [--isolation LEVEL]

runs them all that often and exits with 1 unless every run gives the same, acceptable verdicts and leaves the host as it was.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[2] / name) for name in ("src", "tests")]

import psutil
from attack import Attack
from attacks_by_calls import CALLS
from attacks_on_limits import HOGS
from attacks_on_the_host import BREAK_OUTS
from attacks_on_the_judge import TAMPERINGS
from attacks_on_verdicts import FORGERIES

from builders.grading import LIMITS, PROBLEMS
from dreamprm_code.grading import Grader, GradeRequest, GraderSettings
from dreamprm_code.grading.sandbox.levels import LEVELS

ATTACKS: tuple[Attack, ...] = (*FORGERIES, *TAMPERINGS, *BREAK_OUTS, *CALLS, *HOGS)


def run_attacks(attacks: list[Attack], level: str, folder: Path) -> tuple[dict[str, str], list[str]]:
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
        tempfile.TemporaryDirectory() as services,
        socket.socket(socket.AF_UNIX) as service,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams,
        Grader(GraderSettings(workers=2, **LIMITS | {"isolation": level})) as grader,
    ):
        name = f"grading-test-{os.getpid()}"
        abstract.bind("\0" + name)
        abstract.listen()
        os.chmod(services, 0o777)
        paths = {"@SOCKET@": f"{services}/stream", "@DATAGRAMS@": f"{services}/datagrams"}
        for listener, path in zip((service, datagrams), paths.values(), strict=True):
            listener.bind(path)
            os.chmod(path, 0o777)
        service.listen()
        places = paths | {"@SCRATCH@": str(folder), "@PORT@": str(server.getsockname()[1]), "@ABSTRACT@": name}
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
    if os.listxattr(kept):
        wrong.append("a file was marked")
    if sorted(path.name for path in folder.iterdir()) != ["keep"] or kept.read_text() != "untouched":
        wrong.append(f"the scratch folder was changed: {sorted(path.name for path in folder.iterdir())}")
    wrong += [f"{path} was planted" for path in ("/tmp/planted", "/etc/planted", "/dev/shm/planted") if os.path.exists(path)]
    return verdicts, wrong


def undeserved(attacks: list[Attack], verdicts: dict[str, str]) -> dict[str, str]:
    """Verdicts that no fair grader gives, of attacks and of the innocent programs after them."""
    found = {attack.name: verdicts[attack.name] for attack in attacks if verdicts[attack.name] not in attack.verdicts}
    return found | {name: verdict for name, verdict in verdicts.items() if name.startswith("after ") and verdict != "passed"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--isolation", default=LEVELS[0], choices=LEVELS)
    parser.add_argument("--only", default="", help="attacks whose name holds this text")
    args = parser.parse_args()
    attacks = [
        attack for attack in ATTACKS if LEVELS.index(args.isolation) <= LEVELS.index(attack.needs) and args.only in attack.name
    ]
    runs, failed = [], False
    for number in range(1, args.repeat + 1):
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            verdicts, wrong = run_attacks(attacks, args.isolation, Path(folder))
        runs.append(verdicts)
        bad = undeserved(attacks, verdicts)
        failed |= bool(bad or wrong)
        print(
            f"run {number}: {len(attacks)} attacks at level {args.isolation} in {time.monotonic() - started:.1f} s; "
            f"undeserved verdicts: {bad or 'none'}; changed on the host: {wrong or 'nothing'}"
        )
    differing = {name: [run[name] for run in runs] for name in runs[0] if len({run[name] for run in runs}) > 1}
    print(f"verdicts of {len(runs)} runs: {f'different: {differing}' if differing else f'identical in all {len(runs)}'}")
    return int(failed or bool(differing))


if __name__ == "__main__":
    sys.exit(main())
