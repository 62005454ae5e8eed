"""Do rewards at every line help PPO, and a critic that starts as the PRM? Four arms on mini tasks, one table.

    python src/studies/rl.py

Trains a tiny policy on faulty demonstrations (policy/), labels lines of its own programs by bisection and trains a line PRM on
them (prm/), then runs PPO: with the outcome of the unit tests alone, with dense rewards beside it, with the critic started from
the PRM, and with both. Other reward forms are further arms (--arms). Programs are run by the grader, in its sandbox. Held-out
tasks are disjoint from all that was trained on. Writes arms.jsonl, table.md and curves.svg under out_dir; run again after a
kill, it goes on where it was.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import from_clone  # noqa: F401
import numpy as np
import torch
from pydantic import Field
from transformers import AutoModelForCausalLM, AutoTokenizer

from cli import run_stage
from dreamprm_code.bilevel import OutcomeSettings, TrainSettings, build_training_data, train
from dreamprm_code.errors import UserError
from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.grading import GraderSettings, open_grader
from dreamprm_code.jsonl import write_rows
from dreamprm_code.manifest import check_resume, write_manifest
from dreamprm_code.prm.encoding import StepEncoder
from dreamprm_code.prm.model import LoraSettings, build_model
from dreamprm_code.prm.scoring import PRM
from dreamprm_code.record_base import Record
from dreamprm_code.records import StepLabel
from dreamprm_code.report.plots import Series, line_figure, to_svg
from dreamprm_code.rl.models import Critic, LoraPolicy
from dreamprm_code.rl.prompting import Prompts
from dreamprm_code.rl.settings import PPOSettings
from dreamprm_code.rl.trainer import Grade, PPORun, Scorer, grade_with, pass_rates, sample_programs
from dreamprm_code.selection.metrics import auroc, bootstrap_interval, paired_test
from dreamprm_code.study.mini_policy import LINES, TEMPLATE, imitate, label_lines, make_model, make_tokenizer
from dreamprm_code.study.mini_tasks import FAMILIES, MiniTask, make_tasks

LORA = LoraSettings(16, 32.0, target_modules=("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"))


class Arm(NamedTuple):
    """``reward`` is a form of rl/rewards.py; ``value_init`` starts the critic as the PRM, else from the policy's base."""

    reward: str
    value_init: bool


ARMS = {
    "outcome only": Arm("outcome", False),
    "+ dense": Arm("dense", False),
    "+ value init": Arm("outcome", True),
    "+ both": Arm("dense", True),
    "differences + value init": Arm("differences", True),
    "min + value init": Arm("min", True),
}


class ArmResult(Record):
    """One run. ``rates`` is the pass rate of each held-out task after training; ``curve`` its mean at steps; the others are of
    the last ten steps, but for ``explained_variance``, which is the critic's in the first."""

    key_fields: ClassVar[tuple[str, ...]] = ("arm", "seed")

    arm: str
    seed: int
    rates: dict[str, float]
    curve: list[list[float]]
    train_curve: list[float]
    kl_curve: list[float]
    explained_variance: float
    monitors: dict[str, float]
    seconds_per_step: float


