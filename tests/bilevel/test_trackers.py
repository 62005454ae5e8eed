"""Curves reach every tracker that is asked for; the log itself does not depend on them."""

from __future__ import annotations

import importlib.util
import sys
import types
from importlib.machinery import ModuleSpec

import pytest

from dreamprm_code.bilevel.progress import Reporter
from dreamprm_code.bilevel.settings import TrainSettings
from dreamprm_code.settings import SettingsError


class FakePackage(types.ModuleType):
    """What accelerate's trackers call of wandb and trackio."""

    def __init__(self, name: str):
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)
        self.config = self
        self.inits, self.logged, self.configs, self.finished = [], [], [], 0

    def init(self, **settings):
        self.inits.append(settings)
        return self

    def update(self, values, **_):
        self.configs.append(values)

    def log(self, values, step=None, **_):
        self.logged.append((step, values))

    def finish(self):
        self.finished += 1


@pytest.fixture
def packages(monkeypatch):
    fakes = {name: FakePackage(name) for name in ("wandb", "trackio")}
    for name, fake in fakes.items():
        monkeypatch.setitem(sys.modules, name, fake)
    return fakes


def test_every_tracker_gets_name_settings_and_values_and_a_resumed_run_goes_on(packages, tmp_path):
    settings = TrainSettings(log_to=["tensorboard", "wandb", "trackio"], progress=False, learn="none", seed=7, lr="1e-4")
    out_dir = tmp_path / "mine"
    out_dir.mkdir()
    for start, step in ((0, 1), (1, 2)):
        reporter = Reporter(out_dir, settings, start)
        reporter.write("warm-up", step, {"loss": 0.5})
        reporter.write("validation", step, {"loss": 0.25})
        reporter.close()
    for name, fake in packages.items():
        first, second = fake.inits
        assert first == second and first["project"] == "dreamprm-code" and first["resume"] == "allow"
        assert first["name"].startswith("mine-none-seed7") and fake.finished == 2
        assert fake.logged[:2] == [(1, {"train/loss": 0.5}), (1, {"validation/loss": 0.25})], name
        assert fake.logged[2][0] == 2 and fake.configs[0]["lr"] == 1e-4
    assert list((out_dir / "tensorboard").glob("events.*"))
    Reporter(out_dir, settings.with_changes(run_name="again"), 0).close()
    assert packages["wandb"].inits[-1]["name"] == "again"
    assert packages["wandb"].inits[-1]["id"] != packages["wandb"].inits[0]["id"], "a run from the start is another run"


def test_a_tracker_whose_package_is_absent_is_one_line():
    if importlib.util.find_spec("wandb") is not None:
        pytest.skip("wandb is installed")
    with pytest.raises(SettingsError, match="log_to wandb: the package is not installed; pip install wandb"):
        TrainSettings(log_to=["wandb"])
    with pytest.raises(SettingsError, match="'tensorboard' is now called 'log_to'"):
        TrainSettings(tensorboard=False)


def test_no_tracker_leaves_the_log_alone(tmp_path):
    reporter = Reporter(tmp_path, TrainSettings(log_to=[], progress=False), 0)
    reporter.write("warm-up", 1, {"loss": 0.5})
    reporter.close()
    assert [path.name for path in tmp_path.iterdir()] == ["training_log.jsonl"]
