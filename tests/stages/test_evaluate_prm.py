"""The evaluation stage from a checkpoint folder to its report: complete, resumable, and safe to open."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import evaluate_prm
from builders.evaluation_run import ATTACK, make_run
from cli import parse_settings
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import read_rows, write_rows
from dreamprm_code.problems import write_livecodebench_results
from dreamprm_code.records import Problem, Selection, Solution, SolutionScores, StepLabel, TableRow
from dreamprm_code.report.explorer import unpack

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


def run(config: Path, *flags: str) -> None:
    """The stage in this process: loading it anew takes longer than its work."""
    evaluate_prm.main(parse_settings(evaluate_prm.Settings, "evaluate_prm", "", ["--config", str(config), *flags]))


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run's folder after the stage, and what the stage printed."""
    folder = tmp_path_factory.mktemp("run")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        run(make_run(folder))
    return folder, printed.getvalue()


@pytest.fixture
def copied(evaluated: tuple[Path, str], tmp_path: Path) -> Path:
    """The evaluated folder, free to be changed; its configuration names the copy."""
    folder = tmp_path / "run"
    shutil.copytree(evaluated[0], folder)
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace(str(evaluated[0]), str(folder)))
    return folder


def test_every_candidate_is_scored_at_every_step(evaluated: tuple[Path, str]) -> None:
    rows = read_rows(evaluated[0] / "test_scores.jsonl", SolutionScores)
    assert len(rows) == 16
    assert {row.solution_idx: row.num_steps for row in rows} == {0: 2, 1: 2, 2: 2, 3: 1}
    assert all((row.step_scores, row.unread) == ([None], "no_code") for row in rows if row.solution_idx == 3)


def test_selections_and_table_agree_with_the_verdicts(evaluated: tuple[Path, str]) -> None:
    chosen = read_rows(evaluated[0] / "selections.jsonl", Selection)
    assert {row.method for row in chosen} >= {"first", "orm", "public", "public_prm", "prm_mean", "prm_min", "oracle"}
    assert all(row.passed is (row.selected_idx == 1) for row in chosen)
    table = {row.key: row for row in read_rows(evaluated[0] / "table.jsonl", TableRow)}
    assert table["oracle", 4, "overall"].num_solved == 4
    assert table["first", 4, "overall"].num_solved == 0
    assert table["random", 4, "overall"].num_solved == 1.0  # one of four passes on each of four problems
    assert table["public", 4, "overall"].num_solved == 2.0  # candidates 1 and 2 pass the public test
    assert table["prm_mean", 1, "overall"].num_solved == 1.0


def test_the_printed_table_and_the_files_of_the_report(evaluated: tuple[Path, str]) -> None:
    folder, printed = evaluated
    assert re.search(r"^\| \*\*PRM \(mean\)\*\* ", printed, re.MULTILINE)
    assert re.search(r"\| +easy \(2\) \| +hard \(2\) \| +overall \(4\) \|", printed)
    assert "The PRM's choice does not differ from a random choice by more than noise" in printed
    assert "(pair accuracy; 50% is chance); AUROC over all candidates" in printed
    assert "4 answers without a program: not read, chosen last" in printed
    names = {path.name for path in (folder / "report").iterdir()}
    images = {"n_sweep.svg", "labels.svg", "calibration.svg", "training.svg"}
    assert names == {"table.md", "table.json", "table.tex", "report.html", *images}
    assert all((folder / "report" / name).read_text().startswith("<svg") for name in images)
    lines = json.loads((folder / "report" / "table.json").read_text())[0]["lines"]
    assert next(line for line in lines if line["method"] == "random (expected)")["paired_test"]["test"] == "sign_flip"


def test_the_page_asks_for_nothing_and_holds_no_untrusted_markup(evaluated: tuple[Path, str]) -> None:
    page = (evaluated[0] / "report" / "report.html").read_text()
    assert len(page) < 5_000_000
    assert ATTACK not in page
    assert "document.title='hacked'" not in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page.replace("http://www.w3.org", ""))
    data = unpack(re.search(r'id="data">([^<]+)<', page)[1])
    train = next(problem for problem in data["problems"] if problem["split"] == "train")
    assert train["programs"][0]["steps"][0] | {"code": ""} == {
        "name": "main", "code": "", "mc": [3, 4], "mc_value": 0.75, "corrected": 0.875, "weight": 1.0,
    }  # fmt: skip


