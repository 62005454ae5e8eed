"""Write a trained PRM as a Hugging Face folder for transformers, vLLM, TRL and others, and share it.

    python src/export_prm.py --checkpoint data/demo-run/prm --output data/demo-run/prm-merged
    python src/export_prm.py --checkpoint data/demo-run/prm --output data/demo-run/shared --push user/name --license apache-2.0
    python src/export_prm.py --checkpoint data/demo-run/prm --output data/demo-run/adapter --architecture adapter

The checkpoint is a folder of ours or the released reward_model_step_N.pt. By default LoRA is merged into the backbone;
"adapter" keeps our folder (LoRA and head without the backbone), for our library and PEFT. The README.md of the output is its
model card: how to score with it and, where a table.jsonl is beside the checkpoint, what it solved. --push uploads the folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field

from cli import run_stage
from dreamprm_code.errors import UserError
from dreamprm_code.hub import is_hub_name
from dreamprm_code.jsonl import read_rows
from dreamprm_code.prm.export import ARCHITECTURES, export
from dreamprm_code.prm.export_card import CardFacts
from dreamprm_code.prm.export_share import export_adapter, push
from dreamprm_code.prm.scoring import PRM
from dreamprm_code.records import TableRow
from dreamprm_code.settings import FrozenSettings, OneOf


class Settings(FrozenSettings):
    checkpoint: Path = Field(description="our checkpoint folder, or the released .pt file")
    output: Path = Field(description="folder to write; an earlier export in it is replaced")
    base_model: str | None = Field(None, description="backbone, where the checkpoint's own reference does not lead to it")
    gguf_file: str | None = Field(None, description="GGUF file within base_model")
    lora_alpha: float | None = Field(None, description="LoRA alpha of a released checkpoint (published: 16)")
    dtype: Literal["float32", "bfloat16", "float16"] = Field("float32", description="precision of the weights written")
    architecture: Annotated[str, OneOf(("auto", *ARCHITECTURES, "adapter"))] = Field(
        "auto",
        description="sequence or token classification, or the backbone's states with the head beside them; auto: the "
        "first of these that gives this PRM's scores; adapter: LoRA and head as they are, without the backbone",
    )
    push: str | None = Field(None, description="upload the folder to this model repository of the hub (user/name)")
    private: bool = Field(False, description="make that repository private")
    license: str | None = Field(None, description="for the card: the model's licence, as the hub calls it (apache-2.0)")
    hub_base_model: str | None = Field(None, description="for the card: the backbone's name on the hub")
    datasets: list[str] = Field([], description="for the card: data sets of the hub that it was trained and measured on")
    table: Path | None = Field(
        None, description="for the card: the run's table.jsonl (default: beside the checkpoint, if there)"
    )


def main(settings: Settings) -> None:
    output, checkpoint = settings.output.resolve(), settings.checkpoint.resolve()
    if output.is_relative_to(checkpoint) or checkpoint.is_relative_to(output):
        raise UserError(f"{settings.output}: is the checkpoint itself, inside of it or around it; choose another --output")
    if settings.push is not None and settings.license is None:
        raise UserError("a model that is shared needs a licence, which depends on its backbone's: --license apache-2.0 ...")
    if settings.push is not None and not is_hub_name(settings.push):
        raise UserError(f"--push {settings.push}: not the name of a repository on the hub (user/name), or a file here")
    facts = CardFacts(
        name=settings.push or "DIR",
        base_model=settings.hub_base_model,
        datasets=tuple(settings.datasets),
        license=settings.license,
        rows=table_rows(settings),
    )
    if settings.architecture == "adapter":
        written = export_adapter(settings.checkpoint, settings.output, facts)
    else:
        prm = PRM.from_pretrained(
            settings.checkpoint,
            settings.base_model,
            gguf_file=settings.gguf_file,
            lora_alpha=settings.lora_alpha,
            device="cpu",
            dtype=torch.float32,
        )
        written = export(prm, settings.output, getattr(torch, settings.dtype), settings.architecture, facts)
        written = f"{written}, {settings.dtype}"
    print(f"export_prm: wrote {settings.output} ({written}); see its README.md")
    if settings.push is not None:
        print(f"export_prm: pushed to {push(settings.output, settings.push, settings.private)}")


def table_rows(settings: Settings) -> list[TableRow]:
    """The run's results with all candidates, over all difficulties."""
    path = settings.table or settings.checkpoint.parent / "table.jsonl"
    if settings.table is None and not path.is_file():
        return []
    rows = [row for row in read_rows(path, TableRow) if row.difficulty == "overall"]
    most = max((row.num_candidates for row in rows), default=0)
    return [row for row in rows if row.num_candidates == most]


if __name__ == "__main__":
    run_stage(Settings, "export_prm", __doc__, main)
