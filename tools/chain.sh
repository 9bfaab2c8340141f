#!/usr/bin/env bash
# The demo's chain in another folder, from another seed: tools/chain.sh FOLDER SEED [override of the corpus recipe ...]
# TOWERS=RUN takes pre-trained towers from that run: they do not depend on the reports.
set -euo pipefail
runs=$1 seed=$2
shift 2
ecg=${BIN:-.venv/bin}/ecg-r1
towers=${TOWERS:-$runs/pretrain}
sft="corpus={train: $runs/corpus/sft, evaluate: $runs/corpus/held-out}"
rl="corpus={train: $runs/corpus/rl, evaluate: $runs/corpus/held-out}"
$ecg corpus recipes/tiny/corpus.yaml "out=$runs/corpus" "seed=$seed" "$@"
[ -n "${TOWERS:-}" ] || $ecg train recipes/tiny/pretrain.yaml "run=$towers" "seed=$seed" "corpus={train: $runs/corpus/sft}"
$ecg train recipes/tiny/sft.yaml "run=$runs/sft" "model=$towers" "seed=$seed" "$sft"
$ecg train recipes/tiny/grpo.yaml "run=$runs/grpo" "model=$runs/sft" "seed=$seed" "$rl"
$ecg train recipes/tiny/sft-more.yaml "run=$runs/sft-more" "model=$runs/sft" "seed=$seed" "$sft"
$ecg compare "$runs/sft" "$runs/sft-more" "$runs/grpo" --out "$runs"
