"""What a frozen backbone gives at every step of every program, computed once and kept: a head is then trained in seconds.

One safetensors file per problem under a folder, so that a killed run goes on with the next problem.
"""

# S = steps of a program, H = hidden size

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dreamprm_code.errors import UserError
from dreamprm_code.prm.encoding import EncodingError
from dreamprm_code.prm.readout import READOUTS, FeatureScale, Reading, pool
from dreamprm_code.prm.scoring import PRM
from dreamprm_code.prm.trees import build_tree, collate, group_sequences
from dreamprm_code.progress import progress_bar
from dreamprm_code.records import Problem
from dreamprm_code.steps import DEFAULT_STEPS, StepSettings

Program = tuple[str, str]  # question_id, code
_MAX_TOKENS = 4096


class StepFeatures:
    """Features of programs after ``layers`` layers of ``backbone``, for several readouts at once; ``steps``: how they split.

    A program longer than the model's input has none. The folder's name should say backbone, layers, precision and steps.

    Raises:
        UserError: the backbone cannot be read or has fewer layers; an unknown readout.
    """

    def __init__(
        self,
        backbone: str,
        layers: int,
        readouts: Sequence[str],
        folder: Path,
        dtype: torch.dtype = torch.float32,
        steps: StepSettings = DEFAULT_STEPS,
    ):
        self.steps = steps
        self.backbone, self.layers, self.readouts, self.folder, self.dtype = backbone, layers, tuple(readouts), folder, dtype
        for readout in self.readouts:
            Reading(readout)
        self._prm: PRM | None = None
        self._known: dict[str, dict[str, Tensor]] = {}

    @property
    def prm(self) -> PRM:
        """The untrained PRM that reads: its encoder says what is read."""
        if self._prm is None:
            reading = Reading("mean", layers=self.layers, final_norm=False, scaled=True)
            self._prm = PRM.create(self.backbone, lora=None, reading=reading, dtype=self.dtype)
        return self._prm

    def prepare(self, problems: Mapping[str, Problem], programs: Iterable[Program]) -> None:
        """Read the programs that no file holds yet."""
        by_problem: dict[str, set[str]] = {}
        for question_id, code in programs:
            by_problem.setdefault(question_id, set()).add(code)
        for question_id, codes in progress_bar(iterable=sorted(by_problem.items()), desc="features", unit="problem"):
            known = self._of(question_id)
            missing = sorted(code for code in codes if _name(code, self.readouts[0]) not in known)
            if missing:
                known |= self._read(problems[question_id], missing)
                self.folder.mkdir(parents=True, exist_ok=True)
                part = self._path(question_id).with_suffix(".part")
                save_file(known, part)
                part.rename(self._path(question_id))

    def of(self, program: Program, readout: str) -> Tensor | None:
        """feature_SH (float32) of a prepared program, None where it was too long to be read."""
        feature_SH = self._of(program[0])[_name(program[1], readout)]
        return feature_SH if len(feature_SH) else None

    def _path(self, question_id: str) -> Path:
        return self.folder / f"{question_id.replace('/', '_')}.safetensors"

    def _of(self, question_id: str) -> dict[str, Tensor]:
        if question_id not in self._known:
            path = self._path(question_id)
            self._known[question_id] = load_file(path) if path.exists() else {}
        return self._known[question_id]

    @torch.no_grad()
    def _read(self, problem: Problem, codes: Sequence[str]) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        sequences, owners = [], []
        for code in codes:
            try:
                steps = self.prm.encoder.encode_program(problem, code, self.steps.max_functions, self.steps.granularity)
            except EncodingError:
                found |= {_name(code, readout): torch.zeros(0, 1) for readout in self.readouts}
                continue
            sequences += steps
            owners += [code] * len(steps)
        rows: dict[tuple[str, str], dict[int, Tensor]] = {}
        for group in group_sequences(sequences, _MAX_TOKENS) if sequences else ():
            batch = collate([build_tree([sequences[index] for index in group])])
            hidden_TH = self.prm.model.hidden_states(batch)
            for readout in self.readouts:
                for index, row in zip(group, pool(hidden_TH, batch, readout).float(), strict=True):
                    rows.setdefault((owners[index], readout), {})[index] = row
        for (code, readout), by_index in rows.items():
            found[_name(code, readout)] = torch.stack([by_index[index] for index in sorted(by_index)])
        return found


class ScaledFeatures:
    """What a head reads at the end of texts, scaled by what ``texts`` look like; no label is looked at.

    A text is a program or a prefix of one, prepared in ``features``.

    Raises:
        UserError: a text is longer than the backbone's input.
    """

    def __init__(self, features: StepFeatures, readout: str, texts: Sequence[Program]):
        self._features, self._readout = features, readout
        feature_SH = self._ends(texts)
        self._scale = FeatureScale(feature_SH.shape[1], torch.float32)
        self._scale.fit([feature_SH])

    def _ends(self, texts: Sequence[Program]) -> Tensor:
        ends = []
        for text in texts:
            feature_SH = self._features.of(text, self._readout)
            if feature_SH is None:
                raise UserError(f"a program of {text[0]} is longer than what {self._features.backbone} reads")
            ends.append(feature_SH[-1])
        return torch.stack(ends)

    def encode(self, texts: Sequence[Program]) -> Tensor:
        """feature_SH, float32."""
        return self._scale(self._ends(texts))


def _name(code: str, readout: str) -> str:
    assert readout in READOUTS
    return f"{readout}:{hashlib.sha256(code.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
