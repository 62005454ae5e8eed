"""A problem's unit tests, decoded from LiveCodeBench's JSON strings.

Private tests are either that JSON string or base64 of zlib of a pickle of it. A pickle is a program, and these come from
the network: it is never executed. Its instructions are read one by one, and only those that spell a single ``str`` are
admitted.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import pickle
import pickletools
import zlib
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, get_args

from dreamprm_code.errors import UserError
from dreamprm_code.records import Problem

TestType = Literal["stdin", "functional"]

MAX_DECODED_BYTES = 1 << 30
"""A problem's private tests may not unpack to more (bytes); the largest of LiveCodeBench are far below."""


class TestCaseError(UserError):
    """A problem's unit tests cannot be decoded; the message names the problem, the field and what is wrong."""


class TestCase(NamedTuple):
    """One unit test.

    stdin: ``input`` is the standard input, ``output`` the expected standard output. functional: ``input`` holds one JSON
    value per line (the arguments), ``output`` one JSON value.
    """

    input: str
    output: str
    testtype: TestType


class ProblemTests(NamedTuple):
    """The tests that the statement shows, and the hidden ones."""

    public: tuple[TestCase, ...]
    private: tuple[TestCase, ...]

    @property
    def all(self) -> tuple[TestCase, ...]:
        return self.public + self.private


def test_cases(problem: Problem) -> ProblemTests:
    """Decode a problem's tests (large: keep the result only as long as it is needed).

    Raises:
        TestCaseError: a field holds neither encoding, or a test is not {input, output, testtype}.
    """
    tests = ProblemTests(
        public=_decode(problem, "public_test_cases"),
        private=_decode(problem, "private_test_cases"),
    )
    if not problem.is_functional and any(test.testtype == "functional" for test in tests.all):
        raise TestCaseError(f"problem {problem.question_id}: has functional tests, but its metadata has no func_name")
    return tests


for _name in (test_cases, TestCase, ProblemTests, TestCaseError):
    setattr(_name, "__test__", False)  # noqa: B010 - for pytest: none of these is a test


def encode_test_cases(tests: Sequence[TestCase], compress: bool = False) -> str:
    """The inverse of :func:`test_cases` for one field; ``compress`` gives base64(zlib(pickle(JSON))), LiveCodeBench's own."""
    text = json.dumps([test._asdict() for test in tests], ensure_ascii=False)
    if not compress:
        return text
    return base64.b64encode(zlib.compress(pickle.dumps(text, protocol=4))).decode("ascii")


def _decode(problem: Problem, field: str) -> tuple[TestCase, ...]:
    text: str = getattr(problem, field)
    if not text.strip():
        return ()
    where = f"problem {problem.question_id}: {field}"
    try:
        try:
            items = _parse_json(text)
        except ValueError as not_json:
            if text.lstrip()[0] in "[{":
                raise ValueError(f"not valid JSON ({not_json})") from None
            items = _parse_json(_unpickle_str(_unzip(text)))
        if not isinstance(items, list):
            raise ValueError(f"expected a list of tests, found {type(items).__name__}")
        return tuple(_test_case(item, number) for number, item in enumerate(items))
    except ValueError as error:
        raise TestCaseError(f"{where}: {error}; get the file again, or drop this problem") from None


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None


def _test_case(item: Any, number: int) -> TestCase:
    if not isinstance(item, dict):
        raise ValueError(f"test {number} is not an object")
    for name in ("input", "output", "testtype"):
        if not isinstance(item.get(name), str):
            raise ValueError(f"test {number}: field '{name}' is missing or not a string")
    if item["testtype"] not in get_args(TestType):
        raise ValueError(f"test {number}: testtype {item['testtype']!r} is neither stdin nor functional")
    return TestCase(item["input"], item["output"], item["testtype"])


def _unzip(text: str) -> bytes:
    """base64 -> zlib -> bytes, at most MAX_DECODED_BYTES of them."""
    try:
        packed = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"neither JSON nor base64 ({error})") from None
    unzipper = zlib.decompressobj()
    try:
        data = unzipper.decompress(packed, MAX_DECODED_BYTES)
    except zlib.error as error:
        raise ValueError(f"base64, but not of zlib data ({error})") from None
    if unzipper.unconsumed_tail:
        raise ValueError(f"unpacks to more than {MAX_DECODED_BYTES} bytes")
    if not unzipper.eof:
        raise ValueError("zlib data is cut off")
    return data


_STR_INSTRUCTIONS = frozenset({"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"})
_HARMLESS_INSTRUCTIONS = frozenset({"PROTO", "FRAME", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "STOP"})


def _unpickle_str(data: bytes) -> str:
    """The one ``str`` that a pickle spells, found by reading its instructions; nothing is executed."""
    texts: list[str] = []
    try:
        for instruction, argument, _ in pickletools.genops(io.BytesIO(data)):
            if instruction.name in _STR_INSTRUCTIONS:
                texts.append(str(argument))
            elif instruction.name not in _HARMLESS_INSTRUCTIONS:
                raise ValueError(f"refused: the pickle holds more than one string (instruction {instruction.name})")
            if len(texts) > 1:
                raise ValueError("refused: the pickle holds more than one string")
    except (ValueError, OverflowError, MemoryError) as error:
        message = str(error)
        raise ValueError(message if message.startswith("refused") else f"not a readable pickle ({message})") from None
    if not texts:
        raise ValueError("refused: the pickle holds no string")
    return texts[0]
