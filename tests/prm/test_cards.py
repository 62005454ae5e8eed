"""What a shared folder says of itself: its chat template makes our token ids, and every block of its card gives our scores.

Blocks that need vLLM or TRL run where VLLM_PYTHON or TRL_PYTHON name an interpreter that has them (docs/scoring.md).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer

from builders.models import plain_backbone, scatter_weights, tiny_prm
from builders.programs import NOT_PYTHON, PROGRAMS, TWO_STEPS
from builders.rows import make_problem
from builders.tokenizers import make_tokenizer
from dreamprm_code.jsonl import read_rows, write_rows
from dreamprm_code.prm import PRM
from dreamprm_code.prm.encoding import StepEncoder
from dreamprm_code.prm.export import export
from dreamprm_code.prm.export_card import CardFacts, write_card
from dreamprm_code.prm.export_chat import chat_template, problem_fields
from dreamprm_code.prm.input_text import step_pieces
from dreamprm_code.prm.readout import Reading
from dreamprm_code.records import Problem, Solution
from dreamprm_code.steps import StepSettings, extract_code, split_program

ODD_PROGRAMS = [
    *PROGRAMS,
    "\ufeffdef a():\n    return 1\n\n\ndef b(): return 2 ;  # both\n\nx = 1\n",
    "class C:\n    def m(self):\n        def inner(): pass\n        return inner\n    y: int = 0\n    def n(self): pass\n",
    "def a():\r\n    return 1  # one\r\n\r\ndef b():\r\n    return 'é'\r\nprint(a())\r\n",
    "if True:\n    def a(): pass; pass\nelse:\n    def a(): pass\nx = lambda: 0\n",
    "try:\n    def b(): pass\nexcept ValueError:\n    def c(): pass\n",
    "match 1:\n    case 1:\n        async def a():\n            pass\nxs = [1,\n      2]\n",
    "\n".join(f"def f{number}(): pass" for number in range(13)),
    "def a():\x0c\n    return 1\rdef b():\n    return 2",
    "x = '''\n```python\n'''\n",
]  # fmt: skip


def parts(texts) -> list[dict]:
    return [{"type": "text", "text": text} for text in texts]


def messages_of(problem: Problem, template: str, answer: object) -> list[dict]:
    user = parts(getattr(problem, name) for name in problem_fields(template))
    return [{"role": "user", "content": user}, {"role": "assistant", "content": answer}]


@pytest.fixture(scope="module")
def demo(root) -> list[tuple[Problem, Solution]]:
    problems = {row.question_id: row for row in read_rows(root / "data/demo/problems.jsonl", Problem)}
    files = ("sampled/test_solutions.jsonl", "references.jsonl")
    return [(problems[row.question_id], row) for name in files for row in read_rows(root / "data/demo" / name, Solution)]


def encoder_with_chat(tokenizer, **settings) -> StepEncoder:
    encoder = StepEncoder(tokenizer, **settings)
    tokenizer.chat_template = chat_template(encoder)
    return encoder


def ids_of(tokenizer, messages) -> list[int]:
    return tokenizer.apply_chat_template(messages, return_dict=False)


# The chat template


def test_the_chat_template_gives_our_token_ids_on_all_demo_programs(root, demo):
    encoder = encoder_with_chat(AutoTokenizer.from_pretrained(root / "data/prm-mbpp"))
    several = 0
    for problem, solution in demo:
        steps = split_program(solution.code)
        several += len(steps.texts) > 1
        expected = list(encoder.encode_program(problem, solution.code)[-1])
        assert ids_of(encoder.tokenizer, messages_of(problem, encoder.template, parts(steps.texts))) == expected
        one_step = list(encoder.encode_prefixes(problem, [extract_code(solution.output)])[-1])
        chat = messages_of(problem, encoder.template, solution.output)
        assert ids_of(encoder.tokenizer, chat) == one_step
        if not problem.starter_code:
            chat[0]["content"] = f"{problem.question_title}\n\n{problem.question_content}"
            assert ids_of(encoder.tokenizer, chat) == one_step
    assert len(demo) > 150 and several > 40


@pytest.mark.parametrize("program", ODD_PROGRAMS)
@pytest.mark.parametrize("format", ["native", "released"])
def test_the_chat_template_gives_our_token_ids_on_odd_programs(program, format):
    encoder = encoder_with_chat(make_tokenizer(), format=format)
    problem = make_problem(question_content="A\n\n```\nB {x}\n```\n", starter_code="def f():\n")
    prefixes = split_program(program).prefixes
    for prefix, expected in zip(prefixes, encoder.encode_prefixes(problem, prefixes), strict=True):
        earlier = [text for text in prefixes if len(text) < len(prefix)]
        pieces = step_pieces([*earlier, prefix])
        chat = messages_of(problem, encoder.template, parts([*pieces, ""]))
        assert ids_of(encoder.tokenizer, chat) == list(expected)


def test_a_token_that_begins_every_text_is_there_in_the_chat_too():
    tokenizer = make_tokenizer()
    tokenizer.bos_token = "<|im_start|>"
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", tokenizer.bos_token_id)]
    )
    encoder = encoder_with_chat(tokenizer)
    expected = encoder.encode_program(make_problem(), TWO_STEPS)[-1]
    assert expected[0] == tokenizer.bos_token_id
    assert ids_of(tokenizer, messages_of(make_problem(), encoder.template, parts(split_program(TWO_STEPS).texts))) == [
        *expected
    ]


@pytest.mark.parametrize(
    "answer",
    [
        "Some words.\n```python\nprint(1)\n```\nMore words.",
        "```text\nno\n```\n~\n```\nprint(1)\n\n```",
        "<think>```python\nno\n```</think>\r\n```py\r\nprint(1)\r\n```",
        "```python\nfirst\n```\n```python\nprint(1)",
    ],
)
def test_a_fenced_answer_is_one_step(answer):
    encoder = encoder_with_chat(make_tokenizer())
    problem = make_problem()
    expected = list(encoder.encode_prefixes(problem, ["print(1)"])[-1])
    for content in (answer, parts([answer])):
        assert ids_of(encoder.tokenizer, messages_of(problem, encoder.template, content)) == expected
    assert extract_code(answer) == "print(1)"


def test_a_program_cannot_forge_a_step():
    encoder = encoder_with_chat(make_tokenizer())
    chat = messages_of(make_problem(), encoder.template, "print('<|quad_end|>')")
    assert ids_of(encoder.tokenizer, chat).count(encoder.step_token_id) == 1


# The card


def blocks_of(card: Path, language: str = "python") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", card.read_text(encoding="utf-8"), re.M | re.S)


def needs_more(block: str) -> bool:
    """vLLM's server, or TRL."""
    return "localhost:8000" in block or "from trl" in block


