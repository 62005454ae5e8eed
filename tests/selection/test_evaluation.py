"""Methods of selection on candidates small enough to follow by eye, and the table rows that come of them."""

from __future__ import annotations

import pytest

from dreamprm_code.selection.baselines import Method, available_methods, baselines, oracle_method, prm_method
from dreamprm_code.selection.best_of_n import select
from dreamprm_code.selection.candidates import Candidate, CandidateSet
from dreamprm_code.selection.evaluation import (
    OVERALL,
    comparisons,
    evaluate,
    gaps_recovered,
    outcomes,
    ranking,
    selections,
    strata,
    table_rows,
)

# Means 0.6, 0.7, 0.5, 0.7; last steps 0.9, 0.5, 0.6, 0.5. Programs 0 and 2 print the same; 1, 2 and 3 pass the public tests.
FOUR = CandidateSet(
    "q1",
    "easy",
    (
        Candidate(0, False, (0.3, 0.9), public_passed=False, public_outputs="a"),
        Candidate(1, True, (0.9, 0.5), public_passed=True, public_outputs="b"),
        Candidate(2, True, (0.4, 0.6), public_passed=True, public_outputs="a"),
        Candidate(3, False, (0.9, 0.5), public_passed=True, public_outputs="c"),
    ),
)


def value(method) -> float | None:
    return outcomes([FOUR], [method])[method.name][0]


@pytest.mark.parametrize(
    ("name", "chosen", "num_tied", "expected"),
    [
        ("first", 0, 1, 0.0),
        ("orm", 0, 1, 0.0),  # last steps 0.9, 0.5, 0.6, 0.5
        ("public", 1, 3, 2 / 3),  # of 1, 2 and 3 two pass
        ("public_prm", 1, 2, 0.5),  # 1 and 3 tie at 0.7
        ("cluster", 0, 2, 0.5),  # 0 and 2 form the largest cluster
        ("cluster_prm", 0, 1, 0.0),  # that cluster weighs 1.1 against 0.7; 0 has the higher score in it
    ],
)
def test_baselines_by_hand(name: str, chosen: int, num_tied: int, expected: float) -> None:
    method = baselines()[name]
    choice = select(method.keys(FOUR))
    assert (choice.position, choice.num_tied) == (chosen, num_tied)
    assert value(method) == pytest.approx(expected)


def test_random_is_the_mean_and_the_oracle_finds_a_passing_program() -> None:
    assert value(baselines()["random"]) == 0.5
    assert value(oracle_method()) == 1.0


def test_aggregations_choose_differently() -> None:
    assert value(prm_method("mean")) == 0.5
    assert value(prm_method("max")) == pytest.approx(1 / 3)
    assert value(prm_method("min")) == 0.5


def test_methods_without_data_are_left_out() -> None:
    bare = CandidateSet("q", "easy", (Candidate(0, True, (0.5,)),))
    names = [method.name for method in available_methods([bare])]
    assert names == ["first", "random", "shortest", "longest", "orm", "prm_mean", "oracle"]
    assert "cluster_prm" in [method.name for method in available_methods([FOUR])]


def test_public_tests_that_are_known_only_of_programs_that_pass_are_no_method() -> None:
    """Choosing by them would be choosing by the verdict."""
    sides = (Candidate(0, False, (0.5,)), Candidate(1, True, (0.5,), public_passed=True))
    assert "public" not in [method.name for method in available_methods([CandidateSet("q", "easy", sides)])]
    known = (sides[0]._replace(public_passed=False), sides[1], Candidate(2, False, None, num_characters=0))
    without_tests = CandidateSet("r", "easy", (Candidate(0, False, (0.5,)),))
    assert "public" in [method.name for method in available_methods([CandidateSet("q", "easy", known), without_tests])]


UNREAD = CandidateSet(
    "q2",
    "easy",
    (
        Candidate(0, True, None, public_outputs="a", mean_logprob=-0.1, num_characters=900),  # too long for the PRM
        Candidate(1, False, (0.0,), public_outputs="a", mean_logprob=-0.5, num_characters=20),
        Candidate(2, False, (0.1,), public_outputs="b", mean_logprob=-0.7, num_characters=30),
        Candidate(3, False, None, num_characters=0),  # no program in the answer
    ),
)


@pytest.mark.parametrize(
    ("method", "chosen"),
    [
        (prm_method(), 2),
        (prm_method("log_odds"), 2),
        (baselines()["orm"], 2),
        (baselines("log_odds")["cluster_prm"], 2),
        (baselines()["cluster"], 0),
        (baselines()["shortest"], 1),
        (baselines()["longest"], 0),
        (baselines()["logprob"], 0),
        (baselines()["prm_logprob"], 1),
    ],
)
def test_what_was_not_read_and_what_is_no_program_is_the_last_choice(method: Method, chosen: int) -> None:
    keys = method.keys(UNREAD)
    assert select(keys).position == chosen
    assert keys[3] == min(keys)


