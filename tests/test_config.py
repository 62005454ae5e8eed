"""One YAML section plus flags make a Config; every mistake names the setting."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from dreamprm_code.config import ConfigError, option, parse_config


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


def parse(tmp_path: Path, yaml_text: str, *flags: str) -> Config:
    path = tmp_path / "c.yaml"
    path.write_text(yaml_text)
    return parse_config(Config, "stage", "doc", ["--config", str(path), *flags])


def test_shared_then_section_then_flags(tmp_path: Path) -> None:
    config = parse(
        tmp_path,
        "shared: {data_dir: shared, other: 1, rate: 2}\nstage: {rate: 3, since: 2024-08-01, prices: {m: 1}}\n",
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
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, yaml_text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(tmp_path, yaml_text)


def test_a_missing_configuration_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        parse_config(Config, "stage", "doc", ["--config", str(tmp_path / "none.yaml")])


def test_help_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse_config(Config, "stage", "doc", ["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert all(flag in shown for flag in ("--data-dir", "--rate", "--no-dry-run", "how fast (default: 1.0)"))
