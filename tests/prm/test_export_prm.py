"""The export verb: from a checkpoint to a merged folder or a shared adapter, its card, the hub, or one clear line."""

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from huggingface_hub import ModelCard
from peft import AutoPeftModelForFeatureExtraction
from safetensors.torch import load_file

from builders.models import assert_equal_scores, plain_backbone, scatter_weights, tiny_prm
from builders.programs import TWO_STEPS
from dreamprm_code.errors import UserError
from dreamprm_code.jsonl import write_rows
from dreamprm_code.prm import PRM
from dreamprm_code.records import TableRow
from dreamprm_code.selection.scoring import checkpoint_sha256
from export_prm import Settings, main


def test_the_verb_writes_a_merged_folder_that_says_how_to_use_it(tmp_path, tokenizer, capsys):
    tiny_prm(tokenizer).save_pretrained(tmp_path / "prm")
    main(Settings(checkpoint=tmp_path / "prm", output=tmp_path / "merged", dtype="bfloat16"))
    assert "Qwen2ForSequenceClassification" in capsys.readouterr().out
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["dtype"] == "bfloat16"
    card = (tmp_path / "merged" / "README.md").read_text()
    assert '"step_tag_id": 4' in card and "<|quad_end|>" in card and "{step_token" not in card


def test_the_verb_does_not_overwrite_something_else(tmp_path, tokenizer):
    tiny_prm(tokenizer).save_pretrained(tmp_path / "prm")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="not a checkpoint folder"):
        main(Settings(checkpoint=tmp_path / "prm", output=tmp_path / "mine"))
    before = checkpoint_sha256(tmp_path / "prm")
    for output in (tmp_path / "mine" / ".." / "prm", tmp_path / "prm" / "adapter", tmp_path):
        with pytest.raises(UserError, match="is the checkpoint itself, inside of it or around it"):
            main(Settings(checkpoint=tmp_path / "prm", output=output, architecture="adapter"))
    assert checkpoint_sha256(tmp_path / "prm") == before


def test_an_adapter_config_that_is_none_is_one_line(tmp_path, tokenizer):
    tiny_prm(tokenizer).save_pretrained(tmp_path / "prm")
    (tmp_path / "prm" / "adapter_config.json").write_text("null")
    with pytest.raises(UserError, match=r"adapter_config\.json: cannot be read"):
        main(Settings(checkpoint=tmp_path / "prm", output=tmp_path / "shared", architecture="adapter"))
    assert not (tmp_path / "shared").exists()


def test_pefts_auto_class_loads_an_adapter_and_gives_the_states_that_the_head_reads(tmp_path, tokenizer, problem):
    base = plain_backbone(tmp_path / "base", tokenizer)
    prm = PRM.create(str(base), tokenizer=tokenizer)
    scatter_weights(prm.model)
    prm.save_pretrained(tmp_path / "prm")
    main(Settings(checkpoint=tmp_path / "prm", output=tmp_path / "shared", architecture="adapter"))
    for folder in (tmp_path / "prm", tmp_path / "shared"):
        model = AutoPeftModelForFeatureExtraction.from_pretrained(folder).eval()
        ids = torch.tensor([prm.encoder.encode_program(problem, TWO_STEPS)[-1]])
        with torch.no_grad():
            states = model(input_ids=ids).last_hidden_state[0, ids[0] == prm.encoder.step_token_id]
        scores = torch.sigmoid(states @ load_file(folder / "head.safetensors")["weight"][0])
        assert scores.tolist() == pytest.approx(prm.score(problem, [TWO_STEPS])[0], abs=1e-5)
    assert_equal_scores(prm, PRM.from_pretrained(tmp_path / "shared"), problem)


def table_row(method: str, solved: float, **fields) -> TableRow:
    values = dict(num_candidates=8, difficulty="overall", num_problems=18, num_ungraded=0, low=0.1, high=0.5)
    return TableRow(method=method, num_solved=solved, **(values | fields))


@pytest.mark.parametrize("architecture", ["auto", "adapter"])
def test_a_card_holds_what_the_hub_asks_for_and_the_runs_results(tmp_path, tokenizer, architecture):
    tiny_prm(tokenizer).save_pretrained(tmp_path / "prm")
    rows = [table_row("random", 5.25), table_row("prm_mean", 9.0), table_row("prm_mean", 3.0, difficulty="easy")]
    write_rows(tmp_path / "table.jsonl", [*rows, table_row("prm_mean", 7.5, num_candidates=4)])
    settings = Settings(
        checkpoint=tmp_path / "prm", output=tmp_path / "out", architecture=architecture, license="apache-2.0",
        hub_base_model="Qwen/Qwen2.5-Coder-0.5B", datasets=["livecodebench/code_generation_lite"],
    )  # fmt: skip
    main(settings)
    card = ModelCard.load(tmp_path / "out" / "README.md")
    data = card.data
    assert (data.license, data.base_model) == ("apache-2.0", "Qwen/Qwen2.5-Coder-0.5B")
    assert data.base_model_relation == ("adapter" if architecture == "adapter" else "finetune")
    assert data.datasets == ["livecodebench/code_generation_lite"] and "process-reward-model" in data.tags
    [result] = data.eval_results
    assert (result.metric_type, result.metric_value) == ("pass@1", 50.0)
    assert result.metric_name == "pass@1 of prm_mean, best of 8, 18 problems, 95% interval 10.0 to 50.0"
    assert "| random | 8 | 18 | 5.2 | 29.2 | 10.0 to 50.0 |" in card.text and "| prm_mean | 8 | 18 | 9 | 50.0 |" in card.text


def test_a_pushed_folder_arrives_whole_under_its_name(tmp_path, tokenizer, monkeypatch):
    tiny_prm(tokenizer).save_pretrained(tmp_path / "prm")
    settings = Settings(checkpoint=tmp_path / "prm", output=tmp_path / "out", push="user/name", license="apache-2.0")
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    with hub_server() as (url, received):
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        main(settings)
        assert received == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
        assert b'from_pretrained("user/name")' in received["README.md"] and b"DIR" not in received["README.md"]
    with pytest.raises(UserError, match=r"user/name: not pushed \(.*hf auth login"):
        main(settings)
    with pytest.raises(UserError, match="needs a licence"):
        main(settings.with_changes(license=None))


@contextmanager
def hub_server():
    """The hub's part in a push: its address, and the files of the commits that it gets."""
    received: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            else:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            address = f"http://{self.headers['Host']}/user/name"
            reply: dict = {}
            if self.path == "/api/repos/create":
                reply = {"url": address, "name": "user/name", "id": "1"}
            elif self.path.endswith("/preupload/main"):
                files = json.loads(body)["files"]
                reply = {"files": [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in files]}
            elif "/commit/main" in self.path:
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        received[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                reply = {"success": True, "commitUrl": f"{address}/commit/{'a' * 40}", "commitOid": "a" * 40, "hookOutput": ""}
            self.answer(reply)

        def do_GET(self) -> None:
            self.answer({"sha": "a" * 40, "id": "user/name", "siblings": [], "name": "user", "type": "user"})

        def answer(self, reply: dict) -> None:
            data = json.dumps(reply).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        server.server_close()
