"""OpenAI-compatible servers: OpenAI itself, ``vllm serve``, SGLang, llama.cpp's server and others, one or many of them.

What a server may do wrong is met here: 429 with or without Retry-After, 5xx, timeouts, dropped connections, malformed JSON,
empty answers, too few answers, servers that die and come back are tried again with exponential backoff and jitter until the
request's deadline; refusals, filtered answers and replies that stay unreadable end as failures; an address where no server ever
answers, a wrong key, an unknown model or a prompt that is too long stop the run.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import time
import zlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import aiohttp
import httpx2
import openai

from dreamprm_code.policies.base import (
    Completion,
    CompletionRequest,
    Failure,
    FailureState,
    PolicyError,
)
from dreamprm_code.policies.budget import Account
from dreamprm_code.policies.continuation import ContinuationMode
from dreamprm_code.policies.requests import MalformedReply, RenderChat, Reply, read_reply, request_body
from dreamprm_code.policies.settings import OPTIONAL_FIELDS, PolicySettings

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
LONGEST_CONNECT_S = 30.0
NO_SERVER_S, NO_SERVER_WAIT_S = 10.0, 2.0  # so long an address may be silent that has never answered; its longest wait
LOST_IN_A_ROW, SERVER_PAUSE_S = 3, 5.0
MAX_EMPTY_ANSWERS, MAX_MALFORMED = 3, 8
MAX_REPLY_BYTES = 32 * 2**20
_SECRET = re.compile(r"\b(sk|key|Bearer)[-_ ][A-Za-z0-9_\-]{6,}")
_SHORTEST_KEY = 8  # a shorter one, such as EMPTY, is no secret and may stand in a program


_ODD = (FailureState.EMPTY, FailureState.MALFORMED)  # answers that are asked for again, MAX_EMPTY_ANSWERS times


class _Retry(Exception):
    """One attempt failed in a way that may pass."""

    def __init__(self, state: FailureState, detail: str, wait_s: float | None = None):
        super().__init__(detail)
        self.state, self.detail, self.wait_s = state, detail, wait_s


class _Connections(openai.DefaultAioHttpClient):
    """aiohttp's connections: their parser and pool take a third of the CPU time of httpx2's own, which looks through all
    of them at every request. A reply is read up to MAX_REPLY_BYTES: an endless one must not fill the memory."""

    async def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        reply = await super().send(request, stream=True, **options)
        if stream:
            return reply
        chunks, size = [], 0
        try:
            async for chunk in reply.aiter_bytes():
                chunks.append(chunk)
                size += len(chunk)
                if size > MAX_REPLY_BYTES:
                    raise MalformedReply(f"more than {MAX_REPLY_BYTES} bytes")
        finally:
            await reply.aclose()
        headers = [(name, value) for name, value in reply.headers.multi_items() if name.lower() != "content-encoding"]
        return httpx2.Response(reply.status_code, headers=headers, content=b"".join(chunks), request=reply.request)


def open_client(url: str | None, key: str, **options: Any) -> openai.AsyncOpenAI:
    """The package's client for a base URL; one with ``?api-version=`` is Azure's classic form (key in a header of its own, the
    model's deployment in the path)."""
    parts = urlsplit(url or "")
    version = parse_qs(parts.query).get("api-version")
    if url and version:
        base = urlunsplit(parts._replace(query="", fragment=""))
        return openai.AsyncAzureOpenAI(base_url=base, api_key=key, api_version=version[0], **options)
    return openai.AsyncOpenAI(api_key=key, base_url=url, **options)


class _Server:
    """One base URL; ``url`` is how messages name it, without user, password and query."""

    def __init__(self, url: str, key: str, settings: PolicySettings):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise PolicyError(f"base_urls: {url!r} is no address such as http://localhost:8000/v1")
        self.url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))
        self.key = key
        self.in_flight = 0
        connections = _Connections(limits=httpx2.Limits(max_connections=settings.max_in_flight))
        self.client = open_client(url, key, max_retries=0, http_client=connections)
        self.paused_until = 0.0
        self.takes_n = True
        self.answered = False  # with HTTP, whatever it said
        self.num_lost = 0  # connections lost in a row
        self.num_single = 0  # replies with one answer where several were asked for

    async def post(self, endpoint: str, body: dict[str, Any], timeout_s: float) -> bytes:
        """The body of the reply, without the key where the server repeats it.

        Raises:
            TimeoutError: it was not there, whole, after ``timeout_s``.
            openai.APIError, aiohttp.ClientError: another status than success, no connection, no HTTP, or too many bytes.
        """
        connect_s = LONGEST_CONNECT_S if self.answered else NO_SERVER_S
        waits = httpx2.Timeout(timeout_s, connect=min(timeout_s, connect_s))
        self.in_flight += 1
        try:
            async with asyncio.timeout(timeout_s):
                reply = await self.client.post(endpoint, body=body, cast_to=httpx2.Response, options={"timeout": waits})
                raw = reply.content
        finally:
            self.in_flight -= 1
        return raw.replace(self.key.encode(), b"***") if len(self.key) >= _SHORTEST_KEY else raw


