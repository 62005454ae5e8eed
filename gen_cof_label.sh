#!/usr/bin/env bash
# Stage 2: cut the graded training programs into function prefixes and label each prefix by Monte-Carlo rollouts.
#   POLICY=local:models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf bash gen_cof_label.sh
# Reads cof_solutions.jsonl; writes rollouts.jsonl and step_labels.jsonl. Resumes after an interruption.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
CONFIG=${CONFIG:-configs/demo.yaml}
source src/setup_env.sh
exec python src/gen_cof_label.py --config "$CONFIG" ${POLICY:+--policy "$POLICY"} ${BASE_URLS:+--base-urls $BASE_URLS} \
  ${DATA_DIR:+--data-dir "$DATA_DIR"} "$@"
