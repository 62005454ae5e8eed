"""Do rewards at every line help PPO, and a critic that starts as the PRM? Four arms on mini tasks, one table.

    python src/studies/rl.py --evaluate validation --out-dir data/rl-tuning --arms "outcome only" --lr 1e-3     choose settings
    python src/studies/rl.py                                                                     once, when they are chosen

Trains a tiny policy on faulty demonstrations, labels lines of its own programs by bisection and trains two line PRMs on them
(start/): one on the labels, which gives the dense rewards, and one on the outcome at every line, with which a critic may start.
Then runs PPO: with the outcome of the unit tests alone, with dense rewards beside it, with such a critic, and with both; --arms
has more. Programs run in the grader's sandbox. Held-out tasks are disjoint from all that was trained on, validation tasks too.
Writes arms.jsonl, table.md and curves.svg under out_dir; run again after a kill, it goes on where it was.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import from_clone  # noqa: F401
import numpy as np
import torch
from pydantic import Field
from transformers import AutoModelForCausalLM, AutoTokenizer

from cli import run_stage
from dreamprm_code.errors import UserError
from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.grading import GraderSettings, open_grader
from dreamprm_code.jsonl import read_rows, write_rows
from dreamprm_code.manifest import check_resume, write_manifest
from dreamprm_code.prm.model import LoraSettings, build_model
from dreamprm_code.prm.scoring import PRM
from dreamprm_code.records import Problem, StepLabel
from dreamprm_code.report.plots import to_svg
from dreamprm_code.rl.models import Critic, LoraPolicy
from dreamprm_code.rl.prompting import Prompts
from dreamprm_code.rl.settings import PPOSettings
from dreamprm_code.rl.trainer import Grade, PPORun, Scorer, grade_with, pass_rates, sample_programs
from dreamprm_code.study.measures import at_one_place, grouped_auroc
from dreamprm_code.study.mini_policy import (
    LINE_PRMS,
    explains,
    imitate,
    label_lines,
    log_likelihoods,
    make_model,
    make_tokenizer,
    train_line_prm,
)
from dreamprm_code.study.mini_tasks import FAMILIES, MiniTask, make_tasks
from dreamprm_code.study.rl_tables import ArmResult, curves, table

LORA = LoraSettings(16, 32.0, target_modules=("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"))


class Arm(NamedTuple):
    """``reward`` is a form of rl/rewards.py; ``critic`` the line PRM that the critic starts as, None: the policy's base."""

    reward: str
    critic: str | None = None


ARMS = {
    "outcome only": Arm("outcome"),
    "+ dense": Arm("dense"),
    "+ value init": Arm("outcome", "outcomes"),
    "+ both": Arm("dense", "outcomes"),
    "+ value init from labels": Arm("outcome", "labels"),
    "differences": Arm("differences"),
    "min": Arm("min"),
}


class Settings(PPOSettings):
    out_dir: Path = Field(Path("data/rl-study"), description="where rows, table and figure go")
    start_dir: Path | None = Field(None, description="policy and PRMs to start from, made if missing (default: out_dir/start)")
    evaluate: Literal["validation", "held-out"] = Field("held-out", description="the tasks that are measured on")
    arms: list[str] = Field(list(ARMS)[:4], description="arms to run")
    seeds: list[int] = Field([1, 2, 3], description="seeds of PPO; policy, PRM and tasks are the same for all")
    families: list[str] = Field(list(FAMILIES), description="families of tasks: number, list, branch")
    length: int = Field(2, ge=2, description="operations of a task")
    train_tasks: int = Field(200, ge=1, description="tasks that PPO samples")
    measured_tasks: int = Field(60, ge=1, description="tasks that are only measured on")
    measured_samples: int = Field(4, ge=1, description="programs of each of these and measurement")
    eval_every: int = Field(16, ge=1, description="PPO steps between measurements")
    imitation_steps: int = Field(400, ge=1, description="steps of the policy's supervised training")
    imitation_tasks: int = Field(1500, ge=1, description="training tasks that it imitates")
    error_rate: float = Field(0.25, ge=0, lt=1, description="share of wrong lines in the demonstrations")
    hidden: int = Field(64, ge=8, description="hidden size of the policy, a multiple of 8")
    layers: int = Field(3, ge=1, description="its layers")
    prm_tasks: int = Field(100, ge=2, description="training tasks whose programs are labelled, eight of each")
    prm_steps: int = Field(150, ge=1, description="steps of a line PRM's training")
    max_rollouts: int = Field(4, ge=1, description="completions per probe, K")
    steps: int = Field(16, ge=1, description="PPO steps")
    batch_problems: int = Field(16, ge=1, description="problems per step")
    samples_per_problem: int = Field(8, ge=1, description="programs per problem and step")
    minibatch: int = Field(64, ge=1, description="programs per update")
    micro_batch: int = Field(64, ge=1, description="programs per forward pass; bounds the memory, not the result")
    max_tokens: int = Field(24, ge=1, description="longest answer, in tokens")
    gae_lambda: float = Field(1.0, ge=0, le=1, description="of generalised advantage estimation")
    lr: float = Field(1e-3, gt=0, description="learning rate of the policy's LoRA")
    critic_lr: float = Field(1e-3, gt=0, description="learning rate of the critic")
    progress: bool = Field(False, description="progress bars on standard error")
    log_to: list[str] = Field([], description="where curves go beside training_log.jsonl")

    @property
    def start(self) -> Path:
        return self.start_dir or self.out_dir / "start"


