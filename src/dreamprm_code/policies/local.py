"""A causal language model in this process: a transformers folder, a hub id, or a GGUF file.

A thread samples in the background (see :mod:`dreamprm_code.policies.slots`); answers come back as they end.
"""

from __future__ import annotations

import asyncio
import queue
import re
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import torch

from dreamprm_code.devices import find_device
from dreamprm_code.policies.base import Completion, CompletionRequest, Failure, PolicyError, chat_text, request_seed
from dreamprm_code.policies.budget import Account
from dreamprm_code.policies.continuation import joined_output, started_answer
from dreamprm_code.policies.slots import SlotJob, SlotSampler
from dreamprm_code.progress import quiet_transformers

_CLOSED_BLOCK = re.compile(r"^[ \t]*```[^\n]*\n.*?^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)
_CLOSING = re.compile(r"(?:^|\n)[ \t]*```")
_STOP_TOKENS = 16  # the longest text to stop at has no more characters


def load_model(source: str, dtype: str = "auto", device: str = "auto") -> tuple[Any, Any]:
    """Model and tokenizer of a folder, a hub id or a GGUF file.

    Raises:
        UserError: there is no such model or device, or the model cannot be read.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    path = Path(source).expanduser()
    where: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    name = source
    if path.suffix == ".gguf":
        if not path.is_file():
            raise PolicyError(
                f"local model {source}: there is no such file; see python src/fetch_model.py --help for a small one"
            )
        name, where = str(path.parent), {"gguf_file": path.name}
        settings["quantization_config"] = GgufConfig(dequantize=True)
    place = find_device(device)
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(name, **where)
            model: Any = AutoModelForCausalLM.from_pretrained(
                name, dtype=torch.bfloat16 if dtype == "auto" else getattr(torch, dtype), **where, **settings
            )
    except (OSError, ValueError, AttributeError, KeyError, SafetensorError) as error:
        raise PolicyError(f"local model {source}: cannot be loaded ({str(error).splitlines()[0]})") from None
    kinds = set(getattr(model.config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"}:
        raise PolicyError(
            f"local model {source}: its attention layers ({', '.join(sorted(kinds))}) need a server; use openai:MODEL"
        )
    return model.to(place).eval(), tokenizer


class LocalPolicy:
    """Samples from a model in this process; the answer is started with the prefix, so it always goes on from it."""

    kind = "local model, answer started"

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        temperature: float,
        top_p: float = 1.0,
        max_tokens: int = 1024,
        batch_size: int = 32,
        seed: int = 42,
        account: Account | None = None,
    ):
        self.model, self.tokenizer = model, tokenizer
        self.temperature, self.top_p, self.max_tokens, self.seed = temperature, top_p, max_tokens, seed
        self.max_requests = 2 * batch_size
        self.account = account or Account()
        eos = model.generation_config.eos_token_id
        eos_ids = {tokenizer.eos_token_id, *(eos if isinstance(eos, list) else [eos])} - {None}
        self._sampler = SlotSampler(model, batch_size, sorted(eos_ids))
        self._line_starts: torch.Tensor | None = None
        self._jobs: queue.SimpleQueue[SlotJob | None] = queue.SimpleQueue()
        self._error: BaseException | None = None
        self._waiters: set[asyncio.Queue] = set()
        self._thread: threading.Thread | None = None

    async def complete(self, request: CompletionRequest) -> AsyncIterator[Completion | Failure]:
        self.account.check()
        loop = asyncio.get_running_loop()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, args=(loop,), name="local-policy", daemon=True)
            self._thread.start()
        prompt_ids = self._prompt_ids(request)
        limit = getattr(self.model.config, "max_position_embeddings", None)
        max_tokens = request.max_tokens or self.max_tokens
        if limit and len(prompt_ids) + max_tokens > limit:
            raise PolicyError(
                f"{request.key}: a prompt of {len(prompt_ids)} tokens and max_tokens {max_tokens} exceed the model's "
                f"{limit}; lower --max-tokens"
            )
        results: asyncio.Queue = asyncio.Queue()
        self._waiters.add(results)
        try:
            for index in request.indices:
                self._jobs.put(self._job(request, index, prompt_ids, loop, results))
            self.account.add(len(prompt_ids), 0)
            for _ in request.indices:
                index, token_ids, finish_reason, mean_logprob = await results.get()
                if token_ids is None:
                    raise PolicyError(f"local model: sampling failed ({self._error})") from self._error
                self.account.completion_tokens += len(token_ids)
                self.account.save()
                output = self.tokenizer.decode(token_ids, skip_special_tokens=True)
                for stop in request.stop:  # what the last token says beyond it is dropped
                    before, found, _ = output.partition(stop)
                    output = before + found
                if request.prefix is not None:
                    output = joined_output(request.prefix, output)
                yield Completion(index, output, finish_reason, len(prompt_ids), len(token_ids), mean_logprob)
        finally:
            self._waiters.discard(results)

    @property
    def prompt_tokens_encoded(self) -> int:
        """Tokens of prompts that went through the model: those of blocks that were still known did not."""
        return self._sampler.num_encoded

    async def aclose(self) -> None:
        if self._thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    def _prompt_ids(self, request: CompletionRequest) -> list[int]:
        messages = [dict(message) for message in request.messages]
        if self.tokenizer.chat_template:
            text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        else:
            text = chat_text(messages)
        if request.prefix is not None:
            text += started_answer(request.prefix)
        return self.tokenizer(text, add_special_tokens=not self.tokenizer.chat_template)["input_ids"]

    def _job(self, request: CompletionRequest, index: int, prompt_ids: list[int], loop: Any, results: asyncio.Queue) -> SlotJob:
        started = request.prefix is not None

        def is_complete(token_ids: list[int]) -> bool:
            if request.stop:
                tail = self.tokenizer.decode(token_ids[-_STOP_TOKENS:])
                if any(stop in tail for stop in request.stop):
                    return True
            if "`" not in self.tokenizer.decode(token_ids[-1:]):
                return False
            text = self.tokenizer.decode(token_ids, skip_special_tokens=True)
            return bool(_CLOSING.search(text) if started else _CLOSED_BLOCK.search(text))

        def on_done(token_ids: list[int], finish_reason: str, mean_logprob: float | None) -> None:
            loop.call_soon_threadsafe(results.put_nowait, (index, token_ids, finish_reason, mean_logprob))

        return SlotJob(
            prompt_ids=prompt_ids,
            seed=request_seed(self.seed, request.key, index),
            max_tokens=request.max_tokens or self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            is_complete=is_complete,
            on_done=on_done,
            must_start=self._ids_that_start_a_line() if started and not request.stop else None,
        )

    def _ids_that_start_a_line(self) -> torch.Tensor:
        """Token ids whose text begins with a newline, and the ends of the answer: what may follow a finished line."""
        if self._line_starts is None:
            num_ids = min(len(self.tokenizer), self.model.config.vocab_size)
            texts = self.tokenizer.batch_decode([[token_id] for token_id in range(num_ids)])
            ids = [token_id for token_id, text in enumerate(texts) if text.startswith("\n")]
            self._line_starts = torch.tensor(ids + sorted(self._sampler.eos_token_ids), device=self._sampler.device)
        return self._line_starts

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            busy = False
            while True:
                while not busy or not self._jobs.empty():
                    job = self._jobs.get()
                    if job is None:
                        return
                    self._sampler.submit(job)
                    busy = True
                busy = self._sampler.step()
        except BaseException as error:
            self._error = error
            for waiter in list(self._waiters):
                loop.call_soon_threadsafe(waiter.put_nowait, (-1, None, "", None))
