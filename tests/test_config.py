"""One YAML section plus flags make a Config; every mistake names the setting."""

from __future__ import annotations

import dataclasses
import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dreamprm_code.config import SECTIONS, SHARED_SETTINGS, ConfigError, option, parse_config, read_yaml


@dataclass(frozen=True)
class Config:
    data_dir: Path = option(help="where")
    rate: float = option(1.0, help="how fast")
    count: int | None = option(None, help="how many")
    names: list[str] = option([], help="who")
    kind: str = option("a", help="which", choices=("a", "b"))
    dry_run: bool = option(False, help="only say")
    since: str = option("", help="a date")
    prices: dict[str, float] = option({}, help="per model")
    body: dict[str, Any] = option({}, help="more")


def parse(tmp_path: Path, yaml_text: str, *flags: str) -> Config:
    path = tmp_path / "c.yaml"
    path.write_text(yaml_text)
    return parse_config(Config, "stage", "doc", ["--config", str(path), *flags])


def test_shared_then_section_then_flags(tmp_path: Path) -> None:
    config = parse(
        tmp_path,
        "shared: {data_dir: shared, num_solutions: 1, rate: 2}\nstage: {rate: 3, since: 2024-08-01, prices: {m: 1}}\n",
        "--count", "4", "--names", "x", "y", "--dry-run",
    )  # fmt: skip
    assert config == Config(
        data_dir=Path("shared"), rate=3.0, count=4, names=["x", "y"], dry_run=True, since="2024-08-01", prices={"m": 1.0}
    )


@pytest.mark.parametrize(
    ("yaml_text", "message"),
    [
        ("stage: {data_dir: d, speed: 1}", "unknown setting 'speed'"),
        ("stage: {rate: 1}", "'data_dir' is missing; give --data-dir"),
        ("stage: {data_dir: d, rate: fast}", "'rate': expected float, found 'fast'"),
        ("stage: {data_dir: d, count: true}", "'count'"),
        ("stage: {data_dir: d, kind: c}", "choose from a, b"),
        ("stage: [", "not valid YAML"),
        ("- 1", "expected sections"),
        ("stage: {data_dir: d, since: 2024-13-01}", "not valid YAML"),
        ("stage: {data_dir: d, rate: .nan}", "'rate': expected a finite number, found nan"),
        ("stage: {data_dir: d, prices: {m: -.inf}}", "'prices': expected a finite number, found -inf"),
        ("stage: {data_dir: d, body: {deep: [.nan]}}", "'body': expected a finite number"),
        ("shared: {sed: 8}\nstage: {data_dir: d}", "no stage has the shared setting 'sed'; did you mean 'seed'"),
        ("stage: {data_dir: d}\ngen_soll: {split: test}", "no stage has the section 'gen_soll'; did you mean 'gen_sol'"),
        ("stage: {data_dir: d, 1: 2, x: 3}", "unknown setting '1'"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, yaml_text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(tmp_path, yaml_text)


def test_a_missing_configuration_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        parse_config(Config, "stage", "doc", ["--config", str(tmp_path / "none.yaml")])


def test_a_configuration_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(b"stage: {kind: \xff}")
    with pytest.raises(ConfigError, match=r"c\.yaml: not a text file in UTF-8"):
        read_yaml(tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("flags", "message"),
    [(["--rate", "nan"], "'rate': expected a finite number"), (["--rate", "inf"], "'rate': expected a finite number")],
)
def test_a_flag_that_is_no_finite_number_is_refused(tmp_path: Path, flags: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(tmp_path, "stage: {data_dir: d}", *flags)


def test_a_flag_that_is_no_yaml_is_argparses_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(tmp_path, "stage: {data_dir: d}", "--prices", "{m: ")
    assert stop.value.code == 2 and "argument --prices: not valid YAML" in capsys.readouterr().err


def test_the_known_sections_and_shared_settings_are_those_of_the_stages(root: Path) -> None:
    stages = {path.stem for path in (root / "src").rglob("*.py") if re.search(r"^class Config\b", path.read_text(), re.M)}
    assert stages == SECTIONS
    classes = [importlib.import_module(name).Config for name in sorted(stages)]
    assert {field.name for cls in classes for field in dataclasses.fields(cls)} == SHARED_SETTINGS


@pytest.mark.parametrize("name", ["demo", "paper", "study"])
def test_the_configurations_that_come_with_the_project_hold_known_names(root: Path, name: str) -> None:
    sections = read_yaml(root / "configs" / f"{name}.yaml")
    assert sections.keys() <= SECTIONS | {"shared"}
    assert sections.get("shared", {}).keys() <= SHARED_SETTINGS


def test_help_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse_config(Config, "stage", "doc", ["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert all(flag in shown for flag in ("--data-dir", "--rate", "--no-dry-run", "how fast (default: 1.0)"))
