"""A PRM without training of its backbone: hidden states at the ends of prefixes, for a linear head. For studies on known truth.

The backbone is read once per text and kept on disk, so that hundreds of heads can be trained on a CPU. What a fine-tuned PRM
would learn in its LoRA matrices is out of reach of such a head.
"""

# S = prefixes, H = hidden size

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dreamprm_code.errors import UserError
from dreamprm_code.prm.scoring import PRM
from dreamprm_code.prm.trees import build_tree, collate, group_sequences
from dreamprm_code.records import Problem

_MAX_TOKENS = 4096


class HiddenStates:
    """Hidden states of a frozen backbone after ``layers`` of its layers, one float32 row per text, kept under ``folder``.

    Raises:
        UserError: the backbone cannot be read or has fewer layers.
    """

    def __init__(self, backbone: str, layers: int, folder: Path):
        self.backbone, self.layers, self.folder = backbone, layers, folder
        self._prm: PRM | None = None
        self._rows: dict[str, dict[str, Tensor]] = {}

    def _path(self, question_id: str) -> Path:
        return self.folder / f"{question_id}.safetensors"

    def _loaded(self, question_id: str) -> dict[str, Tensor]:
        if question_id not in self._rows:
            path = self._path(question_id)
            self._rows[question_id] = load_file(path) if path.exists() else {}
        return self._rows[question_id]

    def prepare(
        self,
        problems: Mapping[str, Problem],
        texts: Iterable[tuple[str, str]],
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """Read the (question_id, prefix) pairs that no file holds yet; a killed run goes on with the next problem."""
        by_problem: dict[str, set[str]] = {}
        for question_id, prefix in texts:
            by_problem.setdefault(question_id, set()).add(prefix)
        for done, (question_id, prefixes) in enumerate(sorted(by_problem.items())):
            progress(done, len(by_problem))
            known = self._loaded(question_id)
            missing = sorted(prefix for prefix in prefixes if _name(prefix) not in known)
            if missing:
                known |= zip(map(_name, missing), self._read(problems[question_id], missing), strict=True)
                self.folder.mkdir(parents=True, exist_ok=True)
                part = self._path(question_id).with_suffix(".part")
                save_file({name: row.contiguous() for name, row in known.items()}, part)
                part.rename(self._path(question_id))

    def _read(self, problem: Problem, prefixes: Sequence[str]) -> list[Tensor]:
        if self._prm is None:
            self._prm = PRM.create(self.backbone, lora=None)
            decoder: Any = self._prm.model.decoder
            if not 1 <= self.layers <= len(decoder.layers):
                raise UserError(f"reader_layers is {self.layers}; {self.backbone} has {len(decoder.layers)} layers")
            decoder.layers = decoder.layers[: self.layers]
        sequences = [self._prm.encoder.encode_prefixes(problem, [prefix])[0] for prefix in prefixes]  # each as one step
        rows: dict[int, Tensor] = {}
        for group in group_sequences(sequences, _MAX_TOKENS):
            batch = collate([build_tree([sequences[index] for index in group])])
            with torch.no_grad():
                hidden_TH = self._prm.model.hidden_states(batch)
            rows |= zip(group, hidden_TH[batch.read_at_S].float().cpu(), strict=True)
        return [rows[index] for index in range(len(sequences))]

    def encode(self, texts: Sequence[tuple[str, str]]) -> Tensor:
        """hidden_SH of prepared texts."""
        return torch.stack([self._loaded(question_id)[_name(prefix)] for question_id, prefix in texts])


def _name(prefix: str) -> str:
    return hashlib.sha256(prefix.encode()).hexdigest()[:32]


class ScaledStates:
    """The rows with mean 0 and variance 1 per feature over ``texts``, scaled to mean norm 1; no label is looked at."""

    def __init__(self, states: HiddenStates, texts: Sequence[tuple[str, str]]):
        self.states = states
        hidden_SH = states.encode(texts)
        self._mean_H, self._std_H = hidden_SH.mean(0), hidden_SH.std(0).clamp_min(1e-6)
        self._scale = 1.0
        self._scale = 1.0 / float(self.encode(texts).norm(dim=1).mean())

    @property
    def num_features(self) -> int:
        return len(self._mean_H)

    def encode(self, texts: Sequence[tuple[str, str]]) -> Tensor:
        """feature_SH, float32."""
        return (self.states.encode(texts) - self._mean_H) / self._std_H * self._scale
