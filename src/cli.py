"""How every stage starts and how it fails.

A stage's settings come from a YAML file and from flags. The file has one section per stage plus ``shared``; a stage takes the
``shared`` settings that it has, then its own section, and flags override both. What no stage knows is refused.

A stage fails with one line on standard error and exit status 2, never with a traceback for bad input. One that leaves work for
another run (requests failed, the budget is spent) ends with one line and status 3.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import signal
import sys
import threading
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import yaml
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from dreamprm_code.errors import Unfinished, UserError
from dreamprm_code.settings import FORMER_NAMES, FrozenSettings, SettingsError, choices_of, settings_from, unknown_name

SettingsT = TypeVar("SettingsT", bound=FrozenSettings)

FORMER_SECTIONS = {"study_label_correction": "label_correction", "study_overhead": "overhead"}


def run_stage(settings_class: type[SettingsT], section: str, description: str, main: Callable[[SettingsT], None]) -> None:
    """Parse the command line and run ``main``.

    Unfinished work becomes one clear line and status 3. A UserError (JsonlError, SettingsError ...) and an error of the
    operating system (no space, no permission, no memory, a folder in the place of a file) become one line and status 2; Ctrl-C
    and SIGTERM end in order, with status 130 and 143. Anything else is a defect and keeps its traceback.
    """
    with _sigterm_as_interrupt() as terminated:
        try:
            main(parse_settings(settings_class, section, description))
        except UserError as error:
            _fail(section, str(error))
        except Unfinished as error:
            _fail(section, str(error), "unfinished", status=3)
        except OSError as error:
            _fail(section, _describe(error))
        except MemoryError:
            _fail(section, "there is not enough memory; free some, or use a smaller model or smaller batches")
        except KeyboardInterrupt:
            how, status = ("terminated", 143) if terminated else ("interrupted", 130)
            print(f"{section}: {how}; run the same command again to go on", file=sys.stderr)
            sys.exit(status)


def read_config(path: str | Path) -> dict[str, dict[str, Any]]:
    """The sections of a YAML file; an empty section is one without settings.

    Raises:
        SettingsError: names the file and what is wrong with it.
    """
    try:
        loaded = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not a text file in UTF-8 (byte {error.start})") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2024-13-01
        raise SettingsError(f"{path}: not valid YAML ({error})") from None
    if not isinstance(loaded, dict) or not all(isinstance(part, (dict, types.NoneType)) for part in loaded.values()):
        raise SettingsError(f"{path}: expected sections of settings")
    return {name: part or {} for name, part in loaded.items()}


def parse_settings(cls: type[SettingsT], section: str, description: str, argv: Sequence[str] | None = None) -> SettingsT:
    """Read ``--config FILE`` and the flags of a stage into its settings; ``--help`` lists all of them.

    Raises:
        SettingsError: an unknown or missing setting, a wrong type, a value out of bounds.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--config", type=Path, help="YAML file; its sections 'shared' and this stage's give the defaults")
    for name, field in cls.model_fields.items():
        parser.add_argument(
            "--" + name.replace("_", "-"), dest=name, default=argparse.SUPPRESS, **_flag(field, cls.decided_by.get(name))
        )
    for name in cls.positional:
        several = typing.get_origin(cls.model_fields[name].annotation) is list
        kind = _flag(cls.model_fields[name], None)["type"]
        parser.add_argument(name, nargs="*" if several else "?", type=kind, default=argparse.SUPPRESS, help=f"as --{name}")
    found, rest = parser.parse_known_args(argv)
    for flag in rest:
        former = flag.partition("=")[0].removeprefix("--").replace("-", "_")
        if FORMER_NAMES.get(former) in cls.model_fields and flag.startswith("--"):
            old, new = former.replace("_", "-"), FORMER_NAMES[former].replace("_", "-")
            raise SettingsError(f"the flag --{old} is now called --{new}")
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    flags = vars(found)
    path = flags.pop("config")
    values: dict[str, Any] = {}
    if path is not None:
        sections = read_config(path)
        _require_known_names(sections, cls, section, str(path))
        values |= {name: value for name, value in sections.get("shared", {}).items() if name in cls.model_fields}
        values |= sections.get(section, {})
    return settings_from(cls, values | flags, f"{path} and flags" if path else "flags")