DECIDE_THE_START = (
    "seed", "families", "length", "imitation_steps", "imitation_tasks", "error_rate", "hidden", "layers", "prm_tasks",
    "prm_steps", "max_rollouts", "max_tokens", "temperature",
)  # fmt: skip


def main(settings: Settings) -> None:
    if unknown := [name for name in settings.arms if name not in ARMS]:
        raise UserError(f"there is no arm '{unknown[0]}'; choose from {', '.join(ARMS)}")
    torch.set_num_threads(1)
    out = settings.out_dir
    left_out = {"out_dir", "start_dir", "arms", "seeds", "progress", "log_to", "run_name", "micro_batch", "checkpoint_every"}
    identity = settings.model_dump(exclude=left_out, mode="json")
    check_resume(out / "arms.jsonl", identity)
    # tasks follow one after the other: those to imitate do not depend on how many are asked for
    pool = make_tasks(
        settings.families, settings.imitation_tasks + settings.measured_tasks, False, settings.seed, settings.length
    )
    measured = pool[settings.imitation_tasks :]
    if settings.evaluate == "held-out":
        measured = make_tasks(settings.families, settings.measured_tasks, True, settings.seed, settings.length)
    pool = pool[: settings.imitation_tasks]
    start_policy(settings, pool)
    with open_grader(GraderSettings(workers=2, memory_limit_mb=1024), say=say) as grader:
        grade = remembering(grade_with(grader))  # type: ignore[arg-type]
        start_prms(settings, grade, pool)
        facts = judge_prms(settings, grade, measured)
        solved = float(np.mean(list(facts["rates"].values())))
        if not 0.1 <= solved <= 0.9:
            say(f"warning: the policy starts at {solved:.0%}: little to learn from; change imitation_steps or error_rate")
        results = []
        for name in settings.arms:
            for seed in settings.seeds:
                results.append(run_arm(settings, name, seed, grade, pool, measured))
                before, after = (100 * float(np.mean(list(rates.values()))) for rates in (facts["rates"], results[-1].rates))
                say(f"{name}, seed {seed}: {before:.1f}% -> {after:.1f}% of {settings.evaluate} programs pass")
    write_rows(out / "arms.jsonl", results)
    write_manifest(
        out / "arms.jsonl", stage="rl", config=settings.model_dump(mode="json"), identity=identity, inputs=[], counts=facts
    )
    text = table(results, facts, settings.evaluate)
    write_bytes_atomic(out / "table.md", [text.encode()])
    write_bytes_atomic(out / "curves.svg", [to_svg(curves(results, facts), "rl").encode(), b"\n"])
    print(text)


def remembering(grade: Grade) -> Grade:
    """Grades equal programs of a problem once: the verdict follows from the text, and these policies repeat themselves."""
    known: dict[tuple[str, str], bool] = {}

    def remembered(programs: Sequence[tuple[Problem, str]]) -> list[bool | None]:
        new = {(problem.question_id, code): (problem, code) for problem, code in programs}
        new = {key: program for key, program in new.items() if key not in known}
        found = dict(zip(new, grade(list(new.values())), strict=True))
        known.update((key, passed) for key, passed in found.items() if passed is not None)
        return [known.get((problem.question_id, code)) for problem, code in programs]

    return remembered


