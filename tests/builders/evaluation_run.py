"""A small run to evaluate: problems, candidates, labels, a log and a tiny PRM with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from builders.rows import make_labels, make_problem, make_solution
from builders.tokenizers import byte_tokenizer
from dreamprm_code.jsonl import write_rows
from dreamprm_code.prm import PRM
from dreamprm_code.records import CorrectedLabel, Problem

GOOD = """def main():
    \"\"\"Read a number and print it plus one.\"\"\"
    print(add_one(int(input())))


def add_one(number):
    \"\"\"The next number.\"\"\"
    return number + 1


main()
"""
BAD = GOOD.replace("number + 1", "number + 2")
HALF = GOOD.replace("number + 1", "number + (1 if number < 3 else 2)")  # passes the public test, fails the private one
ATTACK = "</script><script>document.title='hacked'</script><img src=x onerror=\"document.title='hacked'\">{{ 7 * 7 }}"
WINDOWS = {"train": ["2024-01-01", "2024-05-01"], "test": ["2024-08-01", None]}


def plus_one(index: int, date: str, difficulty: str) -> Problem:
    """Print n + 1: one public test and one private one."""
    return make_problem(
        f"p{index}",
        [("1", "2")],
        private=[("5", "6")],
        question_title=f"Problem {index} {ATTACK if index == 1 else ''}".strip(),
        question_content=f"Print n + 1. {ATTACK}",
        platform="demo",
        contest_date=date,
        difficulty=difficulty,
    )


def make_prm() -> PRM:
    special = {"pad_token": "<|endoftext|>", "eos_token": "<|im_end|>", "step": "<|quad_end|>"}
    prm = PRM.create("random:tiny", tokenizer=byte_tokenizer(special), max_length=2000)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        prm.model.head.weight.copy_(torch.randn(prm.model.head.weight.shape, generator=generator) * 0.3)
    return prm


def make_run(folder: Path, num_test: int = 4) -> Path:
    """Write all input files of evaluate_prm and its configuration; returns the configuration's path."""
    folder.mkdir(parents=True, exist_ok=True)
    problems = [plus_one(index, "2024-09-01", ("easy", "hard")[index % 2]) for index in range(num_test)]
    train = plus_one(100, "2024-02-01", "easy")
    write_rows(folder / "problems.jsonl", [*problems, train])
    candidates = []
    for problem in problems:
        candidates += [
            make_solution(problem.question_id, 0, BAD, False, failed_test=0, public_passed=False, public_outputs="3"),
            make_solution(problem.question_id, 1, GOOD + f"# {ATTACK}\n", True, public_passed=True, public_outputs="2"),
            make_solution(
                problem.question_id, 2, HALF + "# \ud7ff é\n", False, failed_test=1, public_passed=True, public_outputs="2"
            ),
            make_solution(problem.question_id, 3, "", False, public_passed=False),
        ]
    write_rows(folder / "test_solutions.jsonl", candidates)
    write_rows(folder / "cof_solutions.jsonl", [make_solution(train.question_id, 0, GOOD, True)])
    write_rows(folder / "step_labels.jsonl", make_labels(train.question_id, 0, GOOD, [3, 1]))
    corrected = CorrectedLabel(
        question_id=train.question_id, solution_idx=0, step_idx=0, mc_value=0.75, corrected_value=0.875, weight=1.0
    )
    write_rows(folder / "corrected_labels.jsonl", [corrected])
    log = [
        {"phase": "warm-up", "step": 1, "loss": 0.7},
        {"phase": "bi-level", "step": 2, "loss": 0.6, "outer_loss": 0.65, "mean_movement": 0.01},
        {"phase": "validation", "step": 2, "loss": 0.68},
    ]
    (folder / "training_log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log))
    make_prm().save_pretrained(folder / "prm")
    config = folder / "config.yaml"
    settings = {
        "shared": {"data_dir": str(folder), "problems": str(folder / "problems.jsonl"), "windows": WINDOWS, "seed": 1},
        "evaluate_prm": {"device": "cpu", "grade_workers": 1},
    }
    config.write_text(json.dumps(settings))
    return config