def test_a_second_run_scores_only_what_is_missing_and_changes_no_row(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {name: (copied / name).read_bytes() for name in ("test_scores.jsonl", "selections.jsonl", "table.jsonl")}
    rows = read_rows(copied / "test_scores.jsonl", SolutionScores)
    write_rows(copied / "test_scores.jsonl", rows[:7])
    with (copied / "test_scores.jsonl").open("ab") as stream:
        stream.write(b'{"question_id": "p3", "solu')  # a kill in the middle of a row
    capsys.readouterr()
    run(copied / "config.yaml")
    assert "4 without a program" in capsys.readouterr().out
    assert sorted((copied / "test_scores.jsonl").read_bytes().splitlines()) == sorted(before["test_scores.jsonl"].splitlines())
    for name in ("selections.jsonl", "table.jsonl"):
        assert (copied / name).read_bytes() == before[name]


def test_a_livecodebench_results_file_gives_the_same_selections(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problems = read_rows(copied / "problems.jsonl", Problem)
    solutions = read_rows(copied / "test_solutions.jsonl", Solution) + read_rows(copied / "cof_solutions.jsonl", Solution)
    write_livecodebench_results(copied / "model_eval_all.json", problems, solutions)
    flags = ("--solutions", str(copied / "model_eval_all.json"), "--out-dir", str(copied / "other"))
    run(copied / "config.yaml", *flags, "--checkpoint", str(copied / "prm"), "--run-public-tests")
    assert (copied / "other" / "selections.jsonl").read_bytes() == (copied / "selections.jsonl").read_bytes()
    assert "16 candidates of 4 problems; 1 outside the test window, 0 of unknown problems" in capsys.readouterr().out


def test_a_results_file_alone_is_enough(copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It repeats its problems; the scores are those of the problems' own file."""
    problems = read_rows(copied / "problems.jsonl", Problem)
    write_livecodebench_results(copied / "eval_all.json", problems, read_rows(copied / "test_solutions.jsonl", Solution))
    config = tmp_path / "empty.yaml"
    config.write_text(f"evaluate_prm: {{device: cpu}}\nshared: {{data_dir: {tmp_path / 'fresh'}}}\n")
    run(config, "--checkpoint", str(copied / "prm"), "--solutions", str(copied / "eval_all.json"))
    assert (tmp_path / "fresh/eval/prm/test_scores.jsonl").read_bytes() == (copied / "test_scores.jsonl").read_bytes()
    assert "16 candidates of 4 problems" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"set 'problems' .*test_solutions\.jsonl is no results file"):
        run(config, "--checkpoint", str(copied / "prm"), "--solutions", str(copied / "test_solutions.jsonl"))


def test_candidates_of_unknown_problems_are_called_unknown(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = read_rows(copied / "test_solutions.jsonl", Solution)
    strangers = [row.model_copy(update={"question_id": "elsewhere"}) for row in rows[:4]]
    write_rows(copied / "mixed.jsonl", [*rows, *strangers])
    run(copied / "config.yaml", "--solutions", str(copied / "mixed.jsonl"), "--out-dir", str(copied / "other"), "--checkpoint",
        str(copied / "prm"))  # fmt: skip
    assert "0 outside the test window, 4 of unknown problems" in capsys.readouterr().out
    write_rows(copied / "strangers.jsonl", strangers)
    assert "strangers.jsonl: its problems are unknown ('elsewhere' ...)" in fails(
        copied, "--solutions", str(copied / "strangers.jsonl")
    )


def test_no_program_is_run_unless_it_is_asked_for(
    copied: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of results does not say what programs do on the public tests: these methods are left out, and it is said."""
    monkeypatch.setattr("dreamprm_code.grading.public_tests.open_grader", None)
    problems = read_rows(copied / "problems.jsonl", Problem)
    write_livecodebench_results(copied / "eval_all.json", problems, read_rows(copied / "test_solutions.jsonl", Solution))
    flags = ("--solutions", str(copied / "eval_all.json"), "--out-dir", str(copied / "other"))
    run(copied / "config.yaml", *flags, "--checkpoint", str(copied / "prm"))
    chosen = {row.method for row in read_rows(copied / "other" / "selections.jsonl", Selection)}
    assert {"first", "shortest", "longest", "prm_mean"} <= chosen
    assert not chosen & {"public", "public_prm", "cluster", "cluster_prm", "logprob"}
    assert "16 candidates lack their result on the public tests; --run-public-tests" in capsys.readouterr().out


def fails(copied: Path, *flags: str) -> str:
    """The message of a run that must fail without touching the scores."""
    before = (copied / "test_scores.jsonl").read_bytes()
    with pytest.raises(UserError) as caught:
        run(copied / "config.yaml", *flags)
    assert (copied / "test_scores.jsonl").read_bytes() == before
    return str(caught.value)


def test_a_checkpoint_that_is_not_there_is_one_line_with_the_remedy(copied: Path) -> None:
    message = fails(copied, "--checkpoint", "nowhere")
    assert message == "nowhere: no such checkpoint; run train_prm.py first or name one with --checkpoint"


def test_scores_of_other_candidates_are_not_mixed_in(copied: Path) -> None:
    solutions = read_rows(copied / "test_solutions.jsonl", Solution)
    write_rows(copied / "test_solutions.jsonl", solutions[:-1])
    assert "test_scores.jsonl was made with other settings (solutions" in fails(copied)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--solutions", "nowhere.jsonl"), "nowhere.jsonl: cannot be read"),
        (("--sweep", "0", "4"), "numbers of candidates start at 1"),
        (("--windows", "{test: ['2030-01-01', null]}"), "no problem has a contest date in the window 'test'"),
    ],
)
def test_mistakes_are_named(copied: Path, flags: tuple[str, ...], message: str) -> None:
    assert message in fails(copied, *flags)


def test_candidates_without_verdicts_are_refused(copied: Path) -> None:
    solutions = read_rows(copied / "test_solutions.jsonl", Solution)
    write_rows(copied / "bare.jsonl", [row.model_copy(update={"passed": None, "verdict": None}) for row in solutions])
    assert "grade them with src/grade.py, and name its output" in fails(copied, "--solutions", str(copied / "bare.jsonl"))


def write_bare_programs(folder: Path) -> list[Solution]:
    """The candidates as rows of nothing but their programs; returns them as they were."""
    solutions = read_rows(folder / "test_solutions.jsonl", Solution)
    rows = [{"question_id": row.question_id, "solution_idx": row.solution_idx, "code": row.code} for row in solutions]
    (folder / "bare.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return solutions


def test_programs_graded_by_grade_give_the_same_selections(copied: Path, root: Path, python: str) -> None:
    solutions = write_bare_programs(copied)
    graded, bare = copied / "graded.jsonl", copied / "bare.jsonl"
    command = [python, "src/grade.py", "--problems", str(copied / "problems.jsonl"), "--solutions", str(bare)]
    command += ["--out", str(graded), "--livecodebench-results", str(copied / "eval_all.json")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert {row.key: row.passed for row in read_rows(graded, Solution)} == {row.key: row.passed for row in solutions}
    for name, flags in (
        ("a", ("--solutions", str(graded))),
        ("b", ("--solutions", str(copied / "eval_all.json"), "--run-public-tests")),
    ):
        run(copied / "config.yaml", *flags, "--out-dir", str(copied / name), "--checkpoint", str(copied / "prm"))
        assert (copied / name / "selections.jsonl").read_bytes() == (copied / "selections.jsonl").read_bytes()


def test_labels_of_another_split_than_the_checkpoints_are_not_shown(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = read_rows(copied / "step_labels.jsonl", StepLabel)
    write_rows(copied / "step_labels.jsonl", [row.model_copy(update={"granularity": "line"}) for row in labels])
    run(copied / "config.yaml")
    assert "are of another split than the checkpoint's" in capsys.readouterr().out
    page = (copied / "report" / "report.html").read_text()
    assert {problem["split"] for problem in unpack(re.search(r'id="data">([^<]+)<', page)[1])["problems"]} == {"test"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"question_id": "p0", "solution_idx": 0, "code": "x"}, "bare.jsonl:17: program ('p0', 0) is already at"),
        ({"question_id": "p0", "solution_idx": 9}, "bare.jsonl:17: not a Solution row: field 'code' is missing"),
        ({"question_id": "p0", "solution_idx": 9, "code": "x", "passed": True}, "field 'output' is missing"),
    ],
)
def test_a_wrong_program_row_is_named(copied: Path, line: dict[str, object], message: str) -> None:
    write_bare_programs(copied)
    with (copied / "bare.jsonl").open("a") as stream:
        stream.write(json.dumps(line) + "\n")
    assert message in fails(copied, "--solutions", str(copied / "bare.jsonl"))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("view", ["", "#view?split=train", "#view?split=test&problem=p1&program=1&outcome=all"])
def test_chromium_opens_the_page_without_console_errors_and_runs_no_foreign_script(
    evaluated: tuple[Path, str], tmp_path: Path, view: str
) -> None:
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    flags += ["--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"]
    address = f"file://{evaluated[0] / 'report' / 'report.html'}{view}"
    command = [str(CHROMIUM), *flags, f"--user-data-dir={tmp_path}", "--virtual-time-budget=5000", "--dump-dom", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "CONSOLE" not in done.stderr, done.stderr
    assert 'data-ready="true"' in done.stdout
    assert "<title>DreamPRM-Code" in done.stdout  # the attack would have changed it
    assert "onerror=&quot;" not in done.stdout.split('id="data"')[0].split("<article")[0]
    if "train" in view:
        assert "Monte-Carlo 0.75 (3 of 4), corrected 0.88" in done.stdout
    if "p1" in view:
        assert "&lt;/script&gt;&lt;script&gt;document.title" in done.stdout
        assert re.search(r'aria-pressed="true"[^>]*><span>program 1, ', done.stdout)


def test_results_of_another_checkpoint_stand_beside_those_of_the_run(copied: Path) -> None:
    before = (copied / "selections.jsonl").read_bytes()
    shutil.copytree(copied / "prm", copied / "other prm")
    run(copied / "config.yaml", "--checkpoint", str(copied / "other prm"))
    assert (copied / "eval" / "other prm" / "selections.jsonl").read_bytes() == before
    assert (copied / "selections.jsonl").read_bytes() == before
