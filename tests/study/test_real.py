"""The study on real problems: its table by hand, its features against the PRM, and the whole study on toy files."""

from __future__ import annotations

import pytest

from dreamprm_code.study.real_tables import (
    ArmScores,
    CandidateFacts,
    by_functions,
    chosen_outcome,
    lines_of,
    markdown,
    pools_of,
)


def candidate(question_id: str, index: int, passed: bool, public: bool = True, logprob: float | None = -1.0, size: int = 10):
    return CandidateFacts(
        question_id=question_id, solution_idx=index, passed=passed, public_passed=public, num_functions=1, num_characters=size,
        mean_logprob=logprob,
    )  # fmt: skip


@pytest.fixture
def pools():
    """Problem a: one right of three, problem b: two right of three, problem c: none right."""
    return pools_of(
        [
            candidate("a", 0, False, public=False, logprob=-0.1, size=30),
            candidate("a", 1, True, logprob=-0.2, size=20),
            candidate("a", 2, False, logprob=-0.3, size=10),
            candidate("b", 0, True, logprob=-0.5),
            candidate("b", 1, True, public=True, logprob=None),
            candidate("b", 2, False, public=False, logprob=-0.4),
            *(candidate("c", index, False) for index in range(3)),
        ]
    )


def test_equal_keys_share_the_outcome(pools):
    assert chosen_outcome([(0.0,), (0.0,), (0.0,)], pools[0].passed) == pytest.approx(1 / 3)
    assert chosen_outcome([(0.0,), (1.0,), (1.0,)], pools[1].passed) == pytest.approx(1 / 2)


def test_controls_by_hand(pools):
    solved = {line.name: line.solved[0] for line in lines_of(pools, [])}
    assert solved["random (expected)"] == pytest.approx(1 / 3 + 2 / 3)
    assert solved["first sample"] == 1  # a0 is wrong, b0 right
    assert solved["shortest"] == pytest.approx(0 + 2 / 3)  # a2 is wrong; b's are equally long
    assert solved["longest"] == pytest.approx(0 + 2 / 3)
    assert solved["mean log-likelihood"] == 0  # a0 and b2; b1, of which nothing is known, comes last
    assert solved["public test"] == pytest.approx(1 / 2 + 1)
    assert solved["oracle"] == 2


def test_an_arm_alone_and_behind_the_public_test_over_seeds(pools):
    def scores(seed, a, b):
        found = {"a": a, "b": b, "c": [0.1, 0.2, 0.3]}
        return [ArmScores(arm="prm", seed=seed, question_id=name, scores=values) for name, values in found.items()]

    rows = [*scores(1, [0.9, 0.5, 0.1], [0.2, 0.1, 0.9]), *scores(2, [0.1, 0.9, 0.2], [0.2, 0.1, 0.9])]
    lines = {line.name: line for line in lines_of(pools, rows)}
    assert lines["prm"].solved == (0, 1)
    assert lines["prm"].outcomes == [0.5, 0, 0]
    assert lines["public test, prm"].solved == (2, 2)
    # pairs (right, wrong) in order: a 1 of 2 and 2 of 2; b none of 2, twice
    assert lines["prm"].aurocs == pytest.approx([0.75, 0.0])
    text = markdown(pools, list(lines.values()))
    assert "3 problems, 3 candidates each; 2 problems have both right and wrong ones" in text
    assert "| prm | 0.5 (0, 1) | -0.5 [" in text
    assert "| 1 | 3 | 1.0 | 0.5 |" in by_functions(pools, [lines["prm"]])
