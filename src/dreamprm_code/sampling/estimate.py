"""What a run would cost, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable

from dreamprm_code.policies.base import CompletionRequest, chat_text, estimated_tokens
from dreamprm_code.policies.budget import Account
from dreamprm_code.policies.settings import PolicySettings


def estimate(requests: Iterable[CompletionRequest], settings: PolicySettings) -> str:
    """What a run would ask for, as one line: requests, prompt tokens (estimated), and the highest possible use and cost."""
    num_requests = num_answers = prompt_tokens = 0
    size = settings.answers_per_request if settings.policy_kind[0] == "openai" else 1 << 30
    for request in requests:
        times = -(-len(request.indices) // size)
        num_requests += times
        num_answers += len(request.indices)
        prompt_tokens += times * estimated_tokens(chat_text(request.messages) + (request.prefix or ""))
    most = num_answers * settings.max_tokens
    account: Account = settings.account()
    cost = "no price known"
    if account.price is not None:
        low, high = (account.price.cost(prompt_tokens, tokens, settings.batch) for tokens in (0, most))
        cost = f"${low:.2f} for the prompts, at most ${high:.2f} in all"
    warnings = "".join(f"; warning: {line}" for line in settings.warnings())
    return (
        f"{num_requests} requests for {num_answers} answers, about {prompt_tokens} prompt tokens, "
        f"at most {most} answer tokens; {cost}{warnings}"
    )
