"""The study on real problems: its table by hand, its features against the PRM, and the whole study on toy files."""

from __future__ import annotations

from statistics import mean

import pytest

from dreamprm_code.jsonl import read_rows
from dreamprm_code.study.real_arms import ARMS
from dreamprm_code.study.real_tables import (
    RANDOM,
    ArmScores,
    CandidateFacts,
    by_functions,
    candidate_sets,
    lines_of,
    markdown,
)


def candidate(question_id: str, index: int, passed: bool, public: bool = True, logprob: float | None = -1.0, size: int = 10):
    return CandidateFacts(
        question_id=question_id, solution_idx=index, passed=passed, public_passed=public, num_functions=1, num_characters=size,
        mean_logprob=logprob,
    )  # fmt: skip


FACTS = [
    candidate("a", 0, False, public=False, logprob=-0.1, size=30),
    candidate("a", 1, True, logprob=-0.2, size=20),
    candidate("a", 2, False, logprob=-0.3, size=10),
    candidate("b", 0, True, logprob=-0.5),
    candidate("b", 1, True, public=True, logprob=None),
    candidate("b", 2, False, public=False, logprob=-0.4),
    *(candidate("c", index, False) for index in range(3)),
]
"""Problem a: one right of three, problem b: two right of three, problem c: none right."""
SETS = candidate_sets(FACTS)


def scores(arm: str, seed: int, **values: list[float]) -> list[ArmScores]:
    return [ArmScores(arm=arm, seed=seed, question_id=name, scores=own) for name, own in values.items()]


def test_equal_scores_share_the_outcome():
    rows = scores("prm", 1, a=[0.5, 0.5, 0.5], b=[0.1, 0.9, 0.9], c=[0.0, 0.0, 0.0])
    line = next(line for line in lines_of(SETS, rows) if line.name == "prm")
    assert line.outcomes == pytest.approx([1 / 3, 1 / 2, 0])


def test_controls_by_hand():
    solved = {line.name: line.solved[0] for line in lines_of(SETS, [])}
    assert solved["random (expected)"] == pytest.approx(1 / 3 + 2 / 3)
    assert solved["first sample"] == 1  # a0 is wrong, b0 right
    assert solved["shortest"] == pytest.approx(0 + 2 / 3)  # a2 is wrong; b's are equally long
    assert solved["longest"] == pytest.approx(0 + 2 / 3)
    assert solved["mean log-likelihood"] == 0  # a0 and b2; b1, of which nothing is known, comes last
    assert solved["public test"] == pytest.approx(1 / 2 + 1)
    assert solved["oracle"] == 2


def test_an_arm_alone_and_behind_the_public_test_over_seeds():
    rows = scores("prm", 1, a=[0.9, 0.5, 0.1], b=[0.2, 0.1, 0.9], c=[0.1, 0.2, 0.3])
    rows += scores("prm", 2, a=[0.1, 0.9, 0.2], b=[0.2, 0.1, 0.9], c=[0.1, 0.2, 0.3])
    lines = {line.name: line for line in lines_of(SETS, rows)}
    assert lines["prm"].solved == (0, 1)
    assert lines["prm"].outcomes == [0.5, 0, 0]
    assert lines["public test, prm"].solved == (2, 2)
    # pairs (right, wrong) in order: a 1 of 2 and 2 of 2; b none of 2, twice
    assert lines["prm"].aurocs == pytest.approx([0.75, 0.0])
    text = markdown(SETS, list(lines.values()))
    assert "3 problems, 3 candidates each; 2 problems have both right and wrong ones" in text
    assert "| prm | 0.5 (0, 1) | -0.5 [" in text
    assert "| 1 | 3 | 1.0 | 0.5 |" in by_functions(FACTS, [lines["random (expected)"], lines["prm"]])


def test_together_with_the_log_likelihood():
    """The sum of two standard scores: where the PRM says nothing, the log-likelihood chooses, and the other way round."""
    rows = scores("prm", 1, a=[0.5, 0.5, 0.5], b=[0.1, 0.9, 0.1], c=[0.1, 0.2, 0.3])
    lines = {line.name: line for line in lines_of(SETS, rows)}
    by_logprob = lines["mean log-likelihood"].outcomes
    assert lines["prm, log-likelihood"].outcomes[0] == by_logprob[0]
    flat = {
        line.name: line
        for line in lines_of(
            [own._replace(candidates=tuple(one._replace(mean_logprob=-1.0) for one in own.candidates)) for own in SETS], rows
        )
    }
    assert flat["prm, log-likelihood"].outcomes == flat["prm"].outcomes


def test_the_published_table_is_that_of_the_published_rows(root):
    folder = root / "data/demo/study/real"
    facts = read_rows(folder / "candidates.jsonl", CandidateFacts)
    sets = candidate_sets(facts)
    lines = lines_of(sets, read_rows(folder / "scores.jsonl", ArmScores))
    table = (folder / "table.md").read_text()
    assert table.endswith(by_functions(facts, [line for line in lines if line.name == RANDOM or line.name in ARMS]))
    shown = {cells[1].strip(): cells[2].split()[0] for row in table.splitlines() if len(cells := row.split("|")) == 9}
    assert {line.name: shown[line.name] for line in lines} == {
        line.name: f"{mean(line.solved):.1f}".removesuffix(".0") for line in lines
    }
