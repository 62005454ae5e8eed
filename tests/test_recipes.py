"""What the shell recipes do with flags and bundled files, run by a real shell."""

from __future__ import annotations

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