def without_keys(text: str, key: str = "") -> str:
    """A server's message without the key and without anything that looks like one."""
    return _SECRET.sub("***", text.replace(key, "***") if len(key) >= _SHORTEST_KEY else text)


def api_key(settings: PolicySettings) -> str:
    """The key from the environment. Servers of one's own need none.

    Raises:
        PolicyError: OpenAI's own server is asked and the variable is not set.
    """
    key = os.environ.get(settings.api_key_env)
    if key:
        return key
    if not settings.base_urls and not os.environ.get("OPENAI_BASE_URL"):
        raise PolicyError(
            f"no API key: set the environment variable {settings.api_key_env}, or --base-urls for a server of your own"
        )
    return "none"


class OpenAIPolicy:
    """Chat or text completions over HTTP."""

    def __init__(self, settings: PolicySettings, model: str, account: Account):
        self.settings, self.model, self.account = settings, model, account
        mode = settings.continuation_mode
        self.kind = f"{'completion' if mode is ContinuationMode.COMPLETION else 'chat'} server, {mode}"
        key = api_key(settings)
        urls = settings.base_urls or [os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"]
        self._servers = [_Server(url, key, settings) for url in urls]
        self.max_requests = settings.max_in_flight * len(urls)
        self._render = RenderChat(settings.chat_template_from)
        self._jitter = random.Random(settings.seed)
        self._silent_since: float | None = None  # the first lost connection, until some server answers

    async def complete(self, request: CompletionRequest) -> AsyncIterator[Completion | Failure]:
        size = self.settings.answers_per_request
        for start in range(0, len(request.indices), size):
            missing = list(request.indices[start : start + size])
            async for result in self._obtain(request, missing):
                yield result

    async def aclose(self) -> None:
        for server in self._servers:
            await server.client.close()

    async def _obtain(self, request: CompletionRequest, missing: list[int]) -> AsyncIterator[Completion | Failure]:
        """Attempt after attempt until every index of ``missing`` has a result or the deadline has passed."""
        deadline = time.monotonic() + self.settings.deadline_s
        attempts, faults, empty, malformed = 0, 0, 0, 0
        while missing:
            attempts += 1
            try:
                server = await self._pick_server(request, deadline)
                reply = await self._attempt(server, request, missing if server.takes_n else missing[:1], deadline)
                got = 0
                problem: Failure | None = None
                for result in reply.results:
                    if isinstance(result, Failure) and result.state in _ODD and empty < MAX_EMPTY_ANSWERS:
                        problem = result
                        continue
                    got += 1
                    missing.remove(result.index)
                    yield result
                if problem is not None:
                    empty += 1
                    raise _Retry(problem.state, problem.detail)
                if not got:
                    raise _Retry(FailureState.WRONG_COUNT, f"no answer of the {len(missing)} asked for")
                if missing and server.takes_n:
                    self.account.events["too_few_answers"] += 1
                    server.num_single += got == 1
                    if server.num_single >= 3:
                        server.takes_n = False  # it answers n with one, always: ask one by one from now on
                faults = malformed = 0
            except _Retry as retry:
                faults += 1
                malformed += retry.state is FailureState.MALFORMED
                self.account.events[f"retry_{retry.state.value}"] += 1
                wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (faults - 1)) * self._jitter.uniform(0.5, 1.0)
                wait_s = max(wait_s, retry.wait_s or 0.0)
                if self._silent_since is not None:
                    wait_s = min(wait_s, NO_SERVER_WAIT_S)
                if time.monotonic() + wait_s >= deadline or malformed >= MAX_MALFORMED:
                    for index in missing:
                        yield Failure(index, retry.state, retry.detail, attempts)
                    return
                await asyncio.sleep(wait_s)

    async def _pick_server(self, request: CompletionRequest, deadline: float) -> _Server:
        """The least busy server that is not pausing; among equals the one that the problem always goes to (prefix cache)."""
        now = time.monotonic()
        awake = [server for server in self._servers if server.paused_until <= now]
        if not awake:
            wake = min(server.paused_until for server in self._servers)
            await asyncio.sleep(max(0.0, min(wake, deadline) - now))
            awake = self._servers
        home = zlib.crc32(str(request.key[0]).encode()) % len(self._servers)
        return min(awake, key=lambda server: (server.in_flight // 4, self._servers.index(server) != home))

    async def _attempt(self, server: _Server, request: CompletionRequest, indices: list[int], deadline: float) -> Reply:
        endpoint, body, started = request_body(self.settings, self.model, request, indices, self._render)
        timeout_s = min(self.settings.timeout_s, max(0.1, deadline - time.monotonic()))
        self.account.check()
        try:
            raw = await server.post(endpoint, body, timeout_s)
            self._hear(server)
            reply = read_reply(json.loads(raw), request, indices, started)
        except (TimeoutError, openai.APIConnectionError, aiohttp.ClientError) as error:
            raise self._lost(server, error, timeout_s) from None
        except openai.APIStatusError as error:
            self._hear(server)
            self._refused(server, error, len(indices), body)
            raise AssertionError from error
        except (ValueError, RecursionError, MalformedReply) as error:  # ValueError: no JSON, no text, too long a number
            self._hear(server)
            self.account.add(None, None)
            raise self._malformed(server, error) from None
        self.account.add(reply.prompt_tokens, reply.completion_tokens)
        return reply

    def _hear(self, server: _Server) -> None:
        server.answered, server.num_lost, self._silent_since = True, 0, None

    def _malformed(self, server: _Server, error: Exception) -> _Retry:
        detail = without_keys(" ".join(str(error).split()), server.key)[:300]
        return _Retry(FailureState.MALFORMED, f"{server.url}: malformed reply ({detail})")

    def _lost(self, server: _Server, error: Exception, timeout_s: float) -> _Retry:
        """Name what became of a request without a reply: the package calls dropped connections timeouts, the cause does not.

        Raises:
            PolicyError: no server has answered for NO_SERVER_S, and none ever did.
        """
        cause: BaseException = error
        while cause.__cause__ is not None and not isinstance(cause, (TimeoutError, MalformedReply)):
            cause = cause.__cause__
        if isinstance(cause, MalformedReply):
            self.account.add(None, None)
            return self._malformed(server, cause)
        if isinstance(cause, TimeoutError) and not isinstance(cause, aiohttp.ConnectionTimeoutError):
            return _Retry(FailureState.TIMEOUT, f"{server.url}: no reply within {timeout_s:.0f} s")
        server.num_lost += 1
        if server.num_lost >= LOST_IN_A_ROW and len(self._servers) > 1:
            server.paused_until = time.monotonic() + SERVER_PAUSE_S
        detail = without_keys(" ".join(str(cause).split()), server.key)[:300] or type(cause).__name__
        if not any(one.answered for one in self._servers):
            now = time.monotonic()
            self._silent_since = self._silent_since or now
            if now - self._silent_since >= NO_SERVER_S:
                urls = ", ".join(one.url for one in self._servers)
                raise PolicyError(f"no server answers at {urls} ({detail}); start it, or give another address with --base-urls")
        return _Retry(FailureState.CONNECTION, f"{server.url}: {detail}")

    def _refused(self, server: _Server, error: openai.APIStatusError, num_answers: int, body: dict[str, Any]) -> None:
        """Turn an error status into a retry or into the end of the run."""
        status, message = error.status_code, without_keys(" ".join(str(error.message).split()), server.key)[:300]
        if status == 429 and "insufficient_quota" in message:
            raise PolicyError(f"{server.url}: {message}") from None
        if status == 429:
            raise _Retry(FailureState.RATE_LIMITED, f"{server.url}: {message}", _retry_after(error)) from None
        if status == 408:
            raise _Retry(FailureState.TIMEOUT, f"{server.url}: {message}") from None
        if status in (409, 425) or status >= 500:
            raise _Retry(FailureState.SERVER_ERROR, f"{server.url}: {status} {message}", _retry_after(error)) from None
        if status in (400, 422) and num_answers > 1:  # servers say in many words that they take no n; alone it is seen
            server.takes_n = False
            raise _Retry(FailureState.WRONG_COUNT, f"{server.url}: takes no n", 0.0) from None
        if status in (401, 403):
            raise PolicyError(f"{server.url}: {status} {message}; check the key in {self.settings.api_key_env}") from None
        if re.search(r"v1/responses|responses api", message, re.IGNORECASE):
            raise PolicyError(
                f"{server.url}: {status} {message}; '{self.model}' answers on the Responses API alone, which is not supported; "
                "choose a model of the chat completions API"
            ) from None
        if status == 404:
            raise PolicyError(f"{server.url}: {status} {message}; is the model '{self.model}' served there?") from None
        named = [name for name in OPTIONAL_FIELDS if name in body and re.search(rf"\b{name}\b", message)]
        remedy = f"; --omit-fields {' '.join(named)} leaves it out" if named else ""
        raise PolicyError(f"{server.url}: {status} {message}{remedy}") from None


def _retry_after(error: openai.APIStatusError) -> float | None:
    """Seconds of a Retry-After (or retry-after-ms) header; a date is read as well."""
    headers = error.response.headers
    for name, scale in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value: Any = headers.get(name)
        if value is not None:
            try:
                return max(0.0, float(value) * scale)
            except ValueError:
                from email.utils import parsedate_to_datetime

                try:
                    return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
                except ValueError:
                    return None
    return None
