"""GRPO with process rewards in TRL: its GRPOTrainer, with an advantage for every token from the PRM's step scores.

    pip install -r requirements-rl.txt
    python src/rl_grpo.py --config configs/demo.yaml --policy FOLDER --prm data/demo-run/prm --out-dir data/grpo-run

Outcomes of the unit tests are the reward function, the rewards of --reward come on top (rl/grpo.py); with --reward outcome it
is plain TRL. Writes TRL's checkpoints and, at the end, policy/ and training_log.jsonl, TRL's figures of each step. Run it again
after an interruption: it goes on from the last checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field

from cli import run_stage
from dreamprm_code.bilevel.resume import only_training_in
from dreamprm_code.errors import UserError
from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.grading import open_grader
from dreamprm_code.grading.settings import GradingSettings
from dreamprm_code.manifest import check_resume, write_manifest
from dreamprm_code.policies.local import load_model
from dreamprm_code.prm.folders import require_finite
from dreamprm_code.prm.scoring import PRM
from dreamprm_code.problems.settings import RunSettings
from dreamprm_code.rl.ppo import within_disk
from dreamprm_code.rl.prompting import STYLES, Prompts
from dreamprm_code.rl.rewards import FORMS, step_rewards
from dreamprm_code.rl.trainer import Scorer, grade_with
from dreamprm_code.settings import OneOf


class Settings(RunSettings, GradingSettings):
    policy: str = Field(description="the model that learns: a Hugging Face name or folder, or a GGUF file")
    prm: Path | None = Field(None, description="a PRM's checkpoint: scores the steps")
    out_dir: Path = Field(description="where the results go")
    reward: Annotated[str, OneOf(tuple(FORMS))] = Field("dense", description="rewards at step ends, beside the outcome")
    reward_scale: float = Field(1.0, ge=0, description="factor of the rewards at step ends")
    style: Annotated[str, OneOf(STYLES)] = Field(
        "cof", description="the prompt: Chain-of-Function, plain, or the bare statement"
    )
    steps: int = Field(100, ge=1, description="optimizer steps")
    batch_problems: int = Field(8, ge=1, description="problems per step")
    samples_per_problem: int = Field(8, ge=2, description="programs per problem and step")
    max_tokens: int = Field(256, ge=1, description="longest answer, in tokens")
    lr: float = Field(1e-6, gt=0, description="learning rate")
    kl: float = Field(0.0, ge=0, description="TRL's beta")
    trl: dict[str, Any] = Field({}, description="more arguments of TRL's GRPOConfig, e.g. '{use_vllm: true}'")
    grade_workers: int = Field(2, ge=1, description="programs graded at once")
    checkpoint_every: int = Field(5, ge=1, description="steps between checkpoints")


DECIDE = (
    "policy", "prm", "reward", "reward_scale", "style", "steps", "batch_problems", "samples_per_problem", "max_tokens", "lr",
    "kl", "seed", "trl",
)  # fmt: skip
"""The settings that decide the result: a checkpoint resumes only with equal ones."""


def main(settings: Settings) -> None:
    try:
        from datasets import Dataset
        from trl.trainer.grpo_config import GRPOConfig

        from dreamprm_code.rl.grpo import StepRewardGRPOTrainer, Watch, go_on
    except ImportError as error:
        raise UserError(f"GRPO needs TRL ({error}): pip install -r requirements-rl.txt") from None
    if settings.prm is None and settings.reward != "outcome":
        raise UserError(f"reward {settings.reward} needs a PRM: set prm, or reward outcome")
    problems = {problem.question_id: problem for problem in settings.window_split().require("train")}
    log_path = settings.out_dir / "training_log.jsonl"
    identity = {name: getattr(settings, name) for name in DECIDE} | {"problems": list(problems), "limits": settings.limits()}
    check_resume(log_path, identity, remedy="give another folder with --out-dir")
    model, tokenizer = load_model(settings.policy, "float32", "cpu")
    require_finite(model.named_parameters(), Path(settings.policy))
    prompts = Prompts(settings.style, tokenizer)
    rows = [{"prompt": prompts.text(problem), "question_id": question_id} for question_id, problem in problems.items()]
    prm = None if settings.prm is None else PRM.from_pretrained(settings.prm)
    with open_grader(settings.grader_settings(settings.grade_workers), say=say) as grader:
        grade = grade_with(grader)  # type: ignore[arg-type]

        def passes(completions: list[str], question_id: list[str], **columns: Any) -> list[float | None]:
            """1 or 0; None, which TRL leaves out, for what could not be graded."""
            programs = [(problems[name], prompts.program(text)) for name, text in zip(question_id, completions, strict=True)]
            return [None if passed is None else float(passed) for passed in grade(programs)]

        def steps_of(
            inputs: Sequence[dict[str, Any]], pieces: Sequence[list[str]], outcomes: Sequence[float]
        ) -> list[tuple[list[float], list[int]]]:
            assert prm is not None
            scorer, found = Scorer(prm.score, prm.steps), []
            for row, texts, outcome in zip(inputs, pieces, outcomes, strict=True):
                program = prompts.program("".join(texts))
                scores = prm.score(problems[row["question_id"]], [program])[0] if program else []
                rewards = step_rewards(settings.reward, scores, outcome > 0, settings.reward_scale)
                found.append((rewards, scorer.ends(program, texts) if program else []))
            return found

        given = {
            "output_dir": str(settings.out_dir),
            "max_steps": settings.steps,
            "per_device_train_batch_size": settings.batch_problems * settings.samples_per_problem,
            "num_generations": settings.samples_per_problem,
            "max_completion_length": settings.max_tokens,
            "learning_rate": settings.lr,
            "beta": settings.kl,
            "seed": settings.seed,
            "bf16": torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
            "save_steps": settings.checkpoint_every,
            "save_total_limit": 2,
            "report_to": "none",
            "logging_steps": 1,
            "logging_nan_inf_filter": False,
            "disable_tqdm": True,
        }
        watch = Watch(say)
        try:
            trainer = StepRewardGRPOTrainer(
                model=model,
                reward_funcs=passes,
                args=GRPOConfig(**{**given, **settings.trl}),
                train_dataset=Dataset.from_list(rows),
                processing_class=tokenizer,
                callbacks=[watch],
                step_rewards=None if settings.reward == "outcome" else steps_of,
            )
        except (TypeError, ValueError) as error:
            raise UserError(f"TRL refuses these settings: {str(error).splitlines()[0]}") from None
        with only_training_in(settings.out_dir), within_disk(settings.out_dir):
            write_manifest(log_path, stage="rl_grpo", config=settings.model_dump(mode="json"), identity=identity)
            go_on(trainer, watch)
            trainer.save_model(str(settings.out_dir / "policy"))
    log = [row for row in trainer.state.log_history if "reward" in row]
    write_bytes_atomic(log_path, [json.dumps(row).encode() + b"\n" for row in log])
    say(f"{settings.steps} steps; mean outcome of the first {log[0]['reward']:.3f}, of the last {log[-1]['reward']:.3f}")


def say(text: str) -> None:
    print(f"rl_grpo: {text}")


if __name__ == "__main__":
    run_stage(Settings, "rl_grpo", __doc__, main)
