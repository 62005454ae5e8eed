"""What chooses the checkpoint: the model's loss on held-out whole programs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch

from dreamprm_code.bilevel.losses import step_losses
from dreamprm_code.bilevel.passes import Passes
from dreamprm_code.bilevel.units import Unit


@torch.no_grad()
def validate(passes: Passes, units: Sequence[Unit]) -> dict[str, float]:
    """Held-out log-loss of whole programs, and the share of (passed, failed) pairs of one problem in the right order."""
    if not units:
        return {}
    processes = passes.processes
    logit_V = torch.zeros(sum(unit.num_steps for unit in units), dtype=torch.float64, device=passes.device)
    offsets = {}
    start = 0
    for index, unit in enumerate(units):
        offsets[index] = start
        start += unit.num_steps
    own = iter(processes.share(range(len(units))))
    for members, batch in passes.over(units, max_tokens=0):
        logit_S = passes.logits(batch)
        if members:
            index = next(own)
            logit_V[offsets[index] : offsets[index] + units[index].num_steps] = logit_S.to(torch.float64)
    processes.sum_([logit_V])
    outcome_V = passes.outcomes(units)
    loss = step_losses(logit_V, outcome_V, "bce").mean().item()
    by_problem: dict[str, list[tuple[float, float]]] = defaultdict(list)
    names = [unit.question_id for unit in units for _ in range(unit.num_steps)]
    for name, logit, outcome in zip(names, logit_V.tolist(), outcome_V.tolist(), strict=True):
        by_problem[name].append((logit, outcome))
    right = pairs = 0.0
    for scored in by_problem.values():
        for good in (logit for logit, outcome in scored if outcome > 0.5):
            for bad in (logit for logit, outcome in scored if outcome <= 0.5):
                pairs += 1
                right += 1.0 if good > bad else 0.5 if good == bad else 0.0
    return {"loss": loss, "pair_accuracy": right / pairs} if pairs else {"loss": loss}
