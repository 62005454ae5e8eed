"""The device of a name."""

from __future__ import annotations

import torch

from dreamprm_code.errors import UserError


def find_device(name: str | torch.device | None) -> torch.device:
    """The device of that name; with None or ``auto`` CUDA where there is one, else the CPU.

    Raises:
        UserError: there is no such device here.
    """
    if name is None or name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise UserError(f"device '{name}' cannot be used here ({reason}); choose cpu, cuda or another that torch has") from None
    return device
