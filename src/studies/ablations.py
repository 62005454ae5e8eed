"""Which part matters? One command, one table: label correction, aggregation, step granularity, N, prompt, splitter fallback.

Trains a PRM for each outer level (train_prm.py with the settings of the configuration) and chooses among the test candidates
with every variant. One variant differs from the base (outer level `labels`, aggregation `mean`, function steps, all
candidates) in one thing:

* label correction: none, weights, labels; the PRM is trained anew for each;
* aggregation: every one there is, on the base PRM's scores;
* granularity: the base PRM scores line prefixes, or whole programs, in place of functions;
* N: fewer candidates, expected over all subsets;
* prompt: the base PRM on candidates sampled with the plain prompt (`plain_solutions`), if there are any;
* splitter: only candidates that obey the Chain-of-Function rules, only those that break one, only those that do not parse
  (one step); each against a random choice among the same candidates.

    python src/studies/ablations.py --config configs/demo.yaml

Writes ablations/ under the data directory: a folder per PRM, ablations.json and ablations.md. It resumes like its stages.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import from_clone  # noqa: F401
from pydantic import Field

from cli import run_stage
from dreamprm_code.errors import UserError
from dreamprm_code.files import write_bytes_atomic
from dreamprm_code.jsonl import read_rows
from dreamprm_code.prm import PRM, StepSettings
from dreamprm_code.problems.settings import RunSettings
from dreamprm_code.records import Problem, Solution
from dreamprm_code.report.markdown import table_lines
from dreamprm_code.selection.aggregation import AGGREGATIONS, DEFAULT_AGGREGATION
from dreamprm_code.selection.baselines import baselines, oracle_method, prm_method
from dreamprm_code.selection.candidates import CandidateSet, candidate_sets
from dreamprm_code.selection.evaluation import DEFAULT_SWEEP, outcomes, table_row
from dreamprm_code.selection.metrics import paired_test
from dreamprm_code.selection.scoring import score_solutions
from dreamprm_code.steps import cof_violations, split_program

METHODS = ("none", "weights", "labels")
BASE = "labels"


class Settings(RunSettings):
    train_config: Path = Field(Path("configs/demo.yaml"), description="configuration of the trainings")
    train_flags: list[str] = Field([], description="flags for each training, e.g. --train-flags=--bilevel-steps=50")
    solutions: Path | None = Field(None, description="candidates (default: test_solutions.jsonl of the data directory)")
    plain_solutions: Path | None = Field(None, description="candidates sampled with the plain prompt, for the same problems")
    sweep: list[int] = Field(list(DEFAULT_SWEEP), description="numbers of candidates")


class Variant(NamedTuple):
    """One line of the table; ``values`` holds each problem's expected pass, ``base`` what it is compared with."""

    ablation: str
    variant: str
    num_candidates: int
    values: list[float | None]
    base: list[float | None]


def train_prm(settings: Settings, method: str) -> Path:
    """Run the training stage; returns the checkpoint."""
    out_dir = settings.data_dir / "ablations" / method
    command = [
        sys.executable,
        str(Path(__file__).resolve().parents[1] / "train_prm.py"),
        "--config",
        str(settings.train_config),
    ]
    command += ["--data-dir", str(settings.data_dir), "--out-dir", str(out_dir), "--method", method, *settings.train_flags]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise UserError(f"training with method {method} failed (see above): {' '.join(command)}")
    return out_dir / "prm"


class Candidates:
    """Test problems, their solutions, and scores by (PRM, granularity), each computed once and kept in a file."""

    def __init__(self, settings: Settings, problems: Sequence[Problem], path: Path, name: str):
        self.settings, self.problems, self.name = settings, problems, name
        known = {problem.question_id for problem in problems}
        self.solutions = [row for row in read_rows(path, Solution) if row.question_id in known]
        if not self.solutions:
            raise UserError(f"{path}: no candidate belongs to a problem of the test window")

    def sets(self, checkpoint: Path, granularity: str = "function", keep: set[tuple] | None = None) -> list[CandidateSet]:
        """Candidate sets with step scores; ``keep`` leaves only some candidates (and problems that have any)."""

        def open_prm() -> PRM:
            prm = PRM.from_pretrained(checkpoint)
            if granularity != prm.steps.granularity:
                prm.steps = StepSettings(prm.steps.max_functions, granularity)
            return prm

        path = checkpoint.parent / f"scores_{self.name}_{granularity}.jsonl"
        scores, _ = score_solutions(open_prm, self.problems, self.solutions, path)
        chosen = [row for row in self.solutions if keep is None or row.key in keep]
        return candidate_sets(self.problems, chosen, scores)


def values_of(sets: Sequence[CandidateSet], aggregation: str = DEFAULT_AGGREGATION, n: int | None = None) -> list[float | None]:
    method = prm_method(aggregation)
    return outcomes(sets, [method], n)[method.name]


def largest(sets: Sequence[CandidateSet]) -> int:
    return max(len(item.candidates) for item in sets)


