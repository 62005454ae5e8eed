"""One way from a YAML file and command-line flags to a stage's frozen ``Config`` dataclass.

A YAML file has one section per stage plus ``shared``; a stage takes the ``shared`` keys it has fields for, then its own
section. Flags override both. Unknown keys in a stage's own section are errors.
"""

from __future__ import annotations

import argparse
import dataclasses
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from dreamprm_code.errors import UserError

ConfigT = TypeVar("ConfigT")


class ConfigError(UserError):
    """A setting that is unknown, missing or of a wrong type; the message names it and where it was set."""


def option(default: Any = dataclasses.MISSING, *, help: str, choices: Sequence[str] | None = None) -> Any:
    """A field of a Config with its help text; mutable defaults are copied for each instance."""
    metadata = {"help": help, "choices": choices}
    if isinstance(default, (list, dict)):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a configuration file; raises ConfigError naming the file."""
    try:
        loaded = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML ({error})") from None
    if not isinstance(loaded, dict) or not all(isinstance(part, dict) for part in loaded.values()):
        raise ConfigError(f"{path}: expected sections of settings")
    return loaded


def _coerce(value: Any, hint: Any, name: str) -> Any:
    """Check ``value`` against a field's type; accepts ints for floats and strings for paths."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        for argument in arguments:
            if argument is not type(None):
                try:
                    return _coerce(value, argument, name)
                except ConfigError:
                    continue
    elif hint is Any:
        return value
    elif origin is list and isinstance(value, (list, tuple)):
        return [_coerce(item, arguments[0], name) for item in value]
    elif origin is dict and isinstance(value, dict):
        return {key: _coerce(item, arguments[1], name) for key, item in value.items()}
    elif hint is Path and isinstance(value, (str, Path)):
        return Path(value)
    elif hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    elif hint is str and hasattr(value, "isoformat"):
        return value.isoformat()  # YAML reads 2024-08-01 as a date
    elif isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise ConfigError(f"setting '{name}': expected {getattr(hint, '__name__', hint)}, found {value!r}")


def build_config(cls: type[ConfigT], values: dict[str, Any], where: str) -> ConfigT:
    """Make a Config from a mapping.

    Raises:
        ConfigError: an unknown or missing setting, a wrong type, a value outside its choices.
    """
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    unknown = sorted(values.keys() - fields.keys())
    if unknown:
        raise ConfigError(f"{where}: unknown setting '{unknown[0]}'; known: {', '.join(fields)}")
    kwargs = {}
    for name, value in values.items():
        try:
            kwargs[name] = _coerce(value, hints[name], name)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
        choices = fields[name].metadata.get("choices")
        if choices and value not in choices:
            raise ConfigError(f"{where}: setting '{name}' is {value!r}; choose from {', '.join(choices)}")
    missing = [
        name
        for name, field in fields.items()
        if name not in kwargs and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{where}: setting '{missing[0]}' is missing; give --{missing[0].replace('_', '-')}")
    return cls(**kwargs)


def _flag_type(hint: Any) -> Any:
    arguments = [argument for argument in typing.get_args(hint) if argument is not type(None)]
    if typing.get_origin(hint) in (typing.Union, types.UnionType) and len(arguments) == 1:
        return _flag_type(arguments[0])
    return hint


def parse_config(cls: type[ConfigT], section: str, description: str, argv: Sequence[str] | None = None) -> ConfigT:
    """Read ``--config FILE`` and the flags of a stage into its Config; ``--help`` lists every setting.

    Raises:
        ConfigError: see :func:`build_config`.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--config", type=Path, help="YAML file; its sections 'shared' and this stage's give the defaults")
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        hint = _flag_type(hints[field.name])
        default = "" if field.default in (dataclasses.MISSING, None) else f" (default: {field.default})"
        settings: dict[str, Any] = {
            "dest": field.name,
            "default": argparse.SUPPRESS,
            "help": (field.metadata.get("help", "") + default).replace("%", "%%"),
        }
        if hint is bool:
            settings["action"] = argparse.BooleanOptionalAction
        elif typing.get_origin(hint) is list:
            settings |= {"nargs": "*", "type": _flag_type(typing.get_args(hint)[0])}
        elif typing.get_origin(hint) is dict or hint is Any:
            settings |= {"type": yaml.safe_load, "metavar": "YAML"}
        else:
            settings |= {"type": hint, "choices": field.metadata.get("choices")}
        parser.add_argument("--" + field.name.replace("_", "-"), **settings)
    flags = vars(parser.parse_args(argv))
    path = flags.pop("config")
    values: dict[str, Any] = {}
    if path is not None:
        sections = read_yaml(path)
        names = {field.name for field in dataclasses.fields(cls)}
        values |= {name: value for name, value in sections.get("shared", {}).items() if name in names}
        values |= sections.get(section, {})
    return build_config(cls, values | flags, f"{path} and flags" if path else "flags")
