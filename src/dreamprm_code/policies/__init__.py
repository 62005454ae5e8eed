"""Where completions come from: an OpenAI-compatible server, a local model, or a recorded file, behind one interface.

>>> policy = open_policy(settings, account := settings.account())
>>> async for result in policy.complete(CompletionRequest(("abc301_a",), messages, indices=(0, 1))):
...     print(result.index, result.output if isinstance(result, Completion) else result.state)
"""

from dreamprm_code.policies.base import (
    BudgetReached,
    Completion,
    CompletionRequest,
    Failure,
    FailureState,
    Policy,
    PolicyError,
    request_seed,
)
from dreamprm_code.policies.budget import Account, Price
from dreamprm_code.policies.continuation import ContinuationMode, keep_prefix, program_of
from dreamprm_code.policies.opening import open_policy
from dreamprm_code.policies.settings import PolicySettings

__all__ = [
    "Account",
    "BudgetReached",
    "Completion",
    "CompletionRequest",
    "ContinuationMode",
    "Failure",
    "FailureState",
    "Policy",
    "PolicyError",
    "PolicySettings",
    "Price",
    "keep_prefix",
    "open_policy",
    "program_of",
    "request_seed",
]
