#!/usr/bin/env bash
# The demo's chain from another seed: tools/chain.sh FOLDER SEED [corpus override ...]
set -euo pipefail
runs=$1 seed=$2
shift 2
ecg=${BIN:-.venv/bin}/ecg-r1
splits="corpus={train: $runs/corpus/sft, evaluate: $runs/corpus/held-out}"
$ecg corpus recipes/tiny/corpus.yaml "out=$runs/corpus" "seed=$seed" "$@"
$ecg train recipes/tiny/pretrain.yaml "run=$runs/pretrain" "seed=$seed" "corpus={train: $runs/corpus/sft}"
$ecg train recipes/tiny/sft.yaml "run=$runs/sft" "model=$runs/pretrain" "seed=$seed" "$splits"
$ecg train recipes/tiny/grpo.yaml "run=$runs/grpo" "model=$runs/sft" "seed=$seed" \
    "corpus={train: $runs/corpus/rl, evaluate: $runs/corpus/held-out}"
$ecg train recipes/tiny/sft-more.yaml "run=$runs/sft-more" "model=$runs/sft" "seed=$seed" "$splits"
$ecg compare "$runs/sft" "$runs/sft-more" "$runs/grpo" --out "$runs"
