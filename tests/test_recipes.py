"""What the shell recipes do with flags and bundled files, run by a real shell."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


def shell(root: Path, script: str, *arguments: str) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script, "bash", *arguments], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("form", ["two words", "one word"])
def test_flags_about_the_run_reach_both_stages(root: Path, form: str) -> None:
    given = [("--data-dir", "my run"), ("--learn", "none"), ("--problems", "p.jsonl"), ("--config", "other.yaml")]
    given += [("--split-file", "parts.json")]
    flags = [part for pair in given for part in pair] if form == "two words" else ["=".join(pair) for pair in given]
    script = """CONFIG=configs/demo.yaml; source src/recipe_flags.sh
        printf '%s|' "$CONFIG" "$DATA_DIR" "$other_problems" "${shared_flags[@]}"; echo; printf '%s|' "$@" """
    found, kept = shell(root, script, *flags).splitlines()
    shared = "--data-dir|my run|--problems|p.jsonl|--config|other.yaml|--split-file|parts.json|"
    assert found == f"other.yaml|my run|p.jsonl|{shared}"
    assert kept == "|".join(flags) + "|"


def test_no_flags(root: Path) -> None:
    assert shell(root, 'CONFIG=c; source src/recipe_flags.sh; echo "$CONFIG${other_problems}${#shared_flags[@]}"') == "c0\n"


@pytest.mark.parametrize(
    ("gpus", "launcher"), [("", "python"), ("2", "python"), ("0,1,5", "torchrun --standalone --nproc-per-node 3")]
)
def test_training_takes_one_process_per_gpu(root: Path, gpus: str, launcher: str) -> None:
    script = 'export CUDA_VISIBLE_DEVICES="$1"; shift; CONFIG=c; source src/recipe_flags.sh; echo "${launcher[*]}"'
    assert shell(root, script, gpus) == launcher + "\n"
    assert shell(root, f"NUM_PROCESSES=1; {script}", gpus) == "python\n"


@pytest.mark.parametrize("flag", [["--solutions", "a b.json"], ["--solutions=a b.json"]])
def test_a_results_file_is_seen(root: Path, flag: list[str]) -> None:
    script = 'CONFIG=c; source src/recipe_flags.sh; echo "$results_file|${#shared_flags[@]}"'
    assert shell(root, script, *flag) == "a b.json|0\n"
    assert shell(root, script, "--solutions", "rows.jsonl") == "|0\n"


def test_candidates_of_both_splits_are_sampled_where_requests_of_the_first_failed(root: Path, tmp_path: Path) -> None:
    """The recipe with a stage of its own: meta ends unfinished (status 3), test is run all the same, an error (2) ends it."""
    for name in ("gen_sol.sh", "src/setup_env.sh"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((root / name).read_text() if name == "gen_sol.sh" else "")
    stage = """import sys
split = sys.argv[sys.argv.index("--split") + 1]
print(split)
sys.exit({"meta": 3, "bad": 2}.get(split, 0))
"""
    (tmp_path / "src/gen_sol.py").write_text(stage)
    for splits, status, ran in (("meta test", 3, ["meta", "test"]), ("bad test", 2, ["bad"]), ("test", 0, ["test"])):
        env = {**os.environ, "SPLITS": splits}
        done = subprocess.run(["bash", "gen_sol.sh"], cwd=tmp_path, env=env, capture_output=True, text=True)
        assert (done.returncode, done.stdout.split()) == (status, ran)


def test_seeding_replaces_what_is_empty_with_its_manifest_and_leaves_a_run_alone(root: Path, tmp_path: Path) -> None:
    bundled, run = root / "data/demo/sampled", tmp_path / "a run"
    run.mkdir()
    (run / "meta_solutions.jsonl").write_text("")
    (run / "meta_solutions.jsonl.meta.json").write_text("of a stage that failed")
    shell(root, 'bash data/demo/seed_run.sh "$1"', str(run))
    assert {path.name: path.read_bytes() for path in run.iterdir()} == {p.name: p.read_bytes() for p in bundled.iterdir()}

    (run / "cof_solutions.jsonl").write_text("{}\n")
    (run / "rollouts.jsonl").unlink()
    shell(root, 'bash data/demo/seed_run.sh "$1"', str(run))
    assert not (run / "rollouts.jsonl").exists(), "programs of one policy never meet labels of another"
