"""``<file>.meta.json`` beside each output: what made the file, from what, and what was dropped on the way."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dreamprm_code import __version__
from dreamprm_code.errors import UserError
from dreamprm_code.files import manifest_path, write_bytes_atomic


class ManifestError(UserError):
    """The output on disk was made from another configuration or other inputs."""


def sha256_of(path: str | Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def git_commit() -> str | None:
    """Commit of the source tree (with ``+dirty`` when it has local changes), or None outside a checkout."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+dirty" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


_SECRET = re.compile(r"(api_?key|access_token|secret|password|authorization)$", re.IGNORECASE)


_LOGIN = re.compile(r"(https?://)[^/@\s]+@")  # user and password in an address


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: "***" if _SECRET.search(str(key)) and item else _without_secrets(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_secrets(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return _LOGIN.sub(r"\1***@", value) if isinstance(value, str) else value


def write_manifest(
    output: str | Path,
    *,
    stage: str,
    config: Mapping[str, Any],
    identity: Mapping[str, Any],
    inputs: Iterable[str | Path] = (),
    counts: Mapping[str, Any] | None = None,
) -> None:
    """Describe ``output`` beside it.

    ``config`` is the whole configuration (values whose key names a secret are masked). ``identity`` holds the settings and
    input hashes that decide what the rows are: a later run may add rows only if its identity is equal (:func:`check_resume`).
    ``counts`` are row counts and named losses.
    """
    manifest = {
        "stage": stage,
        "version": __version__,
        "commit": git_commit(),
        "config": _without_secrets(config),
        "identity": _without_secrets(identity),
        "inputs": {str(path): sha256_of(path) for path in inputs},
        "counts": dict(counts or {}),
    }
    write_bytes_atomic(manifest_path(output), [json.dumps(manifest, indent=2, ensure_ascii=False).encode(), b"\n"])


def read_manifest(output: str | Path) -> dict[str, Any] | None:
    """The manifest of a file, or None if it has none.

    Raises:
        ManifestError: it is not what :func:`write_manifest` writes.
    """
    try:
        found = json.loads(manifest_path(output).read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("not a JSON object")
        for name, kind in (("stage", str), ("identity", dict), ("counts", dict)):
            if not isinstance(found.get(name), kind):
                raise ValueError(f"'{name}' is missing or of a wrong type")
        return found
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ManifestError(
            f"{manifest_path(output)}: cannot be read ({error}); delete it and {output} to start again"
        ) from None


def check_resume(output: str | Path, identity: Mapping[str, Any], remedy: str = "choose another data directory") -> None:
    """Refuse to add rows to a file that was made with other settings; ``remedy`` is what the user can do but delete it.

    Raises:
        ManifestError: names each setting that differs, and the remedy.
    """
    manifest = read_manifest(output)
    if manifest is None:
        return
    before, now = manifest["identity"], json.loads(json.dumps(_without_secrets(identity)))
    differing = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    if differing:
        details = ", ".join(f"{name}: {before.get(name)!r} there, {now.get(name)!r} now" for name in differing)
        raise ManifestError(
            f"{output} was made with other settings ({details}); "
            f"{remedy}, or move this file and its .meta.json away to start again"
        )


def check_outputs(stage: str, outputs: Mapping[str, Path | None], inputs: Mapping[str, Path]) -> None:
    """Refuse to write over an input or another output, or to replace a file that the stage has not written.

    Both map flags to paths; an output that is None is not written.

    Raises:
        ManifestError: names the file and the flag.
    """
    taken = dict(inputs)
    for flag, path in outputs.items():
        if path is None:
            continue
        for other, used in taken.items():
            if any(_is_same_file(written, used) for written in (path, manifest_path(path))):
                raise ManifestError(f"{path}: {flag} would write over {other}; choose another {flag}")
        if path.exists() and path.stat().st_size and (read_manifest(path) or {}).get("stage") != stage:
            raise ManifestError(f"{path}: was not written by {stage}.py; choose another {flag}, or move this file away")
        taken |= {flag: path, f"the manifest of {flag}": manifest_path(path)}


def refuse_inputs(out: Path, inputs: Iterable[str | Path | None]) -> None:
    """Refuse to write over an input.

    Raises:
        ManifestError: names the file.
    """
    if any(path is not None and _is_same_file(out, Path(path)) for path in inputs):
        raise ManifestError(f"{out}: would be written over an input; choose another --out")


def _is_same_file(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve() or (one.exists() and other.exists() and one.samefile(other))
