#!/usr/bin/env bash
# Stage 5: best-of-N selection with a trained checkpoint; tables by difficulty, plots and an HTML report.
#   bash run_eval.sh                                        the checkpoint that run_train_eval.sh wrote
#   bash run_eval.sh CHECKPOINT [flags]                     a folder of ours, an exported folder, or reward_model_step_N.pt
#   CONFIG=configs/paper.yaml bash run_eval.sh reward_model_step_10000.pt --solutions o4_mini_eval_all.json
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
CONFIG=${CONFIG:-configs/demo.yaml}
source src/setup_env.sh
if [[ $# -gt 0 && $1 != -* ]]; then set -- --checkpoint "$@"; fi
source src/recipe_flags.sh
if [[ $CONFIG == configs/demo.yaml && -z $other_problems ]]; then
  bash data/demo/seed_run.sh "${DATA_DIR:-data/demo-run}"
fi
exec python src/evaluate_prm.py --config "$CONFIG" ${DATA_DIR:+--data-dir "$DATA_DIR"} "$@"
