"""What every row has: strict types, an identity, one clear line for what is wrong with it. The rows are in ``records``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from dreamprm_code.errors import UserError
from dreamprm_code.languages import LANGUAGES, PYTHON


class RecordError(UserError):
    """A row that is not what its type says; the message names the fields."""


class Record(BaseModel):
    """Base of all rows: immutable, strict, with an identity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    key_fields: ClassVar[tuple[str, ...]]

    @model_validator(mode="after")
    def _text_can_be_written(self) -> Self:
        for name, value in self.__dict__.items():
            if isinstance(value, str) and not value.isascii():
                try:
                    value.encode()
                except UnicodeEncodeError as error:
                    raise ValueError(f"{name} is not Unicode text ({error.reason} at {error.start})") from None
        return self

    @property
    def key(self) -> tuple:
        return tuple(getattr(self, name) for name in self.key_fields)

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Self:
        """Check and type one JSON object.

        Raises:
            RecordError: a field is missing, unknown, or of a wrong type or range.
        """
        try:
            return cls.model_validate(row)
        except ValidationError as error:
            raise RecordError(cls._explain(error)) from None

    @classmethod
    def _explain(cls, error: ValidationError) -> str:
        parts = []
        for item in error.errors(include_url=False):
            name = ".".join(map(str, item["loc"]))
            if item["type"] == "missing":
                parts.append(f"field '{name}' is missing")
            elif item["type"] == "extra_forbidden":
                parts.append(f"field '{name}' is unknown")
            else:
                parts.append(f"field '{name}': {item['msg']}" if name else item["msg"])
        return f"not a {cls.__name__} row: " + "; ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


def rows_of_tests(tests: Iterable[tuple[Any, Any]], func_name: str | None) -> list[dict[str, str]]:
    """A problem's tests from pairs, see ``Problem.from_tests``."""
    rows = []
    for number, (given, wanted) in enumerate(tests):
        if func_name is not None and isinstance(given, (list, tuple)):
            try:
                given, wanted = "\n".join(map(json.dumps, given)), json.dumps(wanted)
            except (TypeError, ValueError) as error:
                raise RecordError(f"test {number} is not JSON data ({error})") from None
        elif func_name is not None or not (isinstance(given, str) and isinstance(wanted, str)):
            form = "(standard input, expected output), two strings" if func_name is None else "([arguments], expected result)"
            raise RecordError(f"test {number} is not {form}")
        rows.append({"input": given, "output": wanted, "testtype": "functional" if func_name else "stdin"})
    return rows


def _known_language(name: str) -> str:
    if name not in LANGUAGES:
        raise ValueError(f"{name!r} is not one of {', '.join(LANGUAGES)}")
    return name


LanguageName = Annotated[str, AfterValidator(_known_language)]
"""Of the code in a row."""


class Code(Record):
    """A row that holds code; where that is Python, the row does not say so."""

    @model_serializer(mode="wrap")
    def _name_other_languages(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        row: dict[str, Any] = write(self)
        if row.get("language") == PYTHON.name:
            del row["language"]
        return row