def start_policy(settings: Settings, pool: Sequence[MiniTask]) -> None:
    """The policy before reinforcement learning: policy/, made once."""
    identity = {name: getattr(settings, name) for name in DECIDE_THE_START}
    check_resume(settings.start / "policy", identity, remedy="choose another start_dir")
    folder = settings.start / "policy"
    if folder.is_dir():
        return
    texts = [f"{task.problem.question_content}\n{task.program}" for task in pool]
    tokenizer = make_tokenizer(texts)
    model = make_model(len(tokenizer), settings.hidden, settings.layers, settings.seed)
    begin = time.process_time()
    imitate(model, tokenizer, pool, settings.error_rate, settings.imitation_steps, settings.seed)
    say(f"policy: {sum(p.numel() for p in model.parameters()):,} weights, {time.process_time() - begin:.0f} s of CPU time")
    partial = folder.with_name("policy.partial")
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    partial.rename(folder)
    write_manifest(folder, stage="rl", config={}, identity=identity, inputs=[], counts={})


def load_policy(settings: Settings, seed: int) -> tuple[LoraPolicy, Prompts]:
    folder = settings.start / "policy"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    return LoraPolicy(model.eval(), tokenizer, LORA, settings.temperature, seed, slots=128), Prompts("statement", tokenizer)


def load_prm(settings: Settings, kind: str, trainable: bool = False) -> PRM:
    folder = settings.start
    return PRM.from_pretrained(folder / kind, str(folder / "policy"), device="cpu", trainable=trainable)


def start_prms(settings: Settings, grade: Grade, pool: Sequence[MiniTask]) -> None:
    """The line PRMs on the policy's own programs: labels.jsonl, labels/ and outcomes/, each made once."""
    tasks, path = list(pool[: settings.prm_tasks]), settings.start / "labels.jsonl"
    if not path.exists():
        policy, prompts = load_policy(settings, settings.seed)
        problems = [task.problem for task in tasks]
        sampled = sample_programs(policy, prompts, grade, problems, 8, settings.max_tokens, settings.seed)
        labels, counts = label_lines(policy, grade, sampled, settings.max_rollouts, settings.max_tokens, settings.seed)
        say(f"line labels: {counts}")
        write_rows(path, labels)
    for kind in LINE_PRMS:
        if not (settings.start / kind).is_dir():
            begin, labels = time.process_time(), read_rows(path, StepLabel)
            folders = settings.start / "policy", settings.start / f"{kind}_log"
            prm = train_line_prm(*folders, kind, tasks, labels, LORA, settings.prm_steps, settings.seed)
            prm.save_pretrained(settings.start / kind)
            say(f"line PRM of {kind}: {time.process_time() - begin:.0f} s of CPU time")


