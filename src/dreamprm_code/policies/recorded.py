"""Completions that another run recorded: its cof_solutions.jsonl, rollouts.jsonl, or any rows with a key and an output."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from dreamprm_code.jsonl import read_dicts
from dreamprm_code.policies.base import (
    Completion,
    CompletionRequest,
    Failure,
    FailureState,
    PolicyError,
)

_SOLUTION_KEY = ("question_id", "solution_idx")
_ROLLOUT_KEY = (*_SOLUTION_KEY, "step_idx", "rollout_idx")


def _count(row: dict[str, Any], name: str) -> int | None:
    value = row.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


class RecordedPolicy:
    """Answers from a JSONL file of Solution or Rollout rows, looked up by key.

    Raises:
        PolicyError: a row lacks its key or its output, or two rows have one key.
    """

    kind = "recorded file"
    max_requests = 256

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._completions: dict[tuple, Completion] = {}
        for line_number, row in read_dicts(self.path):
            names = _ROLLOUT_KEY if "rollout_idx" in row else _SOLUTION_KEY
            key = tuple(row.get(name) for name in names)
            whole = all(isinstance(number, int) and not isinstance(number, bool) for number in key[1:])
            if not (isinstance(key[0], str) and whole and isinstance(row.get("output"), str)):
                raise PolicyError(
                    f"{self.path}:{line_number}: a recorded completion needs question_id and output (text) and "
                    f"{', '.join(names[1:])} (whole numbers)"
                )
            if key in self._completions:
                raise PolicyError(f"{self.path}:{line_number}: the key {key} is there twice")
            self._completions[key] = Completion(
                index=row[names[-1]],
                output=row["output"],
                finish_reason=str(row.get("finish_reason") or "stop"),
                prompt_tokens=_count(row, "prompt_tokens"),
                completion_tokens=_count(row, "completion_tokens"),
            )

    async def complete(self, request: CompletionRequest) -> AsyncIterator[Completion | Failure]:
        for index in request.indices:
            found = self._completions.get((*request.key, index))
            yield found or Failure(index, FailureState.NOT_RECORDED, f"{self.path} has no row {(*request.key, index)}")

    async def aclose(self) -> None:
        return None
