"""A toy that a random tiny model can learn: write two letters of the alphabet's first half. At first a quarter are."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedTokenizerFast

from dreamprm_code.prm.backbone import ATTENTION_NAME, SHAPES, register
from dreamprm_code.prm.model import LoraSettings, PRMModel, make_head, wrap_with_lora
from dreamprm_code.records import Problem
from dreamprm_code.rl.models import Critic, LoraPolicy, TokenBatch
from dreamprm_code.rl.prompting import Prompts
from dreamprm_code.rl.settings import PPOSettings
from dreamprm_code.rl.trainer import PPORun, sample_programs

LETTERS = "abcdefghijklmnopqrstuvwxyz\n =12"
SPECIAL = {"eos_token": "<|end|>", "pad_token": "<|pad|>", "step": "<|step|>"}
LORA = LoraSettings(4, 8.0, target_modules=("q_proj", "v_proj", "up_proj", "down_proj"))
PROBLEMS = [
    Problem.from_tests([("", "")], question_id=f"p{number}").model_copy(update={"question_content": letter})
    for number, letter in enumerate("abcd")
]


def letter_tokenizer() -> PreTrainedTokenizerFast:
    """A token per letter."""
    vocabulary = {text: number for number, text in enumerate([*LETTERS, "<|end|>", "<|pad|>"])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<|pad|>"))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    inner.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|end|>", pad_token="<|pad|>")


def tiny_config(vocabulary: int = len(LETTERS) + 2):
    """Large weights: a hidden state of length sqrt(32) can then make one token certain."""
    settings = dict(SHAPES["tiny"]) | {"hidden_size": 32, "intermediate_size": 64, "vocab_size": vocabulary}
    settings["initializer_range"] = 0.25
    return AutoConfig.for_model(settings.pop("model_type"), **settings)


def tiny_policy(seed: int = 0, temperature: float = 1.0) -> LoraPolicy:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(tiny_config(), dtype=torch.float32)
    return LoraPolicy(model.eval(), letter_tokenizer(), LORA, temperature, seed, slots=16)


def tiny_critic(seed: int = 0) -> Critic:
    register()
    config = tiny_config()
    config._attn_implementation = ATTENTION_NAME
    torch.manual_seed(0)
    backbone = AutoModel.from_config(config, dtype=torch.float32).requires_grad_(False)
    return Critic(PRMModel(wrap_with_lora(backbone, LORA, seed), make_head(32, False, torch.float32, seed)), 0.0, 1.0)


def grade(programs: list[tuple[Problem, str]]) -> list[bool | None]:
    return [set(code) <= set("abcdefghijklmno") for _, code in programs]


def settings(**changes) -> PPOSettings:
    small = {"steps": 14, "batch_problems": 4, "samples_per_problem": 8, "max_tokens": 2, "lr": 2e-2, "critic_lr": 5e-3}
    quiet = {"progress": False, "log_to": [], "reward": "outcome", "kl": 0.01, "minibatch": 16}
    return PPOSettings(**{**small, **quiet, **changes})


def run_of(out_dir: Path, critic: Critic | None = None, problems=PROBLEMS, grade=grade, scorer=None, **changes) -> PPORun:
    policy = tiny_policy(changes.get("seed", 42))
    prompts = Prompts("statement", policy.tokenizer)
    critic = critic or tiny_critic(changes.get("seed", 42))
    return PPORun(settings(**changes), problems, prompts, policy, critic, grade, out_dir, scorer)


def trained_prm(seed: int) -> Critic:
    """A critic that was fitted to the outcomes of other samples of the policy: what a process reward model is."""
    policy, critic = tiny_policy(seed), tiny_critic(seed)
    optimizer = torch.optim.Adam(critic.trained, lr=2e-2)
    sampled = sample_programs(policy, Prompts("statement", policy.tokenizer), grade, PROBLEMS, 128, 2, 1000 + seed)
    batch = TokenBatch.of([one.answer for one in sampled], policy.pad_id, policy.device)
    outcome_B1 = torch.tensor([[float(bool(one.passed))] for one in sampled])
    for _ in range(20):
        loss = ((critic(batch) - outcome_B1).square() * batch.mask_BT).sum() / batch.mask_BT.sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return critic
