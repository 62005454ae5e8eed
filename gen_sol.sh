#!/usr/bin/env bash
# Stage 3: sample N candidate programs for the meta and the test problems and grade them.
#   POLICY=local:models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf bash gen_sol.sh
#   CONFIG=configs/paper.yaml POLICY=openai:o4-mini bash gen_sol.sh --reasoning-effort high
#   SPLITS=meta POLICY=... bash gen_sol.sh ; SPLITS=test POLICY=... bash gen_sol.sh     another policy for each split
# Writes meta_solutions.jsonl and test_solutions.jsonl. Resumes after an interruption.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
CONFIG=${CONFIG:-configs/demo.yaml}
SPLITS=${SPLITS:-meta test}
source src/setup_env.sh
unfinished=0
for split in $SPLITS; do
  python src/gen_sol.py --config "$CONFIG" --split "$split" ${POLICY:+--policy "$POLICY"} \
    ${BASE_URLS:+--base-urls $BASE_URLS} ${DATA_DIR:+--data-dir "$DATA_DIR"} "$@" || {
    status=$?
    ((status == 3)) || exit "$status" # 3: some requests failed, or the budget is spent; what is done is kept
    unfinished=3
  }
done
exit "$unfinished"
