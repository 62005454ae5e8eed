#!/usr/bin/env bash
# Copy the bundled outputs of stages 1 to 3 into a run's data directory; files that are already there stay as they are.
#   bash data/demo/seed_run.sh data/demo-run
set -euo pipefail
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/sampled
mkdir -p "$1"
for file in "$source_dir"/*; do
  target=$1/$(basename "$file")
  if [[ ! -e $target ]]; then
    cp "$file" "$target.copying"
    mv "$target.copying" "$target"
  fi
done
