"""A manifest says what made a file, keeps secrets out, and refuses to mix rows of different settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamprm_code.files import manifest_path
from dreamprm_code.manifest import ManifestError, check_resume, read_manifest, sha256_of, write_manifest


def test_manifest_holds_hashes_counts_and_no_secret(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("abc")
    write_manifest(
        output,
        stage="gen_sol",
        config={"model": "m", "policy": {"api_key": "sk-secret"}, "max_tokens": 5, "data_dir": tmp_path},
        identity={"model": "m"},
        inputs=[source],
        counts={"rows": 3, "dropped_no_code": 1},
    )
    manifest = read_manifest(output)
    assert manifest is not None
    # sha256("abc"), FIPS 180-2 appendix B.1
    assert (
        manifest["inputs"][str(source)]
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        == sha256_of(source)
    )
    assert manifest["counts"] == {"rows": 3, "dropped_no_code": 1}
    assert manifest["config"]["max_tokens"] == 5
    assert "sk-secret" not in manifest_path(output).read_text()


def test_resume_with_other_settings_is_refused_and_names_them(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    check_resume(output, {"model": "m"})
    write_manifest(output, stage="s", config={}, identity={"model": "m", "n": 8, "windows": (1, 2)})
    check_resume(output, {"model": "m", "n": 8, "windows": [1, 2]})
    with pytest.raises(ManifestError, match="n: 8 there, 16 now"):
        check_resume(output, {"model": "m", "n": 16, "windows": [1, 2]})


def test_a_broken_manifest_is_named(tmp_path: Path) -> None:
    manifest_path(tmp_path / "out.jsonl").write_text("{")
    with pytest.raises(ManifestError, match=r"out\.jsonl\.meta\.json: cannot be read"):
        read_manifest(tmp_path / "out.jsonl")


@pytest.mark.parametrize(
    "broken", [b"[]", b'{"stage": "s", "identity": null, "counts": {}}', b"\xff\xfe{}", b"[" * 100_000, b'{"identity": {}}']
)
def test_a_manifest_of_another_form_is_one_line(tmp_path: Path, broken: bytes) -> None:
    manifest_path(tmp_path / "out.jsonl").write_bytes(broken)
    with pytest.raises(ManifestError, match=r"out\.jsonl\.meta\.json: cannot be read .* delete it") as error:
        check_resume(tmp_path / "out.jsonl", {"model": "m"})
    assert "\n" not in str(error.value)


def test_user_and_password_in_an_address_are_left_out(tmp_path: Path) -> None:
    write_manifest(tmp_path / "a", stage="s", config={"base_urls": ["https://me:secret@host/v1"]}, identity={})
    text = manifest_path(tmp_path / "a").read_text()
    assert "secret" not in text and "https://***@host/v1" in text