class Settings(PPOSettings):
    out_dir: Path = Field(Path("data/rl-study"), description="where models, rows, table and figure go")
    arms: list[str] = Field(list(ARMS)[:4], description="arms to run")
    seeds: list[int] = Field([1, 2, 3], description="seeds of PPO; policy, PRM and tasks are the same for all")
    families: list[str] = Field(list(FAMILIES), description="families of tasks: number, list, branch")
    length: int = Field(3, ge=2, description="operations of a task")
    train_tasks: int = Field(150, ge=1, description="tasks that PPO samples")
    held_out_tasks: int = Field(40, ge=1, description="tasks that are only measured on")
    held_out_samples: int = Field(2, ge=1, description="programs of each held-out task and measurement")
    eval_every: int = Field(10, ge=1, description="PPO steps between measurements")
    imitation_steps: int = Field(700, ge=1, description="steps of the policy's supervised training")
    imitation_tasks: int = Field(1500, ge=1, description="training tasks that it imitates")
    error_rate: float = Field(0.25, ge=0, lt=1, description="share of wrong lines in the demonstrations")
    hidden: int = Field(64, ge=8, description="hidden size of the policy, a multiple of 8")
    layers: int = Field(3, ge=1, description="its layers")
    prm_tasks: int = Field(40, ge=2, description="training tasks whose programs are labelled, eight of each")
    prm_steps: int = Field(100, ge=1, description="steps of the line PRM's training")
    max_rollouts: int = Field(8, ge=1, description="completions per probe, K")
    steps: int = Field(20, ge=1, description="PPO steps")
    samples_per_problem: int = Field(4, ge=1, description="programs per problem and step")
    minibatch: int = Field(16, ge=1, description="programs per update")
    max_tokens: int = Field(96, ge=1, description="longest answer, in tokens")
    lr: float = Field(2e-3, gt=0, description="learning rate of the policy's LoRA")
    critic_lr: float = Field(1e-3, gt=0, description="learning rate of the critic")
    progress: bool = Field(False, description="progress bars on standard error")
    log_to: list[str] = Field([], description="where curves go beside training_log.jsonl")


def main(settings: Settings) -> None:
    if unknown := [name for name in settings.arms if name not in ARMS]:
        raise UserError(f"there is no arm '{unknown[0]}'; choose from {', '.join(ARMS)}")
    torch.set_num_threads(1)
    out = settings.out_dir
    left_out = {"out_dir", "arms", "seeds", "progress", "log_to", "run_name", "micro_batch", "checkpoint_every"}
    identity = settings.model_dump(exclude=left_out, mode="json")
    check_resume(out / "arms.jsonl", identity)
    pool = make_tasks(settings.families, settings.imitation_tasks, False, settings.seed, settings.length)
    held_out = make_tasks(settings.families, settings.held_out_tasks, True, settings.seed, settings.length)
    start_policy(settings, pool)
    with open_grader(GraderSettings(workers=1, memory_limit_mb=1024), say=say) as grader:
        grade = grade_with(grader)  # type: ignore[arg-type]
        facts = train_prm(settings, grade, pool, held_out)
        results = []
        for name in settings.arms:
            for seed in settings.seeds:
                results.append(run_arm(settings, name, seed, grade, pool, held_out))
                before, after = results[-1].curve[0][1], float(np.mean(list(results[-1].rates.values())))
                say(f"{name}, seed {seed}: {100 * before:.1f}% -> {100 * after:.1f}% of held-out programs pass")
    write_rows(out / "arms.jsonl", results)
    write_manifest(
        out / "arms.jsonl", stage="rl", config=settings.model_dump(mode="json"), identity=identity, inputs=[], counts=facts
    )
    text = table(results, facts, settings)
    write_bytes_atomic(out / "table.md", [text.encode()])
    write_bytes_atomic(out / "curves.svg", [to_svg(curves(results), "rl").encode(), b"\n"])
    print(text)


def start_policy(settings: Settings, pool: Sequence[MiniTask]) -> None:
    """The policy before reinforcement learning: policy/, made once."""
    folder = settings.out_dir / "policy"
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


def load_policy(settings: Settings, seed: int) -> tuple[LoraPolicy, Prompts]:
    folder = settings.out_dir / "policy"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    return LoraPolicy(model.eval(), tokenizer, LORA, settings.temperature, seed, slots=64), Prompts("statement", tokenizer)


