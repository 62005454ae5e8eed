"""Sharing a checkpoint: our folder with a card, for PEFT and our library, and any complete folder on the Hugging Face hub."""

from __future__ import annotations

import shutil
from pathlib import Path

from dreamprm_code.errors import UserError
from dreamprm_code.prm.checkpoint import describe_adapter
from dreamprm_code.prm.export_card import NO_FACTS, CardFacts, write_card
from dreamprm_code.prm.export_chat import chat_template
from dreamprm_code.prm.folders import CheckpointError, encoder_of, read_config, write_folder


def export_adapter(checkpoint: Path, path: Path, facts: CardFacts = NO_FACTS) -> str:
    """Copy our checkpoint folder with a card, PEFT's fields and the chat template, and return what it is.

    Raises:
        CheckpointError: the checkpoint is no folder of ours, or the path holds something else.
    """
    config = read_config(checkpoint)
    if config.kind != "adapter" or config.backbone is None:
        raise CheckpointError(f"{checkpoint}: not LoRA or a head on a backbone; leave --architecture out to export it whole")

    def fill(folder: Path) -> None:
        shutil.copytree(checkpoint, folder, dirs_exist_ok=True)
        adapter = folder / "adapter_config.json"
        if config.lora is not None and config.backbone is not None:
            describe_adapter(adapter, config.lora, facts.base_model or config.backbone.source)
        (folder / "chat_template.jinja").write_text(chat_template(encoder_of(checkpoint, config.input)), encoding="utf-8")
        write_card(folder, "adapter", "", facts)

    write_folder(path, fill)
    return "LoRA and head" if config.lora else "head"


def push(folder: Path, name: str, private: bool) -> str:
    """Upload a folder to ``name`` ("user/model") on the hub, made if it is not there; returns its address.

    Raises:
        UserError: no token, no right, no hub, or a card that the hub refuses.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(folder_path=folder, repo_id=name, commit_message="Process reward model of DreamPRM-Code")
    except Exception as error:  # the client's network stack has no common base class
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(f"{name}: not pushed ({reason}); log in with `hf auth login` or set HF_TOKEN, and try again") from None
    return f"{api.endpoint}/{name}"
