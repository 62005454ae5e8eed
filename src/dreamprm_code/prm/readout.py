"""Where the head reads: after which layer, at which tokens, and on which scale.

``last`` reads the hidden state of the token that ends a step, as the published PRM does. ``mean`` averages the hidden states
over the tokens of the program up to there, ``step_mean`` over those of the step alone; neither the problem's text nor the step
tokens count. In a token tree all of these are ancestors of the node at which the step ends, so both means are one product with
a matrix [S, T] of weights: linear in the states, hence with the right derivatives of every kind and order.
"""

# T = tokens of a forest, S = scored steps, H = hidden size

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dreamprm_code.errors import UserError
from dreamprm_code.prm.trees import StepTokens, TreeBatch

READOUTS = ("last", "mean", "step_mean")


@dataclass(frozen=True)
class Reading:
    """What of a backbone the head reads.

    ``layers``: the backbone ends after so many of its decoder layers (None: all). ``final_norm``: its last norm follows them;
    it was made for the states of the last layer, but models of other software cannot leave it out. ``scaled``: the head reads
    standardised features (:class:`FeatureScale`).
    """

    readout: str = "last"
    layers: int | None = None
    final_norm: bool = True
    scaled: bool = False

    def __post_init__(self) -> None:
        if self.readout not in READOUTS:
            raise UserError(f"setting 'readout' is {self.readout!r}; choose from {', '.join(READOUTS)}")


PUBLISHED_READING = Reading()


def code_weights(batch: TreeBatch, readout: str, dtype: torch.dtype = torch.float32) -> Tensor:
    """weight_ST: 1 / count at the tokens over which step s is averaged, else 0.

    A prefix (or step) without tokens of its own, such as an empty program, is read at its last token.

    Raises:
        ValueError: the trees were built from plain sequences, which do not say where the program begins.
    """
    if batch.spans_S3 is None or batch.separators_T is None:
        raise ValueError(f"readout '{readout}' needs sequences of StepEncoder: plain ones do not say where the program begins")
    key = ("weights", readout, dtype)
    if key not in batch.cache:
        start_S, stop_S = batch.spans_S3[:, 0 if readout == "mean" else 1], batch.spans_S3[:, 2]
        nodes_T = torch.arange(batch.num_tokens, device=batch.ends_T.device)
        read_S1 = batch.read_at_S[:, None]
        inside_ST = (nodes_T <= read_S1) & (read_S1 < batch.ends_T)
        inside_ST &= (batch.depths_T >= start_S[:, None]) & (batch.depths_T < stop_S[:, None]) & ~batch.separators_T
        count_S = inside_ST.sum(1)
        inside_ST[torch.arange(len(count_S), device=count_S.device), batch.read_at_S] |= count_S == 0
        batch.cache[key] = inside_ST.to(dtype) / count_S.clamp_min(1)[:, None]
    return batch.cache[key]


def read_tokens(sequence: Sequence[int], readout: str) -> list[int]:
    """The tokens of one sequence over which it is averaged: what :func:`code_weights` says, for a text alone."""
    last = [len(sequence) - 1]
    if readout == "last":
        return last
    assert isinstance(sequence, StepTokens)
    code, step, stop = sequence.span
    span = range(code if readout == "mean" else step, stop)
    return [index for index in span if sequence[index] != sequence.separator] or last


def pool(hidden_TH: Tensor, batch: TreeBatch, readout: str) -> Tensor:
    """feature_SH: the states at the step ends in their own precision, or their means in float32 or better."""
    if readout == "last":
        return hidden_TH[batch.read_at_S]
    with torch.autocast(hidden_TH.device.type, enabled=False):
        precise_TH = hidden_TH.to(torch.promote_types(hidden_TH.dtype, torch.float32))
        return code_weights(batch, readout, precise_TH.dtype) @ precise_TH


class FeatureScale(nn.Module):
    """feature -> (feature - mean) * factor: each feature standardised, then all divided by sqrt(H).

    So features have mean 0 and mean square norm 1 on the texts of the fit, whatever layer they come from, and an Adam step of
    0.01 on the head is a small one. No label is looked at.
    """

    mean: Tensor
    factor: Tensor

    def __init__(self, hidden_size: int, dtype: torch.dtype):
        super().__init__()
        self.register_buffer("mean", torch.zeros(hidden_size, dtype=dtype))
        self.register_buffer("factor", torch.full((hidden_size,), hidden_size**-0.5, dtype=dtype))

    def forward(self, feature_SH: Tensor) -> Tensor:
        return (feature_SH - self.mean) * self.factor

    @torch.no_grad()
    def fit(self, batches: Iterable[Tensor]) -> None:
        """From feature_SH tensors, each seen once; moments in float64.

        Raises:
            UserError: fewer than two rows.
        """
        count, total_H, square_H = 0, *torch.zeros(2, len(self.mean), dtype=torch.float64, device=self.mean.device)
        for feature_SH in batches:
            precise_SH = feature_SH.to(self.mean.device, torch.float64)
            count += len(precise_SH)
            total_H += precise_SH.sum(0)
            square_H += precise_SH.square().sum(0)
        if count < 2:
            raise UserError(f"a scale needs the features of two steps or more, found {count}")
        mean_H = total_H / count
        std_H = (square_H / count - mean_H.square()).clamp_min(1e-12).sqrt()
        self.mean.copy_(mean_H)
        self.factor.copy_(1.0 / (std_H * len(mean_H) ** 0.5))
