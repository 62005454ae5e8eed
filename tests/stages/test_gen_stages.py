"""Stages 1 to 3 on small problems, with recorded answers and real grading."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import check_cof
import gen_cof
import gen_cof_label
import gen_sol
from builders.rows import make_problem
from dreamprm_code.errors import Unfinished, UserError
from dreamprm_code.grading.sandbox.levels import LEVELS
from dreamprm_code.jsonl import read_rows
from dreamprm_code.manifest import ManifestError, read_manifest, write_manifest
from dreamprm_code.policies import Completion, CompletionRequest
from dreamprm_code.prompts import prompt_fingerprint
from dreamprm_code.records import Rollout, Solution, StepLabel
from dreamprm_code.sampling.file import FailedRequest, what_is_missing
from dreamprm_code.settings import SettingsError

WINDOWS = {"train": ["2024-01-01", "2024-02-01"], "meta": ["2024-02-01", "2024-03-01"], "test": ["2024-03-01", None]}

GOOD = '''def main():
    """Read a number and print its double."""
    n = int(input())
    print(double(n))


def double(n):
    """Twice the number."""
    return 2 * n


main()'''
BAD = GOOD.replace("2 * n", "3 * n")
PREFIX = GOOD[: GOOD.index("\n\n\ndef double")]


def problem_row(question_id: str, date: str) -> dict:
    return make_problem(question_id, [("1\n", "2\n"), ("5\n", "10\n")], contest_date=date).to_dict()


def fenced(code: str) -> str:
    return f"```python\n{code}\n```"


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def run(tmp_path) -> dict:
    """Settings that all stages share."""
    dates = {"a": "2024-01-05", "b": "2024-01-06", "m": "2024-02-05", "t": "2024-03-05"}
    problems = write(tmp_path / "problems.jsonl", [problem_row(name, date) for name, date in dates.items()])
    return {"data_dir": tmp_path / "run", "problems": str(problems), "windows": WINDOWS, "grade_workers": 1}


def recorded(folder: Path, rows: list[dict]) -> str:
    return f"recorded:{write(folder / 'recorded.jsonl', rows)}"


def solutions(*outputs: tuple[str, int, str]) -> list[dict]:
    return [{"question_id": name, "solution_idx": index, "output": output} for name, index, output in outputs]


def test_the_three_stages_end_to_end(run, tmp_path, capsys):
    cof = recorded(tmp_path, solutions(("a", 0, fenced(GOOD)), ("b", 0, "I cannot do this.")))
    gen_cof.main(gen_cof.Settings(policy=cof, **run))
    rows = read_rows(run["data_dir"] / "cof_solutions.jsonl", Solution)
    assert [(row.question_id, row.passed, row.verdict) for row in rows] == [("a", True, "passed"), ("b", False, "no_code")]
    report = json.loads((run["data_dir"] / "cof_adherence.json").read_text())
    assert (report["programs"], report["following"], report["reasons"]) == (2, 1, {"no_code": 1})
    assert report["functions_per_program"] == {"2": 1}
    assert "1/2 follow Chain-of-Function (easy 1/2)" in capsys.readouterr().out

    rollouts = [
        {"question_id": "a", "solution_idx": 0, "step_idx": 0, "rollout_idx": index, "output": output}
        for index, output in enumerate(
            [fenced(GOOD), fenced(BAD), fenced(GOOD.replace("double", "twice")), fenced(GOOD + "\n")]
        )
    ]
    gen_cof_label.main(gen_cof_label.Settings(policy=recorded(tmp_path, rollouts), num_rollouts=4, **run))
    found = read_rows(run["data_dir"] / "rollouts.jsonl", Rollout)
    assert [(row.keeps_prefix, row.passed) for row in found] == [(True, True), (True, False), (False, True), (True, True)]
    first, last = read_rows(run["data_dir"] / "step_labels.jsonl", StepLabel)
    assert (first.prefix, first.num_correct, first.num_rollouts) == (PREFIX, 2, 3)
    assert (last.prefix, last.num_correct, last.num_rollouts) == (GOOD, 1, 1)
    assert "1 programs without code" in capsys.readouterr().out
    counts = read_manifest(run["data_dir"] / "rollouts.jsonl")["counts"]
    assert (counts["rewrites_prefix"], counts["policy_kind"]) == (1, "recorded file")
    assert counts["isolation"] in LEVELS

    for split, name in (("meta", "m"), ("test", "t")):
        policy = recorded(tmp_path, solutions((name, 0, fenced(GOOD)), (name, 1, fenced(BAD))))
        gen_sol.main(gen_sol.Settings(policy=policy, split=split, num_solutions=2, **run))
        rows = read_rows(run["data_dir"] / f"{split}_solutions.jsonl", Solution)
        assert [(row.key, row.passed) for row in rows] == [((name, 0), True), ((name, 1), False)]


NESTED = GOOD.replace("    n = int(input())\n", "    def read():\n        return int(input())\n\n    n = read()\n")


def test_a_retry_shows_the_broken_rules_and_keeps_what_breaks_fewest(run, monkeypatch):
    asked: list[CompletionRequest] = []

    outputs = {("a",): NESTED, ("a", "retry", 0): GOOD, ("b",): GOOD.replace('    """Twice the number."""\n', "")}

    class Scripted:
        kind, max_requests = "scripted", 4

        async def complete(self, request):
            asked.append(request)
            yield Completion(0, fenced(outputs.get(request.key, "x = 1")), "stop")

        async def aclose(self):
            pass

    monkeypatch.setattr("dreamprm_code.sampling.sampler.open_policy", lambda *arguments: Scripted())
    gen_cof.main(gen_cof.Settings(policy="recorded:unused", retries=2, **run))
    rows = read_rows(run["data_dir"] / "cof_solutions.jsonl", Solution)
    assert [(row.code == GOOD, row.passed) for row in rows] == [(True, True), (False, True)], "a worse answer is not taken"
    retry = next(request for request in asked if request.key == ("a", "retry", 0))
    assert retry.messages[-2] == {"role": "assistant", "content": fenced(NESTED)}
    assert "read is defined inside main" in retry.messages[-1]["content"]
    assert [request.key for request in asked if request.key[0] == "b"] == [("b",), ("b", "retry", 0), ("b", "retry", 1)]


def test_the_adherence_check_reports_on_a_file(run, tmp_path, capsys):
    gen_cof.main(
        gen_cof.Settings(policy=recorded(tmp_path, solutions(("a", 0, fenced(GOOD)), ("b", 0, fenced(NESTED)))), **run)
    )
    capsys.readouterr()
    check_cof.main(check_cof.Settings(problems=run["problems"], solutions=run["data_dir"] / "cof_solutions.jsonl"))
    text = capsys.readouterr().out
    assert '"nested_function": 1' in text and "1/2 follow" in text
    policy = recorded(tmp_path, solutions(*((name, 0, fenced(GOOD)) for name in "abm")))
    check_cof.main(check_cof.Settings(problems=run["problems"], policy=policy))
    assert "3/3 follow" in (text := capsys.readouterr().out) and "1 requests failed" in text


def test_what_failed_is_named_and_asked_again_and_what_is_there_is_not(run, tmp_path):
    policy = recorded(tmp_path, solutions(("t", 0, fenced(GOOD)), ("t", 2, fenced(BAD))))
    config = gen_sol.Settings(policy=policy, split="test", num_solutions=3, **run)
    path = run["data_dir"] / "test_solutions.jsonl"
    with pytest.raises(Unfinished, match=r"test_solutions\.jsonl lacks 1 rows: 1 requests failed"):
        gen_sol.main(config)
    assert "lacks 1 rows" in (what_is_missing(path) or ""), "the next stage says so too"
    (failure,) = read_rows(run["data_dir"] / "test_solutions.jsonl.failures.jsonl", FailedRequest)
    assert failure.key == ("t", 1) and failure.state == "not_recorded"
    before = path.read_bytes()
    recorded(tmp_path, solutions(("t", 0, "changed"), ("t", 1, fenced(GOOD)), ("t", 2, "changed")))
    gen_sol.main(config)
    assert what_is_missing(path) is None
    rows = read_rows(path, Solution)
    assert [row.key for row in rows] == [("t", 0), ("t", 1), ("t", 2)] and rows[0].passed
    assert set(before.splitlines()) < set(path.read_bytes().splitlines()), "rows that are there stay as they are"
    assert not (run["data_dir"] / "test_solutions.jsonl.failures.jsonl").exists()


def test_adaptive_rollouts_stop_early_on_a_hopeless_prefix(run, tmp_path):
    gen_cof.main(gen_cof.Settings(policy=recorded(tmp_path, solutions(("a", 0, fenced(GOOD)), ("b", 0, fenced(BAD)))), **run))
    rollouts = [
        {"question_id": name, "solution_idx": 0, "step_idx": 0, "rollout_idx": index, "output": fenced(code)}
        for name, codes in (("a", [GOOD, BAD] * 8), ("b", [BAD] * 16))
        for index, code in enumerate(codes)
    ]
    config = gen_cof_label.Settings(policy=recorded(tmp_path, rollouts), num_rollouts=16, rollout_price=0.001, **run)
    gen_cof_label.main(config)
    labels = {row.key: row for row in read_rows(run["data_dir"] / "step_labels.jsonl", StepLabel)}
    assert labels["b", 0, 0].num_rollouts <= 8 and labels["b", 0, 0].num_correct == 0
    assert labels["a", 0, 0].num_rollouts == 16 and labels["a", 0, 0].num_correct == 8
    before = (run["data_dir"] / "rollouts.jsonl").read_bytes()
    gen_cof_label.main(config)
    assert (run["data_dir"] / "rollouts.jsonl").read_bytes() == before, "a stopped prefix stays stopped"


def test_lines_are_labelled_by_binary_search_and_a_stopped_search_goes_on(run, tmp_path, capsys):
    """BAD has six lines of code and fails in its fifth (index 4). Probes: index 2 holds, 3 holds, 4 does not."""
    gen_cof.main(gen_cof.Settings(policy=recorded(tmp_path, solutions(("a", 0, fenced(GOOD)), ("b", 0, fenced(BAD)))), **run))
    rollouts = [
        {"question_id": "b", "solution_idx": 0, "step_idx": step, "rollout_idx": index, "output": fenced(code)}
        for step, codes in ((2, [BAD, GOOD, BAD]), (3, [GOOD] * 3), (4, [BAD] * 3))
        for index, code in enumerate(codes)
    ]
    how = {"granularity": "line", "search": "binary", "num_rollouts": 3}
    path = run["data_dir"] / "rollouts.jsonl"
    with pytest.raises(Unfinished, match="lacks 3 rows"):
        gen_cof_label.main(gen_cof_label.Settings(policy=recorded(tmp_path, rollouts[:3]), **how, **run))
    assert [row.step_idx for row in read_rows(path, Rollout)] == [2] * 3
    config = gen_cof_label.Settings(policy=recorded(tmp_path, rollouts), **how, **run)
    gen_cof_label.main(config)
    labels = read_rows(run["data_dir"] / "step_labels.jsonl", StepLabel)
    assert [row.mc_value for row in labels if row.question_id == "a"] == [1.0] * 6
    assert [row.mc_value for row in labels if row.question_id == "b"] == [1.0] * 4 + [0.0] * 2
    assert "1 programs passed, 1 programs revised" in capsys.readouterr().out
    counts = read_manifest(run["data_dir"] / "step_labels.jsonl")["counts"]
    assert (counts["probes"], counts["programs_revised"]) == (3, 1)
    before = path.read_bytes()
    gen_cof_label.main(config)
    assert path.read_bytes() == before, "a search that is over samples nothing"
    with pytest.raises(SettingsError, match="'rollout_price' is for search all"):
        gen_cof_label.Settings(policy="recorded:x", rollout_price=0.1, **how, **run)


def test_other_settings_never_add_to_a_file(run, tmp_path):
    policy = recorded(tmp_path, solutions(("t", 0, fenced(GOOD))))
    gen_sol.main(gen_sol.Settings(policy=policy, split="test", num_solutions=1, **run))
    path = run["data_dir"] / "test_solutions.jsonl"
    before = path.read_bytes(), (run["data_dir"] / "test_solutions.jsonl.meta.json").read_bytes()
    with pytest.raises(ManifestError, match=r"temperature: 0\.2 there, 0\.9 now"):
        gen_sol.main(gen_sol.Settings(policy=policy, split="test", num_solutions=1, temperature=0.9, **run))
    assert before == (path.read_bytes(), (run["data_dir"] / "test_solutions.jsonl.meta.json").read_bytes())


def test_a_run_without_a_single_answer_ends_with_one_line_and_the_next_stage_names_it(run, tmp_path):
    with pytest.raises(Unfinished, match="lacks 2 rows: 2 requests failed"):
        gen_cof.main(gen_cof.Settings(policy=recorded(tmp_path, []), **run))
    with pytest.raises(UserError, match=r"cof_solutions\.jsonl: holds no program; run gen_cof first"):
        gen_cof_label.main(gen_cof_label.Settings(policy=recorded(tmp_path, []), num_rollouts=2, **run))


def test_rollouts_of_other_programs_or_ways_of_continuing_are_refused_before_anything_is_sent(run, tmp_path):
    gen_cof.main(gen_cof.Settings(policy=recorded(tmp_path, solutions(("a", 0, fenced(GOOD)), ("b", 0, fenced(BAD)))), **run))
    rollouts = [
        {"question_id": name, "solution_idx": 0, "step_idx": 0, "rollout_idx": index, "output": fenced(GOOD)}
        for name in "ab"
        for index in range(2)
    ]
    policy = recorded(tmp_path, rollouts)
    gen_cof_label.main(gen_cof_label.Settings(policy=policy, num_rollouts=2, **run))
    programs = run["data_dir"] / "cof_solutions.jsonl"
    programs.write_text(programs.read_text().replace("def main()", "def begin()"))
    path = run["data_dir"] / "rollouts.jsonl"
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"rollouts\.jsonl: rollout .* was made from other solutions; move this file"):
        gen_cof_label.main(gen_cof_label.Settings(policy=policy, num_rollouts=3, **run))
    assert path.read_bytes() == before
    path.unlink()
    server = {"policy": "openai:m", "base_urls": ["http://127.0.0.1:9/v1"], "num_rollouts": 2} | run
    write_manifest(path, stage="gen_cof_label", config={}, identity=identity_with(server, "continue_final"))
    path.write_bytes(before)
    with pytest.raises(ManifestError, match="continuation: 'continue_final' there, 'instruction' now"):
        gen_cof_label.main(gen_cof_label.Settings(**server))


def identity_with(settings: dict, continuation: str) -> dict:
    """The identity of a rollouts file that was sampled with another way of continuing."""
    config = gen_cof_label.Settings(**settings, continuation=continuation)
    split = {"rollout_price": 0.0, "max_functions": 10, "granularity": "function", "continuation": continuation}
    programs = read_manifest(config.data_dir / "cof_solutions.jsonl")["identity"]
    more = {"limits": config.limits(), "prompts": prompt_fingerprint(), "solutions": programs}
    return config.sampling_identity() | split | more


def test_a_dry_run_counts_and_sends_nothing(run, capsys):
    prices = {"o4-mini": {"input": 1.0, "output": 4.0}}
    config = gen_sol.Settings(policy="openai:o4-mini", split="test", num_solutions=16, max_tokens=1000, prices=prices, **run)
    gen_sol.main(gen_sol.Settings(**{**vars(config), "dry_run": True}))
    text = capsys.readouterr().out
    assert "1 requests for 16 answers" in text and "at most 16000 answer tokens" in text and "at most $0.06 in all" in text
    assert not run["data_dir"].exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"policy": None}, "set POLICY"),
        ({"policy": "o4-mini"}, "none of openai:MODEL"),
        ({"policy": "openai:o4-mini", "max_cost": 1.0}, "price table"),
        ({"policy": "recorded:/no/such/file.jsonl"}, "cannot be read"),
        ({"windows": {"train": ["2024-01-01", "2024-03-10"], "test": ["2024-03-01", None]}}, "overlap"),
        ({"windows": {"test": ["2030-01-01", None]}}, "no problem has a contest date"),
        ({"problems": "/no/such/problems.jsonl"}, "no such problem file"),
        ({"max_tokens": 0}, "must be above 0"),
        ({"policy": "local:models/typo.gguf"}, "no such file"),
        ({"num_solutions": 0}, "'num_solutions' is 0; it must be 1 or more"),
        ({"num_solutions": -3}, "'num_solutions' is -3"),
        ({"num_solutions": 10**12}, "'num_solutions' is 1000000000000; it must be at most 10000"),
        ({"grade_workers": 0}, "'grade_workers' is 0"),
        ({"temperature": -1.0, "dry_run": True}, "'temperature' is -1.0"),
        ({"temperature": float("nan"), "dry_run": True}, "'temperature' is nan"),
        ({"max_tokens": 0, "dry_run": True}, "must be above 0"),
        ({"prices": {"o4-mini": 5}, "dry_run": True}, "'o4-mini' must give input and output"),
        ({"prices": {"o4-mini": {"input": -1.0, "output": 1.0}}, "dry_run": True}, "'o4-mini' must give"),
        ({"max_tokens_total": -1}, "'max_tokens_total' is -1"),
    ],
)
def test_mistakes_are_one_clear_error_and_leave_nothing(run, tmp_path, change, message):
    settings = {"policy": recorded(tmp_path, []), "split": "test", **run} | change
    with pytest.raises(UserError, match=message) as error:
        gen_sol.main(gen_sol.Settings(**settings))
    assert "\n" not in str(error.value)
    assert not run["data_dir"].exists()


@pytest.mark.parametrize("policy", ["recorded:nope.jsonl", "local:models/typo.gguf", "openai:o4-mini"])
def test_a_policy_that_cannot_be_opened_leaves_every_stage_as_it_was(run, tmp_path, monkeypatch, policy):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(UserError):
        gen_cof.main(gen_cof.Settings(policy=policy, **run))
    assert not run["data_dir"].exists()
    rows = solutions(("a", 0, fenced(GOOD)), ("b", 0, fenced(GOOD)))
    gen_cof.main(gen_cof.Settings(policy=recorded(tmp_path, rows), **run))
    there = {path.name: path.read_bytes() for path in run["data_dir"].iterdir()}
    with pytest.raises(UserError):
        gen_cof_label.main(gen_cof_label.Settings(policy=policy, num_rollouts=2, **run))
    with pytest.raises(UserError):
        gen_sol.main(gen_sol.Settings(policy=policy, split="test", **run))
    assert {path.name: path.read_bytes() for path in run["data_dir"].iterdir()} == there


def test_a_policy_that_is_gone_changes_nothing_of_an_earlier_run(run, tmp_path):
    policy = recorded(tmp_path, solutions(("t", 0, fenced(GOOD))))
    config = gen_sol.Settings(policy=policy, split="test", num_solutions=2, **run)
    with pytest.raises(Unfinished):
        gen_sol.main(config)
    there = {path.name: path.read_bytes() for path in run["data_dir"].iterdir()}
    assert "test_solutions.jsonl.failures.jsonl" in there
    (tmp_path / "recorded.jsonl").write_text("broken\n")
    with pytest.raises(UserError, match="not valid JSON"):
        gen_sol.main(config)
    assert {path.name: path.read_bytes() for path in run["data_dir"].iterdir()} == there


@pytest.mark.parametrize(
    ("stage", "change"),
    [
        (gen_cof, {"num_solutions": 0}),
        (gen_cof, {"retries": -1}),
        (gen_cof, {"grade_workers": 0}),
        (gen_cof_label, {"num_rollouts": 0}),
        (gen_cof_label, {"rollout_price": -0.1}),
        (gen_cof_label, {"max_functions": 0}),
        (gen_cof_label, {"grade_workers": 0}),
    ],
)
def test_numbers_that_cannot_work_are_refused_before_anything_is_written(run, tmp_path, stage, change):
    with pytest.raises(UserError, match=f"'{next(iter(change))}' is "):
        stage.main(stage.Settings(policy=recorded(tmp_path, []), **(run | change)))
    assert not run["data_dir"].exists()


def test_a_missing_key_is_one_line_and_status_2(run, root, python, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    command = [python, str(root / "src/gen_sol.py"), "--split", "test", "--policy", "openai:o4-mini"]
    command += ["--data-dir", str(run["data_dir"]), "--problems", run["problems"], "--windows", json.dumps(WINDOWS)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("gen_sol: error: no API key: set the environment variable OPENAI_API_KEY")


def test_unknown_settings_of_a_section_are_errors(root, tmp_path):
    from cli import parse_settings

    (tmp_path / "c.yaml").write_text("gen_sol: {num_candidates: 3}\n")
    with pytest.raises(SettingsError, match="unknown setting 'num_candidates'"):
        parse_settings(gen_sol.Settings, "gen_sol", "", ["--config", str(tmp_path / "c.yaml"), "--split", "test"])
    for name, config_class in (
        ("gen_cof", gen_cof.Settings),
        ("gen_cof_label", gen_cof_label.Settings),
        ("gen_sol", gen_sol.Settings),
    ):
        for file in ("demo", "paper"):
            argv = ["--config", str(root / f"configs/{file}.yaml")] + (["--split", "test"] if name == "gen_sol" else [])
            parse_settings(config_class, name, "", argv)


def test_programs_of_a_problem_whose_tests_are_at_fault_are_counted_and_null(run, tmp_path, capsys, caplog):
    broken = problem_row("a", "2024-01-05")
    broken |= {"metadata": json.dumps({"func_name": "double"})}
    broken |= {"public_test_cases": json.dumps([{"input": "n = 3", "output": "6", "testtype": "functional"}])}
    write(Path(run["problems"]), [broken, problem_row("b", "2024-01-06")])
    cof = recorded(tmp_path, solutions(("a", 0, fenced(GOOD)), ("b", 0, fenced(GOOD))))
    gen_cof.main(gen_cof.Settings(policy=cof, **run))
    rows = read_rows(run["data_dir"] / "cof_solutions.jsonl", Solution)
    assert [(row.question_id, row.passed) for row in rows] == [("a", None), ("b", True)]
    assert "1 programs could not be graded" in capsys.readouterr().out
    assert caplog.text.count("problem a cannot be graded: the input of test 0 is not JSON values") == 1
