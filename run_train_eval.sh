#!/usr/bin/env bash
# Stage 4: train the PRM with label correction, then choose among the test candidates with it and print the table.
#   bash run_train_eval.sh                                  the bundled demo: 10 to 15 minutes on two CPU cores
#   CONFIG=configs/paper.yaml bash run_train_eval.sh        the published recipe, on the outputs of stages 1 to 3
#   bash run_train_eval.sh --method none                    flags go to src/train_prm.py; those that the evaluation has too
#                                                           (--data-dir, --out-dir, --problems ...) go to both
#   bash run_train_eval.sh --method none --out-dir data/uncorrected          a second training beside the first
# Trains in one process per GPU, or in as many as NUM_PROCESSES says.
# Writes prm/, corrected_labels.jsonl, training_log.jsonl, table.jsonl and report/. Resumes after an interruption.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
CONFIG=${CONFIG:-configs/demo.yaml}
source src/setup_env.sh
source src/recipe_flags.sh
if [[ $CONFIG == configs/demo.yaml && -z $other_problems ]]; then
  python src/fetch_model.py --name qwen2.5-coder-0.5b-instruct >/dev/null
  bash data/demo/seed_run.sh "${DATA_DIR:-data/demo-run}"
fi
"${launcher[@]}" src/train_prm.py --config "$CONFIG" ${DATA_DIR:+--data-dir "$DATA_DIR"} "$@"
python src/evaluate_prm.py --config "$CONFIG" ${DATA_DIR:+--data-dir "$DATA_DIR"} "${shared_flags[@]}"
