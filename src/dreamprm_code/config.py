"""One way from a YAML file and command-line flags to a stage's frozen ``Config`` dataclass.

A YAML file has one section per stage plus ``shared``; a stage takes the ``shared`` keys it has fields for, then its own
section. Flags override both. Errors are: unknown keys in a stage's own section, keys of ``shared`` that no stage has
(:data:`SHARED_SETTINGS`), sections that are no stage's (:data:`SECTIONS`), and numbers that are not finite.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from dreamprm_code.errors import UserError

ConfigT = TypeVar("ConfigT")

_SECTIONS = """
    ablations build_demo check_cof evaluate_prm export_prm fetch_model gen_cof gen_cof_label gen_sol grade make_controlled
    paper_table label_correction overhead train_prm
"""
SECTIONS = frozenset(_SECTIONS.split())
"""The stages: src/NAME.py with a Config. A section of a YAML file is for one of them."""

_SHARED_SETTINGS = """
    aggregation agreement all_tests answers_per_request api_key_env autocast backbone backbones base base_model base_urls
    batch batch_poll_s batch_size bilevel_steps candidates chat_template_from checkpoint checkpoint_every clip compat
    compositions continuation cpu_limit_s data_dir deadline_s device dry_run dtype end engine eval_every extra_body format
    functions gguf_file grade_workers gradient_checkpointing granularity head_bias headline_rate held_out_problems
    held_out_programs hypergradient isolation keep_gib label_smoothing livecodebench_results lora_alpha lora_dropout
    lora_rank loss lr lr_warmup_steps max_cost max_in_flight max_length max_right max_functions max_tokens max_tokens_total
    max_tree_tokens max_wrong memory_limit_mb meta_programs outer_batch outer_programs methods micro_tokens min_functions
    models_dir name
    noise_kinds num_rollouts num_samples num_solutions optimizer out out_dir outer_every outer_lr outer_optimizer output
    output_limit_mb patience plain_solutions policy prices prior_strength problems processes programs programs_per_tree
    progress published reader reader_layers reasoning_effort release repeats results retries right_per_function
    rollout_price rounds run_public_tests schedule seed seeds selections shard_backbone sleep_limit_s solutions source split
    start style sweep sweep_rates table target_modules temperature tensorboard timeout_s tokenizer top_p train_config
    train_flags train_outcomes train_problems train_programs trained_layers learn validation_share verdicts inner_only_steps
    weight_decay batch_programs window_steps windows workers wrong_per_function
"""
SHARED_SETTINGS = frozenset(_SHARED_SETTINGS.split())
"""The settings of all stages together; ``shared`` may hold these, and each stage takes its own."""


class ConfigError(UserError):
    """A setting that is unknown, missing or of a wrong type; the message names it and where it was set."""


def option(default: Any = dataclasses.MISSING, *, help: str, choices: Sequence[str] | None = None) -> Any:
    """A field of a Config with its help text; mutable defaults are copied for each instance."""
    metadata = {"help": help, "choices": choices}
    if isinstance(default, (list, dict)):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a configuration file; raises ConfigError naming the file."""
    try:
        loaded = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file in UTF-8 (byte {error.start})") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2024-13-01
        raise ConfigError(f"{path}: not valid YAML ({error})") from None
    if not isinstance(loaded, dict) or not all(isinstance(part, dict) for part in loaded.values()):
        raise ConfigError(f"{path}: expected sections of settings")
    return loaded


def _require_finite(value: Any, name: str) -> None:
    """Refuse nan and infinite numbers, in lists and mappings too."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"setting '{name}': expected a finite number, found {value!r}")
    if isinstance(value, Mapping):
        for item in value.values():
            _require_finite(item, name)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _require_finite(item, name)


def require_at_least(config: Any, **lowest: float) -> None:
    """Raise ConfigError for settings below their lowest value; None is none."""
    for name, low in lowest.items():
        value = getattr(config, name)
        if value is not None and not (value >= low and math.isfinite(value)):
            raise ConfigError(f"setting '{name}' is {value}; it must be {low} or more")


def _coerce(value: Any, hint: Any, name: str) -> Any:
    """Check ``value`` against a field's type; accepts ints for floats and strings for paths."""
    _require_finite(value, name)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        for argument in arguments:
            if argument is not type(None):
                try:
                    return _coerce(value, argument, name)
                except ConfigError:
                    continue
    elif hint is Any:
        return value
    elif origin is list and isinstance(value, (list, tuple)):
        return [_coerce(item, arguments[0], name) for item in value]
    elif origin is dict and isinstance(value, dict):
        return {key: _coerce(item, arguments[1], name) for key, item in value.items()}
    elif hint is Path and isinstance(value, (str, Path)):
        return Path(value)
    elif hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise ConfigError(f"setting '{name}': the number is too large") from None
    elif hint is str and hasattr(value, "isoformat"):
        return value.isoformat()  # YAML reads 2024-08-01 as a date
    elif isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise ConfigError(f"setting '{name}': expected {getattr(hint, '__name__', hint)}, found {value!r}")


