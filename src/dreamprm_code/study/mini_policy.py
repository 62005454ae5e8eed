"""A tiny policy for mini tasks, trained from scratch in a minute, and line PRMs made from its own programs and completions.

The policy imitates demonstrations in which lines are wrong at a known rate: it knows what to write and makes mistakes at known
places. What reinforcement learning can do for it is a mechanism, and says nothing about models that write real programs.
"""

# B = texts, L = tokens

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from dreamprm_code.bilevel import OutcomeSettings, TrainSettings, build_training_data, train
from dreamprm_code.labels import Tally, bisect
from dreamprm_code.policies.base import request_seed
from dreamprm_code.prm.encoding import StepEncoder
from dreamprm_code.prm.model import LoraSettings, PRMModel, build_model
from dreamprm_code.prm.scoring import PRM
from dreamprm_code.records import StepLabel
from dreamprm_code.rl.models import Critic, LoraPolicy, TokenBatch
from dreamprm_code.rl.ppo import explained_variance
from dreamprm_code.rl.prompting import Prompts
from dreamprm_code.rl.rewards import step_end_tokens
from dreamprm_code.rl.trainer import Grade, Graded
from dreamprm_code.steps import StepSettings, split_program
from dreamprm_code.study.mini_tasks import MiniTask

LINES = StepSettings(200, "line")
TEMPLATE = "{question_content}\n{code}"
"""What policy and PRM read alike."""

LINE_PRMS = MappingProxyType(
    {
        "labels": OutcomeSettings(inner_outcomes="train", validation_share=0.0),
        "outcomes": OutcomeSettings(inner_labels=False, inner_outcomes="train", outcome_prefixes="every", validation_share=0.0),
    }
)
"""What a line PRM fits: bisected labels, which say whether a program can still be saved (PSGPO), or at every line the program's
outcome, which on average is the share of the policy's programs that pass from there: what a critic is to know."""

_WORDS = r"\n|\d|[^\n\d]+"  # few tokens a line; none spans a line end, so that prefixes of texts have prefixes of ids


def make_tokenizer(texts: Sequence[str], vocabulary: int = 512) -> PreTrainedTokenizerFast:
    """Byte-level BPE learned from the texts; digits stand alone."""
    inner = Tokenizer(models.BPE())
    words = pre_tokenizers.Split(Regex(_WORDS), behavior="isolated")
    inner.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    inner.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_end|>", "<|quad_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    inner.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<|endoftext|>", eos_token="<|im_end|>")


