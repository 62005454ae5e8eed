"""The PRM engine against its simple reference path: same work, same run.

    python benchmarks/engine.py scoring                                        # CPU, a shape of 8 layers, generated data
    python benchmarks/engine.py scoring --shape qwen2.5-coder-3b --device cuda --dtype bfloat16 --candidates 16 --released
    python benchmarks/engine.py scoring --problems problems.jsonl --solutions solutions.jsonl --tokenizer FOLDER
    python benchmarks/engine.py agreement                                      # equal scores and gradients
    python benchmarks/engine.py bilevel                                        # a bi-level step: see engine_bilevel.py

Ratios are of CPU time on CPUs (other processes disturb it less than wall clock) and of wall clock on GPUs.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import engine_workload
import torch

from dreamprm_code.errors import UserError

COMMANDS = {"agreement": "engine_agreement", "scoring": "engine_scoring", "bilevel": "engine_bilevel"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    here = Path(__file__).parent
    modules = {name: importlib.import_module(module) for name, module in COMMANDS.items() if (here / f"{module}.py").exists()}
    for name, module in modules.items():
        command = commands.add_parser(name, description=module.__doc__)
        command.add_argument("--shape", default="small", help="backbone shape, random weights (default: small)")
        command.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
        command.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float64"))
        command.add_argument("--threads", type=int, help="CPU threads (default: torch's)")
        engine_workload.add_arguments(command)
        module.add_arguments(command)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        modules[args.command].main(args)
    except UserError as error:
        sys.exit(f"engine: error: {error}")


if __name__ == "__main__":
    main()
