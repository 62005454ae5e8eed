"""Unit tests of a problem are decoded from both of LiveCodeBench's encodings, and nothing is ever executed on the way."""

from __future__ import annotations

import base64
import json
import pickle
import zlib

import pytest

from builders.rows import make_problem
from dreamprm_code import problems
from dreamprm_code.problems import load_problems, unit_tests
from dreamprm_code.problems.unit_tests import encode_test_cases


def packed(obj: object, protocol: int = 4) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(obj, protocol=protocol))).decode()


CASES = [{"input": "5\n", "output": "10\n", "testtype": "stdin"}, {"input": "é\u2028", "output": "", "testtype": "stdin"}]


@pytest.mark.parametrize("protocol", range(6))
def test_a_packed_json_string_decodes_for_every_pickle_protocol(protocol):
    problem = make_problem(private_test_cases=packed(json.dumps(CASES, ensure_ascii=False), protocol))
    tests = problems.test_cases(problem)
    assert [test._asdict() for test in tests.private] == CASES
    assert tests.all == tests.public + tests.private


@pytest.mark.parametrize("compress", [False, True])
def test_encoding_is_the_inverse_of_decoding(compress):
    cases = tuple(unit_tests.TestCase(**case) for case in CASES)
    assert problems.test_cases(make_problem(private_test_cases=encode_test_cases(cases, compress))).private == cases


def test_an_empty_field_holds_no_tests():
    assert problems.test_cases(make_problem(public_test_cases="", private_test_cases=" ")).all == ()


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize(
    "value",
    [Evil(), ["a"], {"a": "b"}, 5, None, b"bytes", bytearray(b"x"), ("a", "b"), pickle.dumps(Evil()), [[[["x"]]]]],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_of_anything_but_a_string_is_refused_and_not_executed(capsys, value, protocol):
    with pytest.raises(problems.TestCaseError, match="problem q: private_test_cases: refused"):
        problems.test_cases(make_problem(private_test_cases=packed(value, protocol)))
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not base64!", "neither JSON nor base64"),
        ("[{]", "not valid JSON"),
        (base64.b64encode(b"plain").decode(), "not of zlib data"),
        (base64.b64encode(zlib.compress(b"not a pickle")).decode(), "pickle"),
        (base64.b64encode(zlib.compress(b"")).decode(), "pickle"),
        (base64.b64encode(zlib.compress(pickle.dumps("[]"))[:-3]).decode(), "cut off"),
        (packed("no json"), "Expecting value"),
        (packed('{"a": 1}'), "expected a list"),
        ("5", "expected a list"),
        ('["x"]', "test 0 is not an object"),
        ('[{"input": "1", "testtype": "stdin"}]', "'output' is missing"),
        ('[{"input": 1, "output": "1", "testtype": "stdin"}]', "'input' is missing or not a string"),
        ('[{"input": "1", "output": "1", "testtype": "file"}]', "neither stdin nor functional"),
        ("[" * 100_000, "nested too deeply"),
        ('[{"input": "1", "output": "1", "testtype": "functional"}]', "no func_name"),
    ],
)
def test_every_broken_encoding_is_one_clear_error(text, message):
    with pytest.raises(problems.TestCaseError, match=message):
        problems.test_cases(make_problem(private_test_cases=text))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    monkeypatch.setattr(unit_tests, "MAX_DECODED_BYTES", 1000)
    with pytest.raises(problems.TestCaseError, match="more than 1000 bytes"):
        problems.test_cases(make_problem(private_test_cases=packed("x" * 100_000)))


def test_real_encoded_private_tests_equal_the_plain_ones(shared_data):
    folder = shared_data / "livecodebench"
    plain = {problem.question_id: problem for problem in load_problems(folder / "problems.jsonl")}
    encoded = load_problems(folder / "problems_encoded_private_tests.jsonl")
    assert len(encoded) == 40
    for problem in encoded:
        assert problem.private_test_cases[0] not in "[{"
        assert problems.test_cases(problem) == problems.test_cases(plain[problem.question_id])
