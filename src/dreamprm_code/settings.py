"""The base of every settings class: immutable, checked when made, with one-line errors that name the setting.

A class declares its settings as fields: the type, the default, bounds (``Field(ge=0)``), choices (``Literal`` or
:class:`OneOf`) and a description, which is the help text of the flag. Types are strict, but for what YAML cannot say
otherwise: a path or a number such as ``1e-4`` may be text, a whole number may stand for a float, a date for its text.
"""

from __future__ import annotations

import datetime
import difflib
import math
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, ErrorDetails, core_schema

from dreamprm_code.errors import UserError

FORMER_NAMES = {
    "upper": "learn",
    "warmup_steps": "inner_only_steps",
    "max_steps": "max_functions",
    "window_programs": "batch_programs",
    "meta_programs": "outer_programs",
    "meta_batch": "outer_batch",
    "window_steps": "batch_rows",
    "window_rows": "batch_rows",
    "train_outcomes": "outer_outcomes",
    "tensorboard": "log_to",
    "no_tensorboard": "log_to",
}
"""Settings of earlier versions and their names now, for the error that says so."""


class SettingsError(UserError):
    """A setting that is unknown, missing, of a wrong type or out of bounds; the message names it and where it was set."""


@dataclass(frozen=True)
class OneOf:
    """The choices of a text setting, where they are defined elsewhere: ``loss: Annotated[str, OneOf(LOSSES)]``."""

    choices: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema(list(self.choices))


class FrozenSettings(BaseModel):
    """Settings that were checked when they were made; making them raises SettingsError."""

    decided_by: ClassVar[Mapping[str, str]] = {}  # settings whose default follows from another setting

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    positional: ClassVar[tuple[str, ...]] = ()
    """Settings that may be given on the command line without their flags, in this order."""

    if not TYPE_CHECKING:  # type checkers derive the parameters from the fields

        def __init__(self, /, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise SettingsError(_explain(type(self), error)) from None

    @field_validator("*", mode="before")
    @classmethod
    def _from_text(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        _require_finite(value, info.field_name)
        return _typed(value, set(_leaves(cls.model_fields[info.field_name].annotation)))

    def with_changes(self, **changes: Any) -> Self:
        """The same settings with some others, checked as new ones are.

        Raises:
            SettingsError: a change that cannot work.
        """
        return type(self)(**{**{name: getattr(self, name) for name in self.model_fields_set}, **changes})


def settings_from(cls: type[FrozenSettings], values: Mapping[Any, Any], where: str) -> Any:
    """Settings of a class from a mapping; errors begin with ``where``.

    Raises:
        SettingsError: an unknown or missing setting, a wrong type, a value out of bounds.
    """
    for name in sorted(values.keys() - cls.model_fields.keys(), key=str):
        raise SettingsError(f"{where}: {unknown_name('unknown setting', name, cls.model_fields)}")
    try:
        return cls(**values)
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from None


def unknown_name(what: str, name: object, known: Iterable[str], former: Mapping[str, str] = FORMER_NAMES) -> str:
    """The message for a name that nobody knows: its new name, the closest, or all there are."""
    known = list(known)
    if former.get(str(name)) in known:
        return f"'{name}' is now called '{former[str(name)]}'"
    close = difflib.get_close_matches(str(name), known, n=1)
    return f"{what} '{name}'; " + (f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}")


def choices_of(field: FieldInfo) -> tuple[str, ...] | None:
    """The choices of a field, where it has any."""
    for item in field.metadata:
        if isinstance(item, OneOf):
            return item.choices
    return typing.get_args(field.annotation) if typing.get_origin(field.annotation) is typing.Literal else None


def _leaves(hint: Any) -> Iterator[Any]:
    """The types that a value, or the values in a list or mapping, may have."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        yield from map(type, arguments)
    elif not arguments:
        yield hint
    else:
        for argument in arguments[1:] if origin is dict else arguments[:1] if origin is typing.Annotated else arguments:
            yield from _leaves(argument)


def _typed(value: Any, leaves: set[Any]) -> Any:
    """Text and dates as what the setting's type wants; anything else as it is, for pydantic to judge."""
    if isinstance(value, (list, tuple)):
        return [_typed(item, leaves) for item in value]
    if isinstance(value, Mapping):
        return {key: _typed(item, leaves) for key, item in value.items()}
    if isinstance(value, datetime.date):
        return value.isoformat()  # YAML reads 2024-08-01 as a date
    if isinstance(value, str) and str not in leaves:
        if Path in leaves:
            return Path(value)
        if float in leaves:  # YAML reads 1e-4 as text
            try:
                return float(value)
            except ValueError:
                return value
    return value


def _require_finite(value: Any, name: str) -> None:
    """Refuse numbers that are not finite or too large for a float, in lists and mappings too."""
    if isinstance(value, (int, float)):
        try:
            finite = math.isfinite(value)
        except OverflowError:
            finite = False
        if not finite:
            raise ValueError(f"setting '{name}' is {str(value)[:20]}; it must be a finite number")
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ():
        _require_finite(item, name)


_BOUNDS = {
    "greater_than_equal": "{ge:g} or more",
    "greater_than": "above {gt:g}",
    "less_than_equal": "at most {le:g}",
    "less_than": "below {lt:g}",
}

_TYPES = {"string_type": "str", "is_instance_of": "Path", "path_type": "Path", "model_type": "dict"}


def _explain(cls: type[FrozenSettings], error: ValidationError) -> str:
    """The first mistake, in one line."""
    found: list[ErrorDetails] = error.errors(include_url=False)
    item = next((item for item in found if item["type"] == "extra_forbidden"), found[0])
    name = str(item["loc"][0]) if item["loc"] else ""
    kind, value, context = item["type"], item["input"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return unknown_name("unknown setting", name, cls.model_fields)
    if kind == "missing":
        return f"setting '{name}' is missing; give --{name.replace('_', '-')}"
    if kind == "value_error":
        return str(context["error"])
    if kind == "finite_number":
        return f"setting '{name}' is {value}; it must be a finite number"
    if kind in _BOUNDS:
        return f"setting '{name}' is {value}; it must be {_BOUNDS[kind].format(**context)}"
    if kind == "literal_error":
        choices = choices_of(cls.model_fields[name]) or [context["expected"]]  # the latter for the items of a list
        return f"setting '{name}' is {value!r}; choose from {', '.join(choices)}"
    return f"setting '{name}': expected {_TYPES.get(kind, kind.removesuffix('_type'))}, found {value!r}"
