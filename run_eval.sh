#!/usr/bin/env bash
# Stage 5: best-of-N selection with a trained checkpoint; tables by difficulty, plots and an HTML report.
#   bash run_eval.sh                                        the checkpoint that run_train_eval.sh wrote
#   bash run_eval.sh CHECKPOINT [flags]                     a folder of ours, an exported folder, or reward_model_step_N.pt
#   bash run_eval.sh reward_model_step_10000.pt --solutions o4_mini_eval_all.json --base-model Qwen/Qwen2.5-Coder-3B
#                                                           the released checkpoint; a results file of LiveCodeBench holds its
#                                                           problems, so nothing else is needed
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
given_config=${CONFIG:-}
CONFIG=${CONFIG:-configs/demo.yaml}
source src/setup_env.sh
given_checkpoint=
if [[ $# -gt 0 && $1 != -* ]]; then given_checkpoint=$1 && set -- --checkpoint "$@"; fi
source src/recipe_flags.sh
if [[ -n $given_checkpoint && -n $results_file && -z $other_problems$given_config && $CONFIG == configs/demo.yaml ]]; then
  exec python src/evaluate_prm.py --data-dir "${DATA_DIR:-data/eval}" "$@"
fi
if [[ $CONFIG == configs/demo.yaml && -z $other_problems ]]; then
  bash data/demo/seed_run.sh "${DATA_DIR:-data/demo-run}"
fi
exec python src/evaluate_prm.py --config "$CONFIG" ${DATA_DIR:+--data-dir "$DATA_DIR"} "$@"
