"""The export verb: from a checkpoint to a merged folder, or one clear line."""

import json

import pytest
from prm_samples import tiny_prm

from dreamprm_code.errors import UserError
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
