"""One text per step, no silent cuts, nothing that a program can forge."""

import pytest

from builders.prm_texts import prm_text
from builders.programs import NOT_PYTHON, PROGRAMS, TWO_STEPS
from builders.rows import make_problem
from dreamprm_code.errors import UserError
from dreamprm_code.prm.encoding import OMITTED, EncodingError, StepEncoder, choose_step_token
from dreamprm_code.prm.input_text import check_template, fill, load_template, program_prefixes


def test_the_released_text_is_the_authors(problem):
    assert prm_text(problem, "x = 1\n", "released") == (
        "<task>\nPlatform: atcoder\nQuestion ID: sum\nTitle: Sum\n</task>\n\n"
        "<problem>\nGiven numbers, print their sum.\n</problem>\n\n"
        "<starter_code>\nx = 1\n\n</starter_code>"
    )


def test_the_native_text_ends_every_step_with_the_step_token(problem):
    text = prm_text(problem, TWO_STEPS, step_token="<|quad_end|>")
    assert text.count("<|quad_end|>") == len(program_prefixes(TWO_STEPS)) == 2
    assert text.endswith("<|quad_end|>")
    assert text.replace("<|quad_end|>", "") == fill(load_template("native"), problem, TWO_STEPS)


def test_braces_in_problems_and_programs_mean_nothing():
    problem = make_problem(question_content="print {} and {code}")
    assert "print {} and {code}" in prm_text(problem, "d = {'a': {}}", "released")


@pytest.mark.parametrize("format", ["native", "released"])
@pytest.mark.parametrize("code", PROGRAMS)
def test_ids_are_those_of_the_text_as_a_whole(tokenizer, problem, format, code):
    encoder = StepEncoder(tokenizer, format)
    prefixes = program_prefixes(code)
    sequences = encoder.encode_prefixes(problem, prefixes)
    for index, (prefix, sequence) in enumerate(zip(prefixes, sequences, strict=True)):
        text = prm_text(problem, prefix, format, step_token=encoder.step_token or "", earlier=prefixes[:index])
        assert list(sequence) == tokenizer(text).input_ids
        assert encoder.encode(problem, prefix, prefixes[:index]) == sequence


def test_native_ids_of_a_prefix_are_the_first_ids_of_the_program(tokenizer, problem):
    first, last = StepEncoder(tokenizer).encode_program(problem, TWO_STEPS)
    assert last[: len(first)] == first


def test_encoding_a_prefix_alone_finds_its_earlier_steps(tokenizer, problem):
    encoder = StepEncoder(tokenizer)
    prefixes = program_prefixes(TWO_STEPS)
    assert [encoder.encode(problem, prefix) for prefix in prefixes] == encoder.encode_prefixes(problem, prefixes)


def test_a_program_cannot_forge_a_step(tokenizer, problem):
    encoder = StepEncoder(tokenizer)
    sequences = encoder.encode_program(problem, "print('<|quad_end|>')\n")
    assert sum(token == encoder.step_token_id for token in sequences[-1]) == 1


@pytest.mark.parametrize("code", ["s = '\ud800'\n", "\x00", "a = 1\r\nb = 2\r\n", "\ufeffx = 1\n", "# e\u0301 \ufb01\n"])
def test_odd_characters_do_not_stop_the_encoder(tokenizer, code):
    problem = make_problem(question_content="long statement " * 100)
    for max_length in (None, 300):
        assert StepEncoder(tokenizer, max_length=max_length).encode_program(problem, code)


def test_prefixes_that_do_not_grow_are_refused(tokenizer, problem):
    with pytest.raises(ValueError, match="grow"):
        StepEncoder(tokenizer).encode_prefixes(problem, ["a = 1\n", "b = 1\n"])
    with pytest.raises(ValueError, match="grow"):
        StepEncoder(tokenizer).encode_prefixes(problem, ["a = 1\n", "a = 1\n"])


@pytest.mark.parametrize("format", ["native", "released"])
def test_a_long_statement_loses_its_middle_and_the_code_stays(tokenizer, format):
    problem = make_problem(question_content="BEGIN " + "numbers and sums. " * 400 + " END")
    encoder = StepEncoder(tokenizer, format, max_length=400)
    sequences = encoder.encode_program(problem, TWO_STEPS)
    text = tokenizer.decode(sequences[-1])
    assert 390 < len(sequences[-1]) <= 400
    assert "BEGIN numbers" in text and " END" in text and OMITTED in text
    assert TWO_STEPS in text.replace("<|quad_end|>", "")
    assert encoder.counts == {"programs": 1, "statements_shortened": 1}
    if format == "native":
        assert sequences[-1][: len(sequences[0])] == sequences[0]


def test_code_that_does_not_fit_is_an_error_that_says_so(tokenizer, problem):
    with pytest.raises(EncodingError, match=r"sum.*exceeds max_length 50.*code is never cut"):
        StepEncoder(tokenizer, max_length=50).encode_program(problem, TWO_STEPS)


def test_a_text_that_just_fits_is_left_alone(tokenizer, problem):
    length = len(StepEncoder(tokenizer).encode_program(problem, TWO_STEPS)[-1])
    exact = StepEncoder(tokenizer, max_length=length)
    assert len(exact.encode_program(problem, TWO_STEPS)[-1]) == length
    assert exact.counts["statements_shortened"] == 0


def test_the_step_token_is_reserved_and_special(tokenizer):
    assert choose_step_token(tokenizer) == "<|quad_end|>"
    for token in ("<|endoftext|>", "<|im_end|>", "def"):
        with pytest.raises(EncodingError, match="special token"):
            StepEncoder(tokenizer, step_token=token)


def test_code_without_steps_is_one_step():
    assert program_prefixes("") == [""]
    assert program_prefixes(NOT_PYTHON) == [NOT_PYTHON]


def test_a_template_that_cannot_be_filled_is_refused():
    with pytest.raises(UserError, match="exactly once"):
        check_template("no field", "native", "here")
    with pytest.raises(UserError, match="unknown"):
        check_template("{nonsense} {code}", "native", "here")
    with pytest.raises(UserError, match="not known"):
        load_template("other")


def test_a_program_in_another_language_is_read_with_its_name_and_its_own_steps(tokenizer, problem):
    encoder = StepEncoder(tokenizer)
    code = "int half(int n) { return n / 2; }\nint main() { return half(2); }\n"
    first, last = encoder.encode_program(problem, code, language="cpp")
    text = tokenizer.decode(last)
    assert "print their sum.\n\nThe program is written in C++.\n" in text
    assert text.count(encoder.step_token) == 2 and last[: len(first)] == first
    assert encoder.encode_program(problem, TWO_STEPS, language="python") == encoder.encode_program(problem, TWO_STEPS)
