#!/usr/bin/env bash
# Run the test suite in four processes (half of them wait for programs that run into a limit); sets its own environment up.
# Arguments go to pytest, then in one process: bash tests/run.sh tests/steps -k cap. Several: bash tests/run.sh tests/grading -n 4
set -euo pipefail
cd "$(dirname "$0")/.."
source src/setup_env.sh
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} HF_HUB_OFFLINE=1
[[ $# -gt 0 ]] || set -- -n 4
exec python -m pytest "$@"