def _flag(field: FieldInfo, decided_by: str | None = None) -> dict[str, Any]:
    """What argparse must know about a setting."""
    hint = _without_none(field.annotation)
    default = f"by {decided_by}" if decided_by else field.get_default(call_default_factory=True)
    shown = "" if default is None or default is PydanticUndefined else f" (default: {default})"
    help = ((field.description or "") + shown).replace("%", "%%")
    if hint is bool:
        return {"help": help, "action": argparse.BooleanOptionalAction}
    if choices := choices_of(field):
        return {"help": help, "choices": choices}
    if typing.get_origin(hint) is list:
        return {"help": help, "nargs": "*", "type": _without_annotations(typing.get_args(hint)[0])}
    if typing.get_origin(hint) is dict or hint is Any:
        return {"help": help, "type": _yaml_value, "metavar": "YAML"}
    return {"help": help, "type": hint}


def _without_none(hint: Any) -> Any:
    arguments = [argument for argument in typing.get_args(hint) if argument is not types.NoneType]
    if typing.get_origin(hint) in (typing.Union, types.UnionType) and len(arguments) == 1:
        return _without_annotations(arguments[0])
    return hint


def _without_annotations(hint: Any) -> Any:
    return typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint


def _yaml_value(text: str) -> Any:
    """A flag's value; what cannot be read is argparse's error."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise argparse.ArgumentTypeError(f"not valid YAML ({' '.join(str(error).split())})") from None


def stage_scripts() -> dict[str, Path]:
    """The stages and studies, by name: the scripts beside this module that run as one."""
    here = Path(__file__).resolve().parent
    scripts = sorted([*here.glob("*.py"), *here.glob("studies/*.py")], key=lambda path: (len(path.parts), path))
    return {path.stem: path for path in scripts if "run_stage(" in path.read_text(encoding="utf-8") and path.stem != __name__}


def _require_known_names(sections: Mapping[str, Mapping[str, Any]], cls: type[FrozenSettings], own: str, where: str) -> None:
    """Every section is a stage's, and every shared setting is one of some stage."""
    scripts = stage_scripts()
    for name in sections:
        if name not in scripts and name not in ("shared", own):
            known = sorted({*scripts, "shared", own})
            raise SettingsError(f"{where}: {unknown_name('no stage has the section', name, known, FORMER_SECTIONS)}")
    for name in sections.get("shared", {}):
        if name in cls.model_fields:
            continue
        if FORMER_NAMES.get(name) in cls.model_fields or not _is_setting(name, scripts.values()):
            known = [*cls.model_fields, *sorted(_all_settings() - cls.model_fields.keys())]
            raise SettingsError(f"{where}: {unknown_name('no stage has the shared setting', name, known)}")


def _is_setting(name: object, scripts: typing.Iterable[Path]) -> bool:
    """Whether some stage has this setting. Their modules are read one after the other, only until one has it."""
    if name in _all_settings():
        return True
    for path in sorted(scripts, key=lambda path: not path.stem.startswith("gen_")):  # those first: the others load torch
        if str(path.parent) not in sys.path:
            sys.path.append(str(path.parent))
        importlib.import_module(path.stem)
        if name in _all_settings():
            return True
    return False


def _all_settings() -> set[str]:
    """The settings of all classes that were read so far."""
    classes = [FrozenSettings]
    for cls in classes:
        classes += cls.__subclasses__()
    return {name for cls in classes for name in cls.model_fields}


def _fail(section: str, message: str, what: str = "error", status: int = 2) -> None:
    lines = (line.strip() for line in message.splitlines())
    print(f"{section}: {what}: {' '.join(line for line in lines if line)}", file=sys.stderr)
    sys.exit(status)


def _describe(error: OSError) -> str:
    """What the operating system refused, and for which file."""
    if error.strerror is None:
        return str(error) or type(error).__name__
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes, os.PathLike))]
    return f"{' -> '.join(names)}: {error.strerror}" if names else error.strerror


@contextmanager
def _sigterm_as_interrupt() -> Iterator[list[int]]:
    """SIGTERM does what Ctrl-C does, in worker pools too; the list that is given holds its number once it came."""
    came: list[int] = []
    process = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:  # a fork of ours ends as it would without this handler
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        came.append(number)
        for child in multiprocessing.active_children():
            child.terminate()
        handler = signal.getsignal(signal.SIGINT)
        if not callable(handler):  # ignored, as for a background job of a shell
            raise KeyboardInterrupt
        handler(signal.SIGINT, frame)

    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)
