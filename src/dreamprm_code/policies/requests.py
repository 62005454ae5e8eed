"""From a CompletionRequest to the body of an OpenAI-compatible request, and from its reply to completions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dreamprm_code.policies.base import (
    Completion,
    CompletionRequest,
    Failure,
    FailureState,
    Message,
    PolicyError,
    chat_text,
    request_seed,
)
from dreamprm_code.policies.continuation import FENCE, ContinuationMode, joined_output, started_answer
from dreamprm_code.policies.settings import PolicySettings

MOST_TOKENS = 10**9  # a server that counts more tokens in one reply counts nonsense


class RenderChat:
    """Chats to text for completion endpoints: a tokenizer's chat template, or the messages one after the other."""

    def __init__(self, chat_template_from: str | None):
        self._tokenizer = None
        if chat_template_from is not None:
            from transformers import AutoTokenizer

            where = {}
            if chat_template_from.endswith(".gguf"):
                folder, _, name = chat_template_from.rpartition("/")
                chat_template_from, where = folder or ".", {"gguf_file": name}
            try:
                self._tokenizer = AutoTokenizer.from_pretrained(chat_template_from, **where)
            except (OSError, ValueError) as error:
                raise PolicyError(f"chat_template_from {chat_template_from}: {str(error).splitlines()[0]}") from None

    def __call__(self, messages: Sequence[Message]) -> str:
        if self._tokenizer is None:
            return chat_text(messages)
        chat = [dict(message) for message in messages]
        return str(self._tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))


class RequestBody(NamedTuple):
    endpoint: str  # "/chat/completions" | "/completions"
    body: dict[str, Any]
    started: bool  # the answer was started with the prefix


def request_body(
    settings: PolicySettings, model: str, request: CompletionRequest, indices: Sequence[int], render: RenderChat
) -> RequestBody:
    """The JSON body that asks for ``len(indices)`` answers."""
    body: dict[str, Any] = {**settings.extra_body, "model": model}
    max_tokens = request.max_tokens or settings.max_tokens
    if request.stop and settings.returns_stop_text:
        body["stop"] = list(request.stop)
    if settings.is_reasoning:
        body["max_completion_tokens"] = max_tokens
        if settings.reasoning_effort is not None:
            body["reasoning_effort"] = settings.reasoning_effort
    else:
        body |= {"max_tokens": max_tokens, "temperature": settings.temperature}
        if settings.top_p < 1:
            body["top_p"] = settings.top_p
        body["seed"] = request_seed(settings.seed, request.key, indices[0])
    if len(indices) > 1:
        body["n"] = len(indices)
    for name in settings.omit_fields:
        body.pop(name, None)
    mode = settings.continuation_mode
    if mode is ContinuationMode.COMPLETION:
        start = FENCE if request.prefix is None else started_answer(request.prefix)
        if "stop" not in settings.omit_fields:
            body.setdefault("stop", ["\n```"])
        body["prompt"] = render(request.messages) + start
        return RequestBody(mode.endpoint, body, True)
    if request.prefix is None:
        body["messages"] = [dict(message) for message in request.messages]
        return RequestBody(mode.endpoint, body, False)
    if mode is ContinuationMode.INSTRUCTION:
        body["messages"] = [dict(message) for message in request.instruction or request.messages]
        return RequestBody(mode.endpoint, body, False)
    body["messages"] = [
        *(dict(message) for message in request.messages),
        {"role": "assistant", "content": started_answer(request.prefix)},
    ]
    if mode is ContinuationMode.CONTINUE_FINAL:
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    return RequestBody(mode.endpoint, body, True)


class Reply(NamedTuple):
    """What a reply holds: one result per answer, in order, and the tokens that the server counted."""

    results: list[Completion | Failure]
    prompt_tokens: int | None
    completion_tokens: int | None


class MalformedReply(Exception):
    """The reply is not what the protocol says."""


def read_reply(reply: Any, request: CompletionRequest, indices: Sequence[int], started: bool) -> Reply:
    """Take the answers of a chat or text completion: those beyond the wanted ones are dropped, missing ones are not there.

    Raises:
        MalformedReply: no object with a list of choices.
    """
    if not isinstance(reply, Mapping) or not isinstance(reply.get("choices"), list):
        error = reply.get("error") if isinstance(reply, Mapping) else None
        raise MalformedReply(f"no list of choices{f' but an error: {str(error)[:200]}' if error else ''}")
    usage = reply.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    prompt_tokens, completion_tokens = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    results: list[Completion | Failure] = []
    for index, choice in zip(indices, reply["choices"], strict=False):
        if not isinstance(choice, Mapping):
            raise MalformedReply("a choice is no object")
        tokens = completion_tokens if len(reply["choices"]) == 1 else None
        results.append(_result(index, choice, request, started, prompt_tokens, tokens))
    return Reply(results, prompt_tokens, completion_tokens)


def _count(usage: Mapping[str, Any], name: str) -> int | None:
    value = usage.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS else None


def _text_of(content: Any) -> str | None:
    """An answer's text: a string, or the text parts of a list of parts (thoughts and other parts are no answer).

    Raises:
        MalformedReply: it is neither.
    """
    if isinstance(content, list) and all(isinstance(part, (str, Mapping)) for part in content):
        texts = [part if isinstance(part, str) else part.get("text") for part in content if _is_text_part(part)]
        if all(isinstance(text, str) for text in texts):
            return "".join(texts)
    elif content is None or isinstance(content, str):
        return content
    raise MalformedReply("an answer is no text")


def _is_text_part(part: str | Mapping[str, Any]) -> bool:
    return isinstance(part, str) or part.get("type") in ("text", "output_text")


def _can_be_written(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _result(
    index: int,
    choice: Mapping[str, Any],
    request: CompletionRequest,
    started: bool,
    prompt_tokens: int | None,
    completion_tokens: int | None,
) -> Completion | Failure:
    finish_reason = str(choice.get("finish_reason") or "unknown")[:100].encode(errors="replace").decode()
    message = choice.get("message")
    if isinstance(message, Mapping):
        text, refusal = message.get("content"), message.get("refusal")
    else:
        text, refusal = choice.get("text"), None
    if finish_reason == "content_filter":
        return Failure(index, FailureState.CONTENT_FILTER, "the server's content filter cut the answer")
    if refusal:
        return Failure(index, FailureState.REFUSED, f"refused: {str(refusal)[:200]}".encode(errors="replace").decode())
    text = _text_of(text)
    if text is not None and not _can_be_written(text):
        return Failure(index, FailureState.MALFORMED, "the answer holds half of a surrogate pair, which is no character")
    if not (text or "").strip() and not started and finish_reason != "length":
        return Failure(index, FailureState.EMPTY, f"empty answer (finish_reason {finish_reason})")
    text = text or ""
    if started:
        text = FENCE + text if request.prefix is None else joined_output(request.prefix, text)
    return Completion(index, text, finish_reason, prompt_tokens, completion_tokens)
