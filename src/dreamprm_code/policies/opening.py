"""From settings to a policy."""

from __future__ import annotations

from pathlib import Path

from dreamprm_code.errors import UserError
from dreamprm_code.policies.base import Policy
from dreamprm_code.policies.budget import Account
from dreamprm_code.policies.recorded import RecordedPolicy
from dreamprm_code.policies.settings import PolicySettings


def open_policy(settings: PolicySettings, account: Account, state_path: Path | None = None) -> Policy:
    """The policy that the settings name. ``state_path`` is where a batch policy remembers its batches.

    Raises:
        UserError: the settings cannot work, the model cannot be loaded, or a key is missing.
    """
    kind, name = settings.policy_kind
    if kind == "recorded":
        return RecordedPolicy(name)
    if kind == "local":
        from dreamprm_code.policies.local import LocalPolicy, load_model

        model, tokenizer = load_model(name, settings.dtype, settings.device)
        return LocalPolicy(
            model,
            tokenizer,
            temperature=settings.temperature,
            top_p=settings.top_p,
            max_tokens=settings.max_tokens,
            batch_size=settings.batch_size,
            seed=settings.seed,
            account=account,
        )
    from dreamprm_code.policies.openai_server import OpenAIPolicy

    if settings.batch:
        from dreamprm_code.policies.openai_batch import OpenAIBatchPolicy

        if state_path is None:
            raise UserError("the Batch API needs a place to remember its batches")
        return OpenAIBatchPolicy(settings, name, account, state_path)
    return OpenAIPolicy(settings, name, account)