def make_model(vocabulary: int, hidden: int, layers: int, seed: int) -> Any:
    """A random Llama of that size; the tokenizers of Qwen2's folders are loaded with Qwen2's own rule of splitting words."""
    config = AutoConfig.for_model(
        "llama",
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        intermediate_size=3 * hidden,
        vocab_size=vocabulary,
        max_position_embeddings=512,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def imitate(
    model: Any,
    tokenizer: Any,
    tasks: Sequence[MiniTask],
    error_rate: float,
    steps: int,
    seed: int,
    batch: int = 32,
    lr: float = 3e-3,
    progress: Callable[[int, float], None] | None = None,
) -> None:
    """Supervised training of all weights on demonstrations, a fresh one of each task whenever it is drawn; cosine schedule."""
    prompts, chance = Prompts("statement", tokenizer), random.Random(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)
    model.train()
    for step in range(steps):
        warm = min(1.0, (step + 1) / 50)
        for group in optimizer.param_groups:
            group["lr"] = lr * warm * 0.5 * (1 + math.cos(math.pi * step / steps))
        pairs = []
        for task in chance.choices(tasks, k=batch):
            code = tokenizer(task.demonstration(error_rate, chance), add_special_tokens=False).input_ids
            pairs.append((prompts.ids(task.problem), [*code, tokenizer.eos_token_id]))
        ids_BL, labels_BL = _padded(pairs, tokenizer.pad_token_id)
        logits_BLV = model(input_ids=ids_BL, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits_BLV[:, :-1].flatten(0, 1), labels_BL[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if progress is not None:
            progress(step + 1, float(loss.detach()))
    model.eval()


def _padded(pairs: Sequence[tuple[list[int], list[int]]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Ids, padded to the right, and labels: -100 on prompts and padding, which no earlier token sees."""
    width = max(len(prompt) + len(code) for prompt, code in pairs)
    ids_BL, labels_BL = torch.full((len(pairs), width), pad_id), torch.full((len(pairs), width), -100)
    for row, (prompt, code) in enumerate(pairs):
        ids_BL[row, : len(prompt) + len(code)] = torch.tensor(prompt + code)
        labels_BL[row, len(prompt) : len(prompt) + len(code)] = torch.tensor(code)
    return ids_BL, labels_BL


def label_lines(
    policy: LoraPolicy, grade: Grade, sampled: Sequence[Graded], max_rollouts: int, max_tokens: int, seed: int
) -> tuple[list[StepLabel], dict[str, int]]:
    """Line labels of graded programs by bisection with the policy's own completions; a round asks all programs at once.

    A failed program whose very first line is lost is labelled 0 throughout: these policies can solve every task.
    """
    splits = [split_program(one.program, LINES.max_functions, LINES.granularity) for one in sampled]
    tallies: list[dict[int, Tally]] = [{} for _ in sampled]
    num_rollouts = 0
    while True:
        searches = {
            row: bisect(len(splits[row].steps), tallies[row], max_rollouts)
            for row, one in enumerate(sampled)
            if one.passed is False and one.program
        }
        asked = {row: search.probe for row, search in searches.items() if search.probe is not None}
        if not asked:
            break
        prompts, seeds, starts = [], [], []
        for row, probe in asked.items():
            one, prefix = sampled[row], splits[row].prefixes[probe]
            (end,) = step_end_tokens(one.answer.pieces, [len(prefix)])
            prompts.append(one.answer.prompt_ids + one.answer.token_ids[: end + 1])
            key = (one.problem.question_id, row, probe)
            seeds.append(request_seed(seed, key, tallies[row].get(probe, Tally()).sampled))
            starts.append("".join(one.answer.pieces[: end + 1]))
        answers = policy.sample(prompts, seeds, max_tokens)
        programs = [start + answer.text for start, answer in zip(starts, answers, strict=True)]
        verdicts = grade([(sampled[row].problem, program) for row, program in zip(asked, programs, strict=True)])
        num_rollouts += len(programs)
        for (row, probe), verdict in zip(asked.items(), verdicts, strict=True):
            sum_ = tallies[row].get(probe, Tally())
            tallies[row][probe] = Tally(sum_.sampled + 1, sum_.counted + (verdict is not None), sum_.correct + bool(verdict))
    labels = []
    for row, (one, split) in enumerate(zip(sampled, splits, strict=True)):
        first_lost = len(split.steps) if one.passed else searches[row].transition if row in searches else None
        if first_lost is None:
            continue
        for step_idx, step in enumerate(split.steps):
            labels.append(
                StepLabel(
                    question_id=one.problem.question_id,
                    solution_idx=row,
                    step_idx=step_idx,
                    num_steps=len(split.steps),
                    name=step.name,
                    prefix=step.prefix,
                    num_rollouts=1,
                    num_correct=int(step_idx < first_lost),
                    max_functions=LINES.max_functions,
                    granularity=LINES.granularity,
                    inferred=True,
                )
            )
    probes = sum(search.num_probes for search in searches.values())
    return labels, {"programs": len(sampled), "failed": len(searches), "probes": probes, "rollouts": num_rollouts}


def train_line_prm(
    policy_folder: Path, log_dir: Path, kind: str, tasks: Sequence[MiniTask], labels: Sequence[StepLabel], lora: LoraSettings,
    steps: int, seed: int,
) -> PRM:  # fmt: skip
    """One of :data:`LINE_PRMS` on the policy's base, which reads what the policy writes."""
    model = build_model(policy_folder, lora, seed=seed)
    encoder = StepEncoder(PreTrainedTokenizerFast.from_pretrained(policy_folder), "released", 512, template=TEMPLATE)
    data = build_training_data(
        [task.problem for task in tasks], labels, [], encoder, LINE_PRMS[kind], has_outer=False, seed=seed
    )
    training = TrainSettings(
        learn="none", loss="mse", inner_only_steps=0, bilevel_steps=steps, batch_programs=64, lr=2e-3, schedule="cosine",
        seed=seed, eval_every=0, checkpoint_every=0, progress=False, log_to=[], device="cpu",
    )  # fmt: skip
    train(training, data, log_dir, model)
    return PRM(model, encoder, LINES)


@torch.no_grad()
def log_likelihoods(policy: LoraPolicy, sampled: Sequence[Graded]) -> list[list[float]]:
    """Of each program up to the end of each of its lines, under the policy that wrote it: what it knows of its own slips."""
    batch = TokenBatch.of([one.answer for one in sampled], policy.pad_id, policy.device)
    sums_BT = policy.logprobs(batch)[0].cumsum(1).tolist()
    found = []
    for one, sum_T in zip(sampled, sums_BT, strict=True):
        prefixes = split_program(one.program, LINES.max_functions, LINES.granularity).prefixes if one.program else ()
        found.append([sum_T[token] for token in step_end_tokens(one.answer.pieces, [len(prefix) for prefix in prefixes])])
    return found


@torch.no_grad()
def explains(model: PRMModel, policy: LoraPolicy, sampled: Sequence[Graded]) -> float | None:
    """Share of the outcomes' variance, over the tokens of these programs, that the model explains as a critic."""
    known = [one for one in sampled if one.passed is not None]
    batch = TokenBatch.of([one.answer for one in known], policy.pad_id, policy.device)
    outcome_B1 = torch.tensor([[float(bool(one.passed))] for one in known])
    return explained_variance(Critic(model, 0.0, 1.0)(batch), outcome_B1.expand(batch.mask_BT.shape), batch.mask_BT)
