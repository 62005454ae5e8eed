"""A YAML file and flags make a stage's settings; every mistake names the setting."""

from __future__ import annotations

import importlib
import subprocess
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from cli import parse_settings, read_config, stage_scripts
from dreamprm_code.settings import FrozenSettings, OneOf, SettingsError

SIZES = ("small", "large")


class Settings(FrozenSettings):
    data_dir: Path = Field(description="where")
    rate: float = Field(1.0, ge=0, description="how fast")
    count: int | None = Field(None, ge=1, description="how many")
    share: float = Field(0.5, gt=0, lt=1, description="how much")
    names: list[str] = Field([], description="who")
    rates: list[float] = Field([], description="how fast at last")
    kind: Literal["a", "b"] = Field("a", description="which")
    size: Annotated[str, OneOf(SIZES)] = Field("small", description="how large")
    dry_run: bool = Field(False, description="only say")
    since: str = Field("", description="a date")
    windows: dict[str, list[str | None]] = Field({}, description="more dates")
    folder: Path | None = Field(None, description="where else")
    prices: dict[str, float] = Field({}, description="per model")
    body: dict[str, Any] = Field({}, description="more")
    max_functions: int = Field(10, description="steps")


def parse(tmp_path: Path, yaml_text: str, *flags: str) -> Settings:
    path = tmp_path / "c.yaml"
    path.write_text(yaml_text)
    return parse_settings(Settings, "stage", "doc", ["--config", str(path), *flags])


def test_shared_then_section_then_flags(tmp_path: Path) -> None:
    settings = parse(
        tmp_path,
        "shared: {data_dir: shared, num_solutions: 1, rate: 2}\nstage: {rate: 3, since: 2024-08-01, prices: {m: 1}}\n",
        "--count", "4", "--names", "x", "y", "--dry-run",
    )  # fmt: skip
    assert settings == Settings(
        data_dir=Path("shared"), rate=3.0, count=4, names=["x", "y"], dry_run=True, since="2024-08-01", prices={"m": 1.0}
    )


def test_yaml_says_numbers_dates_and_paths_in_its_own_way(tmp_path: Path) -> None:
    dates = "windows: {t: [2024-08-01, null]}, body: {t: [2024-08-01]}"
    settings = parse(tmp_path, f"stage: {{data_dir: d, rate: 1e-4, rates: [1e-3, 2], folder: f, {dates}}}")
    assert (settings.rate, settings.rates) == (1e-4, [1e-3, 2.0])
    assert settings.folder == Path("f")
    assert (settings.windows, settings.body) == ({"t": ["2024-08-01", None]}, {"t": ["2024-08-01"]})


def test_an_empty_section_is_one_without_settings(tmp_path: Path) -> None:
    assert parse(tmp_path, "shared:\nstage:\ngen_sol:\n", "--data-dir", "d") == Settings(data_dir="d")


