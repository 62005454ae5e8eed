"""src/grade.py as a user runs it: both kinds of rows, resume after kill -9, clear errors."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections import Counter

import pytest

from builders.grading import PROBLEMS
from dreamprm_code.grading import GraderSettings, GradingError, open_grader
from dreamprm_code.grading.one_program import read_tests
from dreamprm_code.jsonl import read_rows, write_rows
from dreamprm_code.problems import read_livecodebench_results
from dreamprm_code.records import Solution


@pytest.fixture
def files(tmp_path):
    write_rows(tmp_path / "problems.jsonl", PROBLEMS.values())
    return tmp_path


def command(root, python, folder, *flags):
    return [
        python, str(root / "src/grade.py"), "--problems", str(folder / "problems.jsonl"),
        "--solutions", str(folder / "programs.jsonl"), "--out", str(folder / "graded.jsonl"), *flags,
    ]  # fmt: skip


def write_programs(folder, rows):
    (folder / "programs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_both_kinds_of_rows(root, python, files):
    right, wrong = "print(2 * int(input()))", "print(0)"
    write_programs(
        files,
        [
            {"question_id": "double", "code_list": [right, wrong, ""]},
            {"question_id": "secret", "solution_idx": 7, "code": right, "finish_reason": "stop"},
        ],
    )
    done = subprocess.run(command(root, python, files, "--workers", "2"), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = {row.key: row for row in read_rows(files / "graded.jsonl", Solution)}
    assert (rows["double", 0].code, rows["secret", 7].finish_reason) == (right, "stop")
    assert rows["double", 0].public_passed and not rows["double", 1].public_passed
    assert rows["double", 1].public_outputs != rows["double", 0].public_outputs
    assert {key: str(row.verdict) for key, row in rows.items()} == {
        ("double", 0): "passed",
        ("double", 1): "wrong_answer",
        ("double", 2): "no_code",
        ("secret", 7): "wrong_answer",
    }
    assert "4 programs (wrong_answer 2, passed 1, no_code 1)" in done.stdout
    assert "isolation" in done.stdout


def test_a_killed_run_goes_on_and_grades_each_program_once(root, python, files):
    rows = [
        {"question_id": "double", "solution_idx": n, "code": f"import time\ntime.sleep(0.01)\nprint(2 * int(input()))  # {n}"}
        for n in range(150)
    ]
    write_programs(files, rows)
    out = files / "graded.jsonl"
    process = subprocess.Popen(command(root, python, files), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and not (out.exists() and out.read_bytes().count(b"\n") >= 30):
        time.sleep(0.01)
    process.kill()
    process.wait()
    with out.open("ab") as stream:
        stream.write(b'{"question_id": "double", "solu')  # torn by the kill
    first = out.read_bytes().count(b"\n")
    assert 30 <= first < 150
    done = subprocess.run(command(root, python, files), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"{150 - first} graded now" in done.stdout
    counts = Counter(row.key for row in read_rows(out, Solution))
    assert set(counts.values()) == {1}
    assert len(counts) == 150


@pytest.mark.parametrize(
    ("rows", "flags", "message"),
    [
        ([{"question_id": "double"}], [], "programs.jsonl:1: not a Solution row: field 'solution_idx' is missing"),
        ([{"question_id": "double", "solution_idx": 0}], [], "programs.jsonl:1: not a Solution row: field 'code' is missing"),
        ([{"question_id": "none", "code_list": ["x"]}], [], "no problem 'none'"),
        ([{"question_id": "double", "code_list": ["x"]}] * 2, [], "is already at"),
        ([{"question_id": "double", "code_list": ["x"]}], ["--isolation", "required:armour"], "isolation is"),
        (
            [{"question_id": "double", "code_list": ["x"]}],
            ["--cpu-limit-s", "0"],
            "setting 'cpu_limit_s' is 0.0; it must be above 0",
        ),
        ([{"question_id": "double", "code_list": ["x"]}], ["--workers", "0"], "setting 'workers' is 0; it must be 1 or more"),
    ],
)
def test_mistakes_are_one_clear_line(root, python, files, rows, flags, message):
    write_programs(files, rows)
    done = subprocess.run(command(root, python, files, *flags), capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (files / "graded.jsonl").exists() or not (files / "graded.jsonl").read_bytes()


def test_other_settings_or_programs_are_not_mixed_into_a_file(root, python, files):
    write_programs(files, [{"question_id": "double", "code_list": ["print(2 * int(input()))"]}])
    assert subprocess.run(command(root, python, files), capture_output=True, timeout=60).returncode == 0
    before = (files / "graded.jsonl").read_bytes()
    done = subprocess.run(command(root, python, files, "--cpu-limit-s", "3"), capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "cpu_limit_s" in done.stderr
    write_programs(files, [{"question_id": "double", "code_list": ["print(0)"]}])
    done = subprocess.run(command(root, python, files), capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "has changed since it was graded" in done.stderr
    assert (files / "graded.jsonl").read_bytes() == before


def outcome(root, python, folder, *flags):
    return subprocess.run(command(root, python, folder, *flags), capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name", ["programs.jsonl", "problems.jsonl", "link.jsonl", "list.json", "notes.txt"])
def test_a_users_file_named_as_out_is_refused_and_stays_as_it_is(root, python, files, name):
    write_programs(files, [{"question_id": "double", "code_list": ["print(0)"]}])
    (files / "link.jsonl").hardlink_to(files / "programs.jsonl")
    (files / "list.json").write_text(json.dumps([{"question_id": "double", "code_list": ["print(0)"]}]))
    (files / "notes.txt").write_text("a\nb")
    before = {path.name: path.read_bytes() for path in files.iterdir()}
    done = outcome(root, python, files, "--out", str(files / name))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and name in done.stderr and "choose another" in done.stderr
    assert {path.name: path.read_bytes() for path in files.iterdir()} == before


def test_the_only_program_file_as_out_is_refused(root, python, files):
    (files / "s.json").write_text(json.dumps([{"question_id": "double", "code_list": ["print(0)"]}]))
    before = (files / "s.json").read_bytes()
    done = outcome(root, python, files, "--solutions", str(files / "s.json"), "--out", str(files / "s.json"))
    assert done.returncode == 2 and "--out would write over --solutions" in done.stderr
    assert (files / "s.json").read_bytes() == before


def test_livecodebench_results_hold_programs_and_verdicts(root, python, files):
    right, wrong = "print(2 * int(input()))", "print(0)"
    rows = [("double", 1, wrong), ("secret", 0, right), ("double", 0, right)]
    write_programs(files, [dict(zip(("question_id", "solution_idx", "code"), row, strict=True)) for row in rows])
    results = files / "model_eval_all.json"
    for _ in range(2):  # the second run has nothing to grade and writes it again
        done = outcome(root, python, files, "--livecodebench-results", str(results))
        assert done.returncode == 0, done.stderr
    entries = {entry["question_id"]: entry for entry in json.loads(results.read_text())}
    assert entries["double"]["code_list"] == [right, wrong]
    assert entries["double"]["graded_list"] == [True, False] and entries["double"]["pass@1"] == 0.5
    assert entries["secret"]["graded_list"] == [False]
    assert {row.key: row.passed for row in read_livecodebench_results(results)} == {
        row.key: row.passed for row in read_rows(files / "graded.jsonl", Solution)
    }


@pytest.mark.parametrize(
    ("name", "index", "code", "message"),
    [
        ("mine.json", 0, "x", "was not written by grade.py"),
        ("programs.jsonl", 0, "x", "would write over --solutions"),
        ("graded.jsonl", 0, "x", "would write over --out"),
        ("new.json", 1, "x", "are not numbered 0 to 0"),
        ("new.json", 0, "\ud800", "is not Unicode text"),
    ],
)
def test_livecodebench_results_that_cannot_be_written_are_refused_before_grading(
    root, python, files, name, index, code, message
):
    write_programs(files, [{"question_id": "double", "solution_idx": index, "code": code}])
    (files / "mine.json").write_text("[]")
    before = {path.name: path.read_bytes() for path in files.iterdir()}
    done = outcome(root, python, files, "--livecodebench-results", str(files / name))
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
    assert {path.name: path.read_bytes() for path in files.iterdir()} == before


def test_the_ray_engine_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(GradingError, match="pip install"), open_grader(GraderSettings(), "ray"):
        pass


def test_the_ray_engine_gives_the_same_verdicts(root, python, files):
    pytest.importorskip("ray")
    codes = ["print(2 * int(input()))", "print(6)", "", "while True: pass", "print 'x'"]
    write_programs(files, [{"question_id": "double", "code_list": codes}])
    flags = ("--engine", "ray", "--workers", "2", "--cpu-limit-s", "1")
    done = subprocess.run(command(root, python, files, *flags), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    graded = {row.solution_idx: str(row.verdict) for row in read_rows(files / "graded.jsonl", Solution)}
    assert graded == {0: "passed", 1: "wrong_answer", 2: "no_code", 3: "time_limit", 4: "compile_error"}


@pytest.mark.parametrize(
    ("code", "verdict", "status"),
    [
        ("print(2 * int(input()))", "passed: all 2 tests passed", 0),
        ("print(6)", "wrong_answer (test 1 of 2, counted from 0)", 1),
    ],
)
def test_one_program_and_its_tests(root, python, tmp_path, code, verdict, status):
    (tmp_path / "mine.py").write_text(code)
    (tmp_path / "tests.json").write_text('[["3", "6"], {"input": "10", "output": "20"}]')
    command = [python, root / "src/grade.py", "--code", tmp_path / "mine.py", "--tests", tmp_path / "tests.json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.startswith(verdict)) == (status, True), done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[[1, 2]", "not JSON"),
        ("{}", "expected a list"),
        ('[["3"]]', "test 0 is neither"),
        ('[["3", 6]]', "two strings"),
        ("[]", "at"),
    ],
)
def test_a_file_of_tests_that_is_none_is_named(tmp_path, text, fault):
    (tmp_path / "tests.json").write_text(text)
    with pytest.raises(GradingError, match=f"tests.json: .*{fault}"):
        read_tests(tmp_path / "tests.json")


def test_progress_is_no_flood_where_nobody_watches(root, python, files):
    write_programs(files, [{"question_id": "double", "solution_idx": n, "code": f"print({n})"} for n in range(60)])
    done = subprocess.run(command(root, python, files), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("program/s") <= 3  # at the start and at the end; 10 s have not passed between them


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_programs_of_two_languages_in_one_file_and_one_by_its_suffix(root, python, files):
    script = "console.log(2 * require('fs').readFileSync(0, 'utf8'));"
    write_programs(
        files,
        [
            {"question_id": "double", "solution_idx": 0, "code": "print(2 * int(input()))"},
            {"question_id": "double", "solution_idx": 1, "code": script, "language": "javascript"},
        ],
    )
    done = subprocess.run(command(root, python, files), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = read_rows(files / "graded.jsonl", Solution)
    assert {(row.language, str(row.verdict)) for row in rows} == {("python", "passed"), ("javascript", "passed")}
    (files / "mine.js").write_text(script)
    (files / "tests.json").write_text('[["3", "6"]]')
    one = [python, root / "src/grade.py", "--code", files / "mine.js", "--tests", files / "tests.json"]
    assert subprocess.run(one, capture_output=True, text=True, timeout=120).stdout.startswith("passed")
    (files / "mine.txt").write_text(script)
    done = subprocess.run([*one[:3], files / "mine.txt", *one[4:]], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "give --language" in done.stderr
