"""The frozen part of a PRM, computed once per token tree.

Where training moves LoRA in the last j layers only, the hidden states below them are the same in every epoch; where it moves
the head alone, so is all that the head reads. :class:`FrozenTrunk` stands in the place of ``collate``: it gives the batch what
it remembers of its trees, in memory or in a folder, computing what it does not, and the model goes on from there. Each tree's
states are computed in a pass of their own, kept or not, so that remembering changes no bit of any result. Trees of the same
tokens that are read at other places (a program that serves both levels) are computed in one pass.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from dreamprm_code.errors import UserError
from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.prm.model import PRMModel
from dreamprm_code.prm.trees import TokenTree, TreeBatch, collate

SAMPLED_VALUES = 4096
"""Of each parameter, evenly spaced: enough to tell two models apart."""


class FrozenTrunk:
    """What is below the trained layers of ``model``, at most ``max_bytes`` of it in memory, on the model's device.

    Parameters must be frozen (or not) before and stay so. ``autocast`` is the mixed precision in which the model is trained.
    With a ``folder`` what was computed is kept there too, one safetensors file for each tree, under the names of the frozen
    parameters and of the tree: another training on the same programs, or the same one after a kill, reads it from there.
    ``trees`` are those that will come: where some of them have the same tokens, one pass reads what all of them read.
    """

    def __init__(
        self,
        model: PRMModel,
        max_bytes: float = float("inf"),
        autocast: torch.dtype | None = None,
        folder: Path | None = None,
        trees: Iterable[TokenTree] = (),
    ):
        self.model, self.max_bytes, self.autocast = model, max_bytes, autocast
        self.layers = num_frozen_layers(model)
        self.head_only = self.layers == len(model.decoder.layers)
        self.num_bytes = 0
        self.folder = folder and folder / self._name_of_the_trunk()
        self._kept: dict[int, tuple[TokenTree, Tensor]] = {}  # by the tree's id, which stays its own while it is kept here
        self._wholes = _read_together(trees) if self.layers else {}

    def collate(self, trees: Sequence[TokenTree]) -> TreeBatch:
        """The trees as one batch, with their states below the trained layers, or what the head reads if it alone is trained."""
        batch = collate(trees)
        if self.layers == 0:
            return batch
        known = torch.cat([self._of(tree) for tree in trees])
        return replace(batch, feature_SH=known) if self.head_only else replace(batch, states_TH=known, states_after=self.layers)

    def _of(self, tree: TokenTree) -> Tensor:
        if id(tree) in self._kept:
            return self._kept[id(tree)][1]
        whole = self._wholes.get(_nodes_of(tree), tree)
        if whole is tree:
            path = self.folder and self.folder / f"{_name_of(tree)}.safetensors"
            found = self._read_or_compute(path, tree) if path else self._compute(tree)
        elif self.head_only:
            found = self._of(whole)[_rows_in(whole, tree)]
        else:
            return self._of(whole)
        size = found.numel() * found.element_size()
        if self.num_bytes + size <= self.max_bytes:
            self._kept[id(tree)] = (tree, found)
            self.num_bytes += size
        return found

    def _read_or_compute(self, path: Path, tree: TokenTree) -> Tensor:
        if path.exists():
            try:
                return load_file(path, device=str(self.model.device))["states"]
            except (OSError, SafetensorError, KeyError) as error:
                raise UserError(f"{path}: cannot be read ({error}); delete it, it is computed again") from None
        found = self._compute(tree)
        write_bytes_atomic(path, [save({"states": found.cpu().contiguous()})])
        return found

    def _name_of_the_trunk(self) -> str:
        """Which states these are: the text of every setting that decides them, and a sample of every frozen parameter."""
        model = self.model
        reading = model.reading if self.head_only else None
        digest = hashlib.sha256(f"{self.layers} {reading} {self.autocast} {model.decoder.config.to_json_string()}".encode())
        for name, parameter in model.backbone.named_parameters():
            sample = parameter.detach().flatten()[:: max(1, parameter.numel() // SAMPLED_VALUES)]
            if not parameter.requires_grad:
                digest.update(
                    f"{name} {tuple(parameter.shape)} {parameter.dtype}".encode() + sample.float().cpu().numpy().tobytes()
                )
        return digest.hexdigest()[:16]

    @torch.no_grad()
    def _compute(self, tree: TokenTree) -> Tensor:
        model, device = self.model, self.model.device
        modes = {module: module.training for module in model.modules()}
        model.eval()  # dropout below the trained layers, in which LoRA has no effect or a fixed one, would only blur it
        try:
            with torch.autocast(device.type, dtype=self.autocast, enabled=self.autocast is not None):
                batch = collate([tree]).to(device)
                return model.features(batch) if self.head_only else model.hidden_states(batch, stop=self.layers)
        finally:
            for module, training in modes.items():
                module.training = training


def _nodes_of(tree: TokenTree) -> bytes:
    digest = hashlib.sha256()
    for array in (tree.token_ids_T, tree.ends_T, tree.separators_T):
        digest.update(b"none" if array is None else array.tobytes())
    return digest.digest()


def _reads_of(tree: TokenTree) -> list[tuple[int, ...]]:
    """For each sequence the node where it is read and, where it is known, its span: together, what the head reads there."""
    columns = [tree.read_at_S[:, None]] if tree.spans_S3 is None else [tree.read_at_S[:, None], tree.spans_S3]
    return [tuple(row) for row in np.concatenate(columns, axis=1).tolist()]


def _rows_in(whole: TokenTree, tree: TokenTree) -> list[int]:
    row_of = {read: row for row, read in enumerate(_reads_of(whole))}
    return [row_of[read] for read in _reads_of(tree)]


def _read_together(trees: Iterable[TokenTree]) -> dict[bytes, TokenTree]:
    """For each set of nodes that several trees have, the tree that is read wherever one of them is."""
    groups: dict[bytes, list[TokenTree]] = defaultdict(list)
    for tree in trees:
        groups[_nodes_of(tree)].append(tree)
    wholes = {}
    for nodes, group in groups.items():
        if len(group) > 1 and len({tree.spans_S3 is None for tree in group}) == 1:
            reads = np.array(sorted({read for tree in group for read in _reads_of(tree)}), dtype=np.int64)
            spans = None if group[0].spans_S3 is None else reads[:, 1:]
            wholes[nodes] = replace(group[0], read_at_S=reads[:, 0], spans_S3=spans)
    return wholes


def _name_of(tree: TokenTree) -> str:
    digest = hashlib.sha256()
    for array in (tree.token_ids_T, tree.depths_T, tree.ends_T, tree.read_at_S, tree.spans_S3, tree.separators_T):
        digest.update(b"none" if array is None else f"{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()[:32]


def available_bytes(device: torch.device) -> int:
    """Memory of the device that nothing uses now."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available


def num_frozen_layers(model: PRMModel) -> int:
    """How many of the backbone's first layers hold no trainable parameter; 0 where one stands outside the layers."""
    lowest = len(model.decoder.layers)
    for name, parameter in model.backbone.named_parameters():
        if parameter.requires_grad:
            match = re.search(r"(?:^|\.)layers\.(\d+)\.", name)
            lowest = min(lowest, int(match[1])) if match else 0
    return lowest
