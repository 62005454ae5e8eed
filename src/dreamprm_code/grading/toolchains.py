"""The compilers and virtual machines of this host: looked for when a grader opens, before any program runs."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from dreamprm_code.grading.grader_settings import GradingError
from dreamprm_code.languages import Language, language_named


class Toolchains(NamedTuple):
    """``commands`` is what a worker needs to know of each language, ``folders`` what its programs must be able to read."""

    commands: dict[str, dict[str, Any]]
    folders: tuple[str, ...]


def find_toolchains(languages: Iterable[str]) -> Toolchains:
    """Those of the languages; Python needs none.

    Raises:
        GradingError: a command is not on the PATH; names the packages that bring it.
        LanguageError: there is no such language.
    """
    commands: dict[str, dict[str, Any]] = {}
    folders: set[str] = set()
    for language in map(language_named, dict.fromkeys(languages)):
        toolchain = language.toolchain
        if toolchain is not None:
            found = {name: _find(name, language) for name in toolchain.commands}
            bins = list(dict.fromkeys(os.path.dirname(path) for path in found.values()))
            commands[language.name] = {
                "title": language.title,
                "source": toolchain.source,
                "named": toolchain.named,
                "build": [found[toolchain.build[0]], *toolchain.build[1:]],
                "made": toolchain.made,
                "run": [found[toolchain.run[0]], *toolchain.run[1:]] if toolchain.run else [],
                "environment": {"PATH": ":".join([*bins, "/usr/local/bin:/usr/bin:/bin"]), **dict(toolchain.environment)},
                "is_vm": toolchain.is_vm,
            }
            folders |= {folder for path in found.values() for folder in _folders_of(path)}
            folders |= {path for pattern in toolchain.folders for path in glob.glob(pattern)}
    return Toolchains(commands, tuple(sorted(folders)))


def _find(name: str, language: Language) -> str:
    assert language.toolchain is not None
    path = shutil.which(name)
    if path is None:
        raise GradingError(
            f"{language.title} programs cannot be graded here: there is no {name} on the PATH; "
            f"apt-get install {language.toolchain.debian} (Debian) or conda install -c conda-forge {language.toolchain.conda}"
        )
    if name == "rustc":  # rustup puts a proxy there, which needs the user's home
        done = subprocess.run([path, "--print", "sysroot"], capture_output=True, text=True, check=False)
        if done.returncode == 0 and (own := Path(done.stdout.strip()) / "bin" / "rustc").exists():
            return str(own)
    return path


def _folders_of(command: str) -> list[str]:
    """Where a command and what it reads were installed: the folder that holds its ``bin``, as it is named and as it is."""
    found = []
    for path in (command, os.path.realpath(command)):
        folder = os.path.dirname(path)
        prefix = os.path.dirname(folder)
        own = os.path.basename(folder) == "bin" and prefix not in ("/", os.path.expanduser("~"))
        found.append(prefix if own else folder)
    return found
