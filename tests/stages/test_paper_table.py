"""The published table from result files: verdicts with the published counts give the published percentages."""

from __future__ import annotations

import html
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import paper_table
from cli import parse_settings
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import write_rows
from dreamprm_code.records import Selection

TOTALS = {"easy": 31, "medium": 39, "hard": 61}
ROWS = {
    "O4-mini-high": (31, 35, 35),  # 101 of 131
    "ORM": (31, 35, 38),  # 104
    "PRM-CoF": (31, 36, 38),  # 105
    "DreamPRM-Code": (31, 36, 39),  # 106
}


def write_results(path: Path, solved: tuple[int, int, int], samples: int = 1) -> Path:
    """A LiveCodeBench results file in which the first problems of each difficulty are solved, and one problem is too old."""
    entries = []
    for (difficulty, total), right in zip(TOTALS.items(), solved, strict=True):
        for index in range(total):
            entries.append(
                {
                    "question_id": f"{difficulty}_{index}",
                    "contest_date": "2025-02-01T00:00:00",
                    "difficulty": difficulty,
                    "code_list": ["print()"] * samples,
                    "graded_list": [index < right] * samples,
                }
            )
    old = {"question_id": "old", "contest_date": "2025-01-31T23:59:59", "difficulty": "easy"}
    entries.append(old | {"code_list": ["print()"] * samples, "graded_list": [False] * samples})
    path.write_text(json.dumps(entries))
    return path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The command with flags, in this process; returns what it prints."""

    def run_flags(*flags: str) -> str:
        paper_table.main(parse_settings(paper_table.Settings, "paper_table", "", flags))
        return capsys.readouterr().out

    return run_flags


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("results")
    return {name: str(write_results(folder / f"{name}_eval_all.json", solved)) for name, solved in ROWS.items()}


def lines_of(run: Callable[..., str], out: Path, *flags: str) -> list[dict]:
    """The lines of table.json."""
    run(*flags, "--start", "2025-02-01", "--no-published", "--out", str(out))
    return json.loads(out.with_suffix(".json").read_text())[0]["lines"]


def test_the_published_counts_give_the_published_percentages_and_the_paired_tests(
    results: dict[str, str], run: Callable[..., str], tmp_path: Path
) -> None:
    lines = lines_of(run, tmp_path / "table", "--results", json.dumps(results))
    shown = {
        line["method"]: tuple(round(100 * line["cells"][name]["share"], 1) for name in ("easy", "medium", "hard", "overall"))
        for line in lines
    }
    assert shown == {
        "O4-mini-high": (100.0, 89.7, 57.4, 77.1),
        "ORM": (100.0, 89.7, 62.3, 79.4),
        "PRM-CoF": (100.0, 92.3, 62.3, 80.2),
        "DreamPRM-Code": (100.0, 92.3, 63.9, 80.9),
    }
    tests = {line["method"]: line["paired_test"] for line in lines}
    assert tests["O4-mini-high"] is None
    assert [(tests[name]["wins"], tests[name]["losses"], tests[name]["p_value"]) for name in list(ROWS)[1:]] == [
        (3, 0, 0.25),  # 2 / 2^3
        (4, 0, 0.125),  # 2 / 2^4
        (5, 0, 0.0625),  # 2 / 2^5
    ]


def test_the_printed_table_has_counts_intervals_and_the_published_rows_with_their_source(
    results: dict[str, str], run: Callable[..., str]
) -> None:
    printed = run("--results", json.dumps(results), "--start", "2025-02-01", "--base", "PRM-CoF")
    ours = next(line for line in printed.splitlines() if line.startswith("| **DreamPRM-Code**"))
    cells = [cell.strip(" *") for cell in ours.strip("|").split("|")]
    assert cells[1:6] == ["100", "92.3", "63.9", "80.9", "31+36+39 = 106"]
    assert cells[-1] == "1.000"  # one problem more than PRM-CoF proves nothing
    assert "DeepSeek-R1, published" in printed
    assert "arXiv 2512.15000" in printed
    assert "131 problems; 1 outside it" in printed


def test_markdown_latex_and_json_files(results: dict[str, str], run: Callable[..., str], tmp_path: Path) -> None:
    flags = ("--results", json.dumps(results), "--start", "2025-02-01", "--out", str(tmp_path / "table"))
    shown, text = run(*flags), (tmp_path / "table.md").read_text()
    escaped = re.sub(r"\\(.)", r"\1", html.unescape(text))
    assert re.sub("-+", "-", shown).split() == re.sub("-+", "-", escaped).split() and "\\" not in shown
    assert r"\textbf{DreamPRM-Code} & \textbf{100} & \textbf{92.3}" in (tmp_path / "table.tex").read_text()
    assert len(json.loads((tmp_path / "table.json").read_text())[0]["lines"]) == 11


def test_several_samples_count_as_their_mean_and_are_compared_by_sign_flips(run: Callable[..., str], tmp_path: Path) -> None:
    one = write_results(tmp_path / "one.json", (31, 35, 35))
    entries = json.loads(write_results(tmp_path / "two.json", (31, 35, 35), samples=2).read_text())
    entries[0]["graded_list"] = [True, False]
    (tmp_path / "two.json").write_text(json.dumps(entries))
    files = {"one": str(one), "two": str(tmp_path / "two.json")}
    line = lines_of(run, tmp_path / "table", "--results", json.dumps(files))[1]
    assert line["cells"]["overall"]["num_solved"] == 100.5
    assert line["paired_test"]["test"] == "sign_flip"


def test_rows_from_selections_take_dates_from_the_problems(root: Path, run: Callable[..., str], tmp_path: Path) -> None:
    rows = [
        Selection(method=method, question_id="demo_001", num_candidates=2, selected_idx=0, num_tied=1, passed=passed)
        for method, passed in (("first", False), ("prm_mean", True))
    ]
    write_rows(tmp_path / "selections.jsonl", rows)
    flags = (
        "--selections",
        str(tmp_path / "selections.jsonl"),
        "--problems",
        str(root / "data/demo/problems.jsonl"),
        "--no-published",
    )
    lines = run(*flags, "--methods", "{first: policy, prm_mean: ours}").splitlines()
    assert len([line for line in lines if line.startswith("| policy ")]) == 1
    assert any(line.startswith("| **ours**") and "**100**" in line for line in lines)


def test_other_trainings_are_rows_of_their_own(root: Path, run: Callable[..., str], tmp_path: Path) -> None:
    def selections(name: str, method: str, passed: bool) -> Path:
        row = Selection(method=method, question_id="demo_001", num_candidates=2, selected_idx=0, num_tied=1, passed=passed)
        write_rows(tmp_path / name, [row])
        return tmp_path / name

    runs = {"ORM": f"{selections('orm', 'orm', True)}#orm", "PRM-CoF": str(selections("uncorrected", "prm_mean", False))}
    flags = ["--runs", json.dumps(runs), "--selections", str(selections("own", "prm_mean", True)), "--no-published"]
    flags += ["--problems", str(root / "data/demo/problems.jsonl"), "--methods", "{prm_mean: ours}"]
    printed = run(*flags)
    assert [line.split("|")[1].strip(" *") for line in printed.splitlines() if line.startswith("| ")][-3:] == [*runs, "ours"]
    assert "PRM-CoF against ORM: 0 problems won, 1 lost" in printed and "ours against ORM: 0 problems won, 0 lost" in printed
    with pytest.raises(UserError, match="no selections of the method 'prm_mean'"):
        run("--runs", json.dumps({"ORM": str(tmp_path / "orm")}))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--results", "{a: nowhere.json}"), "nowhere.json: cannot be read"),
        (("--no-published",), "nothing to print"),
    ],
)
def test_mistakes_are_one_clear_line(run: Callable[..., str], flags: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(*flags)


def test_a_window_without_problems_and_an_unknown_base_are_refused(results: dict[str, str], run: Callable[..., str]) -> None:
    with pytest.raises(UserError, match="no problem has a contest date in"):
        run("--results", json.dumps(results), "--start", "2030-01-01")
    with pytest.raises(UserError, match="no row is named 'x'"):
        run("--results", json.dumps(results), "--base", "x")


def test_a_mistake_is_one_line_and_exit_status_2(root: Path, python: str) -> None:
    command = [python, "src/paper_table.py", "--results", "{a: nowhere.json}"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2
    assert done.stderr == "paper_table: error: nowhere.json: cannot be read (No such file or directory)\n"
