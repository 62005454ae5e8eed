"""The two models of PPO: a policy with LoRA, whose base is the reference, and a critic made of a process reward model.

Texts are padded to the left of the prompt and to the right of the answer, so that answers begin at one column.
"""

# B = programs, T = tokens of an answer, L = tokens of prompt and answer, H = hidden size, V = vocabulary

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from dreamprm_code.errors import UserError
from dreamprm_code.policies.slots import SlotJob, SlotSampler
from dreamprm_code.prm.model import LoraSettings, PRMModel, wrap_with_lora


@dataclass(frozen=True)
class Answer:
    """A sampled answer. ``token_ids`` end with the end token where the model ended it; ``pieces`` are the tokens' texts."""

    prompt_ids: list[int]
    token_ids: list[int]
    pieces: list[str]
    ended: bool

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def token_pieces(tokenizer: Any, token_ids: list[int]) -> list[str]:
    """What each token adds to the text, nothing for special ones; a character of several tokens belongs to its last one."""
    ends, text = [0], tokenizer.decode(token_ids, skip_special_tokens=True)
    for count in range(1, len(token_ids) + 1):
        so_far = tokenizer.decode(token_ids[:count], skip_special_tokens=True).rstrip("\ufffd")
        ends.append(max(ends[-1], min(len(so_far), len(text))))
    ends[-1] = len(text)
    return [text[start:stop] for start, stop in pairwise(ends)]


@dataclass(frozen=True)
class TokenBatch:
    """Prompts and answers as tensors; ``mask_BT`` is True on an answer's tokens."""

    input_ids_BL: Tensor
    attention_BL: Tensor
    positions_BL: Tensor
    mask_BT: Tensor

    @classmethod
    def of(cls, answers: Sequence[Answer], pad_id: int, device: torch.device) -> TokenBatch:
        longest = max(len(answer.prompt_ids) for answer in answers)
        width = max(len(answer.token_ids) for answer in answers)
        ids_BL = torch.full((len(answers), longest + width), pad_id)
        real_BL = torch.zeros_like(ids_BL, dtype=torch.bool)
        for row, answer in enumerate(answers):
            start, stop = longest - len(answer.prompt_ids), longest + len(answer.token_ids)
            ids_BL[row, start:stop] = torch.tensor(answer.prompt_ids + answer.token_ids)
            real_BL[row, start:stop] = True
        positions_BL = (real_BL.long().cumsum(1) - 1).clamp_min(0)
        mask_BT = real_BL[:, longest:]
        return cls(*(tensor.to(device) for tensor in (ids_BL, real_BL.long(), positions_BL, mask_BT)))

    def rows(self, index: Tensor) -> TokenBatch:
        tensors = (self.input_ids_BL, self.attention_BL, self.positions_BL, self.mask_BT)
        return TokenBatch(*(tensor[index.to(tensor.device)] for tensor in tensors))

    @property
    def answer_ids_BT(self) -> Tensor:
        return self.input_ids_BL[:, -self.mask_BT.shape[1] :]

    @property
    def inputs(self) -> dict[str, Tensor]:
        return {"input_ids": self.input_ids_BL, "attention_mask": self.attention_BL, "position_ids": self.positions_BL}


