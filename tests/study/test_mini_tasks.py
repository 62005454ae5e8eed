"""Mini tasks: their references pass, their slips are wrong lines, training and held-out tasks are disjoint."""

from __future__ import annotations

import random

from dreamprm_code.grading import Grader, GradeRequest, GraderSettings
from dreamprm_code.study.mini_tasks import FAMILIES, is_held_out, make_tasks


def test_references_pass_their_tests_and_most_programs_with_a_slip_do_not():
    tasks = make_tasks(FAMILIES, 12, held_out=False, seed=1)
    chance = random.Random(0)
    faulty = [task.demonstration(1.0, chance) for task in tasks]
    pairs = [(task.problem, code) for task, bad in zip(tasks, faulty, strict=True) for code in (task.program, bad)]
    with Grader(GraderSettings(workers=1)) as grader:
        futures = [grader.submit(GradeRequest(number, *pair)) for number, pair in enumerate(pairs)]
        passed = [future.result().passed for future in futures]
    assert all(passed[::2]) and sum(map(bool, passed[1::2])) <= 3
    for task, bad in zip(tasks, faulty, strict=True):
        differing = [one != other for one, other in zip(task.lines, bad.split("\n"), strict=True)]
        assert differing == [slip is not None for slip in task.slips]


def test_parts_are_disjoint_and_a_seed_decides_the_tasks():
    train, held_out = (make_tasks(FAMILIES, 40, part, seed=3) for part in (False, True))
    statements = [{task.problem.question_content for task in part} for part in (train, held_out)]
    assert not statements[0] & statements[1] and len(statements[0]) == len(statements[1]) == 40
    assert all(is_held_out(text) for text in statements[1]) and not any(is_held_out(text) for text in statements[0])
    assert [task.program for task in make_tasks(FAMILIES, 40, False, seed=3)] == [task.program for task in train]
    kinds = [task.problem.question_content.split(":")[0] for task in train[:3]]
    assert kinds == ["number", "list", "number"] and "if x % 2 == 0:" in train[2].lines
    assert [task.demonstration(0.0, random.Random(0)) for task in train] == [task.program for task in train]
