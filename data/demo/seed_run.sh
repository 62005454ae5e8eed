#!/usr/bin/env bash
# Copy the bundled outputs of stages 1 to 3 into a run's data directory. Where stage 1 has already written there, nothing
# is copied: programs of one policy never meet labels of another. Files that are there stay as they are.
#   bash data/demo/seed_run.sh data/demo-run
set -euo pipefail
bundled=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/sampled
mkdir -p "$1"
target=$(cd "$1" && pwd)
[[ ! -s $target/cof_solutions.jsonl ]] || exit 0
_copy() {
  cp "$1" "$2.copying"
  mv "$2.copying" "$2"
}
cd "$bundled"
for file in $(ls | grep -v -e '[.]meta[.]json$' -e '[.]usage[.]json$' -e '^cof_solutions[.]jsonl$') cof_solutions.jsonl; do # that one last
  if [[ ! -s $target/$file ]]; then
    for side in "$file".*; do [[ ! -e $side ]] || _copy "$side" "$target/$side"; done
    _copy "$file" "$target/$file" # after what describes it
  fi
done
