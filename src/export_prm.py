"""Write a trained PRM as a merged Hugging Face folder for transformers, vLLM, TRL and others.

    python src/export_prm.py --checkpoint data/demo-run/prm --output data/demo-run/prm-merged

The checkpoint is a folder of ours or the released reward_model_step_N.pt. The README.md of the output shows how to serve it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from cli import run_stage
from dreamprm_code.config import option
from dreamprm_code.prm.export import export
from dreamprm_code.prm.scoring import PRM


@dataclass(frozen=True)
class Config:
    checkpoint: Path = option(help="our checkpoint folder, or the released .pt file")
    output: Path = option(help="folder to write; an earlier export in it is replaced")
    base_model: str | None = option(None, help="backbone, where the checkpoint's own reference does not lead to it")
    gguf_file: str | None = option(None, help="GGUF file within base_model")
    lora_alpha: float | None = option(None, help="LoRA alpha of a released checkpoint (published: 16)")
    dtype: str = option("float32", help="precision of the weights written", choices=("float32", "bfloat16", "float16"))


def main(config: Config) -> None:
    prm = PRM.from_pretrained(
        config.checkpoint,
        config.base_model,
        gguf_file=config.gguf_file,
        lora_alpha=config.lora_alpha,
        device="cpu",
        dtype=torch.float32,
    )
    architecture = export(prm, config.output, getattr(torch, config.dtype))
    print(f"export_prm: wrote {config.output} ({architecture}, {config.dtype}); see its README.md")


if __name__ == "__main__":
    run_stage(Config, "export_prm", __doc__, main)
