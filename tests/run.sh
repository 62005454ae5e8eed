#!/usr/bin/env bash
# Run the test suite; sets its own environment up. Arguments go to pytest: bash tests/run.sh tests/steps -k cap
set -euo pipefail
cd "$(dirname "$0")/.."
source src/setup_env.sh
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} HF_HUB_OFFLINE=1
exec python -m pytest "$@"
