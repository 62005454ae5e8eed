"""Every row of every JSON Lines file, in the order in which data flows. Read this file first.

=====================  ====================  =============================================================
file                   row                   written by
=====================  ====================  =============================================================
problems.jsonl         Problem               LiveCodeBench, or you
(any name)             Solution              grade          (programs of any origin, graded)
cof_solutions.jsonl    Solution              gen_cof        (training problems, Chain-of-Function programs)
rollouts.jsonl         Rollout               gen_cof_label  (sampled completions of function prefixes)
step_labels.jsonl      StepLabel             gen_cof_label  (every step, with its Monte-Carlo counts)
meta_solutions.jsonl   Solution              gen_sol        (clean outcomes for the outer level)
test_solutions.jsonl   Solution              gen_sol        (candidates to choose from)
corrected_labels.jsonl CorrectedLabel        train_prm
test_scores.jsonl      SolutionScores        evaluate_prm
selections.jsonl       Selection             evaluate_prm
table.jsonl            TableRow              evaluate_prm
(any name)             RankedProgram         score          (programs of any origin, scored)
=====================  ====================  =============================================================

A row is one fact. Its identity is the tuple ``key`` of typed fields, never a string to be parsed. Unknown fields, missing
fields and wrong types are errors. ``None`` in ``passed`` means "could not be graded": it is not False, it leaves every
denominator, and tables count it.

Indices are zero-based. A *step* is a function of a program; the *prefix* of step k is the program up to the end of its
k-th function, and the prefix of the last step is the whole program (paper, section 3.1).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from dreamprm_code.languages import PYTHON
from dreamprm_code.record_base import Code, LanguageName, rows_of_tests
from dreamprm_code.record_base import Record as Record
from dreamprm_code.record_base import RecordError as RecordError

Index = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Verdict(StrEnum):
    """What grading a program came to. ``HARNESS_ERROR`` is the grader's failure, never the program's."""

    PASSED = "passed"
    WRONG_ANSWER = "wrong_answer"
    RUNTIME_ERROR = "runtime_error"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    COMPILE_ERROR = "compile_error"
    NO_CODE = "no_code"
    HARNESS_ERROR = "harness_error"

    @property
    def passed(self) -> bool | None:
        """True, False, or None where the program could not be graded."""
        return None if self is Verdict.HARNESS_ERROR else self is Verdict.PASSED


class Problem(Record):
    """A programming problem in LiveCodeBench's ``code_generation_lite`` schema, field for field.

    The test cases and the metadata stay the JSON strings that LiveCodeBench ships, so that its files and ours are
    interchangeable; ``dreamprm_code.problems.test_cases`` decodes them (private ones may also be base64 of zlib of a
    pickled JSON string).
    """

    key_fields = ("question_id",)

    question_id: Annotated[str, Field(min_length=1)]
    question_title: str
    question_content: str
    platform: str
    contest_id: str
    contest_date: Annotated[str, Field(description="ISO 8601, or empty")]
    starter_code: str
    difficulty: str
    public_test_cases: str
    private_test_cases: str
    metadata: str

    @classmethod
    def from_tests(
        cls,
        tests: Iterable[tuple[Any, Any]],
        func_name: str | None = None,
        private_tests: Iterable[tuple[Any, Any]] = (),
        **known: str,
    ) -> Self:
        """A problem of its tests and what else is ``known`` (question_id, question_title, question_content ...).

        Without ``func_name`` a test is (standard input, expected output), two strings. With it, a test is (arguments, expected
        result): a list or tuple of JSON values and one JSON value. ``tests`` are public, as in a statement's examples.

        >>> Problem.from_tests([("3", "6")], private_tests=[("5", "10")])
        >>> Problem.from_tests([((3, [1, 2]), 6)], func_name="solve")

        Raises:
            RecordError: there is no public test, or one is not of that form; or a field is not one of a problem.
        """
        tests_of = {"public": rows_of_tests(tests, func_name), "private": rows_of_tests(private_tests, func_name)}
        if not tests_of["public"]:
            raise RecordError("a problem needs at least one test")
        known["metadata"] = json.dumps({"func_name": func_name} if func_name else {})
        for name, rows in tests_of.items():
            known[f"{name}_test_cases"] = json.dumps(rows, ensure_ascii=False)
        return cls.from_text(**known)

    @classmethod
    def from_text(cls, question_content: str = "", **known: str) -> Self:
        """A problem of its statement and what else is ``known``: without tests, every other field empty."""
        nothing = dict.fromkeys(cls.model_fields, "") | {"question_id": "problem", "metadata": "{}"}
        no_tests = {"public_test_cases": "[]", "private_test_cases": "[]"}
        return cls.from_dict(nothing | no_tests | {"question_content": question_content} | known)

    @property
    def func_name(self) -> str | None:
        """Name of the function (or ``Solution`` method) that tests call; None for a stdin problem."""
        return json.loads(self.metadata or "{}").get("func_name")

    @property
    def is_functional(self) -> bool:
        return self.func_name is not None


class Solution(Code):
    """One program for a problem, and what its unit tests said.

    ``output`` is the model's whole answer, ``code`` the program extracted from it ("" if none). ``verdict`` is None while
    the program has not been graded; ``failed_test`` is the first failing test's index (public tests first), ``cpu_seconds``
    the CPU time of all tests that were run. ``public_passed`` says whether the public tests pass; ``public_outputs`` is a
    fingerprint, equal for programs of a problem that do the same on all public inputs. Both are None where that is not known.

    ``mean_logprob`` is the policy's mean log-probability of the answer's tokens (natural logarithm, temperature 1), where the
    policy tells it. ``test_verdicts`` are there only if all tests were asked for.
    """

    key_fields = ("question_id", "solution_idx")

    question_id: str
    solution_idx: Index
    output: str
    code: str
    language: LanguageName = PYTHON.name
    finish_reason: str
    passed: bool | None
    verdict: Annotated[Verdict, Field(strict=False)] | None
    reason: str = ""
    failed_test: Index | None = None
    cpu_seconds: Annotated[float, Field(ge=0)] | None = None
    public_passed: bool | None = None
    public_outputs: str | None = None
    test_verdicts: list[Annotated[Verdict, Field(strict=False)]] | None = None
    prompt_tokens: Index | None = None
    completion_tokens: Index | None = None
    mean_logprob: Annotated[float, Field(le=0)] | None = None

    @model_validator(mode="after")
    def _passed_follows_verdict(self) -> Self:
        expected = None if self.verdict is None else self.verdict.passed
        if self.passed is not expected:
            raise ValueError(f"passed={self.passed} contradicts verdict={self.verdict}")
        return self


class Step(Code):
    """One function of a program: the text from the program's start to the function's end."""

    key_fields = ("question_id", "solution_idx", "step_idx")

    question_id: str
    solution_idx: Index
    step_idx: Index
    num_steps: Annotated[int, Field(ge=1)]
    name: str
    prefix: str
    language: LanguageName = PYTHON.name

    @model_validator(mode="after")
    def _index_in_range(self) -> Self:
        if self.step_idx >= self.num_steps:
            raise ValueError(f"step_idx={self.step_idx} is not below num_steps={self.num_steps}")
        return self

    @property
    def is_last(self) -> bool:
        return self.step_idx == self.num_steps - 1


class Rollout(Code):
    """One sampled completion of a prefix, graded as a whole program.

    ``keeps_prefix`` is False where the policy rewrote the prefix: such a rollout says nothing about the prefix, is kept for
    the record and leaves its label.
    """

    key_fields = ("question_id", "solution_idx", "step_idx", "rollout_idx")

    question_id: str
    solution_idx: Index
    step_idx: Index
    rollout_idx: Index
    output: str
    code: str
    language: LanguageName = PYTHON.name
    keeps_prefix: bool
    finish_reason: str
    passed: bool | None
    verdict: Annotated[Verdict, Field(strict=False)] | None
    prompt_tokens: Index | None = None
    completion_tokens: Index | None = None

    _passed_follows_verdict = Solution._passed_follows_verdict


class StepLabel(Step):
    """A step with its Monte-Carlo counts.

    ``mc_value`` = num_correct / num_rollouts (paper, section 3.2), None for a step without a label: no rollout counted. For the
    last step the counts are the program's own unit-test outcome (1 of 1 or 0 of 1): a clean label, which belongs to the outer
    level and never to the inner one. ``max_functions`` and ``granularity`` say how the program was split into its steps.
    ``inferred`` says that the counts are no rollouts of this step: 1 of 1 before the step at which bisection found that the
    program was lost, 0 of 1 from it on (``labels/bisection.py``).
    """

    num_rollouts: Index
    num_correct: Index
    max_functions: Annotated[int, Field(ge=1)]
    granularity: str
    inferred: bool = False

    @model_validator(mode="after")
    def _counts_in_range(self) -> Self:
        if self.num_correct > self.num_rollouts:
            raise ValueError(f"num_correct={self.num_correct} exceeds num_rollouts={self.num_rollouts}")
        if self.is_last and self.num_rollouts > 1:
            raise ValueError("the last step is labelled by its own outcome: num_rollouts is 1, or 0 where it is not known")
        return self

    @property
    def mc_value(self) -> float | None:
        return self.num_correct / self.num_rollouts if self.num_rollouts else None


class CorrectedLabel(Record):
    """A training step's label before and after the bi-level stage, and its loss weight (1.0 unless weights are learned)."""

    key_fields = ("question_id", "solution_idx", "step_idx")

    question_id: str
    solution_idx: Index
    step_idx: Index
    mc_value: Share
    corrected_value: Share
    weight: Annotated[float, Field(ge=0.0)]


