"""A stage with a local model, killed in the middle and run again, writes the same bytes as one that was never killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from builders.rows import make_problem
from builders.tokenizers import byte_tokenizer
from dreamprm_code.jsonl import write_rows


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory) -> Path:
    """A tiny model with random weights and one token per byte: it babbles, which is all that is needed here."""
    folder = tmp_path_factory.mktemp("model")
    byte_tokenizer({"eos_token": "<end>"}).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2}
    config = Qwen2Config(vocab_size=257, num_hidden_layers=2, max_position_embeddings=8192, eos_token_id=256, **sizes)
    Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder


def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(root, python, tmp_path, model_folder):
    problems = tmp_path / "problems.jsonl"
    write_rows(problems, [make_problem(f"p{number:02}") for number in range(8)])

    def start(data_dir: Path) -> subprocess.Popen:
        command = [python, str(root / "src/gen_sol.py"), "--split", "test", "--policy", f"local:{model_folder}"]
        command += ["--problems", str(problems), "--windows", '{"test": ["2024-01-01", null]}', "--data-dir", str(data_dir)]
        command += ["--num-solutions", "3", "--max-tokens", "60", "--batch-size", "4", "--temperature", "1.0"]
        return subprocess.Popen([*command, "--dtype", "float32"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    whole, killed = (tmp_path / name / "test_solutions.jsonl" for name in ("whole", "killed"))
    first, other = start(killed.parent), start(whole.parent)
    deadline = time.monotonic() + 200
    while first.poll() is None and time.monotonic() < deadline:
        if killed.exists() and killed.read_bytes().count(b"\n") >= 5:
            os.kill(first.pid, signal.SIGKILL)
            break
        time.sleep(0.01)
    assert first.wait() == -signal.SIGKILL, "the run ended before it was killed"
    assert 5 <= killed.read_bytes().count(b"\n") < 24, "the kill landed in the middle"
    with killed.open("ab") as stream:
        stream.write(b'{"question_id": "p0')  # as if the kill had hit in the middle of a write
    assert start(killed.parent).wait() == 0 and other.wait() == 0

    def rows(path: Path) -> list[dict]:
        measured = ("cpu_seconds",)
        return [{k: v for k, v in json.loads(line).items() if k not in measured} for line in path.read_bytes().splitlines()]

    assert len(rows(whole)) == 24 and rows(killed) == rows(whole)
