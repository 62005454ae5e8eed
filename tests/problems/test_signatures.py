"""A function's signature comes from its header and its tests; what is not plain is refused by its name."""

from __future__ import annotations

import pytest

from dreamprm_code.problems.signatures import Parameter, PlainType, SignatureError, signature_of

HEADER = "class Solution:\n    def f(self, nums: List[int], ratio: float, words: List[List[str]]) -> bool:\n        "


def test_annotations_say_the_types_and_values_how_large_integers_are():
    found = signature_of("f", HEADER, ["[1, -5000000000]\n2\n[]"], ["true"])
    assert found.parameters == (
        Parameter("nums", PlainType("integer", 1, 5_000_000_000)),
        Parameter("ratio", PlainType("number", 0, 2)),
        Parameter("words", PlainType("string", 2)),
    )
    assert found.result == PlainType("boolean") and found.largest == 5_000_000_000


def test_without_annotations_the_values_of_all_tests_together_say_the_types():
    found = signature_of("f", "def f(a, b=3):\n    '''doc: here'''\n", ["[]\n1", "[[], [2]]\n1.5"], ["[]", '["x"]'])
    assert [parameter.type for parameter in found.parameters] == [PlainType("integer", 2, 2), PlainType("number", 0, 1)]
    assert found.result == PlainType("string", 1)
    assert [parameter.name for parameter in signature_of("g", "", ['"x"\n2'], ["0"]).parameters] == ["argument_1", "argument_2"]


@pytest.mark.parametrize(
    ("header", "given", "expected", "message"),
    [
        ("def f(root: Optional[TreeNode]) -> int:", "[1]", "1", "parameter root is Optional[TreeNode]"),
        ("def f(x: int) -> Dict[str, int]:", "1", "{}", "the result is Dict[str, int]"),
        ("", "1", '{"a": 1}', "the result is an object"),
        ("", "[1, null]", "1", "parameter argument_1 is nothing (null)"),
        ("", '[1, "a"]', "1", "parameter argument_1 is sometimes an integer and sometimes a string"),
        ("", "[1, [2]]", "1", "sometimes an integer and sometimes a list of integers"),
        ("def f(x: int) -> int:", "1", '"a"', "the result is sometimes an integer and sometimes a string"),
        ("", "[]", "1", "empty in every test"),
        ("", str(2**63), "1", "more than 64 bits"),
        ("", "NaN", "1", "not finite"),
        ("", '"\\ud83d"', "1", "half a surrogate pair"),
        ("def f(x: int, y: int) -> int:", "1", "1", None),
        ("def f(x: int) -> int:", "1\n2", "1", "different numbers of arguments"),
    ],
)
def test_what_is_not_plain_is_refused_by_name(header, given, expected, message):
    if message is None:  # the second has a default
        assert len(signature_of("f", header, [given], [expected]).parameters) == 1
        return
    with pytest.raises(SignatureError) as raised:
        signature_of("f", header, [given], [expected])
    assert message in str(raised.value)
