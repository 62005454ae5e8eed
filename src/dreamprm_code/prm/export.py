"""Export: a merged Hugging Face folder that plain transformers, vLLM, TRL and others read without our code.

A bias-free head (the native one) becomes ``<Model>ForSequenceClassification`` with one label: ``model.*`` and
``score.weight``. A head with bias (the released checkpoint's) would lose it there, so it becomes
``<Model>ForTokenClassification``, which keeps it. The configuration holds what the readers need: ``problem_type``
"multi_label_classification" (they then apply a sigmoid), ``pad_token_id``, no token-classification bias, no classifier
dropout.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification
from transformers.initialization import no_init_weights

from dreamprm_code.prm.backbone import base_weights, quiet_transformers
from dreamprm_code.prm.folders import CheckpointConfig, CheckpointError, dtype_name, save_tokenizer, text_config, write_folder
from dreamprm_code.prm.model import PRMModel
from dreamprm_code.prm.scoring import PRM

_CARD = Path(__file__).with_name("exported_model_card.md")


def merged_weights(model: PRMModel, dtype: torch.dtype) -> dict[str, Tensor]:
    """The backbone's weights with LoRA added, W + (alpha / rank) B A computed in float32 or better."""
    weights = {name: tensor.detach().cpu().to(dtype).contiguous() for name, tensor in base_weights(model.backbone).items()}
    for name, module in model.decoder.named_modules():
        if hasattr(module, "lora_A"):
            base = module.get_base_layer().weight
            precise = torch.promote_types(base.dtype, torch.float32)
            delta = module.get_delta_weight("default").to(precise)
            weights[f"{name}.weight"] = (base.detach().to(precise) + delta).detach().cpu().to(dtype).contiguous()
    return weights


def export(prm: PRM, path: str | Path, dtype: torch.dtype = torch.float32) -> str:
    """Write the merged folder and return the name of its architecture.

    Raises:
        CheckpointError: the path holds something that is not a checkpoint folder.
    """
    model, encoder = prm.model, prm.encoder
    has_bias = model.head.bias is not None
    auto = AutoModelForTokenClassification if has_bias else AutoModelForSequenceClassification
    config = type(model.decoder.config).from_dict(model.decoder.config.to_dict())
    config.num_labels = 1
    config.id2label, config.label2id = {0: "passes"}, {"passes": 0}
    config.problem_type = "multi_label_classification"
    config.token_classification_bias = has_bias
    config.classifier_dropout = 0.0
    config.pad_token_id = _pad_token_id(prm)
    config.dtype = dtype
    config.use_cache = True
    config._attn_implementation = "sdpa"
    with no_init_weights():
        merged = auto.from_config(config, dtype=dtype)
    state = {f"model.{name}": tensor for name, tensor in merged_weights(model, dtype).items()}
    state |= {f"score.{name}": tensor.detach().cpu().to(dtype) for name, tensor in model.head.state_dict().items()}
    merged.load_state_dict(state, strict=True)
    architecture = type(merged).__name__

    def fill(folder: Path) -> None:
        with quiet_transformers():
            merged.save_pretrained(folder)
        save_tokenizer(encoder.tokenizer, folder)
        CheckpointConfig(kind="merged", dtype=dtype_name(dtype), input=text_config(encoder, prm.steps)).write(folder)
        card = _CARD.read_text(encoding="utf-8")
        fields = {"architecture": architecture, "step_token": encoder.step_token, "step_token_id": encoder.step_token_id}
        for name, value in fields.items():
            card = card.replace("{" + name + "}", str(value))
        (folder / "README.md").write_text(card, encoding="utf-8")

    write_folder(Path(path), fill)
    return architecture


def _pad_token_id(prm: PRM) -> int:
    """A token that no scored text ends with: readers skip trailing padding to find the last token."""
    tokenizer = prm.encoder.tokenizer
    for token in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if token is not None and token != prm.encoder.step_token_id:
            return int(token)
    raise CheckpointError("the tokenizer has neither a padding nor an end token, one of which readers of the export need")
