"""Every pin stands once, the set-up script recognises an environment that has them, and the package installs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import yaml


def pins(path: Path) -> list[str]:
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def test_conda_users_get_the_pins_of_the_requirements_files(root: Path) -> None:
    dependencies = yaml.safe_load((root / "environment.yml").read_text())["dependencies"]
    files = next(item["pip"] for item in dependencies if isinstance(item, dict))
    assert files == ["-r requirements.txt", "-r requirements-tests.txt"]
    assert "python=3.11" in dependencies


def test_every_requirement_is_pinned_exactly_and_once(root: Path) -> None:
    lines = [line for path in root.glob("requirements*.txt") for line in pins(path)]
    for line in lines:
        assert line.count("==") == 1 and "*" not in line, line
    names = [line.partition("==")[0].lower() for line in lines]
    assert sorted(set(names)) == sorted(names)


def test_the_lock_holds_every_pin_with_its_hashes(root: Path) -> None:
    text = (root / "requirements.lock").read_text().replace("\\\n", "")
    locked = {line.split("==")[0]: line for line in text.splitlines() if "==" in line}
    assert all("--hash=sha256:" in line for line in locked.values())
    for line in [*pins(root / "requirements.txt"), *pins(root / "requirements-tests.txt")]:
        name, version = line.split("==")
        name = re.sub(r"[-_.]+", "-", name).lower()
        assert name == "torch" or locked[name].startswith(f"{name}=={version} "), f"{line}: make requirements.lock anew"


def test_an_installed_package_has_all_it_needs_far_from_the_clone(root: Path, python: str, tmp_path: Path) -> None:
    """Built from a copy of the tracked files, so that what is not committed cannot help."""
    clone = tmp_path / "clone"
    tracked = subprocess.run(["git", "-C", str(root), "ls-files"], capture_output=True, text=True, check=True).stdout
    for name in tracked.splitlines():
        if name.startswith(("src/dreamprm_code", "prompts/", "requirements", "setup.py", "pyproject", "README", "LICENSE")):
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, clone / name)
    build = "import setuptools.build_meta as build, sys; build.build_wheel(sys.argv[1])"
    subprocess.run([python, "-c", build, str(tmp_path)], cwd=clone, capture_output=True, check=True)
    site = tmp_path / "site"
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    shutil.rmtree(clone)
    script = """
from dreamprm_code.prm import PRM
from dreamprm_code.prm.input_text import load_template as prm_template
from dreamprm_code.prompts import REQUIRED_FIELDS, load_template
from dreamprm_code.report.page import TEMPLATES
import dreamprm_code, importlib.metadata, pathlib
assert pathlib.Path(dreamprm_code.__file__).parent.joinpath("py.typed").is_file()
assert all(load_template(name) for name in REQUIRED_FIELDS) and prm_template("native") and prm_template("released")
assert (TEMPLATES / "report.html.j2").is_file()
print(dreamprm_code.__file__, *importlib.metadata.requires("dreamprm-code"), sep="\\n")
"""
    environment = {"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([python, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    where, *requires = done.stdout.splitlines()
    assert where.startswith(str(site))
    assert pins(root / "requirements.txt") == [line for line in requires if "extra ==" not in line]


def test_setup_reuses_a_fitting_active_environment(root: Path) -> None:
    environment = os.environ | {"VIRTUAL_ENV": sys.prefix, "PATH": "/usr/bin:/bin"}
    result = subprocess.run(
        ["bash", "-c", "source src/setup_env.sh && command -v python"],
        cwd=root, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert result.stdout.strip() == f"{sys.prefix}/bin/python"


def test_setup_says_what_to_do_where_no_python_fits(root: Path, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for name in ("src/setup_env.sh", *(path.name for path in root.glob("requirements*.txt"))):
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
