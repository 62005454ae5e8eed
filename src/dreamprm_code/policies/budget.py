"""What a run has spent, in tokens and money, and the ceiling that it may not cross."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dreamprm_code.errors import UserError
from dreamprm_code.policies.base import BudgetReached


@dataclass(frozen=True)
class Price:
    """Dollars per million tokens; ``batch_discount`` is the share taken off in OpenAI's Batch API."""

    input: float
    output: float
    batch_discount: float = 0.5

    def cost(self, prompt_tokens: int, completion_tokens: int, batch: bool = False) -> float:
        """In dollars."""
        full = (prompt_tokens * self.input + completion_tokens * self.output) / 1e6
        return full * (1 - self.batch_discount) if batch else full


def price_of(model: str, prices: Mapping[str, Mapping[str, float]]) -> Price | None:
    """The model's entry of a price table ``{model: {input: $/Mtok, output: $/Mtok}}``, or None.

    Raises:
        UserError: the entry lacks a number or has an unknown one.
    """
    entry = prices.get(model)
    if entry is None:
        return None
    try:
        return Price(**{name: float(value) for name, value in entry.items()})
    except (TypeError, ValueError, AttributeError):
        raise UserError(
            f"prices: '{model}' must give input and output in dollars per million tokens, found {entry!r}"
        ) from None


@dataclass
class Account:
    """Running totals of all runs that wrote one output, kept in ``<output>.usage.json``.

    Requests that failed count as far as a server reported their tokens. ``events`` counts retries and faults by name. What the
    other outputs of the folder have cost counts for the ceilings: they hold for all stages, splits and restarts of a run.
    """

    price: Price | None = None
    batch: bool = False
    max_tokens_total: int | None = None
    max_cost: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    num_requests: int = 0
    events: Counter[str] = field(default_factory=Counter)
    path: Path | None = None
    tokens_elsewhere: int = 0
    cost_elsewhere: float = 0.0
    _file: int | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.max_cost is not None and self.price is None:
            raise UserError(
                "max_cost needs the model's price: add it to the price table (prices: {MODEL: {input: .., output: ..}})"
            )

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def cost(self) -> float | None:
        """In dollars; None without a price."""
        return None if self.price is None else self.price.cost(self.prompt_tokens, self.completion_tokens, self.batch)

    def check(self) -> None:
        """Call before each request.

        Raises:
            BudgetReached: a ceiling is reached. Requests already in flight may still go beyond it.
        """
        tokens = self.total_tokens + self.tokens_elsewhere
        if self.max_tokens_total is not None and tokens >= self.max_tokens_total:
            raise BudgetReached(f"{tokens} tokens used of --max-tokens-total {self.max_tokens_total}")
        cost = self.cost_elsewhere + (self.cost or 0.0)
        if self.max_cost is not None and cost >= self.max_cost:
            raise BudgetReached(f"${cost:.4f} spent of --max-cost ${self.max_cost:.4f}")

    def add(self, prompt_tokens: int | None, completion_tokens: int | None) -> None:
        """Count a reply; it is in the file before its answers become rows."""
        self.num_requests += 1
        self.prompt_tokens += prompt_tokens or 0
        self.completion_tokens += completion_tokens or 0
        self.save()

    def to_dict(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cost_dollars": self.cost,
            "num_requests": self.num_requests,
            "events": dict(sorted(self.events.items())),
        }

    def load(self, path: Path) -> None:
        """Go on from the totals of earlier runs; :meth:`save` writes to ``path`` once :meth:`start` was called."""
        self.path = path
        if before := _read_usage(path):
            self.prompt_tokens += before["prompt_tokens"]
            self.completion_tokens += before["completion_tokens"]
            self.num_requests += before["num_requests"]
            self.events.update(before["events"])
        others = [_read_usage(other) for other in sorted(path.parent.glob("*.usage.json")) if other.name != path.name]
        self.tokens_elsewhere = sum(usage["prompt_tokens"] + usage["completion_tokens"] for usage in others if usage)
        self.cost_elsewhere = sum(usage["cost_dollars"] or 0.0 for usage in others if usage)

    def start(self) -> None:
        """Make the file; from now on every reply is in it at once, so that a kill forgets none."""
        assert self.path is not None, "load() comes first"
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        self.save()

    def save(self) -> None:
        """One write over the whole file, which a killed process cannot leave half done; it never becomes shorter."""
        if self._file is not None:
            text = json.dumps(self.to_dict(), indent=2)
            os.pwrite(self._file, text.ljust(os.fstat(self._file).st_size - 1).encode() + b"\n", 0)

    def close(self) -> None:
        """The last totals reach the disk."""
        if self._file is not None:
            self.save()
            os.fsync(self._file)
            os.close(self._file)
            self._file = None

    def summary(self) -> str:
        cost = "" if self.cost is None else f", ${self.cost:.4f}"
        return f"{self.num_requests} requests, {self.prompt_tokens} + {self.completion_tokens} tokens{cost}"


def _read_usage(path: Path) -> dict[str, Any] | None:
    """An output's totals, or None where there are none yet.

    Raises:
        UserError: the file holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if not text.strip():
            return None  # made, and killed before the first write
        usage = json.loads(text)
        counts = [usage["prompt_tokens"], usage["completion_tokens"], usage["num_requests"], *usage["events"].values()]
        if not all(isinstance(count, int) for count in counts):
            raise TypeError("a count is no whole number")
        if not isinstance(usage["cost_dollars"], (int, float, type(None))):
            raise TypeError("cost_dollars is no number")
        return usage
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); delete it to count from zero") from None
