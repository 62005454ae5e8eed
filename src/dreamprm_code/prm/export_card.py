"""The model card of an exported or shared folder: what it is, what it reads, how to score with it, what it solved.

Every block of a card runs as it stands, and the tests run them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from dreamprm_code.hub import is_hub_name
from dreamprm_code.prm.export_chat import cards, problem_fields
from dreamprm_code.prm.folders import BackbonePart, CheckpointError, read_config
from dreamprm_code.records import TableRow


@dataclass(frozen=True)
class CardFacts:
    """What a card says beyond its folder.

    ``name``: what readers load, the hub's name or a folder. ``base_model``, ``datasets``: names on the hub. ``rows``: of the
    run's ``table.jsonl``.
    """

    name: str = "DIR"
    base_model: str | None = None
    datasets: tuple[str, ...] = ()
    license: str | None = None
    rows: Sequence[TableRow] = ()


NO_FACTS = CardFacts()


def write_card(folder: Path, kind: str, architecture: str, facts: CardFacts = NO_FACTS) -> None:
    """``README.md`` of a folder that is otherwise complete; ``kind``: sequence, token, states or adapter.

    Raises:
        CheckpointError: its metadata is not what the hub takes.
    """
    config = read_config(folder)
    text, backbone = config.input, config.backbone
    content = cards().get_template("card.md.jinja").render(
        name=facts.name,
        kind=kind,
        architecture=architecture,
        metadata=_metadata(kind, facts, backbone, config.lora is not None),
        rows=facts.rows,
        fields=problem_fields(text.template),
        step_token=text.step_token,
        step_token_id=text.step_token_id,
        max_length=text.max_length,
        max_functions=text.max_functions,
        granularity=text.granularity,
        reading=config.reading,
        dtype=config.dtype or "float32",
        lora=config.lora,
        base=(backbone.source or "backbone") if backbone else "",
        gguf=backbone is not None and bool(backbone.gguf_file or (backbone.source or "").endswith(".gguf")),
        load_base=_load_base(backbone, facts.name, config.dtype or "float32") if backbone else "",
    )  # fmt: skip
    try:
        ModelCard(content)
    except ValueError as error:
        raise CheckpointError(f"{folder}: the card's metadata is not what the hub takes ({error})") from None
    (folder / "README.md").write_text(content, encoding="utf-8")


def _load_base(backbone: BackbonePart, name: str, dtype: str) -> str:
    """The arguments with which transformers loads an adapter's backbone as it was in training."""
    source, file = backbone.source, backbone.gguf_file
    if source is None:
        folder = f"f\"{{snapshot_download('{name}')}}/backbone\"" if is_hub_name(name) else f'"{name}/backbone"'
        return f"{folder}, dtype=torch.{dtype}"
    if source.endswith(".gguf"):
        source, file = str(Path(source).parent), Path(source).name
    if file is None:
        return f'"{source}", dtype=torch.{dtype}'
    return f'"{source}", gguf_file="{file}", quantization_config=GgufConfig(dequantize=True), dtype=torch.{dtype}'


def _metadata(kind: str, facts: CardFacts, backbone: BackbonePart | None, has_lora: bool) -> str:
    """The card's YAML, with a result for every row of the table that is this model's."""
    base = facts.base_model
    source = (backbone.source if backbone else None) or ""
    if base is None and is_hub_name(source) and not source.endswith(".gguf"):
        base = source
    results = [
        EvalResult(
            task_type="text-classification",
            task_name="best-of-N selection of programs",
            dataset_type=facts.datasets[0] if facts.datasets else "own",
            dataset_name=facts.datasets[0] if facts.datasets else "the run's test problems",
            metric_type="pass@1",
            metric_name=(
                f"pass@1 of {row.method}, best of {row.num_candidates}, {row.num_problems} problems, "
                f"95% interval {100 * row.low:.1f} to {100 * row.high:.1f}"
            ),
            metric_value=round(100 * row.pass_at_1, 2),
        )
        for row in facts.rows
        if row.method.startswith("prm_")
    ]
    data = ModelCardData(
        base_model=base,
        base_model_relation="adapter" if kind == "adapter" else "finetune" if base else None,
        datasets=list(facts.datasets) or None,
        license=facts.license,
        library_name="transformers" if kind != "adapter" else "peft" if has_lora else None,
        pipeline_tag={"sequence": "text-classification", "token": "token-classification"}.get(kind),
        tags=["process-reward-model", "reward-model", "code"],
        model_name=facts.name.rpartition("/")[2] if results else None,
        eval_results=results or None,
    )
    return data.to_yaml()
