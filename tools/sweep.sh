#!/usr/bin/env bash
# How wrong must the reports be for RL to beat more SFT? tools/sweep.sh FOLDER [SHARE or PROFILE ...]
# SHARE of boilerplate, beside the demo's other corruptions; PROFILE: `corruption: {profile: …}` instead of these.
# One seed, 0 unless SEED is set; the towers are pre-trained once, since they do not depend on the reports.
set -euo pipefail
runs=${1:-runs/sweep}
shift || true
corruptions=("${@:-0.0 0.1 0.2 0.3 0.45 ecg-chat featuredb}")
for one in ${corruptions[*]}; do
    case $one in
    [01]*) corruption="corruption.boilerplate=$one" name=$one ;;
    *) corruption="corruption={profile: $one, boilerplate: 0, rounded: 0, qt_from_qrs_end: 0}" name=$(basename "$one" .json) ;;
    esac
    bash tools/chain.sh "$runs/$name" "${SEED:-0}" "$corruption"
    export TOWERS=${TOWERS:-$runs/$name/pretrain}
done
"${BIN:-.venv/bin}/python" tools/sweep_figure.py "$runs" docs/sweep.png
