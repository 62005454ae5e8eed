"""The training stage on files: what it writes, that it resumes, and one clear error for each kind of bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import import_rows
import train_prm
from builders.rows import make_problem
from builders.tokenizers import byte_tokenizer
from builders.training import PROGRAM, WINDOWS, labels, solution, write_training_files
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import read_rows, write_rows
from dreamprm_code.manifest import read_manifest
from dreamprm_code.prm import PRM
from dreamprm_code.records import CorrectedLabel, Problem, StepLabel


@pytest.fixture
def config(tmp_path, backbone) -> train_prm.Settings:
    """Four training problems of one program, three meta problems of two; two steps of warm-up, three of the bi-level stage."""
    data_dir = write_training_files(tmp_path, train=[f"t{i}" for i in range(4)], meta=[f"m{i}" for i in range(3)])
    return train_prm.Settings(
        data_dir=data_dir,
        problems=str(tmp_path / "problems.jsonl"),
        windows=WINDOWS,
        backbone=f"random:{backbone}",
        method="labels",
        dtype="float32",
        device="cpu",
        inner_only_steps=2,
        bilevel_steps=3,
        batch_programs=2,
        outer_programs=2,
        eval_every=1,
        checkpoint_every=1,
        progress=False,
        log_to=[],
    )


def test_writes_checkpoint_labels_log_and_manifest(config, capsys):
    train_prm.main(config)
    said = capsys.readouterr().out
    assert "inner: 8 step labels; outer: 4 meta outcomes; validation: 2 meta outcomes; 5 steps" in said
    rows = read_rows(config.data_dir / "corrected_labels.jsonl", CorrectedLabel)
    assert [row.key for row in rows] == [(f"t{i}", i, k) for i in range(4) for k in range(2)]  # never the last step
    assert [row.mc_value for row in rows] == [((i + k) % 5) / 4 for i in range(4) for k in range(2)]
    assert any(row.corrected_value != row.mc_value for row in rows) and all(row.weight == 1.0 for row in rows)
    counts = read_manifest(config.data_dir / "corrected_labels.jsonl")["counts"]
    assert counts["inner_labels"] == 8 and counts["validation_outcomes"] == 2 and 3 <= counts["best_step"] <= 5
    prm = PRM.from_pretrained(config.data_dir / "prm", device="cpu")
    known = {row.question_id: row for row in read_rows(config.problems, Problem)}
    (scores,) = prm.score(known["m0"], [PROGRAM.format(n=1)])
    assert len(scores) == 3 and all(0.0 < score < 1.0 for score in scores)


def test_a_finished_run_is_left_as_it_is_and_other_settings_are_refused(config):
    train_prm.main(config)
    labels_file = config.data_dir / "corrected_labels.jsonl"
    before, weights = labels_file.read_bytes(), (config.data_dir / "prm" / "head.safetensors").read_bytes()
    train_prm.main(config)
    assert labels_file.read_bytes() == before
    assert (config.data_dir / "prm" / "head.safetensors").read_bytes() == weights
    with pytest.raises(UserError, match=r"lora_rank: 8 there, 4 now\); give another folder with --out-dir"):
        train_prm.main(config.with_changes(lora_rank=4))
    assert labels_file.read_bytes() == before


def test_method_none_and_another_output_folder(config, tmp_path):
    train_prm.main(config.with_changes(method="none", out_dir=tmp_path / "uncorrected"))
    rows = read_rows(tmp_path / "uncorrected" / "corrected_labels.jsonl", CorrectedLabel)
    assert all(row.corrected_value == row.mc_value for row in rows)
    assert not (config.data_dir / "prm").exists()


def run_with(config, **changes) -> tuple[dict, list[CorrectedLabel]]:
    """Counts of the manifest and rows of the label table."""
    changed = config.with_changes(**{"out_dir": config.data_dir.parent / "other"} | changes)
    train_prm.main(changed)
    path = changed.out_dir / "corrected_labels.jsonl"
    return read_manifest(path)["counts"], read_rows(path, CorrectedLabel)


def test_outcomes_inside_are_counted_by_kind_and_never_in_the_label_table(config, capsys):
    counts, rows = run_with(config, inner_outcomes="both", inner_share=0.6, validation_share=0.0, pair_weight=0.5)
    used = {name: n for name, n in counts.items() if name.endswith("_outcomes") or name == "inner_labels"}
    inner_meta, outer_meta = used.pop("inner_meta_outcomes"), used.pop("outer_meta_outcomes")
    assert {name: n for name, n in used.items() if n} == {"inner_labels": 8, "inner_train_outcomes": 4}
    assert inner_meta + outer_meta == 6 and inner_meta in (2, 4)  # whole problems of two programs
    assert len(rows) == 8 and all(row.step_idx < 2 for row in rows)
    said = f"inner: 8 step labels, 4 + {inner_meta} outcomes (train + meta); outer: {outer_meta} meta outcomes; validation: 0"
    assert said in capsys.readouterr().out


def test_folds_let_every_meta_outcome_serve_both_levels(config):
    counts, _ = run_with(config, inner_outcomes="meta", folds=2)
    assert counts["inner_meta_outcomes"] == counts["outer_meta_outcomes"] == 4 and counts["validation_outcomes"] == 2


def test_an_orm_then_labels_mixed_with_its_scores_then_a_second_round(config, tmp_path):
    counts, rows = run_with(config, inner_labels=False, inner_outcomes="both", inner_share=0.7, learn="none", lr=0.01)
    assert counts["inner_labels"] == 0 and rows == [] and counts["inner_train_outcomes"] == 4
    orm = tmp_path / "other" / "prm"
    _, mixed = run_with(config, mix_with=orm, learn="none", out_dir=tmp_path / "mixed")
    assert all(0.0 < row.corrected_value < 1.0 and row.corrected_value != row.mc_value for row in mixed)
    again = tmp_path / "mixed" / "corrected_labels.jsonl"
    _, second = run_with(config, start_labels=again, inner_outcomes="train", learn="none", out_dir=tmp_path / "second")
    assert [row.corrected_value for row in second] == [row.corrected_value for row in mixed]
    assert [row.mc_value for row in second] == [row.mc_value for row in mixed]


def test_the_default_method_fits_and_judges_by_every_outcome(config, capsys):
    given = {name: getattr(config, name) for name in config.model_fields_set - {"method"}}
    train_prm.main(train_prm.Settings(**given))
    said = capsys.readouterr().out
    outcomes = "4 + 4 outcomes (train + meta)"
    assert f"inner: 8 step labels, {outcomes} at every prefix; outer: {outcomes}; validation: 2 meta outcomes" in said
    counts = read_manifest(config.data_dir / "corrected_labels.jsonl")["counts"]
    assert counts["inner_outcome_terms"] == 3 * (4 + 4)  # programs of three functions
    assert len(read_rows(config.data_dir / "corrected_labels.jsonl", CorrectedLabel)) == 8


RIGHT, WRONG = "def part(a):\n    return a + 1\n", "def part(a):\n    return 7\n"
ENDS = "\n\ndef main(a):\n    return part(a) * 2\n", "\n\ndef main(a):\n    return 0\n"


def test_the_default_method_moves_labels_to_the_truth(config, tmp_path):
    """Two functions, each right or wrong. A program passes if both are right; the policy writes the second right in 3 of 4.

    So the value of the first is 3/4 or 0. Its labels say that, but 3 of 10 say 1 minus it. The table is to find the truth in
    the outcomes of 10 programs of other problems and of the 40 programs themselves.
    """
    rows, meta, truth = [], [], {}
    for index in range(60):
        name = f"t{index // 4 % 10}" if index < 40 else f"m{index % 3}"
        right, ends = index // 4 % 2 == 0, index % 4 > 0
        prefixes = [RIGHT if right else WRONG]
        prefixes.append(prefixes[0] + ENDS[not ends])
        passed = right and ends
        if index >= 40:
            code = prefixes[1]
            meta.append(solution(name, index, passed).model_copy(update={"code": code, "output": code}))
            continue
        truth[name, index, 0] = 0.75 * right
        correct = 6 * right if index % 10 not in (1, 4, 8) else 8 - 6 * right
        for template, prefix in zip(labels(name, index), prefixes, strict=False):
            counts = {"num_rollouts": 1, "num_correct": int(passed)} if template.step_idx else {"num_rollouts": 8}
            counts = {"num_correct": correct} | counts
            rows.append(template.model_copy(update={"num_steps": 2, "prefix": prefix, **counts}))
    write_rows(config.data_dir / "step_labels.jsonl", rows)
    write_rows(config.data_dir / "meta_solutions.jsonl", meta)
    names = [f"t{index}" for index in range(10)]
    dated = [make_problem(name, contest_date="2024-01-05") for name in names]
    dated += [make_problem(f"m{index}", contest_date="2024-06-05") for index in range(3)]
    write_rows(tmp_path / "problems.jsonl", dated)
    settings = config.with_changes(
        method="joint", trained_layers=0, readout="mean", scaled=True, lr=0.03, schedule="linear", inner_only_steps=40,
        bilevel_steps=120, batch_programs=16, outer_programs=16, eval_every=0, checkpoint_every=0,
    )  # fmt: skip
    errors = {}
    for method in ("labels", "joint"):
        train_prm.main(settings.with_changes(method=method, out_dir=tmp_path / method))
        found = read_rows(tmp_path / method / "corrected_labels.jsonl", CorrectedLabel)
        errors[method] = sum(abs(row.corrected_value - truth[row.key]) for row in found) / len(found)
        errors["Monte-Carlo"] = sum(abs(row.mc_value - truth[row.key]) for row in found) / len(found)
    assert errors["Monte-Carlo"] > 0.2
    assert errors["joint"] < 0.5 * errors["Monte-Carlo"] and errors["joint"] < errors["labels"]


def test_random_weights_take_a_tokenizer_by_name(config, backbone, tmp_path):
    with pytest.raises(UserError, match="random weights have no tokenizer; name one with --tokenizer"):
        train_prm.main(config.with_changes(backbone="random:tiny"))
    train_prm.main(config.with_changes(backbone="random:tiny", tokenizer=str(backbone)))
    assert PRM.from_pretrained(config.data_dir / "prm", device="cpu").encoder.step_token is not None
    larger = byte_tokenizer({"pad_token": "<pad>", "eos_token": "<eos>"} | {f"more_{i}": f"<{i}>" for i in range(300)})
    larger.save_pretrained(tmp_path / "larger")
    with pytest.raises(UserError, match="has 512 tokens, the tokenizer"):
        train_prm.main(config.with_changes(backbone="random:tiny", tokenizer=str(tmp_path / "larger"), out_dir=tmp_path / "o"))


def test_a_device_that_is_not_there_is_one_line(config):
    with pytest.raises(UserError, match="device 'gpu' cannot be used here"):
        train_prm.main(config.with_changes(device="gpu"))


def test_labels_say_how_programs_are_split(config):
    """Labels of at most two functions: meta programs, and those that the checkpoint will score, are split like that."""
    path = config.data_dir / "step_labels.jsonl"
    rows = []
    for row in read_rows(path, StepLabel):
        if row.step_idx != 1:  # the second function's step is gone: the last holds both
            step_idx = min(row.step_idx, 1)
            rows.append(row.model_copy(update={"step_idx": step_idx, "num_steps": 2, "max_functions": 2}))
    write_rows(path, rows)
    train_prm.main(config.with_changes(method="joint"))
    prm = PRM.from_pretrained(config.data_dir / "prm", device="cpu")
    assert prm.steps.max_functions == 2
    counts = read_manifest(config.data_dir / "corrected_labels.jsonl")["counts"]
    assert counts["inner_labels"] == 4 and counts["inner_outcome_terms"] == 2 * (4 + 4)


def test_trained_layers_moves_lora_in_the_last_layers_only(config):
    train_prm.main(config.with_changes(trained_layers=1, lr=0.01))
    prm = PRM.from_pretrained(config.data_dir / "prm", device="cpu")
    moved = {name: bool(param.any()) for name, param in prm.model.named_parameters() if "lora_B" in name}
    assert moved and all(value == (".layers.1." in name) for name, value in moved.items())


def test_keeping_the_frozen_layers_states_changes_no_bit(config, tmp_path):
    files = ("corrected_labels.jsonl", "prm/head.safetensors", "prm/adapter_model.safetensors")
    found = []
    for trunk_cache in ("memory", "off"):
        out_dir = tmp_path / trunk_cache
        train_prm.main(config.with_changes(trained_layers=1, lr=0.01, trunk_cache=trunk_cache, out_dir=out_dir))
        found.append([(out_dir / name).read_bytes() for name in files])
    assert found[0] == found[1]


def test_the_head_alone_on_scaled_means_of_a_cut_backbone(config):
    reading = {"readout": "mean", "layers": 1, "final_norm": False, "scaled": True}
    train_prm.main(config.with_changes(trained_layers=0, lr=0.01, **reading))
    saved = json.loads((config.data_dir / "prm" / "prm_config.json").read_text())
    assert saved["reading"] == reading and saved["lora"] is None
    prm = PRM.from_pretrained(config.data_dir / "prm", device="cpu")
    assert prm.model.scale.mean.abs().max() > 0 and prm.model.head.weight.abs().max() > 0.01
    known = {row.question_id: row for row in read_rows(config.problems, Problem)}
    (scores,) = prm.score(known["m0"], [PROGRAM.format(n=1)])
    assert len(scores) == 3 and len(set(scores)) == 3


def test_programs_that_cannot_be_used_are_counted(config):
    meta = [solution(f"m{i}", k, k == 0) for i in range(3) for k in range(2)]
    empty = solution("m0", 3, False).model_copy(update={"code": "", "output": "no code"})
    write_rows(config.data_dir / "meta_solutions.jsonl", [*meta, solution("m0", 2, None), empty])
    path = config.data_dir / "step_labels.jsonl"
    kept = [row for row in read_rows(path, StepLabel) if row.key not in {("t0", 0, 0), ("t1", 1, 2), ("t1", 1, 0)}]
    write_rows(path, kept)  # t0 lacks a middle step, which splitting finds again; t1 lacks its last step: its text is unknown
    train_prm.main(config)
    counts = read_manifest(config.data_dir / "corrected_labels.jsonl")["counts"]
    assert counts["meta_programs_not_graded"] == 1 and counts["meta_programs_without_code"] == 1
    assert counts["train_programs_incomplete"] == 1 and counts["inner_labels"] == 5


def broken_row(config):
    with (config.data_dir / "step_labels.jsonl").open("a") as stream:
        stream.write('{"question_id": "t9"}\n')


def no_labels(config):
    (config.data_dir / "step_labels.jsonl").write_text("")


def foreign_meta(config):
    write_rows(config.data_dir / "meta_solutions.jsonl", [solution("t0", 0, True)])


def only_last_steps(config):
    path = config.data_dir / "step_labels.jsonl"
    last = [row.model_copy(update={"step_idx": 0, "num_steps": 1}) for row in read_rows(path, StepLabel) if row.is_last]
    write_rows(path, last)


def two_splits(config):
    path = config.data_dir / "step_labels.jsonl"
    rows = read_rows(path, StepLabel)
    write_rows(path, [*rows[:-1], rows[-1].model_copy(update={"max_functions": 5})])


def nothing_graded(config):
    write_rows(config.data_dir / "meta_solutions.jsonl", [solution(f"m{i}", 0, None) for i in range(3)])


@pytest.mark.parametrize(
    ("damage", "changes", "message"),
    [
        (broken_row, {}, r"step_labels\.jsonl:13: not a StepLabel row: .*'solution_idx' is missing"),
        (no_labels, {}, "holds no row"),
        (foreign_meta, {}, "problem t0 is in the part 'train', not in the part 'meta'"),
        (only_last_steps, {}, "no training program has a step before its last"),
        (two_splits, {}, r"step label \('t3', 3, 2\) was split with .*max_functions=5.*; make all labels with one"),
        (nothing_graded, {}, "needs two meta problems with graded programs, found 0"),
        (nothing_graded, {"validation_share": 0.0}, "no graded meta program is left"),
        (None, {"windows": {"train": ["2024-01-01", "2024-07-01"], "meta": ["2024-05-01", None]}}, "overlap"),
        (None, {"windows": {"train": ["2020-01-01", "2020-02-01"], "meta": ["2024-05-01", None]}}, "train"),
        (None, {"backbone": "no/such-model"}, "no/such-model"),
        (None, {"lr": -1.0}, "'lr' is -1.0"),
        (None, {"lr": float("nan")}, "'lr' is nan"),
        (None, {"outer_lr": float("inf")}, "'outer_lr' is inf"),
        (None, {"lr_warmup_steps": -1}, "'lr_warmup_steps' is -1"),
        (None, {"trained_layers": 3}, "the backbone has 2 layers"),
        (None, {"max_length": 40}, "no training program"),
        (None, {"inner_outcomes": "both", "outer_outcomes": "both"}, "fit and judge: set both_levels or folds"),
        (None, {"inner_outcomes": "meta", "inner_share": 0.01}, "no outcome of a meta program is left for the inner level"),
        (None, {"inner_outcomes": "meta", "inner_share": 0.99}, "no graded meta program is left for the outer level"),
        (None, {"inner_outcomes": "meta", "folds": 3}, "3 folds need as many problems"),
        (None, {"inner_labels": False}, "set learn none"),
        (None, {"inner_labels": False, "learn": "none"}, "neither labels nor outcomes"),
        (None, {"mix_with": Path("a"), "start_labels": Path("b")}, "give one"),
    ],
)
def test_bad_input_is_one_clear_error_and_nothing_is_written(config, damage, changes, message):
    if damage is not None:
        damage(config)
    with pytest.raises(UserError, match=message):
        train_prm.main(config.with_changes(**changes))
    written = {path.name for path in config.data_dir.iterdir()}
    assert written == {"step_labels.jsonl", "meta_solutions.jsonl"}


def test_rows_of_other_libraries_are_trained_on_without_problems_or_tests(config, tmp_path):
    rows = [
        {"prompt": f"Problem {number}", "completions": ["def f():\n    return 1", f"\n\n\ndef g():\n    return {index}"]}
        | {"labels": [(number + index) % 3 / 2, float(index)]}
        for number in range(8)
        for index in range(2)
    ]
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    imported = tmp_path / "imported"
    import_rows.main(import_rows.Settings(source=str(source), data_dir=imported, meta_share=0.4))
    files = {"problems": str(imported / "problems.jsonl"), "split_file": imported / "split.json", "data_dir": imported}
    train_prm.main(config.with_changes(windows=None, **files))
    assert (
        len(read_rows(imported / "corrected_labels.jsonl", CorrectedLabel)) == 10
    )  # five training problems, two programs each