def build_config(cls: type[ConfigT], values: dict[str, Any], where: str) -> ConfigT:
    """Make a Config from a mapping.

    Raises:
        ConfigError: an unknown or missing setting, a wrong type, a value outside its choices.
    """
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    unknown = sorted(values.keys() - fields.keys(), key=str)
    if unknown:
        raise ConfigError(f"{where}: unknown setting '{unknown[0]}'; known: {', '.join(fields)}")
    kwargs = {}
    for name, value in values.items():
        try:
            kwargs[name] = _coerce(value, hints[name], name)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
        choices = fields[name].metadata.get("choices")
        if choices and value not in choices:
            raise ConfigError(f"{where}: setting '{name}' is {value!r}; choose from {', '.join(choices)}")
    missing = [
        name
        for name, field in fields.items()
        if name not in kwargs and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{where}: setting '{missing[0]}' is missing; give --{missing[0].replace('_', '-')}")
    return cls(**kwargs)


def _flag_type(hint: Any) -> Any:
    arguments = [argument for argument in typing.get_args(hint) if argument is not type(None)]
    if typing.get_origin(hint) in (typing.Union, types.UnionType) and len(arguments) == 1:
        return _flag_type(arguments[0])
    return hint


def _yaml_value(text: str) -> Any:
    """A flag's value; what cannot be read is argparse's error."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise argparse.ArgumentTypeError(f"not valid YAML ({' '.join(str(error).split())})") from None


def _require_known(found: Iterable[Any], known: frozenset[str], what: str, where: str) -> None:
    """Every name must be a known one; the error gives the closest."""
    for name in found:
        if name not in known:
            close = difflib.get_close_matches(str(name), sorted(known), n=1, cutoff=0.5)
            hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(sorted(known))}"
            raise ConfigError(f"{where}: {what} '{name}'; {hint}")


def parse_config(cls: type[ConfigT], section: str, description: str, argv: Sequence[str] | None = None) -> ConfigT:
    """Read ``--config FILE`` and the flags of a stage into its Config; ``--help`` lists every setting.

    Raises:
        ConfigError: see :func:`build_config`.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--config", type=Path, help="YAML file; its sections 'shared' and this stage's give the defaults")
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        hint = _flag_type(hints[field.name])
        default = "" if field.default in (dataclasses.MISSING, None) else f" (default: {field.default})"
        settings: dict[str, Any] = {
            "dest": field.name,
            "default": argparse.SUPPRESS,
            "help": (field.metadata.get("help", "") + default).replace("%", "%%"),
        }
        if hint is bool:
            settings["action"] = argparse.BooleanOptionalAction
        elif typing.get_origin(hint) is list:
            settings |= {"nargs": "*", "type": _flag_type(typing.get_args(hint)[0])}
        elif typing.get_origin(hint) is dict or hint is Any:
            settings |= {"type": _yaml_value, "metavar": "YAML"}
        else:
            settings |= {"type": hint, "choices": field.metadata.get("choices")}
        parser.add_argument("--" + field.name.replace("_", "-"), **settings)
    flags = vars(parser.parse_args(argv))
    path = flags.pop("config")
    values: dict[str, Any] = {}
    if path is not None:
        sections = read_yaml(path)
        names = {field.name for field in dataclasses.fields(cls)}
        _require_known(sections, SECTIONS | {"shared", section}, "no stage has the section", str(path))
        _require_known(sections.get("shared", {}), SHARED_SETTINGS | names, "no stage has the shared setting", str(path))
        values |= {name: value for name, value in sections.get("shared", {}).items() if name in names}
        values |= sections.get(section, {})
    return build_config(cls, values | flags, f"{path} and flags" if path else "flags")
