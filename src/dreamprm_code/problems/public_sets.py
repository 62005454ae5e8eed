"""Rows of public data sets as problems: HumanEval, HumanEval+, MBPP, MBPP+, LiveCodeBench, known by their columns.

====================  =================================================================================================
columns               data set
====================  =================================================================================================
entry_point, test     HumanEval ``{task_id, prompt, canonical_solution, test, entry_point}``; HumanEval+ where ``test``
                      holds EvalPlus's list of inputs
code, test_list       MBPP ``{task_id, text or prompt, code, test_list}`` and, where they are there, ``test_setup_code``,
                      ``challenge_test_list``; MBPP+ with EvalPlus's ``test`` besides
question_content      LiveCodeBench, or problems of this library: taken as they are
====================  =================================================================================================

A row becomes a :class:`Draft`. Its reference program is then run on all tests, by the grader and in its sandbox: a test that
the reference does not pass is left out, and one without an expected result gets the reference's.
"""

from __future__ import annotations

import ast
import doctest
import inspect
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from dreamprm_code.errors import UserError
from dreamprm_code.problems.asserts import (
    FLOAT_TOLERANCE,
    OTHER_CLAIM,
    UNKNOWN,
    Case,
    Cases,
    LeftOutError,
    called_names,
    cases_of_asserts,
    cases_of_inputs,
    holds_float,
)
from dreamprm_code.records import Problem, Record, RecordError, Verdict

MAX_TEST_BYTES = 1 << 20
"""A test of more is left out (bytes of input and output)."""

_LIMITS = (Verdict.TIME_LIMIT, Verdict.MEMORY_LIMIT, Verdict.OUTPUT_LIMIT)


class LeftOut(Record):
    """Tests of a problem that could not be converted; ``num_tests`` is None where the whole problem is left out."""

    key_fields: ClassVar[tuple[str, ...]] = ("question_id", "reason")

    question_id: str
    reason: str
    num_tests: int | None


@dataclass(frozen=True)
class Draft:
    """A problem before its reference program was run; ``cases`` are its tests, the first ``num_public`` of them public."""

    question_id: str
    title: str
    statement: str
    starter_code: str
    func_name: str
    platform: str
    date: str
    reference: str
    cases: tuple[Case, ...]
    num_public: int
    left_out: Counter[str]

    def to_grade(self) -> Problem:
        """A problem for the grader; its tests are the cases, with null for what the reference has to give."""
        outputs = ["null" if case.expected is UNKNOWN else json.dumps(case.expected) for case in self.cases]
        return self._problem(range(len(self.cases)), outputs)

    def finish(self, verdicts: Sequence[Verdict], results: Sequence[str | None]) -> tuple[Problem | None, list[LeftOut]]:
        """The problem with the tests that its reference passes, or None without any; and what was left out.

        ``verdicts`` and ``results`` (JSON) are the reference's on :meth:`to_grade`, fewer than the cases if it cannot be run.
        """
        left_out = Counter(self.left_out)
        kept: list[int] = []
        outputs = ["null"] * len(self.cases)
        for index, case in enumerate(self.cases):
            verdict = verdicts[index] if index < len(verdicts) else Verdict.RUNTIME_ERROR
            result = results[index] if index < len(results) else None
            if verdict in _LIMITS:
                left_out["the reference runs into a limit"] += 1
            elif result is None:
                left_out["the reference gives no result that is data"] += 1
            elif case.expected is not UNKNOWN and verdict is not Verdict.PASSED:
                left_out["the reference gives another result than the test expects"] += 1
            elif len(result) + len(_input_text(case)) > MAX_TEST_BYTES:
                left_out["a test of more than 1 MiB"] += 1
            else:
                kept.append(index)
                outputs[index] = result if case.expected is UNKNOWN else json.dumps(case.expected)
        rows = [LeftOut(question_id=self.question_id, reason=why, num_tests=count) for why, count in sorted(left_out.items())]
        if not kept:
            return None, [*rows, LeftOut(question_id=self.question_id, reason="no test is left", num_tests=None)]
        return self._problem(kept, outputs), rows

    def _problem(self, kept: Iterable[int], outputs: Sequence[str]) -> Problem:
        kept = list(kept)
        tests = [{"input": _input_text(self.cases[i]), "output": outputs[i], "testtype": "functional"} for i in kept]
        num_public = sum(index < self.num_public for index in kept)
        tolerances = [self.cases[i].tolerance or FLOAT_TOLERANCE * holds_float(json.loads(outputs[i])) for i in kept]
        statement = self.statement
        if power := round(-math.log10(max(tolerances, default=0) or 1)):
            statement += f"\n\nAn absolute or relative error of at most 1e-{power} in a result is accepted."
        return Problem(
            question_id=self.question_id,
            question_title=self.title,
            question_content=statement,
            platform=self.platform,
            contest_id="",
            contest_date=self.date,
            starter_code=self.starter_code,
            difficulty="unknown",
            public_test_cases=json.dumps(tests[:num_public]),
            private_test_cases=json.dumps(tests[num_public:]),
            metadata=json.dumps({"func_name": self.func_name}),
        )


def _input_text(case: Case) -> str:
    return "\n".join(map(json.dumps, case.arguments))


