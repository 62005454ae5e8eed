"""Where the head reads: means over a program's tokens, a cut backbone, standardised features."""

import pytest
import torch
from torch.autograd import forward_ad
from torch.func import functional_call

from builders.models import tiny_model, tiny_prm
from builders.programs import NOT_PYTHON, ONE_STEP, OTHER_END, PROGRAMS, TWO_STEPS
from builders.rows import make_problem
from dreamprm_code.errors import UserError
from dreamprm_code.prm import PRM
from dreamprm_code.prm.encoding import StepEncoder
from dreamprm_code.prm.input_text import program_prefixes, step_pieces
from dreamprm_code.prm.readout import Reading, code_weights
from dreamprm_code.prm.trees import StepTokens, build_tree, collate

MEANS = ("mean", "step_mean")


def encoded(tokenizer, programs, format="native") -> list[StepTokens]:
    """The steps of these programs of one problem, each once."""
    encoder = StepEncoder(tokenizer, format)
    steps = [step for code in programs for step in encoder.encode_program(make_problem(), code)]
    return list(dict.fromkeys(steps))


@pytest.mark.parametrize("format", ["native", "released"])
@pytest.mark.parametrize("code", [*PROGRAMS, "\n\nx = 1\n", "s = 'é\ud800'\nprint(s)\n"])
def test_the_spans_hold_the_program_and_the_step_and_nothing_else(tokenizer, format, code):
    prefixes = program_prefixes(code)
    encoder = StepEncoder(tokenizer, format)
    for prefix, piece, step in zip(
        prefixes, step_pieces(prefixes), encoder.encode_prefixes(make_problem(), prefixes), strict=True
    ):
        first, begin, stop = step.span
        program, own = (
            tokenizer.decode([token for token in step[start:stop] if token != step.separator]) for start in (first, begin)
        )
        prefix, piece = prefix.replace("\ud800", "?"), piece.replace("\ud800", "?")
        # A token over an edge, such as ">" and the line ends behind it, belongs to what follows; at the end, to the program.
        for found, text in ((program, prefix.strip("\n")), (own, piece.strip("\n"))):
            before, after = found.split(text, 1) if text else (found, "")
            assert not any(character.isalnum() for character in before + after)


@pytest.mark.parametrize("format", ["native", "released"])
def test_the_span_survives_a_shortened_statement(tokenizer, format):
    encoder = StepEncoder(tokenizer, format, max_length=400)
    steps = encoder.encode_program(make_problem(question_content="numbers and sums. " * 400), TWO_STEPS)
    first, _, stop = steps[-1].span
    assert encoder.counts["statements_shortened"] == 1
    program = tokenizer.decode([token for token in steps[-1][first:stop] if token != steps[-1].separator])
    assert program.strip("\n") == TWO_STEPS.strip("\n")


