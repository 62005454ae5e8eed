"""Split problems into parts by question_id: read from a file, or made by a seeded hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from dreamprm_code.errors import UserError
from dreamprm_code.records import Problem


class SplitError(UserError):
    """A split that cannot be read, or that does not fit the problems; the message names the part or the problem."""


class Split(dict[str, list[Problem]]):
    """Problems by part; no problem is in two. ``outside`` holds the question_ids of those that are in none; of the others only
    those of ``wanted`` are held, if it is given."""

    def __init__(self, names: Iterable[str], source: str = "the split", wanted: Container[str] | None = None):
        super().__init__((name, []) for name in names)
        self.source, self.wanted = source, wanted
        self.outside: set[str] = set()
        self._part_of: dict[str, str] = {}

    @property
    def known(self) -> set[str]:
        """The question_ids of all problems, in a part or not."""
        return self.outside | self._part_of.keys()

    @property
    def num_outside(self) -> int:
        return len(self.outside)

    def put(self, problem: Problem, name: str | None) -> None:
        """Add a problem to a part, or to none.

        Raises:
            UserError: there is already one with its question_id.
        """
        question_id = problem.question_id
        if question_id in self.outside or question_id in self._part_of:
            raise UserError(f"two problems have the question_id {question_id!r}; delete one of them")
        if name is None:
            self.outside.add(question_id)
        else:
            self._part_of[question_id] = name
            if self.wanted is None or question_id in self.wanted:
                self[name].append(problem)

    def place_of(self, question_id: str) -> str:
        """Where a problem is, in words."""
        if question_id in self._part_of:
            return f"in the part '{self._part_of[question_id]}'"
        return "in no part" if question_id in self.outside else "unknown: not among the problems"

    def require(self, name: str) -> list[Problem]:
        """The problems of a part that must not be empty.

        Raises:
            UserError: there is no such part, or no problem in it.
        """
        if name not in self:
            raise self.missing(name)
        if not self[name]:
            raise self.empty(name)
        return self[name]

    def missing(self, name: str) -> UserError:
        return SplitError(f"{self.source}: there is no part '{name}' (parts: {', '.join(self) or 'none'})")

    def empty(self, name: str) -> UserError:
        return SplitError(f"{self.source}: the part '{name}' is empty; give it problems")


def split_by_file(problems: Iterable[Problem], path: str | Path, wanted: Container[str] | None = None) -> Split:
    """Put each problem into the part that a split file names; the order of problems is kept, problems that it does not name are
    in no part.

    Raises:
        SplitError: the file cannot be read (see :func:`read_split`), or names a problem that is not there.
        UserError: two problems have one question_id.
    """
    parts = read_split(path)
    part_of = {question_id: name for name, ids in parts.items() for question_id in ids}
    split = Split(parts, str(path), wanted)
    for problem in problems:
        split.put(problem, part_of.pop(problem.question_id, None))
    if part_of:
        question_id, name = next(iter(part_of.items()))
        raise SplitError(
            f"{path}: question_id {question_id!r} of the part '{name}' is unknown: not among the problems "
            f"({len(part_of)} such); take it out or give its problem"
        )
    return split


def read_split(path: str | Path) -> dict[str, list[str]]:
    """The question_ids of each part, from a JSON or YAML file: {question_id: part} or {part: [question_id, ...]}.

    Raises:
        SplitError: the file is neither, or a question_id stands in it twice.
    """
    try:
        pairs = _top_level_pairs(Path(path))
    except OSError as error:
        raise SplitError(f"{path}: cannot be read ({error.strerror}); make it with import_problems.py --parts") from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise SplitError(f"{path}: neither JSON nor YAML ({' '.join(str(error).split())})") from None
    parts: dict[str, list[str]] = {}
    part_of: dict[str, str] = {}
    for key, value in pairs:
        name, ids = (str(key), value) if isinstance(value, list) else (value, [key])
        if not isinstance(name, str) or not all(isinstance(item, (str, int)) and not isinstance(item, bool) for item in ids):
            raise SplitError(f"{path}: at {key!r}: expected {{question_id: part}} or {{part: [question_id, ...]}}")
        parts.setdefault(name, [])
        for question_id in map(str, ids):  # YAML reads 2777 as a number
            if question_id in part_of:
                raise SplitError(
                    f"{path}: question_id {question_id!r} stands twice (parts '{part_of[question_id]}' and '{name}'); "
                    "a problem is in one part only"
                )
            part_of[question_id] = name
            parts[name].append(question_id)
    return parts


def _top_level_pairs(path: Path) -> list[tuple[Hashable, Any]]:
    """Keys and values in file order, repeated keys too; raises ValueError or yaml.YAMLError."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        found = json.loads(text, object_pairs_hook=list)
        if not isinstance(found, list) or not all(isinstance(pair, tuple) for pair in found):
            raise ValueError("no object at the top")
        return found
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        raise ValueError("no mapping at the top")
    loader = yaml.SafeLoader("")
    return [(loader.construct_object(key, deep=True), loader.construct_object(value, deep=True)) for key, value in node.value]


def make_split(
    question_ids: Iterable[str], sizes: Mapping[str, int], seed: int = 42, kept: Mapping[str, Sequence[str]] | None = None
) -> dict[str, list[str]]:
    """Parts of given sizes, filled one after the other in the order of SHA-256("SEED:question_id").

    The order of the file plays no role. ``kept`` is an earlier split: its problems stay where they are, however many problems
    were added; without it an added problem may push others over the border of their part.

    Raises:
        SplitError: there are fewer problems than places, or an earlier part is larger than its size now.
    """
    ids = set(question_ids)
    parts = {name: [question_id for question_id in (kept or {}).get(name, ()) if question_id in ids] for name in sizes}
    for name, size in sizes.items():
        if size < len(parts[name]):
            raise SplitError(f"the part '{name}' has {len(parts[name])} problems already; give it a size of that or more")
    taken = {question_id for name in kept or {} for question_id in (kept or {})[name]}
    free = sorted(ids - taken, key=lambda item: hashlib.sha256(f"{seed}:{item}".encode()).digest())
    wanted = sum(size - len(parts[name]) for name, size in sizes.items())
    if wanted > len(free):
        raise SplitError(f"the parts ask for {wanted} problems, there are {len(free)}; lower a size")
    for name, size in sizes.items():
        number = size - len(parts[name])
        parts[name], free = [*parts[name], *free[:number]], free[number:]
    return parts
