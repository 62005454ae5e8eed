"""Scoring programs of any origin, here and through a server that answers as vLLM does, and checking such a server."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest
from transformers import AutoTokenizer
from vllm_replies import vllm_server

import check_server
import score
from builders.models import tiny_prm
from builders.programs import OTHER_END, PROGRAMS, TWO_STEPS
from builders.rows import make_problem
from builders.tokenizers import make_tokenizer
from cli import parse_settings
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import read_rows, write_rows
from dreamprm_code.prm import PRM
from dreamprm_code.prm.export import export
from dreamprm_code.prm.readout import Reading
from dreamprm_code.prm.served import ServedPRM, ServerError
from dreamprm_code.problems.programs import named_programs
from dreamprm_code.records import RankedProgram

STATEMENT = "Given numbers, print their sum."


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """An exported PRM."""
    path = tmp_path_factory.mktemp("score") / "DIR"
    export(tiny_prm(make_tokenizer()), path)
    return path


@pytest.fixture(scope="module")
def prm(folder) -> PRM:
    return PRM.from_pretrained(folder)


def run(folder: Path, *flags: object) -> None:
    score.main(parse_settings(score.Settings, "score", "", ["--checkpoint", str(folder), *map(str, flags)]))


def statement_scores(prm: PRM, programs: list[str], title: str = "") -> list[list[float]]:
    return prm.score(make_problem(question_content=STATEMENT, question_title=title), programs)


def test_files_are_ranked_by_the_mean_of_their_step_scores(folder, prm, tmp_path, capsys):
    programs = {"a.py": TWO_STEPS, "b.py": OTHER_END, "c.py": "\n", "d.py": TWO_STEPS}
    for name, code in programs.items():
        (tmp_path / name).write_text(code)
    run(folder, tmp_path, tmp_path / "a.py", "--statement", STATEMENT, "--title", "Sum", "--out", tmp_path / "out.jsonl")
    rows = list(read_rows(tmp_path / "out.jsonl", RankedProgram))
    steps = dict(zip("ab", statement_scores(prm, [TWO_STEPS, OTHER_END], "Sum"), strict=True))
    found = {Path(row.name).stem: row.step_scores for row in rows}
    assert found.pop("c") == [None] and found == {
        name: pytest.approx(steps[name.replace("d", "a")], abs=1e-6) for name in "abd"
    }
    means = {name: sum(values) / 2 for name, values in steps.items()}
    best, last = sorted(means, key=means.get, reverse=True)
    order = {"a": ["a", "d"], "b": ["b"]}
    assert [Path(row.name).stem for row in rows] == [*order[best], *order[last], "c"]
    assert [row.rank for row in rows] == ([1, 1, 3, None] if best == "a" else [1, 2, 2, None])
    assert rows[0].score == pytest.approx(means[best]) and rows[0].step_names == ["main", "total"]
    printed = capsys.readouterr().out
    assert f"{rows[0].score:.3f}" in printed and "not read: no code" in printed
    assert "score: 3 programs of 1 problems, 0 of them do not parse; 1 not read, 0 statements shortened" in printed


def test_programs_that_do_not_parse_come_behind_all_that_do_and_say_so(folder, prm, tmp_path, capsys):
    programs = {"broken.py": "def f(:\n", "fine.py": TWO_STEPS, "cut.py": TWO_STEPS + "x = (", "empty.py": ""}
    for name, code in programs.items():
        (tmp_path / name).write_text(code)
    run(folder, tmp_path, "--statement", STATEMENT, "--out", tmp_path / "out.jsonl")
    rows = {Path(row.name).name: row for row in read_rows(tmp_path / "out.jsonl", RankedProgram)}
    [[as_one_step]] = statement_scores(prm, [programs["broken.py"]])
    order = sorted(["broken.py", "cut.py"], key=lambda name: -rows[name].score)
    assert list(rows) == ["fine.py", *order, "empty.py"] and rows["broken.py"].score == pytest.approx(as_one_step)
    assert [row.rank for row in rows.values()] == [1, 2, 3, None]
    assert [row.parses for row in rows.values()] == [True, False, False, None]
    printed = capsys.readouterr().out
    assert "3 programs of 1 problems, 2 of them do not parse; 1 not read" in printed
    lines = {line.split()[2].rpartition("/")[2]: line for line in printed.splitlines() if "/" in line}
    assert {name for name, line in lines.items() if "does not parse" in line} == {"broken.py", "cut.py"}


def test_rows_without_verdicts_name_their_problems(folder, prm, tmp_path):
    problems = [make_problem(name.lower(), question_content=name) for name in "ABC"]
    write_rows(tmp_path / "problems.jsonl", problems)
    keys = [("a", 0, TWO_STEPS), ("b", 0, TWO_STEPS), ("a", 7, OTHER_END)]
    lines = [json.dumps({"question_id": name, "solution_idx": index, "code": code}) for name, index, code in keys]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
    run(folder, tmp_path / "rows.jsonl", "--problems", tmp_path / "problems.jsonl", "--out", tmp_path / "out.jsonl")
    found = {row.name: row.step_scores for row in read_rows(tmp_path / "out.jsonl", RankedProgram)}
    expected = {f"{name}#{index}": prm.score(problems["ab".index(name)], [code])[0] for name, index, code in keys}
    assert found == {name: pytest.approx(values, abs=1e-6) for name, values in expected.items()}


def test_a_row_in_another_language_is_split_and_read_as_that(folder, prm, tmp_path, monkeypatch):
    code = "function two(a) {\n  return 2 * a\n}\n\nfunction main() {\n  console.log(two(1))\n}\n\nmain()\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"code": code, "language": "javascript"})))
    run(folder, "--statement", STATEMENT, "--out", tmp_path / "out.jsonl")
    [row] = read_rows(tmp_path / "out.jsonl", RankedProgram)
    (tmp_path / "a.js").write_text(code)
    [by_suffix] = named_programs([tmp_path / "a.js"], make_problem())
    assert by_suffix.solution.language == "javascript"
    problem = make_problem(question_content=STATEMENT, question_title="")
    assert row.step_names == ["two", "main"]
    assert row.step_scores == pytest.approx(prm.score(problem, [code], language="javascript")[0], abs=1e-6)


@pytest.mark.parametrize("rows", [False, True])
def test_standard_input_is_a_program_or_rows(folder, prm, tmp_path, monkeypatch, rows):
    text = json.dumps({"code": TWO_STEPS}) + "\n\n" + json.dumps({"code": OTHER_END}) if rows else TWO_STEPS
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    (tmp_path / "problem.md").write_text(STATEMENT)
    run(folder, "--problem", tmp_path / "problem.md", "--out", tmp_path / "out.jsonl", "--aggregation", "min")
    found = {row.name: row for row in read_rows(tmp_path / "out.jsonl", RankedProgram)}
    assert list(found) == (sorted(found, key=lambda name: found[name].rank) if rows else ["standard input"])
    first = found["standard input:1" if rows else "standard input"]
    [expected] = statement_scores(prm, [TWO_STEPS])
    assert first.step_scores == pytest.approx(expected, abs=1e-6) and first.score == min(first.step_scores)


@pytest.mark.parametrize(
    ("flags", "stdin", "message"),
    [
        ([], "x = 1", "which problem do the programs solve"),
        (["--statement", "A", "--problem", "p.md"], "x = 1", "one: --statement and --problem"),
        (["--statement", "A"], "", "there is no program"),
        (["latin.py", "--statement", "A"], "", r"latin.py: the program is not text in UTF-8 \(byte 5\)"),
        (["--problem", "latin.py"], "x = 1", r"latin.py: the problem is not text in UTF-8 \(byte 5\)"),
        (["rows.jsonl", "--statement", "A", "--out", "rows.jsonl"], "", "rows.jsonl: would be written over an input"),
        (["odd", "--statement", "A"], "", "there is no program"),
        (["--statement", "A"], '{"code": 1}', "standard input:1: has no code"),
        (["--statement", "A"], '{"code": ', "standard input:1: not valid JSON"),
        (["--statement", "A"], '{"code": "x", "language": "cobol"}', "standard input:1: .*language"),
        (["rows.jsonl", "--problems", "problems.jsonl"], "", "holds no problem 'other'"),
        (["--problems", "problems.jsonl"], '{"code": ""}', "has no question_id"),
        (["--statement", "A", "--server", "http://127.0.0.1:9"], "x = 1", r"127\.0\.0\.1:9/v1/models: no answer .*refused"),
        (["--statement", "A", "--server", "127.0.0.1:9"], "x = 1", "'127.0.0.1:9': not a server's address, such as http"),
        (["--statement", "A", "--server", "http://[a"], "x = 1", "no answer that can be read .*Invalid IPv6"),
        (["--statement", "A"], b"\xff", r"standard input: not text in UTF-8 \(byte 0\)"),
    ],
)
def test_a_mistake_is_one_line(folder, tmp_path, monkeypatch, flags, stdin, message):
    monkeypatch.chdir(tmp_path)
    piped = stdin if isinstance(stdin, bytes) else stdin.encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(piped), encoding="utf-8"))
    write_rows("problems.jsonl", [make_problem()])
    Path("rows.jsonl").write_text('{"question_id": "other", "solution_idx": 0, "code": "x"}\n')
    Path("latin.py").write_bytes("x = 'é'".encode("latin-1"))
    Path("odd/folder.py").mkdir(parents=True)
    Path("odd/circle.py").symlink_to("circle.py")
    os.mkfifo("odd/pipe.py")
    with pytest.raises(UserError, match=message) as caught:
        run(folder, *flags)
    assert "\n" not in str(caught.value)


def test_a_backbone_that_is_not_here_comes_with_the_command_that_fetches_it(root, tmp_path, monkeypatch):
    bundled = root / "data/prm-mbpp"
    for path in bundled.iterdir():
        (tmp_path / path.name).symlink_to(path)
    config = json.loads((bundled / "prm_config.json").read_text())
    config["backbone"]["source"] = "models/elsewhere.gguf"
    (tmp_path / "prm_config.json").unlink()
    (tmp_path / "prm_config.json").write_text(json.dumps(config))
    monkeypatch.setattr(sys, "stdin", io.StringIO("x = 1"))
    with pytest.raises(UserError, match=r"fetch_model\.py --name qwen2\.5-coder-0\.5b-instruct"):
        run(tmp_path, "--statement", "A")


# Through a server


@pytest.mark.parametrize("every_token", [False, True])
def test_a_server_gives_our_scores(folder, prm, problem, every_token):
    with vllm_server(prm, AutoTokenizer.from_pretrained(folder), every_token) as url:
        found = ServedPRM(folder, url + "/v1").score(problem, PROGRAMS)
    assert [pytest.approx(row, abs=1e-6) for row in prm.score(problem, PROGRAMS)] == found


def test_a_server_scores_texts_of_the_released_format_prefix_by_prefix(tmp_path, tokenizer, problem):
    prm = tiny_prm(tokenizer, format="released", head_bias=True)
    export(prm, tmp_path / "DIR")
    with vllm_server(prm, None) as url:
        found = ServedPRM(tmp_path / "DIR", url).score(problem, [TWO_STEPS])
    assert found[0] == pytest.approx(prm.score(problem, [TWO_STEPS])[0], abs=1e-6) and len(found[0]) == 2


def test_the_stage_scores_through_a_server(folder, prm, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(TWO_STEPS))
    with vllm_server(prm, None) as url:
        run(folder, "--statement", STATEMENT, "--server", url, "--out", tmp_path / "out.jsonl")
    [row] = read_rows(tmp_path / "out.jsonl", RankedProgram)
    assert row.step_scores == pytest.approx(statement_scores(prm, [TWO_STEPS])[0], abs=1e-6)


def test_scores_that_are_no_probabilities_are_refused(folder, prm, problem, monkeypatch):
    with vllm_server(prm, None, off_by=2.0) as url, pytest.raises(ServerError, match="are no probabilities"):
        ServedPRM(folder, url).score(problem, [TWO_STEPS])
    with vllm_server(prm, None) as url:
        served = ServedPRM(folder, url)
    monkeypatch.setattr(served, "_ask", lambda *_: {"data": [{"data": [[10**400]]}]})
    with pytest.raises(ServerError, match="holds no list of scores"):
        served.score(problem, [TWO_STEPS])


def test_a_head_that_no_server_can_compute_is_refused(tmp_path, tokenizer):
    export(tiny_prm(tokenizer, reading=Reading("mean")), tmp_path / "DIR")
    with pytest.raises(UserError, match="reads what no server computes"):
        ServedPRM(tmp_path / "DIR", "http://127.0.0.1:9")


def check(folder: Path, url: str) -> None:
    check_server.main(parse_settings(check_server.Settings, "check_server", "", [str(folder), url, "--limit", "3"]))


def test_the_check_passes_a_right_server(folder, prm, capsys):
    with vllm_server(prm, AutoTokenizer.from_pretrained(folder)) as url:
        check(folder, url)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[2].partition(":")[0].strip() for line in lines] == ["token ids", "messages"]
    assert all(float(line.split()[-4]) < 1e-5 for line in lines)


@pytest.mark.parametrize("fault", ["weights", "chat template"])
def test_the_check_finds_a_server_that_is_off(folder, prm, tmp_path, capsys, fault):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if fault == "chat template":
        tokenizer.chat_template = tokenizer.chat_template.replace("</problem>", "</task>")
    off_by = 0.004 if fault == "weights" else 0.0
    with vllm_server(prm, tokenizer, off_by=off_by) as url, pytest.raises(SystemExit) as ended:
        check(folder, url)
    assert ended.value.code == 1
    captured = capsys.readouterr()
    assert "above the tolerance of 0.001" in captured.err
    ids, messages = (float(line.split()[-4]) for line in captured.out.splitlines())
    assert (ids < 1e-5) is (fault == "chat template") and messages > 0.001