def test_weights_worked_out_by_hand():
    # 9 is the problem, 5 ends a step. Two programs: 1 2 | 3 and 1 2 | 4 4, of which the first step is the same.
    steps = [
        StepTokens([9, 1, 2, 5], (1, 1, 3), 5),
        StepTokens([9, 1, 2, 5, 3, 5], (1, 4, 5), 5),
        StepTokens([9, 1, 2, 5, 4, 4, 5], (1, 4, 6), 5),
        StepTokens([9, 5], (1, 1, 1), 5),  # an empty program
    ]
    batch = collate([build_tree(steps)])
    assert batch.token_ids_T.tolist() == [9, 1, 2, 5, 3, 5, 4, 4, 5, 5]
    third, quarter, half = 1 / 3, 1 / 4, 1 / 2
    expected = {
        "mean": [
            [0, half, half, 0, 0, 0, 0, 0, 0, 0],
            [0, third, third, 0, third, 0, 0, 0, 0, 0],
            [0, quarter, quarter, 0, 0, 0, quarter, quarter, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        ],
        "step_mean": [
            [0, half, half, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 1, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, half, half, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        ],
    }
    for readout, weights in expected.items():
        torch.testing.assert_close(code_weights(batch, readout), torch.tensor(weights))


@pytest.mark.parametrize(
    "reading", [Reading("mean"), Reading("step_mean"), Reading("mean", 1, False, True), Reading("last", 1)]
)
@pytest.mark.parametrize("format", ["native", "released"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_trees_give_what_separate_sequences_give(tokenizer, reading, format, dtype, tolerance):
    model = tiny_model(dtype=dtype, reading=reading)
    trees = [encoded(tokenizer, PROGRAMS, format), encoded(tokenizer, [OTHER_END], format)]
    batch = collate([build_tree(steps) for steps in trees])
    if reading.scaled:
        model.fit_scale([batch])
    with torch.no_grad():
        separate = torch.cat([model.reference_logits(steps) for steps in trees])
        assert separate.std() > 0.01
        for implementation in ("segments", "math", "dense"):
            found = torch.sigmoid(model(batch, implementation))
            torch.testing.assert_close(found, torch.sigmoid(separate), rtol=0, atol=tolerance)


@pytest.mark.parametrize("readout", MEANS)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_equal_those_of_separate_sequences(tokenizer, readout, checkpointing):
    model = tiny_model(reading=Reading(readout)).train()
    if checkpointing:
        model.enable_gradient_checkpointing()
    steps = encoded(tokenizer, PROGRAMS)
    gradients = []
    for logits in (model.reference_logits(steps), model(collate([build_tree(steps)]))):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.linspace(0, 1, len(steps)))
        gradients.append(torch.cat([part.flatten() for part in torch.autograd.grad(loss, model.trainable_parameters())]))
    assert (gradients[0] - gradients[1]).norm() < 1e-5 * gradients[0].norm()


@pytest.mark.parametrize("reading", [Reading("mean"), Reading("step_mean", 1, False, True)])
def test_forward_mode_derivatives_equal_reverse_mode_ones(tokenizer, reading):
    model = tiny_model(dtype=torch.float64, reading=reading)
    batch = collate([build_tree(encoded(tokenizer, [TWO_STEPS, OTHER_END]))])
    if reading.scaled:
        model.fit_scale([batch])
    theta = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    along = {name: torch.randn_like(parameter) for name, parameter in theta.items()}
    with torch.no_grad(), forward_ad.dual_level():
        duals = {name: forward_ad.make_dual(parameter.detach(), along[name]) for name, parameter in theta.items()}
        tangent_S = forward_ad.unpack_dual(functional_call(model, duals, (batch, "math"))).tangent
    for step, logit in enumerate(model(batch)):
        gradient = torch.autograd.grad(logit, list(theta.values()), retain_graph=True)
        expected = sum((g * d).sum() for g, d in zip(gradient, along.values(), strict=True))
        torch.testing.assert_close(tangent_S[step], expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("readout", MEANS)
def test_plain_sequences_do_not_say_where_the_program_is(readout):
    with pytest.raises(ValueError, match="StepEncoder"):
        tiny_model(reading=Reading(readout))(collate([build_tree([[1, 2, 3]])]))


@pytest.mark.parametrize("max_tokens", [1, 300, 8192])
@pytest.mark.parametrize("readout", MEANS)
def test_a_prm_scores_alike_however_its_trees_are_split(tokenizer, problem, readout, max_tokens):
    prm = tiny_prm(tokenizer, reading=Reading(readout))
    prm.max_tokens = max_tokens
    programs = [TWO_STEPS, OTHER_END, ONE_STEP, NOT_PYTHON, ""]
    found = [score for scores in prm.score(problem, programs) for score in scores]
    separate = [step for code in programs for step in prm.encoder.encode_program(problem, code)]
    with torch.no_grad():
        expected = torch.sigmoid(prm.model.reference_logits(separate).double())
    assert found == pytest.approx(expected.tolist(), abs=1e-6)
    (together,) = prm.score_problems([(problem, programs)])
    assert [score for scores in together for score in scores] == pytest.approx(found, abs=1e-6)


@pytest.mark.parametrize("shape", ["tiny-window", "tiny-llama", "tiny-qwen3", "tiny-mistral"])
def test_a_cut_backbone_gives_the_states_of_the_whole_one(shape):
    """transformers' own ``hidden_states`` are those after each layer, before the last norm but for the last of them."""
    whole = tiny_model(shape, lora=None)
    ids = torch.arange(40)[None]
    with torch.no_grad():
        output = whole.backbone(input_ids=ids, output_hidden_states=True, use_cache=False)
        batch = collate([build_tree([ids[0].tolist()])])
        for final_norm in (False, True):
            cut = tiny_model(shape, lora=None, reading=Reading(layers=1, final_norm=final_norm))
            expected = whole.decoder.norm(output.hidden_states[1]) if final_norm else output.hidden_states[1]
            torch.testing.assert_close(cut.hidden_states(batch)[None], expected, rtol=1e-5, atol=1e-6)
            assert sum(p.numel() for p in cut.parameters()) < sum(p.numel() for p in whole.parameters())


@pytest.mark.parametrize("layers", [0, 3])
def test_more_layers_than_there_are(layers):
    with pytest.raises(UserError, match=f"setting 'layers' is {layers}; the backbone has 2"):
        tiny_model(reading=Reading(layers=layers))
    with pytest.raises(UserError, match="choose from last, mean, step_mean"):
        Reading("median")


def test_scaled_features_are_standardised_without_labels(tokenizer, problem):
    reading = Reading("mean", layers=1, final_norm=False, scaled=True)
    prm = PRM.create("random:tiny", lora=None, tokenizer=tokenizer, reading=reading)
    prm.fit_scale([(problem, PROGRAMS), (make_problem(question_content="Another."), [TWO_STEPS])])
    steps = [prm.encoder.encode_program(problem, code) for code in PROGRAMS]
    again = [prm.encoder.encode_program(make_problem(question_content="Another."), TWO_STEPS)]
    with torch.no_grad():
        feature_SH = torch.cat([prm.model.features(collate([build_tree(group)])) for group in steps + again])
        scaled_SH = prm.model.scale(feature_SH)
    assert scaled_SH.mean(0).abs().max() < 1e-5
    assert scaled_SH.square().sum(1).mean().item() == pytest.approx(1.0, abs=1e-4)
    assert scaled_SH.std(0, unbiased=False).sub(64**-0.5).abs().max() < 1e-4
    assert [name for name, p in prm.model.named_parameters() if p.requires_grad] == ["head.weight"]


def test_a_head_on_scaled_features_learns_in_steps_of_a_hundredth(tokenizer, problem):
    """Ten programs of two kinds: after 300 steps of Adam at lr 0.01 every one is told from the others of the other kind."""
    prm = PRM.create(
        "random:tiny", lora=None, tokenizer=tokenizer, reading=Reading("mean", 1, False, True), head_bias=True, seed=3
    )
    programs = [f"def main():\n    print({'sum' if kind else 'max'}({index}))\n" for kind in (0, 1) for index in range(5)]
    labels = torch.tensor([float(kind) for kind in (0, 1) for _ in range(5)])
    prm.fit_scale([(problem, programs)])
    batch = collate([build_tree([prm.encoder.encode_program(problem, code)[-1] for code in programs])])
    optimizer = torch.optim.Adam(prm.model.trainable_parameters(), lr=0.01)
    for _ in range(300):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(prm.model(batch), labels).backward()
        optimizer.step()
    with torch.no_grad():
        assert ((prm.model(batch) > 0).float() == labels).all()


def test_a_scale_that_cannot_be_fitted_says_so(tokenizer, problem):
    with pytest.raises(UserError, match="no scale to fit"):
        tiny_prm(tokenizer).fit_scale([(problem, PROGRAMS)])
    with pytest.raises(UserError, match="two steps or more, found 1"):
        tiny_prm(tokenizer, reading=Reading(scaled=True)).fit_scale([(problem, [ONE_STEP])])