def train_prm(settings: Settings, grade: Grade, pool: Sequence[MiniTask], held_out: Sequence[MiniTask]) -> dict[str, Any]:
    """prm/: a line PRM on bisected labels of the policy's own programs; returns its AUROC on held-out tasks' lines."""
    folder = settings.out_dir / "prm"
    policy, prompts = load_policy(settings, settings.seed)

    def labelled(tasks: Sequence[MiniTask], samples: int, seed: int) -> tuple[list[StepLabel], dict[str, int]]:
        problems = [task.problem for task in tasks]
        sampled = sample_programs(policy, prompts, grade, problems, samples, settings.max_tokens, seed)
        return label_lines(policy, grade, sampled, settings.max_rollouts, settings.max_tokens, seed)

    facts: dict[str, Any] = {}
    if not folder.is_dir():
        tasks = list(pool[: settings.prm_tasks])
        labels, counts = labelled(tasks, 8, settings.seed)
        say(f"line labels: {counts}")
        model = build_model(settings.out_dir / "policy", LORA, seed=settings.seed)
        encoder = StepEncoder(policy.tokenizer, "released", 512, template=TEMPLATE)
        prm = PRM(model, encoder, LINES)
        roles = OutcomeSettings(inner_outcomes="train", validation_share=0.0)
        data = build_training_data(
            [task.problem for task in tasks], labels, [], encoder, roles, has_outer=False, seed=settings.seed
        )
        training = TrainSettings(
            learn="none", loss="mse", inner_only_steps=0, bilevel_steps=settings.prm_steps, batch_programs=64, lr=2e-3,
            schedule="cosine", eval_every=0, checkpoint_every=0, progress=settings.progress, log_to=[], device="cpu",
        )  # fmt: skip
        train(training, data, settings.out_dir / "prm_log", model)
        prm.save_pretrained(folder)
    prm = PRM.from_pretrained(folder, device="cpu")
    labels, counts = labelled(held_out, 2, settings.seed + 1)
    facts |= {f"held_out_{name}": value for name, value in counts.items()}
    by_program: dict[tuple, list[StepLabel]] = {}
    for label in labels:
        by_program.setdefault(label.key[:2], []).append(label)
    problems = {task.problem.question_id: task.problem for task in held_out}
    pairs = []
    for (question_id, _), rows in by_program.items():
        (scores,) = prm.score(problems[question_id], [rows[-1].prefix])
        pairs.append([(score, bool(row.num_correct)) for score, row in zip(scores, rows, strict=True)])
    facts |= {"line_auroc": _auroc(pairs), "line_auroc_interval": _auroc_interval(pairs, settings.seed)}
    return facts


def _auroc(programs: Sequence[Sequence[tuple[float, bool]]]) -> float:
    flat = [pair for pairs in programs for pair in pairs]
    found = auroc([score for score, _ in flat], [right for _, right in flat])
    return math.nan if found is None else found


def _auroc_interval(programs: Sequence[Sequence[tuple[float, bool]]], seed: int) -> list[float]:
    """95% bootstrap over programs."""
    chance = np.random.default_rng(seed)
    draws = [_auroc([programs[i] for i in chance.integers(len(programs), size=len(programs))]) for _ in range(500)]
    return [float(np.nanquantile(draws, share)) for share in (0.025, 0.975)]


def run_arm(
    settings: Settings, name: str, seed: int, grade: Grade, pool: Sequence[MiniTask], held_out: Sequence[MiniTask]
) -> ArmResult:
    """One run of PPO; a finished one is read from its log and measured again."""
    arm = ARMS[name]
    policy, prompts = load_policy(settings, seed)
    prm = PRM.from_pretrained(settings.out_dir / "prm", device="cpu", trainable=True)
    if arm.value_init:
        start = PRM.from_pretrained(settings.out_dir / "prm", device="cpu", trainable=True).model
    else:
        start = build_model(settings.out_dir / "policy", LORA, seed=seed)
    ppo = settings.with_changes(reward=arm.reward, seed=seed)
    critic = Critic(start, settings.failed_reward, settings.passed_reward)
    problems = [task.problem for task in held_out]

    def measure(step: int) -> dict[str, float] | None:
        if step % settings.eval_every and step != settings.steps:
            return None
        rates = pass_rates(sample_programs(policy, prompts, grade, problems, settings.held_out_samples, settings.max_tokens, 7))
        measured[step] = rates
        return {"held_out": float(np.mean(list(rates.values())))}

    measured: dict[int, dict[str, float]] = {}
    folder = settings.out_dir / f"{name.replace(' ', '_').replace('+', 'and')}-{seed}"
    run = PPORun(
        ppo, [task.problem for task in pool[: settings.train_tasks]], prompts, policy, critic, grade, folder,
        Scorer(prm.score, prm.steps), {"value_init": arm.value_init},
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
        curve=[[float(row["step"]), row["held_out"]] for row in log if "held_out" in row],
        train_curve=[row["pass_rate"] for row in steps],
        kl_curve=[row["kl"] for row in steps],
        explained_variance=steps[0].get("explained_variance", 0.0),
        monitors={name: float(np.mean([row[name] for row in last])) for name in names},
        seconds_per_step=float(np.mean([row["step_seconds"] for row in steps])),
    )


