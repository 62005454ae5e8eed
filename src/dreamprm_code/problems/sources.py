"""Read problems from a local JSONL file, a local folder of LiveCodeBench shards, or the Hugging Face hub.

LiveCodeBench's ``code_generation_lite`` is a row of shards, test.jsonl, test2.jsonl ... test6.jsonl. Its loading script no
longer runs in today's ``datasets``; the shards themselves are read here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import JsonlError, read_dicts
from dreamprm_code.problems.windows import parse_date
from dreamprm_code.records import Problem, RecordError

NUM_SHARDS = 6
"""Shards published so far; release_v6 is all of them (1055 problems, to 2025-04)."""


class ProblemError(UserError):
    """Problems that cannot be found or are not what the schema says."""


def shard_name(number: int) -> str:
    """test.jsonl, test2.jsonl, test3.jsonl ..."""
    return "test.jsonl" if number == 1 else f"test{number}.jsonl"


def shards_of_release(release: str) -> list[str]:
    """File names of a release tag, LiveCodeBench's own: release_v3 = shards 1-3, release_latest = all, v3 = the third alone,
    v2_v4 = the second to the fourth.

    Raises:
        ProblemError: not such a tag.
    """
    if release == "release_latest":
        return [shard_name(number) for number in range(1, NUM_SHARDS + 1)]
    match = re.fullmatch(r"release_v([1-9])|v([1-9])(?:_v([1-9]))?", release)
    if match:
        upto, first, last = (int(group) if group else None for group in match.groups())
        first, last = (1, upto) if upto else (first, last or first)
        assert first is not None and last is not None
        if first <= last <= NUM_SHARDS:
            return [shard_name(number) for number in range(first, last + 1)]
    raise ProblemError(
        f"unknown release {release!r}; choose release_v1 ... release_v{NUM_SHARDS}, release_latest, "
        "one shard (v3) or a range (v2_v4)"
    )


def load_problems(source: str | Path, release: str | None = None) -> list[Problem]:
    """Read all problems of a source into memory; see :func:`iter_problems`."""
    return list(iter_problems(source, release))


def iter_problems(source: str | Path, release: str | None = None) -> Iterator[Problem]:
    """Yield the problems of a source one by one, checked, in file order.

    ``source`` is a JSONL file, a folder with LiveCodeBench's shards, or the name of a data set on the hub
    ("livecodebench/code_generation_lite", or with "@" and a revision). ``release`` picks shards of the latter two (default: a
    folder's every shard, the hub's release_latest). Release v6 is several GB: ``split_by_windows(iter_problems(...), windows)``
    holds only what it keeps.

    Raises:
        ProblemError: the source or a shard is not there, or the hub cannot be reached; metadata or date cannot be read; a
            question_id occurs twice.
        JsonlError: a line is no problem row (file:line).
    """
    seen: dict[str, str] = {}
    for path in _files(source, release or None):
        for line_number, row in read_dicts(path):
            where = f"{path}:{line_number}"
            try:
                problem = Problem.from_dict(row)
            except RecordError as error:
                raise JsonlError(f"{where}: {error}") from None
            _check(problem, where)
            first = seen.setdefault(problem.question_id, where)
            if first != where:
                raise ProblemError(f"{where}: question_id {problem.question_id!r} is already at {first}; delete one of them")
            yield problem


def _check(problem: Problem, where: str) -> None:
    try:
        metadata = json.loads(problem.metadata or "{}")
    except (ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("func_name"), (str, type(None))):
        raise ProblemError(f"{where}: field 'metadata' is not a JSON object (with func_name for functional problems)")
    func_name = metadata.get("func_name")
    if func_name is not None and not func_name.isidentifier():
        raise ProblemError(f"{where}: func_name {func_name!r} in 'metadata' is not a Python name")
    try:
        if problem.contest_date:
            parse_date(problem.contest_date)
    except ValueError:
        raise ProblemError(f"{where}: contest_date {problem.contest_date!r} is not an ISO 8601 date") from None


def _files(source: str | Path, release: str | None) -> list[Path]:
    path = Path(source)
    if path.is_dir():
        return _folder_shards(path, release)
    if path.exists():
        if release is not None:
            raise ProblemError(
                f"{path} is a single file: release {release!r} picks shards of a folder or of the hub; "
                "leave it empty (--release '')"
            )
        return [path]
    name = str(source)
    if re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?", name) and path.suffix not in (".jsonl", ".json"):
        return _hub_shards(name, release or "release_latest")
    raise ProblemError(f"{source}: there is no such problem file or folder")


def _folder_shards(folder: Path, release: str | None) -> list[Path]:
    if release is None:
        found = [folder / shard_name(number) for number in range(1, NUM_SHARDS + 1)]
        found = [path for path in found if path.exists()]
        if not found:
            raise ProblemError(f"{folder}: holds none of LiveCodeBench's shards test.jsonl ... test{NUM_SHARDS}.jsonl")
        return found
    wanted = [folder / name for name in shards_of_release(release)]
    missing = [path.name for path in wanted if not path.exists()]
    if missing:
        raise ProblemError(f"{folder}: release {release!r} needs {', '.join(missing)}, which the folder does not hold")
    return wanted


def _hub_shards(repository: str, release: str) -> list[Path]:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError, RepositoryNotFoundError

    repository, _, revision = repository.partition("@")
    paths = []
    for name in shards_of_release(release):
        try:
            paths.append(Path(hf_hub_download(repository, name, repo_type="dataset", revision=revision or None)))
        except LocalEntryNotFoundError:
            raise ProblemError(
                _unreachable(repository, name, "it is not in the local cache and the hub cannot be reached")
            ) from None
        except RepositoryNotFoundError:
            raise ProblemError(f"{repository}: neither a local path nor a data set on the hub") from None
        except EntryNotFoundError:
            raise ProblemError(f"{repository}: the data set on the hub has no file {name} (release {release!r})") from None
        except Exception as error:  # the client's network stack has no common base class
            raise ProblemError(_unreachable(repository, name, f"{type(error).__name__}: {error}".splitlines()[0])) from None
    return paths


def _unreachable(repository: str, name: str, why: str) -> str:
    return (
        f"{repository}: cannot get {name} from the Hugging Face hub ({why}); "
        "go online, or download the data set's JSONL shards and give their folder as the problem source"
    )
