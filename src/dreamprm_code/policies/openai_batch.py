"""OpenAI's Batch API: half the price, answers within a day.

Requests are collected until no more come, uploaded as one file, and polled. What was submitted is remembered in
``<output>.batches.json`` before anything else happens, so that a run that was stopped or killed finds its batches again and
nothing is paid for twice: run the same command again to go on waiting.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import openai

from dreamprm_code.errors import UserError
from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.policies.base import (
    BudgetReached,
    Completion,
    CompletionRequest,
    Failure,
    FailureState,
    PolicyError,
    chat_text,
    estimated_tokens,
)
from dreamprm_code.policies.budget import Account
from dreamprm_code.policies.continuation import ContinuationMode
from dreamprm_code.policies.openai_server import api_key, open_client, without_keys
from dreamprm_code.policies.requests import MalformedReply, RenderChat, read_reply, request_body
from dreamprm_code.policies.settings import PolicySettings

MAX_REQUESTS_PER_BATCH = 50_000
MAX_BYTES_PER_BATCH = 180 * 10**6
QUIET_S = 1.0
ENDED = ("completed", "failed", "expired", "cancelled")

Lines = dict[str, dict[str, Any]]
"""A batch's result lines by custom_id."""


class OpenAIBatchPolicy:
    """Completions through batches; a request's answers come all at once, when its batch ends."""

    def __init__(self, settings: PolicySettings, model: str, account: Account, state_path: Path):
        self.settings, self.model, self.account, self.state_path = settings, model, account, state_path
        self.kind = f"OpenAI Batch API, {settings.continuation_mode}"
        self.max_requests = MAX_REQUESTS_PER_BATCH
        self._key = api_key(settings)
        self._client = open_client(next(iter(settings.base_urls), None), self._key, timeout=settings.timeout_s, max_retries=8)
        self._render = RenderChat(settings.chat_template_from)
        self._batches = self._load_state()
        self._new: list[tuple[str, CompletionRequest, bytes]] = []
        self._ended: dict[str, asyncio.Future[Lines]] = {}  # by input file
        self._submitted: dict[str, asyncio.Future[dict[str, Any]]] = {}  # by custom_id: the batch that took it
        self._changed = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._watchers: set[asyncio.Task[None]] = set()
        self._reserved_tokens, self._reserved_prompt = 0, 0
        self._interrupted = False

    async def complete(self, request: CompletionRequest) -> AsyncIterator[Completion | Failure]:
        try:
            entry = self._find(request)
            if entry is None:
                entry = await self._enqueue(request)
            batch, custom_id, indices = entry
            line = (await asyncio.shield(self._watch(batch))).get(custom_id)
            for result in self._results(request, indices, line):
                if result.index in request.indices:
                    yield result
        except (asyncio.CancelledError, GeneratorExit, PolicyError):
            self._interrupted = True
            raise

    async def aclose(self) -> None:
        for task in [*self._watchers, *([self._worker] if self._worker else [])]:
            task.cancel()
        if not self._interrupted:
            for batch in self._batches:
                batch["consumed"] = batch["consumed"] or batch["input_file_id"] in self._ended
            self._save_state()
        await self._client.close()

    # What was submitted

    def _load_state(self) -> list[dict[str, Any]]:
        try:
            return json.loads(self.state_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise UserError(f"{self.state_path}: cannot be read ({error}); delete it to forget the batches in it") from None

    def _save_state(self) -> None:
        write_bytes_atomic(self.state_path, [json.dumps(self._batches, indent=1).encode(), b"\n"])

    def _find(self, request: CompletionRequest) -> tuple[dict[str, Any], str, list[int]] | None:
        """A batch of an earlier run that was asked for these answers, and maybe for more of the same prompt."""
        for batch in self._batches:
            if not batch["consumed"]:
                for custom_id, (key, indices) in batch["requests"].items():
                    if tuple(key) == request.key and set(request.indices) <= set(indices):
                        return batch, custom_id, indices
        return None

    # Submitting

    async def _enqueue(self, request: CompletionRequest) -> tuple[dict[str, Any], str, list[int]]:
        self._reserve(request)
        custom_id = hashlib.sha256(request.identity.encode()).hexdigest()[:40]
        endpoint, body, _ = request_body(self.settings, self.model, request, request.indices, self._render)
        line = {"custom_id": custom_id, "method": "POST", "url": f"/v1{endpoint}", "body": body}
        self._new.append((custom_id, request, json.dumps(line, ensure_ascii=False).encode() + b"\n"))
        if self._worker is None:
            self._worker = asyncio.create_task(self._submit_when_quiet())
        self._changed.set()
        future = self._submitted[custom_id] = asyncio.get_running_loop().create_future()
        return await future, custom_id, list(request.indices)

    def _reserve(self, request: CompletionRequest) -> None:
        """All of a batch is in flight at once, so a ceiling must hold for the most that it can use."""
        self.account.check()
        prompt = estimated_tokens(chat_text(request.messages))
        self._reserved_prompt += prompt
        self._reserved_tokens += len(request.indices) * self.settings.max_tokens
        account = self.account
        tokens = account.total_tokens + self._reserved_prompt + self._reserved_tokens
        if account.max_tokens_total is not None and tokens > account.max_tokens_total:
            raise BudgetReached(
                f"a larger batch could use {tokens} tokens, above --max-tokens-total {account.max_tokens_total}"
            )
        if account.max_cost is not None and account.price is not None and account.cost is not None:
            cost = account.cost + account.price.cost(self._reserved_prompt, self._reserved_tokens, batch=True)
            if cost > account.max_cost:
                raise BudgetReached(f"a larger batch could cost ${cost:.2f} of --max-cost ${account.max_cost:.2f}")

    async def _submit_when_quiet(self) -> None:
        try:
            while True:
                await self._changed.wait()
                while len(self._new) < MAX_REQUESTS_PER_BATCH and self._changed.is_set():
                    self._changed.clear()
                    await asyncio.sleep(QUIET_S)
                self._changed.clear()
                while self._new:
                    await self._submit(self._take())
        except (openai.OpenAIError, PolicyError) as error:
            for future in self._submitted.values():
                if not future.done():
                    future.set_exception(PolicyError(f"batch: {without_keys(str(error), self._key)}"))

    def _take(self) -> list[tuple[str, CompletionRequest, bytes]]:
        """As many waiting requests as one batch may hold."""
        size = number = 0
        for _, _, line in self._new:
            if number == MAX_REQUESTS_PER_BATCH or size + len(line) > MAX_BYTES_PER_BATCH:
                break
            number, size = number + 1, size + len(line)
        taken, self._new = self._new[: max(1, number)], self._new[max(1, number) :]
        return taken

    async def _submit(self, items: list[tuple[str, CompletionRequest, bytes]]) -> None:
        content = b"".join(line for _, _, line in items)
        uploaded = await self._client.files.create(file=("requests.jsonl", content), purpose="batch")
        batch: dict[str, Any] = {
            "id": None,
            "input_file_id": uploaded.id,
            "consumed": False,
            "requests": {custom_id: [list(request.key), list(request.indices)] for custom_id, request, _ in items},
        }
        self._batches.append(batch)
        self._save_state()
        await self._create(batch)
        for custom_id, _, _ in items:
            self._submitted.pop(custom_id).set_result(batch)

    async def _create(self, batch: dict[str, Any]) -> None:
        of_text = self.settings.continuation_mode is ContinuationMode.COMPLETION
        endpoint: Literal["/v1/completions", "/v1/chat/completions"] = "/v1/completions" if of_text else "/v1/chat/completions"
        created = await self._client.batches.create(
            input_file_id=batch["input_file_id"], endpoint=endpoint, completion_window="24h"
        )
        batch["id"] = created.id
        self._save_state()

    # Waiting

    def _watch(self, batch: dict[str, Any]) -> asyncio.Future[Lines]:
        """The batch's lines, once it has ended; one task polls it, however many wait."""
        future = self._ended.get(batch["input_file_id"])
        if future is None:
            future = self._ended[batch["input_file_id"]] = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(self._poll(batch, future))
            self._watchers.add(task)
            task.add_done_callback(self._watchers.discard)
        return future

    async def _poll(self, batch: dict[str, Any], future: asyncio.Future[Lines]) -> None:
        try:
            if batch["id"] is None:
                await self._find_created(batch)
            while True:
                state = await self._client.batches.retrieve(batch["id"])
                if state.status in ENDED:
                    break
                await asyncio.sleep(self.settings.batch_poll_s)
            if state.status == "failed":
                errors = "; ".join(error.message or "" for error in (state.errors.data if state.errors else None) or [])
                batch["consumed"] = True
                self._save_state()
                raise PolicyError(f"batch {batch['id']} was refused: {without_keys(errors, self._key) or 'no reason given'}")
            lines: Lines = {}
            for file_id in (state.output_file_id, state.error_file_id):
                if file_id:
                    content = await self._client.files.content(file_id)
                    for text in content.text.split("\n"):
                        with suppress(ValueError, RecursionError, KeyError, TypeError):  # its answer is missing then
                            line = json.loads(text)
                            lines[line["custom_id"]] = line
            future.set_result(lines)
        except (openai.OpenAIError, PolicyError, ValueError, KeyError) as error:
            known = isinstance(error, PolicyError)
            future.set_exception(error if known else PolicyError(f"batch: {without_keys(str(error), self._key)}"))

    async def _find_created(self, batch: dict[str, Any]) -> None:
        """A run that was killed between creating a batch and noting its id left only the id of the uploaded file."""
        async for candidate in self._client.batches.list(limit=100):
            if candidate.input_file_id == batch["input_file_id"]:
                batch["id"] = candidate.id
                self._save_state()
                return
        await self._create(batch)

    def _results(
        self, request: CompletionRequest, indices: list[int], line: dict[str, Any] | None
    ) -> list[Completion | Failure]:
        """What a result line holds for a request; every index of the request gets an answer."""
        if line is None:
            return [Failure(index, FailureState.TIMEOUT, "the batch ended without an answer") for index in indices]
        response = line.get("response") or {}
        if response.get("status_code") != 200:
            detail = json.dumps(line.get("error") or response.get("body"))
            return [Failure(index, FailureState.REJECTED, without_keys(detail, self._key)[:300]) for index in indices]
        _, _, started = request_body(self.settings, self.model, request, indices, self._render)
        try:
            reply = read_reply(response.get("body"), request, indices, started)
        except MalformedReply as error:
            return [Failure(index, FailureState.MALFORMED, without_keys(str(error), self._key)[:300]) for index in indices]
        self.account.add(reply.prompt_tokens, reply.completion_tokens)
        got = {result.index for result in reply.results}
        lost = [Failure(index, FailureState.WRONG_COUNT, "the answer is missing") for index in indices if index not in got]
        return reply.results + lost
