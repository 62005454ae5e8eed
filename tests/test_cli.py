"""How a stage ends: errors of the operating system are one line, SIGTERM is an orderly end, defects keep their traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

STAGE = """
import multiprocessing, os, sys, time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from cli import run_stage
from pydantic import Field

from dreamprm_code.settings import FrozenSettings


class Settings(FrozenSettings):
    what: str = Field(description="what goes wrong")
    path: Path = Field(Path("."), description="where")


def main(config):
    if config.what == "mkdir":
        (config.path / "run").mkdir()
    elif config.what == "write":
        config.path.write_text("x")
    elif config.what == "plain":
        raise OSError("the hub\\n  is far")
    elif config.what == "full":
        with open("/dev/full", "w") as stream:
            stream.write("x")
    elif config.what == "bug":
        raise KeyError("rows")
    else:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            future = pool.submit(time.sleep, 600)
            while not future.running():
                time.sleep(0.05)
            print("ready", flush=True)
            if config.what == "asyncio":
                import asyncio

                asyncio.run(asyncio.sleep(600))
            else:
                time.sleep(600)


if __name__ == "__main__":
    run_stage(Settings, "stage", "doc", main)
"""


@pytest.fixture
def command(tmp_path: Path, python: str) -> list[str]:
    (tmp_path / "stage.py").write_text(STAGE)
    return [python, str(tmp_path / "stage.py"), "--path"]


@pytest.fixture
def environment(root: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": f"{root / 'src'}"}


@pytest.mark.parametrize(
    ("what", "where", "message"),
    [
        ("mkdir", "stage.py", "stage.py/run: Not a directory"),
        ("mkdir", "none", "none/run: No such file or directory"),
        ("write", ".", ".: Is a directory"),
        ("plain", ".", "the hub is far"),
        ("full", ".", "No space left on device"),
    ],
)
def test_an_error_of_the_operating_system_is_one_line(tmp_path, command, environment, what, where, message):
    done = subprocess.run(
        [*command, where, "--what", what], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=60
    )
    assert (done.returncode, done.stderr) == (2, f"stage: error: {message}\n")


def test_a_defect_keeps_its_traceback(tmp_path, command, environment):
    done = subprocess.run([*command, ".", "--what", "bug"], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 1 and "Traceback" in done.stderr and "KeyError: 'rows'" in done.stderr


@pytest.mark.parametrize("what", ["pool", "asyncio"])
def test_sigterm_ends_as_an_interruption_and_leaves_no_children(command, environment, what):
    stage = subprocess.Popen(
        [*command, ".", "--what", what], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert stage.stdout.readline() == "ready\n"
        children = psutil.Process(stage.pid).children(recursive=True)
        assert children
        stage.send_signal(signal.SIGTERM)
        _, errors = stage.communicate(timeout=60)
    finally:
        stage.kill()
    assert stage.returncode == 143
    assert errors.splitlines()[-1] == "stage: terminated; run the same command again to go on"
    assert "Traceback" not in errors
    deadline = time.monotonic() + 60
    while any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children):
        assert time.monotonic() < deadline, "a child is still there"
        time.sleep(0.1)