def variants(
    settings: Settings, candidates: Candidates, checkpoints: dict[str, Path], plain: Candidates | None
) -> list[Variant]:
    base_sets = candidates.sets(checkpoints[BASE])
    base, size = values_of(base_sets), largest(base_sets)
    random, oracle = baselines()["random"], oracle_method()
    bounds = outcomes(base_sets, [random, oracle])
    found = [Variant("bounds", name, size, bounds[name], base) for name in ("random", "oracle")]
    for method, checkpoint in checkpoints.items():
        found.append(Variant("label correction", method, size, values_of(candidates.sets(checkpoint)), base))
    found += [Variant("aggregation", name, size, values_of(base_sets, name), base) for name in AGGREGATIONS]
    for granularity in ("function", "line", "program"):
        sets = candidates.sets(checkpoints[BASE], granularity)
        found.append(Variant("step granularity", granularity, size, values_of(sets), base))
    sizes = sorted({n for n in settings.sweep if n < size} | {size})
    found += [Variant("N", str(n), n, values_of(base_sets, n=n), base) for n in sizes]
    if plain is not None:
        sets = plain.sets(checkpoints[BASE])
        by_problem = dict(zip([item.question_id for item in sets], values_of(sets), strict=True))
        aligned = [by_problem.get(item.question_id) for item in base_sets]
        found.append(Variant("prompt", "Chain-of-Function", size, base, base))
        found.append(Variant("prompt", "plain", largest(sets), aligned, base))
    for name, keep in adherence(candidates).items():
        sets = candidates.sets(checkpoints[BASE], keep=keep)
        if sets:
            chance = outcomes(sets, [random])["random"]
            found.append(Variant("splitter", f"{name} ({len(keep)} programs)", largest(sets), values_of(sets), chance))
    return found


def adherence(candidates: Candidates) -> dict[str, set[tuple]]:
    """Keys of the candidates with a program: those that obey the Chain-of-Function rules, break one, or do not parse."""
    names = {problem.question_id: problem.func_name for problem in candidates.problems}
    groups: dict[str, set[tuple]] = {"obey the rules": set(), "break a rule": set(), "do not parse": set()}
    for row in candidates.solutions:
        if not row.code.strip():
            continue
        if split_program(row.code).fallback is not None:
            group = "do not parse"
        else:
            group = "break a rule" if cof_violations(row.code, names[row.question_id]) else "obey the rules"
        groups[group].add(row.key)
    return groups


def table(found: Sequence[Variant], seed: int) -> tuple[list[dict], str]:
    """The rows for JSON, and as Markdown."""
    rows: list[dict[str, Any]] = []
    for item in found:
        row = table_row(item.variant, item.num_candidates, "overall", item.values, seed)
        test = paired_test(item.values, item.base, seed)
        rows.append(
            {
                "ablation": item.ablation,
                "variant": item.variant,
                "num_candidates": item.num_candidates,
                "num_solved": row.num_solved,
                "num_problems": row.num_problems,
                "num_ungraded": row.num_ungraded,
                "pass_at_1": row.pass_at_1,
                "low": row.low,
                "high": row.high,
                "difference": test.difference,
                "p_value": test.p_value,
            }
        )
    heads = ["ablation", "variant", "N", "solved", "pass@1 (%)", "95% interval", "difference", "p"]

    def line(row: dict[str, Any]) -> list[str]:
        share, low, high = (f"{100 * row[name]:.1f}" for name in ("pass_at_1", "low", "high"))
        solved = f"{row['num_solved']:.2f} of {row['num_problems']}"
        tested = [f"{100 * row['difference']:+.1f}", f"{row['p_value']:.2f}"]
        return [row["ablation"], row["variant"], str(row["num_candidates"]), solved, share, f"{low} to {high}", *tested]

    said = "Difference and p: paired by problem, against the base (splitter: against a random choice)."
    return rows, "\n".join(["# Ablations", "", said, "", *table_lines(heads, map(line, rows))])


def main(settings: Settings) -> None:
    test = settings.window_split().require("test")
    candidates = Candidates(settings, test, settings.solutions or settings.data_dir / "test_solutions.jsonl", "cof")
    plain = Candidates(settings, test, settings.plain_solutions, "plain") if settings.plain_solutions else None
    checkpoints = {method: train_prm(settings, method) for method in METHODS}
    rows, text = table(variants(settings, candidates, checkpoints, plain), settings.seed)
    out_dir = settings.data_dir / "ablations"
    write_bytes_atomic(out_dir / "ablations.json", [json.dumps(rows, indent=1).encode(), b"\n"])
    write_bytes_atomic(out_dir / "ablations.md", [text.encode()])
    print(text)
    without = "" if plain else "; no plain candidates given (--plain-solutions), so no line for the prompt"
    print(f"ablations: {len(rows)} variants on {len(test)} problems{without} -> {out_dir}/ablations.md")


if __name__ == "__main__":
    run_stage(Settings, "ablations", __doc__, main)
