#!/usr/bin/env bash
# Checks and measures the PRM engine on one NVIDIA GPU; no network, no model files (random weights, generated data).
#   bash benchmarks/gpu.sh                 about eight minutes on one H100 or H200
#   PYTHON=... SHAPE=qwen2.5-coder-1.5b CANDIDATES=8 bash benchmarks/gpu.sh
# Needs torch with CUDA, transformers, peft, safetensors, psutil, pydantic, PyYAML, numpy; the checks need pytest and hypothesis.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PYTHON=${PYTHON:-python3}
SHAPE=${SHAPE:-qwen2.5-coder-3b}
CANDIDATES=${CANDIDATES:-16}
export PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
run() { echo; echo "\$ $*"; "$@" || echo "exit status $?"; }

nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv
$PYTHON -c "import torch, transformers, peft; print('torch', torch.__version__, 'transformers', transformers.__version__, 'peft', peft.__version__)"
run "$PYTHON" -m pytest -q tests/prm/test_prm_cuda.py
run "$PYTHON" benchmarks/engine.py agreement --device cuda --num-problems 2 --candidates 4 --attention flex
run "$PYTHON" benchmarks/engine.py scoring --device cuda --dtype bfloat16 --shape "$SHAPE" --candidates "$CANDIDATES" \
  --num-problems 4 --batch-size 16 --released
run "$PYTHON" benchmarks/engine.py scoring --device cuda --dtype bfloat16 --shape "$SHAPE" --candidates "$CANDIDATES" \
  --num-problems 4 --attention segments --skip-reference
run "$PYTHON" benchmarks/engine.py bilevel --device cuda --dtype bfloat16 --shape "$SHAPE" --num-problems 2