@pytest.mark.parametrize(
    ("yaml_text", "message"),
    [
        ("stage: {data_dir: d, speed: 1}", "unknown setting 'speed'; known: data_dir, rate"),
        ("stage: {data_dir: d, rat: 1}", "unknown setting 'rat'; did you mean 'rate'"),
        ("stage: {rate: 1}", "'data_dir' is missing; give --data-dir"),
        ("stage: {data_dir: d, rate: fast}", "'rate': expected float, found 'fast'"),
        ("stage: {data_dir: d, rate: true}", "'rate': expected float, found True"),
        ("stage: {data_dir: d, count: true}", "'count': expected int, found True"),
        ("stage: {data_dir: d, count: 1.5}", "'count': expected int, found 1.5"),
        ("stage: {data_dir: d, count: '1'}", "'count': expected int, found '1'"),
        ("stage: {data_dir: d, dry_run: 1}", "'dry_run': expected bool, found 1"),
        ("stage: {data_dir: d, since: 3}", "'since': expected str, found 3"),
        ("stage: {data_dir: 3}", "'data_dir': expected Path, found 3"),
        ("stage: {data_dir: d, names: x}", "'names': expected list, found 'x'"),
        ("stage: {data_dir: d, names: [x, 1]}", "'names': expected str, found 1"),
        ("stage: {data_dir: d, prices: 1}", "'prices': expected dict, found 1"),
        ("stage: {data_dir: d, kind: c}", "'kind' is 'c'; choose from a, b"),
        ("stage: {data_dir: d, size: huge}", "'size' is 'huge'; choose from small, large"),
        ("stage: {data_dir: d, count: 0}", "'count' is 0; it must be 1 or more"),
        ("stage: {data_dir: d, share: 0}", "'share' is 0; it must be above 0"),
        ("stage: {data_dir: d, share: 1.0}", "'share' is 1.0; it must be below 1"),
        ("stage: [", "not valid YAML"),
        ("- 1", "expected sections"),
        ("stage: 5", "expected sections"),
        ("stage: {data_dir: d, since: 2024-13-01}", "not valid YAML"),
        ("stage: {data_dir: d, rate: .nan}", "'rate' is nan; it must be a finite number"),
        ("stage: {data_dir: d, rate: nan}", "'rate' is nan; it must be a finite number"),
        (f"stage: {{data_dir: d, rate: {'9' * 400}}}", "'rate' is 9+; it must be a finite number"),
        ("stage: {data_dir: d, prices: {m: -.inf}}", "'prices' is -inf; it must be a finite number"),
        ("stage: {data_dir: d, body: {deep: [.nan]}}", "'body' is nan; it must be a finite number"),
        ("shared: {sed: 8}\nstage: {data_dir: d}", "no stage has the shared setting 'sed'; did you mean 'seed'"),
        ("stage: {data_dir: d}\ngen_soll: {split: test}", "no stage has the section 'gen_soll'; did you mean 'gen_sol'"),
        ("stage: {data_dir: d, 1: 2, x: 3}", "unknown setting '1'"),
        ("stage: {data_dir: d, max_steps: 3}", "'max_steps' is now called 'max_functions'"),
        ("shared: {max_steps: 3}\nstage: {data_dir: d}", "'max_steps' is now called 'max_functions'"),
        ("shared: {warmup_steps: 3}\nstage: {data_dir: d}", "'warmup_steps' is now called 'inner_only_steps'"),
        ("stage: {data_dir: d}\nstudy_overhead: {repeats: 3}", "'study_overhead' is now called 'overhead'"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, yaml_text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as error:
        parse(tmp_path, yaml_text)
    assert str(error.value).startswith(f"{tmp_path / 'c.yaml'}")


def test_a_former_flag_is_told_its_new_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for flags in (["--max-steps", "3"], ["--max-steps=3"]):
        with pytest.raises(SettingsError, match="the flag --max-steps is now called --max-functions"):
            parse(tmp_path, "stage: {data_dir: d}", *flags)
    with pytest.raises(SystemExit):
        parse(tmp_path, "stage: {data_dir: d}", "--warmup-steps", "3")
    assert "unrecognized arguments: --warmup-steps 3" in capsys.readouterr().err


def test_a_missing_configuration_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml: cannot be read"):
        parse_settings(Settings, "stage", "doc", ["--config", str(tmp_path / "none.yaml")])


def test_a_configuration_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(b"stage: {kind: \xff}")
    with pytest.raises(SettingsError, match=r"c\.yaml: not a text file in UTF-8"):
        read_config(tmp_path / "c.yaml")


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_flag_that_is_no_finite_number_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(SettingsError, match=f"'rate' is {value}; it must be a finite number"):
        parse(tmp_path, "stage: {data_dir: d}", "--rate", value)


def test_a_flag_that_is_no_yaml_is_argparses_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(tmp_path, "stage: {data_dir: d}", "--prices", "{m: ")
    assert stop.value.code == 2 and "argument --prices: not valid YAML" in capsys.readouterr().err


def test_changes_are_checked_and_the_settings_themselves_stay() -> None:
    settings = Settings(data_dir=Path("d"), rate=2)
    assert settings.with_changes(rate=3).rate == 3.0 and settings.rate == 2.0
    with pytest.raises(SettingsError, match="'rate' is -1; it must be 0 or more"):
        settings.with_changes(rate=-1)


def test_every_stage_has_settings_that_say_what_they_are(root: Path) -> None:
    assert {"gen_cof", "gen_sol", "train_prm", "evaluate_prm", "label_correction"} <= stage_scripts().keys()
    for name, path in stage_scripts().items():
        module = importlib.import_module(name)
        assert Path(module.__file__ or "") == path
        for setting, field in module.Settings.model_fields.items():
            assert field.description, f"{name}: {setting}"


@pytest.mark.parametrize("name", ["demo", "paper", "study"])
def test_the_configurations_that_come_with_the_project_are_taken_by_their_stages(root: Path, name: str) -> None:
    path = root / "configs" / f"{name}.yaml"
    sections = read_config(path).keys() - {"shared"}
    assert sections
    for section in sections:
        required = {"gen_sol": ["--split", "test"]}.get(section, [])
        parse_settings(importlib.import_module(section).Settings, section, "doc", ["--config", str(path), *required])


def test_a_shared_setting_of_another_stage_is_found_in_a_process_of_its_own(root: Path, python: str, tmp_path: Path) -> None:
    """What grade.py knows nothing of: an option of the sampling stages, and one that no stage has."""
    for setting, message in (("retries", "give --code and --tests"), ("retrys", "did you mean 'retries'")):
        (tmp_path / "c.yaml").write_text(f"shared: {{{setting}: 1}}")
        command = [python, str(root / "src/grade.py"), "--config", str(tmp_path / "c.yaml")]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1


def test_help_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse_settings(Settings, "stage", "doc", ["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert all(flag in shown for flag in ("--data-dir", "--rate", "--no-dry-run", "how fast (default: 1.0)", "{small,large}"))