def test_a_program_that_was_read_comes_before_one_that_was_not_whatever_its_score() -> None:
    keys = prm_method("log_odds").keys(UNREAD)
    assert keys[0] == keys[3] < keys[1] < keys[2]
    assert evaluate([UNREAD]).pool.num_unread == 2


def test_score_and_log_likelihood_count_alike_whatever_their_scales() -> None:
    """Scores 0.2, 0.3, 0.4 are -1, 0, 1 in units of 0.0816; log-likelihoods -9, -3, -3 are -1.41, 0.71, 0.71."""
    candidates = [
        Candidate(i, None, (s,), mean_logprob=p, num_characters=9) for i, (s, p) in enumerate([(0.4, -9), (0.3, -3), (0.2, -3)])
    ]
    assert baselines()["prm_logprob"].keys(CandidateSet("q", "easy", tuple(candidates))) == pytest.approx(
        [1.5**0.5 - 2**0.5, 0.5**0.5, 0.5**0.5 - 1.5**0.5]
    )


def test_a_random_choice_has_no_selection_row() -> None:
    assert [row.method for row in selections([FOUR], [baselines()["random"], prm_method()])] == ["prm_mean"]


def test_strata_are_ordered_by_difficulty_with_overall_last() -> None:
    assert strata(["hard", "odd", "easy"]) == ["easy", "hard", "odd", OVERALL]


def test_table_rows_count_per_stratum_and_leave_out_the_ungraded() -> None:
    rows = table_rows(["easy", "hard", "hard"], {"m": [1.0, 0.5, None]}, num_candidates=4)
    found = {row.difficulty: (row.num_solved, row.num_problems, row.num_ungraded) for row in rows}
    assert found == {"easy": (1.0, 1, 0), "hard": (0.5, 1, 1), OVERALL: (1.5, 2, 1)}
    assert next(row for row in rows if row.difficulty == OVERALL).pass_at_1 == 0.75


def test_gap_recovered_uses_the_problems_that_all_could_be_graded_on() -> None:
    values = {"random": [0.5, 0.25, None], "oracle": [1.0, 1.0, 1.0], "prm_mean": [1.0, 0.0, 1.0]}
    assert gaps_recovered(values) == {"prm_mean": pytest.approx((1.0 - 0.75) / (2.0 - 0.75))}


def test_pairs_are_of_one_problem_and_what_was_not_read_is_in_none() -> None:
    """Pairs by hand: in FOUR 1 (0.7) and 2 (0.5) pass, 0 (0.6) and 3 (0.7) fail: 1 over 0, 1 ties 3; 2 below both: 1.5 of 4.
    UNREAD has no passing program that was read."""
    found = ranking([FOUR, UNREAD])
    assert (found.num_pairs, found.pair_accuracy) == (4, pytest.approx(1.5 / 4))
    assert found.auroc == pytest.approx((1.5 + 2 * 2) / (2 * 4))
    assert ranking([UNREAD]) == (None, None, 0)


def test_comparisons_pair_with_every_other_method() -> None:
    found = comparisons({"a": [1.0, 1.0], "b": [0.0, 1.0], "c": [1.0, 1.0]}, "a")
    assert (found["b"].wins, found["c"].p_value) == (1, 1.0)


def published_sets() -> list[CandidateSet]:
    """131 problems on which the first sample solves 101, the last step 104, the mean 106: the published counts.

    Two candidates each; the mean's choice is right on every problem that any method of the three solves.
    """
    right_first, right_last = {"easy": 31, "medium": 35, "hard": 35}, {"easy": 31, "medium": 35, "hard": 38}
    right_mean = {"easy": 31, "medium": 36, "hard": 39}
    sets = []
    for difficulty, total in (("easy", 31), ("medium", 39), ("hard", 61)):
        for index in range(total):
            solved = index < right_mean[difficulty]
            good = 0 if index < right_first[difficulty] else 1
            finds = index < right_last[difficulty]
            scores = {True: (0.9, 0.6 if finds else 0.4), False: (0.1, 0.5)}
            candidates = tuple(Candidate(i, solved and i == good, scores[i == good]) for i in (0, 1))
            sets.append(CandidateSet(f"{difficulty}-{index}", difficulty, candidates))
    return sets


def test_the_published_counts_come_out() -> None:
    found = evaluate(published_sets())
    assert [found.solved(name).num_solved for name in ("first", "orm", "prm_mean")] == [101.0, 104.0, 106.0]
    assert found.tests["first"].p_value == 0.0625  # five won, none lost
    assert (found.tests["orm"].wins, found.tests["orm"].p_value) == (2, 0.5)
    by_n = {row.num_candidates: row.num_solved for row in found.sweep if row.method == "prm_mean" and row.difficulty == OVERALL}
    assert by_n == {1: 53.0, 2: 106.0}
    assert len({row.key for row in found.all_rows}) == len(found.all_rows)
