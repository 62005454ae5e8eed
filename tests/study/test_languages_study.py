"""Several languages, one table: shares, and how a PRM ranks the programs of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import languages
import pytest

from builders.rows import make_problem, make_solution
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import write_rows


def row(language: str, question_id: str, solution_idx: int, passed: bool, score: float, **fields: Any) -> languages.LanguageRow:
    verdict = "passed" if passed else "wrong_answer"
    known = {"finish_reason": "stop", "parses": True, "num_functions": 2, "broken_rules": [], "verdict": verdict}
    own = {"language": language, "question_id": question_id, "solution_idx": solution_idx, "passed": passed}
    return languages.LanguageRow(**(own | known | {"scores": {"prm": score}} | fields))


def test_a_column_counts_and_ranks_within_problems_and_over_all():
    rows = [
        row("cpp", "a", 0, True, 0.6),
        row("cpp", "a", 1, False, 0.7),
        row("cpp", "a", 2, False, 0.1),
        row("cpp", "b", 0, False, 0.5, verdict="compile_error", parses=False, broken_rules=["unparsable"]),
    ]
    column = languages.column_of(rows, ["prm"])
    assert column["programs, problems"] == "4, 2"
    assert column["pass (95% interval over problems)"].startswith("1 = 16.7%")  # the mean of 1/3 and 0
    assert (column["compile error"], column["does not parse"], column["follows Chain-of-Function"]) == ("1", "1", "3 = 75.0%")
    assert column["AUROC of prm within problems (pairs)"] == "0.500 (2)"  # above one of the two wrong ones
    assert column["AUROC of prm"].startswith("0.667")  # above two of three
    assert column["prm chooses (random)"] == "0 (0.3)"


def test_a_row_says_what_the_rules_and_the_splitter_say():
    code = "// Plan.\nfunction main() { help(); }\n// Help.\nfunction help() {}\nmain();\n"
    made = languages.row_of(make_problem(), make_solution(code=code, language="javascript"), {"prm": 0.25})
    assert (made.language, made.num_functions, made.parses, made.broken_rules) == ("javascript", 2, True, [])
    broken = languages.row_of(make_problem(), make_solution(code="function main( {", language="javascript", passed=False), {})
    assert (broken.num_functions, broken.parses, broken.broken_rules) == (0, False, ["unparsable"])


def test_rows_of_other_languages_stay_if_they_are_of_the_same_problems(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    new = [row("cpp", "a", 0, True, 0.6)]
    assert languages.kept_rows(path, new) == []
    write_rows(path, [row("python", "a", 0, False, 0.2), row("cpp", "a", 0, False, 0.3)])
    assert [one.language for one in languages.kept_rows(path, new)] == ["python"]
    with pytest.raises(UserError, match="other problems"):
        languages.kept_rows(path, [row("cpp", "b", 0, True, 0.6)])
