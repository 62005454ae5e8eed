"""PPO with process rewards: a reward at the end of every line or function, and a critic that starts as the PRM.

    python src/rl_ppo.py --config configs/demo.yaml --policy models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf \\
        --prm data/demo-run/prm --out-dir data/rl-run --reward dense --value-init prm

Samples programs for the training problems, runs their unit tests, scores their steps with the PRM and learns (rl/ppo.py).
Writes training_log.jsonl, tensorboard/, resume/ and, at the end, policy/ (a folder of transformers, LoRA merged; --policy
local:FOLDER of the other stages reads it) and rl.json, with the pass rates of the test problems before and after. Run it again
after an interruption: it goes on from the last resume checkpoint.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field

from cli import run_stage
from dreamprm_code.errors import UserError
from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.grading import open_grader
from dreamprm_code.grading.settings import GradingSettings
from dreamprm_code.policies.local import load_model
from dreamprm_code.prm.folders import require_finite
from dreamprm_code.prm.model import LoraSettings, build_model
from dreamprm_code.prm.scoring import PRM
from dreamprm_code.problems.settings import RunSettings
from dreamprm_code.rl.models import Critic, LoraPolicy, same_tokens
from dreamprm_code.rl.ppo import within_disk
from dreamprm_code.rl.prompting import STYLES, Prompts
from dreamprm_code.rl.settings import PPOSettings
from dreamprm_code.rl.trainer import PPORun, Scorer, grade_with, pass_rates, sample_programs
from dreamprm_code.settings import OneOf


class Settings(RunSettings, PPOSettings, GradingSettings):
    policy: str = Field(description="the model that learns: a Hugging Face name or folder, or a GGUF file")
    prm: Path | None = Field(None, description="a PRM's checkpoint: scores the steps, and may start the critic")
    value_init: Literal["prm", "base"] = Field("base", description="the critic starts as the PRM, or from the policy's base")
    out_dir: Path = Field(description="where the results go")
    style: Annotated[str, OneOf(STYLES)] = Field(
        "cof", description="the prompt: Chain-of-Function, plain, or the bare statement (for tiny models)"
    )
    lora_rank: int = Field(8, ge=1, description="LoRA rank of the policy, and of a critic that starts from the base")
    lora_alpha: float = Field(16.0, gt=0, description="LoRA alpha")
    dtype: Literal["float32", "bfloat16"] = Field("float32", description="number type of the frozen weights")
    device: str = Field("auto", description="auto, cpu or cuda")
    batch_size: int = Field(32, ge=1, description="answers sampled at once")
    grade_workers: int = Field(2, ge=1, description="programs graded at once")
    test_samples: int = Field(4, ge=0, description="programs of each test problem, before and after; 0 = no test")


def main(settings: Settings) -> None:
    if settings.prm is None and (settings.value_init == "prm" or settings.reward != "outcome"):
        raise UserError("value_init prm and step rewards need a PRM: set prm, or value_init base and reward outcome")
    split = settings.window_split()
    problems, test = split.require("train"), split.require("test") if settings.test_samples else []
    model, tokenizer = load_model(settings.policy, settings.dtype, settings.device)
    require_finite(model.named_parameters(), Path(settings.policy))
    lora = LoraSettings(settings.lora_rank, settings.lora_alpha)
    policy = LoraPolicy(model, tokenizer, lora, settings.temperature, settings.seed, settings.batch_size)
    prm = None if settings.prm is None else PRM.from_pretrained(settings.prm, device=policy.device)
    if settings.value_init == "prm" and settings.prm is not None:
        critic_prm = PRM.from_pretrained(settings.prm, device=policy.device, trainable=True)
        same_tokens(tokenizer, critic_prm.encoder.tokenizer)
        start = critic_prm.model
    else:
        start = build_model(settings.policy, lora, getattr(torch, settings.dtype), seed=settings.seed).to(policy.device)
    critic = Critic(start, settings.failed_reward, settings.passed_reward)
    prompts = Prompts(settings.style, tokenizer)
    scorer = None if prm is None else Scorer(prm.score, prm.steps)
    identity = {
        **{name: getattr(settings, name) for name in ("policy", "value_init", "style", "lora_rank", "lora_alpha", "dtype")},
        "prm": None if settings.prm is None else str(settings.prm),
        "limits": settings.limits(),
    }
    report: dict[str, Any] = {}
    with open_grader(settings.grader_settings(settings.grade_workers), say=say) as grader:
        grade = grade_with(grader)  # type: ignore[arg-type]
        run = PPORun(settings, problems, prompts, policy, critic, grade, settings.out_dir, scorer, identity)

        def measure(step: int) -> dict[str, float] | None:
            if not test or step not in (0, settings.steps):
                return None
            sampled = sample_programs(policy, prompts, grade, test, settings.test_samples, settings.max_tokens, settings.seed)
            rates = pass_rates(sampled)
            return {"test_pass_rate": sum(rates.values()) / max(1, len(rates))}

        log = run.run(measure)
    steps = [row for row in log if row["phase"] == "ppo"]
    if not steps:
        raise UserError(f"{settings.out_dir}: the log of its steps is gone; give another folder with --out-dir")
    report = {
        "steps": len(steps),
        "seconds": steps[-1]["seconds"],
        "explained_variance_of_the_first_step": steps[0].get("explained_variance"),
        "pass_rate_of_the_last_step": steps[-1]["pass_rate"],
        "test_pass_rate": {row["step"]: row["test_pass_rate"] for row in log if "test_pass_rate" in row},
    }
    with within_disk(settings.out_dir / "policy"):
        policy.model.merge_and_unload().save_pretrained(settings.out_dir / "policy")
        tokenizer.save_pretrained(settings.out_dir / "policy")
    write_bytes_atomic(settings.out_dir / "rl.json", [json.dumps(report, indent=2).encode(), b"\n"])
    say(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in report.items()))


def say(text: str) -> None:
    print(f"rl_ppo: {text}")


if __name__ == "__main__":
    run_stage(Settings, "rl_ppo", __doc__, main)
