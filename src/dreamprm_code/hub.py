"""Rows with columns from where people keep them: a JSON Lines or parquet file, a data set folder, or the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import read_dicts

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?")


class SourceError(UserError):
    """Rows that cannot be had; the message names the source and the remedy."""


def is_hub_name(source: str) -> bool:
    """Whether a source is "owner/name" or "owner/name@revision", and no file or folder."""
    return not Path(source).exists() and _HUB_NAME.fullmatch(source) is not None and not _is_file_name(source)


def pinned(source: str) -> str:
    """A hub name with the revision that it has now, if it has none; other sources as they are.

    Raises:
        SourceError: the hub cannot be asked.
    """
    if not is_hub_name(source) or "@" in source:
        return source
    from huggingface_hub import HfApi

    try:
        return f"{source}@{HfApi().dataset_info(source).sha}"
    except Exception as error:  # the client's network stack has no common base class
        raise SourceError(_unreachable(source, error)) from None


def iter_source(source: str, subset: str | None = None, part: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ``(where, columns)`` for each row; ``where`` names file and line, or source and row.

    ``subset`` and ``part`` are the configuration and the split of a data set on the hub or in a folder ("sanitized", "test");
    by default the one that the data set names as default, and all splits.

    Raises:
        SourceError: there is no such source, or it cannot be read.
        JsonlError: a line is no JSON object.
    """
    path = Path(source)
    if path.is_file() and path.suffix != ".parquet":
        for line_number, row in read_dicts(path):
            yield f"{path}:{line_number}", row
        return
    if not path.exists() and not is_hub_name(source):
        raise SourceError(f"{source}: neither a file, nor a folder, nor a name on the hub (owner/name, owner/name@revision)")
    for number, row in enumerate(_data_set_rows(source, subset, part), start=1):
        yield f"{source}: row {number}", row


def _is_file_name(source: str) -> bool:
    return Path(source).suffix in (".jsonl", ".json", ".parquet")


def _data_set_rows(source: str, subset: str | None, part: str | None) -> Iterator[dict[str, Any]]:
    import datasets

    path = Path(source)
    try:
        if path.is_file():  # streamed: nothing is copied into a cache
            found = datasets.load_dataset("parquet", data_files=str(path), split="train", streaming=True)
        else:
            name, _, revision = (source, "", "") if path.is_dir() else source.partition("@")
            found = datasets.load_dataset(name, subset, split=part, revision=revision or None)
        for rows in found.values() if isinstance(found, dict) else [found]:
            yield from map(dict, rows)
    except Exception as error:  # from datasets, pyarrow, the hub's client: no common base class
        raise SourceError(_unreachable(source, error)) from None


def _unreachable(source: str, error: Exception) -> str:
    why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    remedy = "; go online, or download its parquet or JSON Lines file and name that" if is_hub_name(source) else ""
    return f"{source}: cannot be read ({why}){remedy}"