def table(results: Sequence[ArmResult], facts: dict[str, Any], settings: Settings) -> str:
    """Markdown: held-out pass rates with intervals over tasks, paired with the first arm."""
    by_arm: dict[str, list[ArmResult]] = {}
    for result in results:
        by_arm.setdefault(result.arm, []).append(result)

    def outcomes(arm: str) -> list[float]:
        rows = by_arm[arm]
        return [float(np.mean([row.rates[task] for row in rows])) for task in sorted(rows[0].rates)]

    base = outcomes(results[0].arm)
    start = 100 * float(np.mean([result.curve[0][1] for result in results]))
    low, high = facts["line_auroc_interval"]
    lines = [
        f"Held-out pass rate, % of {settings.held_out_samples} programs of each of {len(base)} tasks, mean of "
        f"{len(by_arm[results[0].arm])} seeds, 95% bootstrap over tasks; {start:.1f} before PPO. Line PRM: AUROC "
        f"{facts['line_auroc']:.3f} [{low:.3f}, {high:.3f}] of lines on held-out tasks.",
        "",
        f"| arm | step {settings.steps} | against {results[0].arm} | each seed | mean over the curve "
        "| critic's explained variance, step 1 | KL | lines | comment share | s per step |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for arm, rows in by_arm.items():
        values = outcomes(arm)
        interval, test = bootstrap_interval(values), paired_test(values, base)
        against = (
            "" if arm == results[0].arm else f"{100 * test.difference:+.1f} [{100 * test.low:+.1f}, {100 * test.high:+.1f}]"
        )
        area = np.mean([np.mean([value for _, value in row.curve[1:]]) for row in rows])
        shown = {name: float(np.mean([row.monitors[name] for row in rows])) for name in ("kl", "lines", "comment_share")}
        lines.append(
            f"| {arm} | {100 * np.mean(values):.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}] | {against} "
            f"| {', '.join(f'{100 * np.mean(list(row.rates.values())):.1f}' for row in rows)} | {100 * area:.1f} "
            f"| {np.mean([row.explained_variance for row in rows]):.2f} | {shown['kl']:.3f} | {shown['lines']:.1f} "
            f"| {shown['comment_share']:.2f} | {np.mean([row.seconds_per_step for row in rows]):.2f} |"
        )
    return "\n".join(lines) + "\n"


def curves(results: Sequence[ArmResult]) -> Any:
    """Held-out pass rate, training pass rate and KL of each arm, means over seeds."""
    panels: dict[str, dict[str, Series]] = {"held-out pass rate": {}, "pass rate in training": {}, "KL to the start": {}}
    for arm in dict.fromkeys(result.arm for result in results):
        rows = [result for result in results if result.arm == arm]
        x = [point[0] for point in rows[0].curve]
        y = np.asarray([[point[1] for point in row.curve] for row in rows])
        panels["held-out pass rate"][arm] = Series(x, y.mean(0).tolist(), y.min(0).tolist(), y.max(0).tolist())
        for title, name in (("pass rate in training", "train_curve"), ("KL to the start", "kl_curve")):
            mean = np.mean([getattr(row, name) for row in rows], axis=0)
            smooth = np.convolve(mean, np.ones(5) / 5, mode="valid")
            panels[title][arm] = Series([float(step) for step in range(3, 3 + len(smooth))], smooth.tolist())
    return line_figure(panels, "PPO step", markers=False)


def say(text: str) -> None:
    print(f"rl: {text}", flush=True)


if __name__ == "__main__":
    run_stage(Settings, "rl", __doc__, main)