def convert(row: Mapping[str, Any], where: str) -> Draft | Problem | LeftOut:
    """A row of a public set: a draft, a problem that is one already, or why it cannot be one.

    Raises:
        UserError: the columns are of no known set, or one holds something else than text.
    """
    if "question_content" in row and "public_test_cases" in row:
        try:
            return Problem.from_dict(dict(row))
        except RecordError as error:
            raise UserError(f"{where}: {error}") from None
    known = (
        {"entry_point", "test", "prompt"} <= row.keys(),
        {"code", "test_list"} <= row.keys() and row.keys() & {"text", "prompt"},
    )
    if not any(known):
        raise UserError(f"{where}: the columns {', '.join(sorted(row))} are of no known set (HumanEval, MBPP, LiveCodeBench)")
    number = str(row.get("task_id", "")).rpartition("/")[2]
    if not number:
        raise UserError(f"{where}: field 'task_id' is missing")
    question_id = f"{'HumanEval' if known[0] else 'Mbpp'}/{number}"
    try:
        return _human_eval(row, question_id, where) if known[0] else _mbpp(row, question_id, where)
    except LeftOutError as error:
        return LeftOut(question_id=question_id, reason=str(error), num_tests=None)


def _human_eval(row: Mapping[str, Any], question_id: str, where: str) -> Draft:
    prompt, name, test = (_text(row, column, where) for column in ("prompt", "entry_point", "test"))
    reference = prompt + _text(row, "canonical_solution", where)
    document, starter = _docstring(prompt, name)
    hidden = cases_of_inputs(test) if _has_inputs(test) else cases_of_asserts(test, {"candidate", name})
    return _draft(
        Cases(_examples(document, name), Counter()),
        hidden,
        question_id=question_id,
        title=name,
        statement=document or prompt,
        starter_code=starter,
        func_name=name,
        platform="humaneval",
        date="2021-07-07T00:00:00",  # of the paper, arXiv 2107.03374
        reference=reference,
    )


def _mbpp(row: Mapping[str, Any], question_id: str, where: str) -> Draft:
    code = _text(row, "code", where).replace("\r\n", "\n")
    task = _text(row, "text" if "text" in row else "prompt", where)
    tests = [_texts(row, column, where) for column in ("test_list", "challenge_test_list")]
    try:
        names = {node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)}
    except (SyntaxError, ValueError):
        raise LeftOutError("the reference is not Python") from None
    called = called_names("\n".join(tests[0]), names)
    if len(called) != 1:
        raise LeftOutError("the tests call no function of the reference, or several")
    public = cases_of_asserts(tests[0][0], called)
    hidden = cases_of_asserts("\n".join(tests[0][1:] + tests[1]), called)
    if "test" in row:
        if OTHER_CLAIM in public.left_out + hidden.left_out:
            raise LeftOutError(OTHER_CLAIM)  # EvalPlus's text compares the result itself, which is not what the asserts do
        more = cases_of_inputs(_text(row, "test", where))
        hidden = Cases(hidden.cases + more.cases, hidden.left_out + more.left_out)
    (name,) = called
    setup = "\n".join([*_texts(row, "test_imports", where), str(row.get("test_setup_code") or "")]).strip()
    return _draft(
        public,
        hidden,
        question_id=question_id,
        title=name,
        statement=f"{task.strip()}\n\nYour code should pass this test:\n{tests[0][0].strip()}",
        starter_code="",
        func_name=name,
        platform="mbpp",
        date="2021-08-16T00:00:00",  # of the paper, arXiv 2108.07732
        reference=f"{setup}\n{code}" if setup else code,
    )


def _draft(public: Cases, hidden: Cases, **fields: Any) -> Draft:
    """A draft whose cases differ in their arguments; where a shown example contradicts a test, the test is kept, hidden."""
    shown = len(public.cases)
    found: dict[str, tuple[int, Case]] = {}
    for number, case in enumerate([*public.cases, *hidden.cases]):
        first, earlier = found.setdefault(_input_text(case), (number, case))
        if (
            first < shown <= number
            and case.expected is not UNKNOWN
            and json.dumps(earlier.expected) != json.dumps(case.expected)
        ):
            found[_input_text(case)] = (number, case)
    cases = sorted(found.values(), key=lambda item: item[0])
    num_public = sum(number < shown for number, _ in cases)
    left_out = public.left_out + hidden.left_out
    return Draft(**fields, cases=tuple(case for _, case in cases), num_public=num_public, left_out=left_out)


def _has_inputs(test: str) -> bool:
    return any(line.strip().startswith("inputs =") for line in test.splitlines())


def _docstring(prompt: str, name: str) -> tuple[str, str]:
    """The docstring of a function (its first text), without its indentation, and what stands before it."""
    try:
        nodes = ast.parse(prompt).body
    except (SyntaxError, ValueError):
        raise LeftOutError("the prompt is not Python") from None
    function = next((node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == name), None)
    if function is None:
        raise LeftOutError("the prompt does not define the function")
    for node in function.body:  # one prompt has an import before its docstring
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            before = prompt.splitlines(keepends=True)[: node.lineno - 1]
            return inspect.cleandoc(node.value.value).strip(), "".join(before).lstrip("\n")
    return "", prompt


def _examples(document: str, name: str) -> list[Case]:
    """The examples of a docstring (``>>> f(1)``, and its result in the next line) that are tests."""
    cases: list[Case] = []
    try:
        examples = doctest.DocTestParser().get_examples(document)
    except ValueError:
        return cases
    for example in examples:
        try:
            cases += cases_of_asserts(f"assert {example.source.strip()} == ({example.want.strip()})", {name}).cases
        except LeftOutError:
            continue
    return cases


def _text(row: Mapping[str, Any], column: str, where: str) -> str:
    value = row.get(column)
    if not isinstance(value, str):
        raise UserError(f"{where}: column '{column}' is missing or not text")
    return value


def _texts(row: Mapping[str, Any], column: str, where: str) -> list[str]:
    values = row.get(column) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise UserError(f"{where}: column '{column}' is not a list of texts")
    return values
