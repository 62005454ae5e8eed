#!/usr/bin/env bash
# Copy the bundled outputs of stages 1 to 3 into a run's data directory. Where stage 1 has already written there, nothing
# is copied: programs of one policy never meet labels of another. Files that are there stay as they are.
#   bash data/demo/seed_run.sh data/demo-run
set -euo pipefail
bundled=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/sampled
mkdir -p "$1"
[[ ! -e $1/cof_solutions.jsonl ]] || exit 0
for file in $(ls "$bundled" | grep -v '^cof_solutions.jsonl$') cof_solutions.jsonl; do # that one last: it ends the copying
  if [[ ! -e $1/$file ]]; then
    cp "$bundled/$file" "$1/$file.copying"
    mv "$1/$file.copying" "$1/$file"
  fi
done