def run_card(card: Path, where: Path, monkeypatch, skip=needs_more) -> dict:
    """Every block of a card as it stands, in a folder that has what it names, and a file of problems."""
    monkeypatch.chdir(where)
    write_rows("problems.jsonl", [make_problem()])
    names: dict = {}
    for block in blocks_of(card):
        if not skip(block):
            exec(block, names)
    return names


KINDS = {
    "sequence": {},
    "token": {"head_bias": True},
    "released": {"head_bias": True, "format": "released"},
    "mean": {"reading": Reading("mean")},
    "step_mean": {"reading": Reading("step_mean", 1, False, True)},
    "last": {"reading": Reading("last", 1, False)},
    "by line": {"steps": StepSettings(4, "line")},
    "whole": {"steps": StepSettings(10, "program")},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_block_of_an_exported_card_runs_and_gives_our_scores(tmp_path, tokenizer, kind, monkeypatch):
    prm = tiny_prm(tokenizer, **KINDS[kind])
    if prm.model.scale is not None:
        prm.fit_scale([(make_problem(), PROGRAMS)])
    export(prm, tmp_path / "DIR")
    names = run_card(tmp_path / "DIR/README.md", tmp_path, monkeypatch)
    expected = prm.score(names["question"], [names["code"]])[0]
    assert names["scores"] == pytest.approx(expected, abs=1e-6)
    assert len(expected) == {"by line": 4, "whole": 1}.get(kind, 2)
    if kind == "sequence":
        assert names["whole"] == pytest.approx(expected[-1], abs=1e-6)
    for program in ODD_PROGRAMS:
        split = split_program(program, prm.steps.max_functions, prm.steps.granularity)
        assert names["split_steps"](program) == list(split.texts), program


@pytest.mark.parametrize("backbone", ["inside", "folder", "folder, head alone"])
def test_every_block_of_an_adapters_card_runs_and_gives_our_scores(tmp_path, tokenizer, backbone, monkeypatch):
    base = str(plain_backbone(tmp_path / "base", tokenizer)) if backbone != "inside" else "random:tiny"
    settings = {"lora": None} if "alone" in backbone else {}
    reading = Reading("mean", 1, False, True) if "alone" in backbone else Reading("step_mean")
    prm = PRM.create(base, tokenizer=tokenizer, reading=reading, **settings)
    scatter_weights(prm.model)
    prm.save_pretrained(tmp_path / "DIR")
    write_card(tmp_path / "DIR", "adapter", "")
    names = run_card(tmp_path / "DIR/README.md", tmp_path, monkeypatch)
    expected = PRM.from_pretrained(tmp_path / "DIR").score(names["question"], [names["code"]])[0]
    assert names["scores"] == pytest.approx(expected, abs=1e-6) and len(expected) == 2


def test_the_reward_of_the_card_pays_nothing_for_no_program(tmp_path, tokenizer, monkeypatch):
    prm = tiny_prm(tokenizer, max_length=300)
    export(prm, tmp_path / "DIR")
    reward = run_card(tmp_path / "DIR/README.md", tmp_path, monkeypatch)["step_reward"]
    fenced = f"```python\n{TWO_STEPS}```"
    answers = [
        "",
        "I cannot.",
        f"```python\n{NOT_PYTHON}```",
        "```python\n\n```",
        fenced,
        f"```python\n{'x = 1  # one' * 99}\n```",
    ]
    expected = [0.0, 0.0, 0.0, 0.0, sum(prm.score(make_problem(), [TWO_STEPS.rstrip()])[0]) / 2, None]
    for completions in (answers, [[{"role": "assistant", "content": answer}] for answer in answers]):
        assert reward(completions=completions, question_id=["q"] * 6, prompts=[]) == pytest.approx(expected, abs=1e-6)
    assert reward([[{"role": "assistant", "content": None}]], ["q"]) == [0.0]


def test_the_card_of_the_bundled_head_has_the_blocks_of_todays_cards(root, tmp_path):
    bundled = root / "data/prm-mbpp"
    for path in bundled.glob("*.json"):
        (tmp_path / path.name).symlink_to(path)
    write_card(tmp_path, "adapter", "", CardFacts("data/prm-mbpp"))
    assert blocks_of(bundled / "README.md") == blocks_of(tmp_path / "README.md")
    assert ModelCard.load(bundled / "README.md").data.base_model == "Qwen/Qwen2.5-Coder-0.5B-Instruct"


@pytest.mark.slow
def test_the_card_of_the_bundled_head_runs_and_gives_our_scores(root, tmp_path, monkeypatch):
    if not (root / "models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf").is_file():
        pytest.skip("its backbone is not here; python src/fetch_model.py --name qwen2.5-coder-0.5b-instruct")
    for name in ("data", "models"):
        (tmp_path / name).symlink_to(root / name)
    names = run_card(root / "data/prm-mbpp/README.md", tmp_path, monkeypatch)
    expected = names["prm"].score(names["question"], [names["code"]])[0]
    assert names["scores"] == pytest.approx(expected, abs=0.01)  # bfloat16


def interpreter_with(name: str) -> Path:
    if name not in os.environ:
        pytest.skip(f"{name} does not name an interpreter that has the package")
    return Path(os.environ[name])


def test_the_vllm_blocks_run_and_give_our_scores(tmp_path, tokenizer, monkeypatch):
    """The command as it stands, on port 8000; a shape that vLLM's kernels for CPUs know."""
    bin_folder = interpreter_with("VLLM_PYTHON").parent
    prm = PRM.create("random:small", tokenizer=tokenizer)
    scatter_weights(prm.model)
    export(prm, tmp_path / "DIR")
    [command] = [block for block in blocks_of(tmp_path / "DIR/README.md", "bash") if block.startswith("vllm serve")]
    environment = os.environ | {"PATH": f"{bin_folder}:{os.environ['PATH']}"}
    server = subprocess.Popen(["bash", "-c", command], cwd=tmp_path, env=environment, start_new_session=True)
    try:
        for _ in range(300):
            assert server.poll() is None
            try:
                urllib.request.urlopen("http://localhost:8000/v1/models", timeout=5)
                break
            except OSError:
                time.sleep(2)
        names = run_card(tmp_path / "DIR/README.md", tmp_path, monkeypatch, skip=lambda block: "from trl" in block)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
    assert names["reply"].status == 200
    assert names["scores"] == pytest.approx(prm.score(names["question"], [names["code"]])[0], abs=1e-5)


def test_the_trl_blocks_run(root, tmp_path, tokenizer):
    """In an environment that has TRL and what our library needs; the policy is tiny and writes no program."""
    python = interpreter_with("TRL_PYTHON")
    export(tiny_prm(tokenizer), tmp_path / "DIR")
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    plain_backbone(tmp_path / "POLICY", tokenizer)
    write_rows(tmp_path / "problems.jsonl", [make_problem()] + [make_problem(question_id=f"{number}") for number in range(7)])
    blocks = [block for block in blocks_of(tmp_path / "DIR/README.md") if "localhost:8000" not in block]
    (tmp_path / "blocks.py").write_text(
        "\n\n".join([*blocks, "print(trainer.state.global_step, trainer.state.log_history[0]['reward'])"])
    )
    done = subprocess.run(
        [python, "blocks.py"], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(root / "src")}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    steps, reward = done.stdout.splitlines()[-1].split()
    assert int(steps) >= 1 and float(reward) == 0.0
