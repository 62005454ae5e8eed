#!/usr/bin/env bash
# Stage 1: sample Chain-of-Function programs for the training problems and grade them.
#   POLICY=local:models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf bash gen_cof.sh
#   CONFIG=configs/paper.yaml POLICY=openai:Qwen/Qwen3-Coder-30B-A3B-Instruct BASE_URLS=http://localhost:8000/v1 bash gen_cof.sh
# Writes cof_solutions.jsonl and cof_adherence.json. Run it again after an interruption: it does only what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
CONFIG=${CONFIG:-configs/demo.yaml}
source src/setup_env.sh
exec python src/gen_cof.py --config "$CONFIG" ${POLICY:+--policy "$POLICY"} ${BASE_URLS:+--base-urls $BASE_URLS} \
  ${DATA_DIR:+--data-dir "$DATA_DIR"} "$@"
