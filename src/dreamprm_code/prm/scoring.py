"""The public class: a PRM that scores every step of every program of a problem in as few passes as its memory allows.

::

    prm = PRM.from_pretrained("data/demo-run/prm")      # our folder, an exported folder, or reward_model_step_N.pt
    step_scores = prm.score(problem, programs)          # one list per program, one score in [0, 1] per step
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from dreamprm_code.devices import find_device
from dreamprm_code.errors import UserError
from dreamprm_code.prm.backbone import find_backbone, load_tokenizer
from dreamprm_code.prm.checkpoint import load, save
from dreamprm_code.prm.encoding import StepEncoder
from dreamprm_code.prm.input_text import in_language, program_prefixes
from dreamprm_code.prm.model import PUBLISHED_LORA, LoraSettings, PRMModel, build_model, cast_lora
from dreamprm_code.prm.readout import PUBLISHED_READING, Reading
from dreamprm_code.prm.sharding import is_sharded, shard_backbone
from dreamprm_code.prm.trees import StepTokens, TokenTree, TreeBatch, build_tree, collate, group_sequences
from dreamprm_code.records import Problem
from dreamprm_code.steps import DEFAULT_STEPS, StepSettings

Progress = Callable[[int, int], None]  # steps scored so far, steps in all


def best_dtype(device: torch.device) -> torch.dtype:
    """For training: bfloat16 on GPUs that multiply it natively (from 8.0), else float32, the same on every CPU."""
    native = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
    return torch.bfloat16 if native else torch.float32


class PRM:
    """A model, the encoder of its input text, and how it splits programs.

    ``max_tokens`` bounds the tree tokens of one pass; larger trees are split, which changes no score. ``counts`` reports
    programs encoded and problem statements shortened.
    """

    def __init__(
        self,
        model: PRMModel,
        encoder: StepEncoder,
        steps: StepSettings = DEFAULT_STEPS,
        max_tokens: int | None = None,
    ):
        self.model = model
        self.encoder = encoder
        self.steps = steps
        self.max_tokens = max_tokens or (32768 if model.device.type == "cuda" else 8192)

    @classmethod
    def create(
        cls,
        backbone: str | Path,
        *,
        lora: LoraSettings | None = PUBLISHED_LORA,
        dtype: torch.dtype = torch.float32,
        gguf_file: str | None = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        format: str = "native",
        max_length: int | None = None,
        step_token: str | None = None,
        steps: StepSettings = DEFAULT_STEPS,
        head_bias: bool = False,
        seed: int = 0,
        attention: str = "auto",
        reading: Reading = PUBLISHED_READING,
    ) -> PRM:
        """An untrained PRM on a backbone; arguments as in :func:`build_model` and :class:`StepEncoder`.

        ``max_length`` defaults to what the backbone was made for; ``tokenizer`` to the backbone's own.
        """
        model = build_model(backbone, lora, dtype, gguf_file, seed, head_bias, attention, reading)
        tokenizer = tokenizer or load_tokenizer(find_backbone(str(backbone), gguf_file))
        if len(tokenizer) > (size := model.decoder.config.vocab_size):
            raise UserError(f"backbone {backbone}: has {size} tokens, the tokenizer {len(tokenizer)}; choose another of them")
        return cls(model, StepEncoder(tokenizer, format, max_length or model.max_length, step_token), steps)

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path,
        base_model: str | None = None,
        *,
        gguf_file: str | None = None,
        lora_alpha: float | None = None,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        trainable: bool = False,
    ) -> PRM:
        """Load our checkpoint folder, an exported folder, or the released ``reward_model_step_N.pt``.

        ``base_model`` overrides where our folder's backbone is, and names the released checkpoint's
        (``Qwen/Qwen2.5-Coder-3B`` by default); ``lora_alpha`` is for the released checkpoint alone, which does not hold it
        (default: the published 16). ``dtype`` is by default the precision in which the backbone was trained, as the
        checkpoint records it (float32 where it does not), so that scores are the same on every machine but for rounding;
        ``device`` is CUDA where there is one. LoRA takes the dtype too, unless the model is to be trained on
        (``trainable``): then it stays in float32.

        Raises:
            UserError: no such checkpoint or device, a wrong base model, missing, surplus or broken weights, a file that
                holds code.
        """
        prm = cls(*load(Path(path), base_model, gguf_file, lora_alpha, find_device(device), dtype))
        if not trainable:
            cast_lora(prm.model, prm.model.decoder.dtype)
        return prm

    def save_pretrained(self, path: str | Path) -> None:
        """Write a checkpoint folder that describes itself (see :mod:`dreamprm_code.prm.checkpoint`).

        Every process of a sharded backbone calls it; the first one writes.
        """
        save(self.model, self.encoder, self.steps, Path(path))

    def fit_scale(self, texts: Iterable[tuple[Problem, Sequence[str]]]) -> None:
        """Standardise what the head reads (``Reading(scaled=True)``) on the steps of these programs; no label is looked at."""

        def batches() -> Iterator[TreeBatch]:
            for problem, programs in texts:
                sequences = [sequence for program in self._encode(problem, self._prefixes(programs)) for sequence in program]
                for group in group_sequences(sequences, self.max_tokens) if sequences else ():
                    yield collate([build_tree([sequences[index] for index in group])])

        self.model.fit_scale(batches())

    def shard_backbone(self, device: str | torch.device) -> None:
        """Spread a backbone that one device cannot hold over the devices of torchrun's processes.

        For a PRM that was loaded on the CPU, in every process, after ``torch.distributed.init_process_group``. From then on
        all processes call ``score`` and its like together with the same arguments, and all get the same scores (see
        :mod:`dreamprm_code.prm.sharding`).
        """
        shard_backbone(self.model, torch.device(device))

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.encoder.counts)

    def score(
        self, problem: Problem, programs: Sequence[str], progress: Progress | None = None, language: str = "python"
    ) -> list[list[float]]:
        """Probability of success after each step of each program. Code without steps (empty, not parsable) is one step."""
        return self.score_prefixes(in_language(problem, language), self._prefixes(programs, language), progress)

    def _prefixes(self, programs: Sequence[str], language: str = "python") -> list[list[str]]:
        return [program_prefixes(code, self.steps.max_functions, self.steps.granularity, language) for code in programs]

    def score_prefixes(
        self, problem: Problem, prefixes: Sequence[Sequence[str]], progress: Progress | None = None
    ) -> list[list[float]]:
        """The same for given step prefixes: for each program its prefixes, growing, the last one being the program."""
        total, done = sum(map(len, prefixes)), 0
        encoded = self._encode(problem, prefixes)
        copies = Counter(sequence for program in encoded for sequence in program)
        sequences = list(copies)
        scores: dict[StepTokens, float] = {}
        for group in group_sequences(sequences, self.max_tokens) if sequences else ():
            members = [sequences[index] for index in group]
            scores |= zip(members, self.score_sequences(members), strict=True)
            done += sum(copies[sequence] for sequence in members)
            if progress is not None:
                progress(done, total)
        return [[scores[sequence] for sequence in program] for program in encoded]

    def _encode(self, problem: Problem, prefixes: Sequence[Sequence[str]]) -> list[list[StepTokens]]:
        """Ids of every prefix. Equal programs give equal tuples and are scored once, so that their scores are equal exactly."""
        return [self.encoder.encode_prefixes(problem, program) if program else [] for program in prefixes]

    def score_problems(
        self, requests: Iterable[tuple[Problem, Sequence[str]]], language: str = "python"
    ) -> Iterator[list[list[float]]]:
        """Scores of many problems' programs, in order; small trees share a pass. Memory stays bounded."""
        waiting: list[tuple[TokenTree, list[StepTokens], list[list[StepTokens]]]] = []

        def flush() -> Iterator[list[list[float]]]:
            try:
                values = iter(self._scores([tree for tree, _, _ in waiting]) if waiting else ())
            except torch.OutOfMemoryError:
                if is_sharded(self.model):
                    raise
                values = iter([score for _, sequences, _ in waiting for score in self.score_sequences(sequences)])
            for _, sequences, encoded in waiting:
                scores = {sequence: next(values) for sequence in sequences}
                yield [[scores[sequence] for sequence in program] for program in encoded]
            waiting.clear()

        for asked, programs in requests:
            problem, prefixes = in_language(asked, language), self._prefixes(programs, language)
            encoded = self._encode(problem, prefixes)
            sequences = list(dict.fromkeys(sequence for program in encoded for sequence in program))
            tree = build_tree(sequences) if sequences else None
            if tree is None or tree.num_tokens > self.max_tokens:
                yield from flush()
                yield self.score_prefixes(problem, prefixes)
                continue
            if sum(other.num_tokens for other, _, _ in waiting) + tree.num_tokens > self.max_tokens:
                yield from flush()
            waiting.append((tree, sequences, encoded))
        yield from flush()

    def score_sequences(self, sequences: Sequence[StepTokens]) -> list[float]:
        """One score per sequence; a tree that does not fit into the device's memory is halved until it does.

        Not with a sharded backbone: the other processes would not know of it.
        """
        try:
            return self._scores([build_tree(sequences)])
        except torch.OutOfMemoryError:
            if is_sharded(self.model):
                raise
            if len(sequences) == 1:
                raise UserError(
                    f"a text of {len(sequences[0])} tokens does not fit into the memory of {self.model.device}; "
                    "lower max_length or use another device"
                ) from None
        order = sorted(range(len(sequences)), key=lambda index: sequences[index])  # neighbours share most
        half = len(order) // 2
        scores = [0.0] * len(order)
        for part in (order[:half], order[half:]):
            for index, score in zip(part, self.score_sequences([sequences[index] for index in part]), strict=True):
                scores[index] = score
        return scores

    def _scores(self, trees: Sequence[TokenTree]) -> list[float]:
        return self.probabilities(lambda: self.model(collate(trees)))

    def probabilities(self, logits: Callable[[], torch.Tensor]) -> list[float]:
        """sigmoid(logit_S) of what ``logits`` computes, which it does without dropout and gradients.

        Raises:
            UserError: one is not finite.
        """
        training = self.model.training
        self.model.eval()
        # FSDP keeps the tensors that it gathers into: made in inference mode they could not be trained with later.
        gradient_free = torch.no_grad() if is_sharded(self.model) else torch.inference_mode()
        try:
            with gradient_free:
                score_S = torch.sigmoid(logits().double())
        finally:
            self.model.train(training)
        if not torch.isfinite(score_S).all():
            raise UserError(f"scores in {self.model.decoder.dtype} are not finite; load the PRM with dtype float32")
        return score_S.tolist()
