"""Write a trained PRM as a merged Hugging Face folder for transformers, vLLM, TRL and others.

    python src/export_prm.py --checkpoint data/demo-run/prm --output data/demo-run/prm-merged

The checkpoint is a folder of ours or the released reward_model_step_N.pt. The README.md of the output shows how to serve it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field

from cli import run_stage
from dreamprm_code.prm.export import ARCHITECTURES, export
from dreamprm_code.prm.scoring import PRM
from dreamprm_code.settings import FrozenSettings, OneOf


class Settings(FrozenSettings):
    checkpoint: Path = Field(description="our checkpoint folder, or the released .pt file")
    output: Path = Field(description="folder to write; an earlier export in it is replaced")
    base_model: str | None = Field(None, description="backbone, where the checkpoint's own reference does not lead to it")
    gguf_file: str | None = Field(None, description="GGUF file within base_model")
    lora_alpha: float | None = Field(None, description="LoRA alpha of a released checkpoint (published: 16)")
    dtype: Literal["float32", "bfloat16", "float16"] = Field("float32", description="precision of the weights written")
    architecture: Annotated[str, OneOf(("auto", *ARCHITECTURES))] = Field(
        "auto",
        description="sequence or token classification, or the backbone's states with the head beside them; auto: the "
        "first of these that gives this PRM's scores",
    )


def main(settings: Settings) -> None:
    prm = PRM.from_pretrained(
        settings.checkpoint,
        settings.base_model,
        gguf_file=settings.gguf_file,
        lora_alpha=settings.lora_alpha,
        device="cpu",
        dtype=torch.float32,
    )
    written = export(prm, settings.output, getattr(torch, settings.dtype), settings.architecture)
    print(f"export_prm: wrote {settings.output} ({written}, {settings.dtype}); see its README.md")


if __name__ == "__main__":
    run_stage(Settings, "export_prm", __doc__, main)
