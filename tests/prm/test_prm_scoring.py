"""The public class: every step of every program, whatever the program."""

import math

import pytest
import torch

from builders.models import tiny_prm
from builders.programs import NOT_PYTHON, ONE_STEP, OTHER_END, PROGRAMS, TWO_STEPS
from builders.rows import make_problem
from dreamprm_code.errors import UserError
from dreamprm_code.prm import PRM, StepSettings
from dreamprm_code.prm.input_text import program_prefixes


def separate_scores(prm: PRM, problem, programs) -> list[list[float]]:
    """The simple path: one padded sequence per prefix."""
    scores = []
    for program in programs:
        sequences = prm.encoder.encode_prefixes(problem, program_prefixes(program))
        with torch.no_grad():
            scores.append(torch.sigmoid(prm.model.reference_logits(sequences).double()).tolist())
    return scores


@pytest.mark.parametrize("format", ["native", "released"])
def test_scores_equal_separate_sequences(tokenizer, problem, format):
    prm = tiny_prm(tokenizer, format=format)
    scores = prm.score(problem, PROGRAMS)
    for found, expected in zip(scores, separate_scores(prm, problem, PROGRAMS), strict=True):
        assert found == pytest.approx(expected, abs=1e-6)
    assert [len(program) for program in scores] == [2, 2, 1, 1, 1, 2, 1]
    assert scores[0] == scores[5]  # the same program: the same nodes
    assert all(0 <= score <= 1 and math.isfinite(score) for program in scores for score in program)


@pytest.mark.parametrize("max_tokens", [1, 200, 500])
def test_splitting_a_tree_changes_no_score(tokenizer, problem, max_tokens):
    prm = tiny_prm(tokenizer)
    whole = prm.score(problem, PROGRAMS)
    prm.max_tokens = max_tokens
    for found, expected in zip(prm.score(problem, PROGRAMS), whole, strict=True):
        assert found == pytest.approx(expected, abs=1e-6)


def test_hundreds_of_candidates_report_progress(tokenizer, problem):
    prm = tiny_prm(tokenizer)
    prm.max_tokens = 1000
    programs = [TWO_STEPS.replace("sum(numbers)", f"sum(numbers) + {index}") for index in range(200)]
    seen = []
    scores = prm.score(problem, programs, progress=lambda done, total: seen.append((done, total)))
    assert len(scores) == 200 and all(len(program) == 2 for program in scores)
    assert len({program[0] for program in scores}) < 20  # the first function is the same in all
    assert len({program[1] for program in scores}) > 100
    assert len(seen) > 1 and seen[-1] == (400, 400)


def test_problems_share_passes_and_keep_their_order(tokenizer):
    prm = tiny_prm(tokenizer)
    prm.max_tokens = 600
    requests = [
        (make_problem(question_content="First."), [TWO_STEPS, OTHER_END]),
        (make_problem(question_content="Second.", question_id="b"), []),
        (make_problem(question_content="Third.", question_id="c"), [ONE_STEP, NOT_PYTHON]),
        (make_problem(question_content="Fourth, which is too long for a pass. " * 40, question_id="d"), [TWO_STEPS]),
        (make_problem(question_content="Fifth.", question_id="e"), [ONE_STEP]),
    ]
    for (problem, programs), found in zip(requests, prm.score_problems(requests), strict=True):
        assert len(found) == len(programs)
        for scores, expected in zip(found, prm.score(problem, programs), strict=True):
            assert scores == pytest.approx(expected, abs=1e-6)


def test_a_tree_too_large_for_the_memory_is_halved(tokenizer, problem, monkeypatch):
    prm = tiny_prm(tokenizer)
    requests = [(problem, PROGRAMS), (make_problem(question_content="Second.", question_id="b"), [ONE_STEP, TWO_STEPS])]
    expected = [prm.score(*request) for request in requests]
    forward = prm.model.forward
    limit = [180]

    def limited(batch):
        if batch.num_tokens > limit[0]:
            raise torch.OutOfMemoryError("out of memory")
        return forward(batch)

    monkeypatch.setattr(prm.model, "forward", limited)
    for found in ([prm.score(*request) for request in requests], list(prm.score_problems(requests))):
        for one, other in zip(found, expected, strict=True):
            assert [score for scores in one for score in scores] == pytest.approx(
                [s for scores in other for s in scores], abs=1e-6
            )
    limit[0] = 10
    with pytest.raises(UserError, match=r"does not fit into the memory"):
        prm.score(problem, [ONE_STEP])


def test_no_program_gives_no_score(tokenizer, problem):
    assert tiny_prm(tokenizer).score(problem, []) == []
    assert tiny_prm(tokenizer).score_prefixes(problem, [[], ["x = 1\n"]])[0] == []


def test_programs_are_split_as_the_prm_was_trained(tokenizer, problem):
    prm = tiny_prm(tokenizer, steps=StepSettings(max_functions=1))
    assert [len(scores) for scores in prm.score(problem, [TWO_STEPS])] == [1]


def test_shortened_statements_are_counted(tokenizer):
    prm = tiny_prm(tokenizer, max_length=400)
    prm.score(make_problem(question_content="numbers and sums. " * 400), [TWO_STEPS, ONE_STEP])
    prm.score(make_problem(question_content="Short."), [ONE_STEP])
    assert prm.counts == {"programs": 3, "statements_shortened": 2}


def test_scoring_leaves_the_training_mode_alone(tokenizer, problem):
    prm = tiny_prm(tokenizer)
    prm.model.train()
    prm.score(problem, [ONE_STEP])
    assert prm.model.training
    assert all(score.requires_grad for score in prm.model.trainable_parameters())
