"""The pins of pip users and conda users are one set, and the set-up script recognises an environment that has them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml


def pins(path: Path) -> list[str]:
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def test_environment_yml_repeats_the_pins_of_requirements_txt(root: Path) -> None:
    dependencies = yaml.safe_load((root / "environment.yml").read_text())["dependencies"]
    pip_pins = next(item["pip"] for item in dependencies if isinstance(item, dict))
    assert pip_pins == pins(root / "requirements.txt")
    assert "python=3.11" in dependencies


def test_every_requirement_is_pinned_exactly(root: Path) -> None:
    for line in pins(root / "requirements.txt") + pins(root / "requirements-betty.txt"):
        assert line.count("==") == 1 and "*" not in line, line


def test_setup_reuses_a_fitting_active_environment(root: Path) -> None:
    environment = os.environ | {"VIRTUAL_ENV": sys.prefix, "PATH": "/usr/bin:/bin"}
    result = subprocess.run(
        ["bash", "-c", "source src/setup_env.sh && command -v python"],
        cwd=root, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert result.stdout.strip() == f"{sys.prefix}/bin/python"


def test_setup_says_what_to_do_where_no_python_fits(root: Path, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for name in ("src/setup_env.sh", "requirements.txt", "requirements-betty.txt"):
        (tmp_path / name).write_text((root / name).read_text())
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("dirname", "bash"):
        (tools / tool).symlink_to(f"/usr/bin/{tool}" if Path(f"/usr/bin/{tool}").exists() else f"/bin/{tool}")
    result = subprocess.run(
        [str(tools / "bash"), "-c", "source src/setup_env.sh"],
        cwd=tmp_path, env={"PATH": str(tools)}, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 1
    assert "no Python 3.11 or newer" in result.stderr
