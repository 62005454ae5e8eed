"""Scores of growing programs: those of whole passes, at the price of the new tokens."""

from __future__ import annotations

import pytest
import torch

from builders.models import scatter_weights, tiny_model, tiny_prm
from builders.programs import NOT_PYTHON, OTHER_END, TWO_STEPS
from builders.rows import make_problem
from dreamprm_code.prm.encoding import StepEncoder
from dreamprm_code.prm.prefix_cache import PrefixCache
from dreamprm_code.prm.readout import Reading
from dreamprm_code.prm.scoring import PRM
from dreamprm_code.steps import split_program

ROUNDS = [
    [split_program(TWO_STEPS).steps[0].prefix, "def main():\n    pass"],
    [split_program(TWO_STEPS).steps[1].prefix, split_program(OTHER_END).steps[1].prefix, TWO_STEPS],
    [OTHER_END, "", TWO_STEPS, NOT_PYTHON],
]


def check(prm: PRM, problem) -> PrefixCache:
    cache = PrefixCache(prm, problem)
    for programs in ROUNDS:
        readable = [program for program in programs if program]
        expected = dict(zip(readable, prm.score(problem, readable), strict=True))
        for program, found in zip(programs, cache.score(programs), strict=True):
            assert found == (pytest.approx(expected[program], abs=1e-6) if program else None)
    return cache


@pytest.mark.parametrize("shape", ["tiny", "tiny-window", "tiny-mistral", "tiny-qwen3"])
def test_scores_are_those_of_one_pass_for_every_kind_of_layer(tokenizer, problem, shape):
    model = tiny_model(shape)
    check(PRM(model, StepEncoder(tokenizer, max_length=4096)), problem)


@pytest.mark.parametrize("readout", ["mean", "step_mean"])
@pytest.mark.parametrize("format", ["native", "released"])
def test_means_over_tokens_and_both_formats(tokenizer, problem, readout, format):
    prm = PRM.create("random:tiny", tokenizer=tokenizer, format=format, reading=Reading(readout, layers=1, scaled=True))
    scatter_weights(prm.model)
    prm.fit_scale([(problem, [TWO_STEPS, OTHER_END])])
    check(prm, problem)


def test_a_token_is_computed_once_and_a_known_program_not_at_all(tokenizer, problem):
    prm = tiny_prm(tokenizer)
    cache = check(prm, problem)
    texts = {sequence for rows in ROUNDS for text in rows if text for sequence in prm.encoder.encode_program(problem, text)}
    distinct = {tuple(text[: end + 1]) for text in texts for end in range(len(text))}
    assert cache.counts["prm_tokens"] == len(distinct), "nodes of the trie of all that was ever asked"
    alone = sum(len(prm.encoder.encode_program(problem, text)[-1]) for rows in ROUNDS for text in set(rows) if text)
    assert cache.counts["prm_tokens_uncached"] == alone
    before = cache.counts["prm_tokens"]
    cache.score(ROUNDS[1])
    assert cache.counts["prm_tokens"] == before
    assert cache.counts["unread"] == 1, "the empty program"


def test_eight_beams_of_four_functions_cost_less_than_a_third(tokenizer):
    """A statement of a usual length; in each round the best four go on, each in two ways."""
    prm = tiny_prm(tokenizer)
    cache = PrefixCache(prm, make_problem(question_content="Given two numbers, print their sum. " * 20))
    beams = [""]
    for depth in range(4):
        grown = [
            f"{beam}def f{depth}(n):\n    total = {child}\n    for i in range(n):\n        total += i\n    return total\n\n\n"
            for beam in beams
            for child in range(8 if depth == 0 else 2)
        ]
        assert len(grown) == 8
        cache.score([text.rstrip() for text in grown])
        beams = grown[::2]
    assert cache.counts["prm_tokens_uncached"] > 3 * cache.counts["prm_tokens"]


def test_what_exceeds_the_bound_is_forgotten_or_read_alone(tokenizer, problem):
    prm = tiny_prm(tokenizer)
    length = max(len(prm.encoder.encode_program(problem, text)[-1]) for rows in ROUNDS for text in rows if text)
    prm.max_tokens = length + 30
    check(prm, problem)
    prm.max_tokens = 20
    check(prm, problem)


def test_a_program_longer_than_the_input_has_no_scores(tokenizer, problem):
    prm = tiny_prm(tokenizer, max_length=250)
    cache = PrefixCache(prm, problem)
    assert [found is None for found in cache.score([TWO_STEPS, TWO_STEPS + "print(1)\n" * 100])] == [False, True]
    assert cache.counts["unread"] == 1


def test_a_failed_pass_leaves_no_half_filled_cache(tokenizer, problem, monkeypatch):
    prm = tiny_prm(tokenizer)
    cache = PrefixCache(prm, problem)
    cache.score(ROUNDS[0])
    with monkeypatch.context() as patch:
        patch.setattr(prm.model, "read", lambda features: torch.full((len(features),), torch.nan))
        with pytest.raises(ValueError, match="not finite"):
            cache.score(ROUNDS[1])
    assert cache.score(ROUNDS[1]) == [pytest.approx(row, abs=1e-6) for row in prm.score(problem, ROUNDS[1])]
