"""A real HTTP server that speaks the chat completion protocol and breaks in every way that servers break.

What happens to a prompt depends on the seed and on how often the prompt was asked, never on time: each prompt goes through its
own list of faults and is then answered. A prompt's answer is a program that prints the prompt's last word. Prompts that say
``always refuse`` or ``always filter`` never get an answer.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections import Counter
from typing import Any

TRANSIENT = (
    "429_retry_after",
    "429",
    "500",
    "503",
    "529",
    "hang",
    "drop_before",
    "drop_inside",
    "malformed",
    "no_choices",
    "error_body",
    "html",
    "empty",
    "null",
    "too_few",
    "too_many",
)


def program_for(prompt: str) -> str:
    return f"print({prompt.split()[-1]!r})"


class FaultServer:
    """Serves on a loopback port from a thread of its own until :meth:`close`."""

    def __init__(self, seed: int = 0, fault_share: float = 0.6, latency_s: float = 0.0, port: int = 0, takes_n: bool = True):
        self.seed, self.fault_share, self.latency_s, self.takes_n = seed, fault_share, latency_s, takes_n
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.tokens = 0
        self.reply_to: Any = None  # a function (body) -> (status, object or bytes) that takes over
        self.max_open = self.open = 0
        self._port = port
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", self._port, backlog=1024)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ", 2)[1].decode()
                lower = head.lower()
                length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in lower else 0
                body = json.loads(await reader.readexactly(length)) if length else {}
                self.open += 1
                self.max_open = max(self.max_open, self.open)
                try:
                    if not await self._reply(path, body, writer):
                        break
                finally:
                    self.open -= 1
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def _faults_of(self, prompt: str) -> list[str]:
        chance = random.Random(f"{self.seed} {prompt}")
        if chance.random() >= self.fault_share:
            return []
        return [chance.choice(TRANSIENT) for _ in range(chance.randint(1, 3))]

    async def _reply(self, path: str, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        """Send one reply; returns whether the connection stays open."""
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        self.bodies.append({"path": path, **body})
        if self.reply_to is not None:
            status, content = self.reply_to(body)
            await _send(writer, status, content if isinstance(content, bytes) else json.dumps(content).encode())
            return True
        prompt = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
        faults = self._faults_of(prompt)
        fault = faults[self.asked[prompt]] if self.asked[prompt] < len(faults) else None
        self.asked[prompt] += 1
        if fault:
            self.faults[fault] += 1
        wanted = body.get("n", 1)
        if fault == "429_retry_after":
            await _send(writer, 429, b'{"error": {"message": "slow down"}}', "Retry-After: 0.02\r\n")
        elif fault in ("429", "500", "503", "529"):
            await _send(writer, int(fault), b'{"error": {"message": "not now"}}')
        elif fault == "hang":
            await asyncio.sleep(3600)
        elif fault == "drop_before":
            return False
        elif fault == "drop_inside":
            writer.write(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"choices": [')
            await writer.drain()
            return False
        elif fault == "malformed":
            await _send(writer, 200, b'{"choices": [{"message": {"content": "pri')
        elif fault == "no_choices":
            await _send(writer, 200, b"{}")
        elif fault == "error_body":
            await _send(writer, 200, b'{"error": {"message": "overloaded"}}')
        elif fault == "html":
            await _send(writer, 200, b"<html>gateway</html>")
        elif "always refuse" in prompt:
            await _send(
                writer, 200, self._body([{"message": {"content": None, "refusal": "no"}, "finish_reason": "stop"}] * wanted)
            )
        elif "always filter" in prompt:
            choice = {"message": {"content": "par"}, "finish_reason": "content_filter"}
            await _send(writer, 200, self._body([choice] * wanted))
        elif fault in ("empty", "null"):
            content = "" if fault == "empty" else None
            await _send(writer, 200, self._body([{"message": {"content": content}, "finish_reason": "stop"}] * wanted))
        else:
            finish = "length" if "too long" in prompt else "stop"
            choice = {"message": {"content": f"```python\n{program_for(prompt)}\n```"}, "finish_reason": finish}
            number = wanted if self.takes_n else 1
            number += {"too_few": -1, "too_many": 1}.get(fault or "", 0)
            if number == wanted:
                self.answered[prompt] += 1
            await _send(writer, 200, self._body([choice] * number))
        return True

    def _body(self, choices: list[dict[str, Any]]) -> bytes:
        self.tokens += 10 + 20 * len(choices)
        usage = {"prompt_tokens": 10, "completion_tokens": 20 * len(choices), "total_tokens": 10 + 20 * len(choices)}
        return json.dumps({"id": "x", "object": "chat.completion", "choices": choices, "usage": usage}).encode()


async def _send(writer: asyncio.StreamWriter, status: int, body: bytes, headers: str = "") -> None:
    writer.write(
        f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode() + body
    )
    await writer.drain()