def judge_prms(settings: Settings, grade: Grade, measured: Sequence[MiniTask]) -> dict[str, Any]:
    """On the policy's programs for tasks that the PRMs have not seen: pass rates, what base and PRMs explain as critics, and
    AUROC against bisected labels: of line scores, of a line's place and of the policy's own log-likelihood of what it wrote so
    far; then less what the place says, and against the outcomes at the last line."""
    path = settings.out_dir / "prms.json"
    if path.exists():
        return dict(json.loads(path.read_text()))
    policy, prompts = load_policy(settings, settings.seed)
    problems = {task.problem.question_id: task.problem for task in measured}
    seed = settings.seed + 1
    sampled = sample_programs(policy, prompts, grade, list(problems.values()), 4, settings.max_tokens, seed)
    labels, counts = label_lines(policy, grade, sampled, settings.max_rollouts, settings.max_tokens, seed)
    rates = sample_programs(policy, prompts, grade, list(problems.values()), settings.measured_samples, settings.max_tokens, 7)
    facts: dict[str, Any] = {"rates": pass_rates(rates), **counts}
    programs: dict[tuple, list[StepLabel]] = {}
    for label in labels:
        programs.setdefault(label.key[:2], []).append(label)
    base = build_model(settings.start / "policy", LORA, seed=settings.seed)
    facts["explained by the base"] = explains(base, policy, sampled)
    own = log_likelihoods(policy, sampled)
    scores = {
        "place": [[-float(row.step_idx) for row in rows] for rows in programs.values()],
        "log-likelihood": [own[row] for _, row in programs],
    }
    for kind in LINE_PRMS:
        prm = load_prm(settings, kind)
        facts[f"explained by the PRM of {kind}"] = explains(prm.model, policy, sampled)
        scores[f"PRM of {kind}"] = [
            prm.score(problems[question_id], [rows[-1].prefix])[0] for (question_id, _), rows in programs.items()
        ]
        facts[f"spread (sd) of the PRM of {kind}"] = float(np.std(np.concatenate(scores[f"PRM of {kind}"])))
    holds = [[bool(row.num_correct) for row in rows] for rows in programs.values()]

    def judged(found: Sequence[Sequence[float]], right: Sequence[Sequence[bool]]) -> tuple[float, float, float]:
        return grouped_auroc([list(zip(*pair, strict=True)) for pair in zip(found, right, strict=True)], seed)

    for name, found in scores.items():
        facts[f"AUROC of the {name}"] = judged(found, holds)
        if name != "place":
            facts[f"AUROC of the {name}, less the mean at the place"] = judged(at_one_place(found), holds)
            last = [[step_scores[-1]] for step_scores in found], [[bool(sampled[row].passed)] for _, row in programs]
            facts[f"AUROC of the {name}, last line against the outcome"] = judged(*last)
    write_bytes_atomic(path, [json.dumps(facts, indent=2).encode(), b"\n"])
    say(json.dumps({name: value for name, value in facts.items() if name != "rates"}))
    return facts


def run_arm(
    settings: Settings, name: str, seed: int, grade: Grade, pool: Sequence[MiniTask], measured_on: Sequence[MiniTask]
) -> ArmResult:
    """One run of PPO; a finished one is read from its log and measured again."""
    arm = ARMS[name]
    policy, prompts = load_policy(settings, seed)
    prm = load_prm(settings, "labels")
    start = load_prm(settings, arm.critic, trainable=True).model if arm.critic else None
    start = start or build_model(settings.start / "policy", LORA, seed=seed)
    ppo = settings.with_changes(reward=arm.reward, seed=seed)
    critic = Critic(start, settings.failed_reward, settings.passed_reward)
    problems = [task.problem for task in measured_on]

    def measure(step: int) -> dict[str, float] | None:
        if step == 0 or (step % settings.eval_every and step != settings.steps):
            return None
        rates = pass_rates(sample_programs(policy, prompts, grade, problems, settings.measured_samples, settings.max_tokens, 7))
        measured[step] = rates
        return {"measured": float(np.mean(list(rates.values())))}

    measured: dict[int, dict[str, float]] = {}
    folder = settings.out_dir / f"{name.replace(' ', '_').replace('+', 'and')}-{seed}"
    run = PPORun(
        ppo, [task.problem for task in pool[: settings.train_tasks]], prompts, policy, critic, grade, folder,
        Scorer(prm.score, prm.steps), {"critic": arm.critic},
    )  # fmt: skip
    log = run.run(measure)
    if settings.steps not in measured:
        measure(settings.steps)
    steps = [row for row in log if row["phase"] == "ppo"]
    last = steps[-10:]
    names = ("comment_share", "lines", "functions", "characters", "unparsable", "kl", "entropy", "equal_rewards")
    return ArmResult(
        arm=name,
        seed=seed,
        rates=measured[settings.steps],
        curve=[[float(row["step"]), row["measured"]] for row in log if "measured" in row],
        train_curve=[row["pass_rate"] for row in steps],
        kl_curve=[row["kl"] for row in steps],
        explained=[row.get("explained_variance", 0.0) for row in steps],
        monitors={name: float(np.mean([row[name] for row in last])) for name in names},
        seconds_per_step=float(np.mean([row["step_seconds"] for row in steps])),
    )


def say(text: str) -> None:
    print(f"rl: {text}", flush=True)


if __name__ == "__main__":
    run_stage(Settings, "rl", __doc__, main)