class LoraPolicy:
    """A causal language model with LoRA around it; without LoRA it is the frozen reference.

    ``lora`` goes to the projections that it names; ``temperature`` divides all logits.
    """

    def __init__(self, model: Any, tokenizer: Any, lora: LoraSettings, temperature: float, seed: int, slots: int = 32):
        model.requires_grad_(False)
        self.model: Any = wrap_with_lora(model, lora, seed)
        self.base, self.tokenizer, self.temperature, self.slots = model, tokenizer, temperature, slots
        if tokenizer.eos_token_id is None:
            raise UserError("the policy's tokenizer has no end token (eos_token): an answer could not end")
        self.end_id = int(tokenizer.eos_token_id)
        self.pad_id = int(self.end_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id)

    @property
    def trained(self) -> list[nn.Parameter]:
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def logprobs(self, batch: TokenBatch) -> tuple[Tensor, Tensor]:
        """(logprob_BT, entropy_BT) of the answers' tokens, float32; entropies carry no gradient."""
        width = batch.mask_BT.shape[1]
        logits_BTV = self.base(**batch.inputs, use_cache=False, logits_to_keep=width + 1).logits[:, :-1].float()
        every_BTV = torch.log_softmax(logits_BTV / self.temperature, dim=-1)
        chosen_BT = every_BTV.gather(-1, batch.answer_ids_BT[..., None])[..., 0]
        with torch.no_grad():
            entropy_BT = -(every_BTV.exp() * every_BTV).sum(-1)
        return chosen_BT, entropy_BT

    def reference_logprobs(self, batch: TokenBatch) -> Tensor:
        with self.model.disable_adapter():
            return self.logprobs(batch)[0]

    def sample(self, prompts: Sequence[list[int]], seeds: Sequence[int], max_tokens: int) -> list[Answer]:
        """One answer per prompt; each depends on its own seed alone."""
        sampler = SlotSampler(self.base, self.slots, [self.end_id])  # a new one: what it keeps of prompts is of old weights
        answers: dict[int, Answer] = {}
        for number, (prompt_ids, seed) in enumerate(zip(prompts, seeds, strict=True)):

            def on_done(token_ids: list[int], reason: str, _: float | None, number: int = number) -> None:
                ended = reason == "stop"
                ids = token_ids + [self.end_id] * ended
                answers[number] = Answer(prompts[number], ids, token_pieces(self.tokenizer, ids), ended)

            sampler.submit(
                SlotJob(
                    prompt_ids=prompt_ids,
                    seed=seed,
                    max_tokens=max_tokens,
                    temperature=self.temperature,
                    top_p=1.0,
                    is_complete=lambda token_ids: False,
                    on_done=on_done,
                )
            )
        while sampler.step():
            pass
        return [answers[number] for number in range(len(prompts))]


class Critic(nn.Module):
    """V(s): low + (high - low) p, p the probability of success that a process reward model reads at the last token of s.

    ``low`` and ``high`` start at the rewards of a failed and a passed program and are learned on. The PRM reads the policy's
    own text, token by token, without its step tokens: one that was trained on such text (format "released" with the policy's
    prompt as its template) starts as itself, any other near it. Of a PRM that reads means, means over the answer are taken.
    """

    def __init__(self, prm: PRMModel, low: float, high: float):
        super().__init__()
        if prm.reading.readout not in ("last", "mean"):
            raise UserError(f"a critic reads the last token or the mean of the answer, not '{prm.reading.readout}'")
        self.prm = prm
        self.low, self.high = (nn.Parameter(torch.tensor(float(value), device=prm.device)) for value in (low, high))

    @property
    def trained(self) -> list[nn.Parameter]:
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def forward(self, batch: TokenBatch) -> Tensor:
        """value_BT of the states before each of the answer's tokens."""
        width = batch.mask_BT.shape[1]
        hidden_BTH = self.prm.backbone(**batch.inputs, use_cache=False).last_hidden_state[:, -width - 1 : -1].float()
        if self.prm.reading.readout == "mean":
            count_T = torch.arange(width, device=hidden_BTH.device).clamp_min(1)
            sums_BTH = (hidden_BTH[:, 1:]).cumsum(1) / count_T[1:, None]
            hidden_BTH = torch.cat([hidden_BTH[:, :1], sums_BTH], dim=1)
        return self.low + (self.high - self.low) * torch.sigmoid(self.prm.read(hidden_BTH))


def same_tokens(policy_tokenizer: Any, critic_tokenizer: Any) -> None:
    """Refuse a critic that would read other texts than the policy writes.

    Raises:
        UserError: the two vocabularies differ.
    """
    theirs, ours = critic_tokenizer.get_vocab(), policy_tokenizer.get_vocab()
    if {text: ours.get(text) for text in theirs} != theirs:
        raise UserError("the PRM has another tokenizer than the policy; value_init prm needs one backbone family for both")
