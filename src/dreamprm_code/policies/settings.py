"""The settings of a policy, the same for every stage that samples."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from dreamprm_code.errors import UserError
from dreamprm_code.policies.budget import Account, price_of
from dreamprm_code.policies.continuation import ContinuationMode
from dreamprm_code.settings import FrozenSettings, OneOf

OPTIONAL_FIELDS = ("seed", "temperature", "top_p", "stop", "max_tokens", "max_completion_tokens", "reasoning_effort")
ENOUGH_FOR_THOUGHTS = 16_384
"""Tokens below which a reasoning model's thoughts are likely to end an answer before its program."""


class PolicySettings(FrozenSettings):
    """Base class of the sampling stages' settings."""

    policy: str | None = Field(
        None,
        description="openai:MODEL (any OpenAI-compatible server), local:FOLDER_OR_GGUF (in this process) "
        "or recorded:FILE.jsonl",
    )
    base_urls: list[str] = Field(
        [], description="servers of openai:MODEL, e.g. http://localhost:8000/v1; several share the load"
    )
    api_key_env: str = Field(
        "OPENAI_API_KEY", description="environment variable that holds the key; the key itself is never a setting"
    )
    temperature: float = Field(0.2, ge=0, description="sampling temperature; not sent to reasoning models")
    top_p: float = Field(1.0, gt=0, le=1, description="nucleus sampling; not sent to reasoning models")
    max_tokens: int = Field(2048, gt=0, description="longest answer, in tokens (a reasoning model's thoughts count)")
    reasoning_effort: str | None = Field(None, description="low, medium or high, for reasoning models such as o4-mini")
    extra_body: dict[str, Any] = Field(
        {},
        description="more fields of each request to openai:MODEL, beyond OpenAI's: "
        "'{top_k: 20, repetition_penalty: 1.05}' for vLLM, "
        "'{repeat_penalty: 1.0, top_k: 0, min_p: 0.0}' for llama.cpp's Python server, whose own defaults differ",
    )
    omit_fields: list[Annotated[str, OneOf(OPTIONAL_FIELDS)]] = Field(
        [], description=f"fields that a server refuses and that are left out: {', '.join(OPTIONAL_FIELDS)}"
    )
    continuation: Annotated[str, OneOf(("auto", *(mode.value for mode in ContinuationMode)))] = Field(
        "auto",
        description="how servers continue prefixes: continue_final (vLLM, SGLang), prefill, completion (completion endpoint), "
        "instruction; auto is instruction; local models always go on from the prefix",
    )
    chat_template_from: str | None = Field(
        None, description="folder or hub id of a tokenizer whose chat template renders prompts for completion endpoints"
    )
    max_in_flight: int = Field(
        64, gt=0, description="requests in flight per server; a quarter more than it admits at once keeps it full"
    )
    answers_per_request: int = Field(16, gt=0, description="most answers asked for in one request (n); 1 for servers without n")
    timeout_s: float = Field(600.0, gt=0, description="longest wait for one reply, seconds")
    deadline_s: float = Field(3600.0, gt=0, description="longest time for one request with all its retries, seconds")
    batch: bool = Field(
        False, description="use OpenAI's Batch API: half the price, answers within a day; poll by running again"
    )
    batch_poll_s: float = Field(30.0, gt=0, description="seconds between two looks at a batch")
    max_tokens_total: int | None = Field(
        None,
        ge=0,
        description="stop when this many prompt and answer tokens are used, by all stages and runs of a data directory",
    )
    max_cost: float | None = Field(
        None,
        ge=0,
        description="stop when this many dollars are spent, by all stages and runs of a data directory (needs prices)",
    )
    prices: dict[str, Any] = Field({}, description="dollars per million tokens: {MODEL: {input: 1.1, output: 4.4}}")
    dry_run: bool = Field(False, description="print requests, prompt tokens and the highest possible cost, and send nothing")
    batch_size: int = Field(32, gt=0, description="answers sampled at once by a local model")
    device: str = Field("auto", description="device of a local model: auto, cpu, cuda, cuda:1 ...")
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        "auto", description="number type of a local model: auto (bfloat16), float32, float16, bfloat16"
    )
    seed: int = Field(42, description="seed; every answer's own seed follows from it and from the row's key")

    @property
    def policy_kind(self) -> tuple[str, str]:
        """("openai" | "local" | "recorded", what follows the colon).

        Raises:
            UserError: no policy is set, or it has another form.
        """
        if not self.policy:
            raise UserError(
                "no policy is set: set POLICY (or --policy) to openai:MODEL, local:FOLDER_OR_GGUF_FILE or recorded:FILE.jsonl"
            )
        kind, _, name = self.policy.partition(":")
        if kind not in ("openai", "local", "recorded") or not name:
            raise UserError(f"policy {self.policy!r} is none of openai:MODEL, local:FOLDER_OR_GGUF_FILE, recorded:FILE.jsonl")
        return kind, name

    @property
    def continuation_mode(self) -> ContinuationMode:
        """``auto`` is the way that works with every server."""
        return ContinuationMode.INSTRUCTION if self.continuation == "auto" else ContinuationMode(self.continuation)

    @property
    def returns_stop_text(self) -> bool:
        """Whether servers are told to return the text at which an answer stops (vLLM's name of that field, and SGLang's)."""
        return any(self.extra_body.get(name) is True for name in ("include_stop_str_in_output", "no_stop_trim"))

    def sampling_identity(self) -> dict[str, Any]:
        """The settings that decide what a completion is; a file's rows are all made with one of these."""
        kind, name = self.policy_kind
        shown = Path(name).name if kind != "openai" and Path(name).exists() else name
        identity: dict[str, Any] = {"policy": f"{kind}:{shown}", "max_tokens": self.max_tokens, "seed": self.seed}
        if kind == "openai" and self.extra_body:
            identity["extra_body"] = self.extra_body
        if kind == "openai" and self.omit_fields:
            identity["omit_fields"] = sorted(set(self.omit_fields))
        if kind == "openai" and self.is_reasoning:
            return identity | {"reasoning_effort": self.reasoning_effort}
        return identity | {"temperature": self.temperature, "top_p": self.top_p}

    @property
    def is_reasoning(self) -> bool:
        """Whether the model takes max_completion_tokens and no temperature: an effort is set, or its name says so."""
        name = self.policy_kind[1].rpartition("/")[2].lower()
        return self.reasoning_effort is not None or name.startswith(("o1", "o3", "o4", "gpt-5"))

    def warnings(self) -> list[str]:
        """What is likely to go wrong with these settings, one line each."""
        if self.policy_kind[0] == "openai" and self.is_reasoning and self.max_tokens < ENOUGH_FOR_THOUGHTS:
            return [
                f"max_tokens {self.max_tokens} holds a reasoning model's thoughts too: an answer may end before its program "
                f"(finish_reason length); {ENOUGH_FOR_THOUGHTS} or more is safer"
            ]
        return []

    @model_validator(mode="after")
    def _has_whole_prices(self) -> Self:
        for model, given in self.prices.items():
            price = price_of(model, self.prices)
            if price is None or not (0 <= price.input < math.inf and 0 <= price.output < math.inf):
                raise ValueError(f"prices: '{model}' must give input and output in dollars per million tokens, found {given!r}")
        return self

    def account(self) -> Account:
        """A fresh account with this policy's price and ceilings."""
        kind, name = self.policy_kind
        return Account(
            price=price_of(name, self.prices) if kind == "openai" else None,
            batch=self.batch,
            max_tokens_total=self.max_tokens_total,
            max_cost=self.max_cost,
        )