class Unread(StrEnum):
    """Why the PRM did not read a program: there is none, or it is longer than the model's input."""

    NO_CODE = "no_code"
    TOO_LONG = "too_long"


class SolutionScores(Record):
    """The PRM's probability of success after each step of a program; None for steps that it did not read, with the reason."""

    key_fields = ("question_id", "solution_idx")

    question_id: str
    solution_idx: Index
    num_steps: Annotated[int, Field(ge=1)]
    step_scores: list[Share | None]
    unread: Annotated[Unread, Field(strict=False)] | None = None

    @model_validator(mode="after")
    def _one_score_per_step(self) -> Self:
        if len(self.step_scores) != self.num_steps:
            raise ValueError(f"{len(self.step_scores)} step_scores for num_steps={self.num_steps}")
        if (None in self.step_scores) is (self.unread is None):
            raise ValueError(f"unread={self.unread} contradicts step_scores={self.step_scores}")
        return self


class Selection(Record):
    """The candidate that a method chose for a problem; ties are broken towards the lowest index and counted."""

    key_fields = ("method", "question_id")

    method: str
    question_id: str
    num_candidates: Annotated[int, Field(ge=1)]
    selected_idx: Index
    num_tied: Annotated[int, Field(ge=1)]
    passed: bool | None


class TableRow(Record):
    """One cell row of a result table: solved problems of a method in a stratum, with a 95% interval for the share.

    ``num_solved`` is a float because random choice and subsets of candidates have expected counts.
    """

    key_fields = ("method", "num_candidates", "difficulty")

    method: str
    num_candidates: Annotated[int, Field(ge=1)]
    difficulty: str
    num_problems: Index
    num_ungraded: Index
    num_solved: Annotated[float, Field(ge=0.0)]
    low: Share
    high: Share

    @property
    def pass_at_1(self) -> float:
        """Share of graded problems solved, in [0, 1]."""
        return self.num_solved / self.num_problems if self.num_problems else 0.0


class RankedProgram(Record):
    """A program and its place among those of its problem: rank 1 is the best; rank, score and step scores are None for one that
    the PRM did not read. Programs that do not parse (``parses`` False) stand behind all that do, whatever their score;
    ``parses`` is None where there is no code.
    """

    key_fields = ("question_id", "name")

    question_id: str
    name: str
    rank: Annotated[int, Field(ge=1)] | None
    score: float | None
    parses: bool | None
    step_names: list[str]
    step_scores: list[Share | None]
    unread: Annotated[Unread, Field(strict=False)] | None
