"""The demo's reference programs in every language: all are split, a few are graded here (all: benchmarks/languages.py)."""

from __future__ import annotations

import shutil
from itertools import pairwise

import pytest

from dreamprm_code.grading import Grader, GradeRequest, GraderSettings
from dreamprm_code.jsonl import read_rows
from dreamprm_code.languages import LANGUAGES
from dreamprm_code.records import Problem
from dreamprm_code.steps import extract_code, split_program

OTHERS = tuple(name for name in LANGUAGES if name != "python")
GRADED = ("demo_010", "demo_046")


def references(root, language: str) -> dict[str, str]:
    folder = root / "data" / "demo" / "languages" / language
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob(f"*{LANGUAGES[language].suffix}"))}


@pytest.mark.parametrize("language", OTHERS)
def test_every_reference_is_split_by_the_contract(root, language):
    found = references(root, language)
    assert len(found) == 48
    for name, code in found.items():
        split = split_program(code, language=language)
        assert split.fallback is None, name
        assert split.prefixes[-1] == code and all(shorter < longer for shorter, longer in pairwise(map(len, split.prefixes)))
        assert extract_code(f"Here it is.\n```{language}\n{code}```\n", language) == code.rstrip("\n")


@pytest.mark.parametrize("language", OTHERS)
def test_references_pass_and_half_of_one_does_not(root, language):
    toolchain = LANGUAGES[language].toolchain
    assert toolchain is not None
    if not all(map(shutil.which, toolchain.commands)):
        pytest.skip(f"no compiler for {language} here")
    problems = {
        row.question_id: row for row in read_rows(root / "data/demo/problems.jsonl", Problem) if row.question_id in GRADED
    }
    codes = {name: code for name, code in references(root, language).items() if name in GRADED}
    with Grader(GraderSettings(languages=(language,))) as grader:
        requests = [GradeRequest(name, problems[name], code, language) for name, code in codes.items()]
        half = codes["demo_046"][: len(codes["demo_046"]) // 2]
        requests.append(GradeRequest("half", problems["demo_046"], half, language))
        verdicts = {result.key: str(result.verdict) for result in grader.grade(requests)}
    assert verdicts == {"demo_010": "passed", "demo_046": "passed", "half": "compile_error"}
