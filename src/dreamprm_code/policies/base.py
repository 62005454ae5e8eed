"""What a stage asks of a policy, and what it gets back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from dreamprm_code.errors import UserError

Message = Mapping[str, str]
"""One turn of a chat: ``role`` and ``content``."""


class PolicyError(UserError):
    """The policy cannot go on at all (wrong key, unknown model, prompt too long ...); the message says why and what to do."""


class BudgetReached(Exception):
    """The ceiling of tokens or money is spent; raised before a request is sent, never in the middle of one."""


class FailureState(StrEnum):
    """How a request ended that gave no completion. Every one of them is tried again by the next run of the stage."""

    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    MALFORMED = "malformed"
    EMPTY = "empty"
    REFUSED = "refused"
    CONTENT_FILTER = "content_filter"
    WRONG_COUNT = "wrong_count"
    REJECTED = "rejected"
    NOT_RECORDED = "not_recorded"


@dataclass(frozen=True)
class CompletionRequest:
    """Completions wanted for one prompt.

    ``key`` is the identity of the rows without their last index, ``indices`` the last indices that are still missing: a
    request for rollouts of a prefix has the key (question_id, solution_idx, step_idx) and indices 0 ... n-1.

    ``messages`` ask for the whole program. With a ``prefix`` every completion must continue that program text; ``instruction``
    asks for this in words, for servers whose answer cannot be started for them.

    With ``stop`` the prefix may end anywhere in a line (blanks there are dropped), and an answer ends with the first of these
    texts, which it includes; a server that was not told to return them runs on. ``max_tokens`` replaces the policy's own.
    """

    key: tuple[str | int, ...]
    messages: tuple[Message, ...]
    indices: tuple[int, ...]
    prefix: str | None = None
    instruction: tuple[Message, ...] = ()
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None

    @property
    def identity(self) -> str:
        """A text that is equal only for requests with equal key and indices."""
        return json.dumps([self.key, self.indices], ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Completion:
    """One answer of the model.

    ``output`` is the model's answer from its first character; where the answer was started for the model it includes that
    start, so that ``output`` alone tells the program. ``completion_tokens`` is None where a server reports only the sum over
    several answers. ``mean_logprob`` is the mean log-probability of its tokens, where the policy tells it.
    """

    index: int
    output: str
    finish_reason: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    mean_logprob: float | None = None


@dataclass(frozen=True)
class Failure:
    """A completion that was not obtained."""

    index: int
    state: FailureState
    detail: str
    attempts: int = 1


class Policy(Protocol):
    """Where completions come from."""

    kind: str
    """Server kind and way of continuing a prefix, e.g. "chat server, instruction": rates of kept prefixes are told by it."""
    max_requests: int
    """How many requests keep the policy busy; more of them in flight gain nothing."""

    def complete(self, request: CompletionRequest) -> AsyncIterator[Completion | Failure]:
        """Yield one result per wanted index, in any order, each as soon as it is there.

        Raises:
            PolicyError: nothing that is asked of this policy can succeed.
            BudgetReached: the ceiling is spent and nothing was sent.
        """
        ...

    async def aclose(self) -> None: ...


def request_seed(seed: int, key: Sequence[str | int], index: int) -> int:
    """Seed of one completion in [0, 2**31): it depends on the row alone, never on the order of sampling or on a restart."""
    text = json.dumps([seed, list(key), index], ensure_ascii=False)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) & 0x7FFFFFFF


def chat_text(messages: Sequence[Message]) -> str:
    """A chat as plain text, for completion endpoints without a chat template."""
    return "".join(f"{message['content'].rstrip()}\n\n" for message in messages)


def estimated_tokens(text: str) -> int:
    """About 3.5 characters per token, the rate of code and English in today's tokenizers; for estimates only."""
    return int(len(text) / 3.5) + 1
