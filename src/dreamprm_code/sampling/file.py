"""The file of a sampling stage while it grows over one or more runs.

Each row is written as soon as it is known, so a killed run loses what was in flight and nothing else. A completion that could
not be obtained leaves no row but a line in ``<output>.failures.jsonl`` that names its state; the next run tries it again. What
was spent is in ``<output>.usage.json``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from dreamprm_code.errors import Unfinished
from dreamprm_code.jsonl import JsonlError, RowAppender, sort_file
from dreamprm_code.manifest import check_resume, read_manifest, write_manifest
from dreamprm_code.policies.base import Failure
from dreamprm_code.policies.settings import PolicySettings
from dreamprm_code.records import Record, Rollout, Solution


class FailedRequest(Record):
    """A line of ``<output>.failures.jsonl``: the row that is missing and why."""

    key_fields: ClassVar[tuple[str, ...]] = ("row_key",)

    row_key: list[str | int]
    state: str
    detail: str
    attempts: int

    @property
    def key(self) -> tuple:
        return tuple(self.row_key)


class SampledFile:
    """The output of a sampling stage while it grows over one or more runs.

    Nothing is made or overwritten before :meth:`start`: a run that cannot begin leaves the folder as it was.

    Raises:
        ManifestError: the rows there were made with other settings.
        JsonlError: the file is broken or in use.
    """

    def __init__(
        self,
        path: Path,
        record: type[Solution] | type[Rollout],
        *,
        stage: str,
        settings: PolicySettings,
        identity: Mapping[str, Any],
        inputs: Iterable[Path] = (),
        on_row: Callable[[Any], None] | None = None,
    ):
        self.path, self.record, self.account = path, record, settings.account()
        self.counts: Counter[str] = Counter()
        self._on_row = on_row
        self._manifest: dict[str, Any] = {
            "stage": stage,
            "config": settings.model_dump(),
            "identity": {**settings.sampling_identity(), **identity},
            "inputs": list(inputs),
        }
        if path.exists() and path.stat().st_size:
            check_resume(path, self._manifest["identity"])
        self._failures_path = path.with_name(path.name + ".failures.jsonl")
        self._usage_path = path.with_name(path.name + ".usage.json")
        self.account.load(self._usage_path)
        self._open = ExitStack()
        self._rows: RowAppender | None = None
        self._failures: RowAppender | None = None
        if path.exists():
            self._open_rows()

    def _open_rows(self) -> RowAppender:
        self._rows = self._open.enter_context(RowAppender(self.path, self.record, self._count))
        self.counts["rows_before"] = len(self._rows.keys)
        return self._rows

    def start(self) -> None:
        """Make the file and what stands beside it, or take up what is there; to be called once all else is ready.

        Raises:
            JsonlError: the file is in use.
        """
        if self._rows is None and self._open_rows().keys:
            raise JsonlError(f"{self.path}: another process has just written rows; run the same command again")
        write_manifest(self.path, **self._manifest, counts={})
        self.account.start()
        self._failures_path.unlink(missing_ok=True)
        self._failures = self._open.enter_context(RowAppender(self._failures_path, FailedRequest))

    @property
    def rows(self) -> RowAppender:
        assert self._rows is not None, "start() comes first"
        return self._rows

    @property
    def failures(self) -> RowAppender:
        assert self._failures is not None, "start() comes first"
        return self._failures

    def _count(self, row: Any) -> None:
        self.counts["rows"] += 1
        self.counts[f"verdict_{row.verdict.value if row.verdict else 'none'}"] += 1
        self.counts[f"finish_reason_{row.finish_reason}"] += 1
        if isinstance(row, Rollout):
            self.counts["keeps_prefix" if row.keeps_prefix else "rewrites_prefix"] += 1
        if self._on_row is not None:
            self._on_row(row)

    def add(self, *rows: Record) -> None:
        self.rows.append(*rows)
        for row in rows:
            self._count(row)

    def fail(self, row_key: Iterable[str | int], failure: Failure) -> None:
        self.counts[f"failed_{failure.state.value}"] += 1
        self.failures.append(
            FailedRequest(row_key=list(row_key), state=failure.state.value, detail=failure.detail, attempts=failure.attempts)
        )

    def missing(self, key: tuple, indices: Iterable[int]) -> tuple[int, ...]:
        """Of the rows (*key, index), the indices that the file lacks."""
        there = set() if self._rows is None else self._rows.keys
        return tuple(index for index in indices if (*key, index) not in there)

    def abandon(self) -> None:
        """Close the file as a kill would leave it, the account saved; one that was not started stays as it was."""
        self.account.close()
        self._open.close()

    def close(self, num_missing: int, facts: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Sort the rows by key, write the final manifest; returns its counts. ``facts`` of the run are put among them.

        ``num_missing`` rows were wanted and are not there, because requests failed or the budget was spent.
        """
        num_failed = len(self.failures.keys)
        self._open.close()
        if not num_failed:
            self._failures_path.unlink(missing_ok=True)
        sort_file(self.path, self.record)
        self.account.close()
        counts: dict[str, Any] = {"rows": 0, **dict(sorted(self.counts.items())), "failed": num_failed, "missing": num_missing}
        counts |= {"usage": self.account.to_dict()}
        counts |= facts or {}
        write_manifest(self.path, **self._manifest, counts=counts)
        return counts


def tell_loose_ends(path: Path, counts: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Say what could not be graded or was cut short.

    Raises:
        Unfinished: rows are missing; the message says why and what to do.
    """
    if ungraded := counts.get("verdict_harness_error"):
        say(f"{ungraded} programs could not be graded (null in {path}); problems with tests at fault were named above")
    if cut := counts.get("finish_reason_length"):
        say(f"{cut} of {counts['rows']} answers end at max_tokens, in the middle; --max-tokens raises it")
    missing = f"{path} lacks {counts['missing']} rows"
    if "stopped" in counts:
        raise Unfinished(f"{missing}: stopped by the budget ({counts['stopped']}); raise it and run the same command again")
    if counts["failed"]:
        raise Unfinished(
            f"{missing}: {counts['failed']} requests failed (see {path}.failures.jsonl); run the same command again to "
            "try them again"
        )


def what_is_missing(path: Path) -> str | None:
    """One line about a sampled file that a run left unfinished, for the stage that reads it."""
    manifest = read_manifest(path)
    if manifest is None or manifest["stage"] not in ("gen_cof", "gen_cof_label", "gen_sol"):
        return None
    counts = manifest["counts"]
    if not counts:
        return (
            f"{path} is unfinished ({manifest['stage']} was killed or still runs); run {manifest['stage']} again to complete it"
        )
    if counts.get("missing"):
        return f"{path} lacks {counts['missing']} rows (requests failed or the budget was spent); run {manifest['stage']} again"
    return None
