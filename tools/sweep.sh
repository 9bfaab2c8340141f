#!/usr/bin/env bash
# How much boilerplate must the reports hold for RL to beat more SFT? tools/sweep.sh FOLDER [SHARE ...]
# One seed; the towers are pre-trained once, since they do not depend on the reports.
set -euo pipefail
runs=${1:-runs/sweep}
shift || true
shares=("${@:-0.0 0.1 0.2 0.3 0.45}")
for share in ${shares[*]}; do
    bash tools/chain.sh "$runs/$share" 0 "reports.boilerplate=$share"
    export TOWERS=${TOWERS:-$runs/$share/pretrain}
done
"${BIN:-.venv/bin}/python" tools/sweep_figure.py "$runs" docs/sweep.png
