#!/usr/bin/env bash
# Checks and measures the PRM engine on an NVIDIA GPU; no network, no model files (random weights, generated data).
#   bash benchmarks/gpu.sh                                             80 GB of memory for the shape of the 3B model
#   SHAPE=qwen2.5-coder-1.5b CANDIDATES=8 bash benchmarks/gpu.sh       less
#   DEVICE=cpu SHAPE=tiny CANDIDATES=4 bash benchmarks/gpu.sh          every command tried without a GPU
# Needs the packages of requirements.txt, with torch built for CUDA; PYTHON names the interpreter.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PYTHON=${PYTHON:-python3}
DEVICE=${DEVICE:-cuda}
SHAPE=${SHAPE:-qwen2.5-coder-3b}
CANDIDATES=${CANDIDATES:-16}
export PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
failed=0
run() { echo; echo "\$ $*"; "$@" || { echo "exit status $?"; failed=1; }; }

[ "$DEVICE" = cpu ] || nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv
"$PYTHON" -c "import torch, transformers, peft; print('torch', torch.__version__, 'transformers', transformers.__version__, 'peft', peft.__version__)"
# FlexAttention against separate sequences; with two GPUs also a backbone sharded over both (skipped where there are none)
run "$PYTHON" -m pytest -q tests/prm/test_prm_cuda.py
run "$PYTHON" -m pytest -q tests/bilevel/test_processes.py -k gpus
run "$PYTHON" benchmarks/engine.py agreement --device "$DEVICE" --num-problems 2 --candidates 4
# Scoring in bfloat16: separate prefixes, token trees, share of the bound, and the released script's way (float32, padded, vocabulary head)
run "$PYTHON" benchmarks/engine.py scoring --device "$DEVICE" --dtype bfloat16 --shape "$SHAPE" --candidates "$CANDIDATES" \
  --num-problems 4 --batch-size 16 --released
run "$PYTHON" benchmarks/engine.py scoring --device "$DEVICE" --dtype bfloat16 --shape "$SHAPE" --candidates "$CANDIDATES" \
  --num-problems 4 --attention segments --skip-reference
# A bi-level step: Betty's darts on separate prefixes and on trees, the exact hypergradient, and none
run "$PYTHON" benchmarks/engine.py bilevel --device "$DEVICE" --dtype bfloat16 --shape "$SHAPE" --candidates "$CANDIDATES" \
  --num-problems 2 --keep-gib 24
exit "$failed"
