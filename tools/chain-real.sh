#!/usr/bin/env bash
# The demo's chain on real records: tools/chain-real.sh RECORDS FOLDER
# SFT on simulated and real training folds, GRPO on real ones, comparison on PTB-XL's test fold 10.
set -euo pipefail
records=$1 runs=$2
ecg=${BIN:-.venv/bin}/ecg-r1
train="[1, 2, 3, 4, 5, 6, 7, 8, 9]"
sft="corpus={train: $runs/corpus/sft, evaluate: $runs/corpus/held-out}"
$ecg corpus recipes/tiny/corpus.yaml "out=$runs/corpus" "splits={sft: [{simulate: 4000}, {records: '$records', folds: $train}], rl: [{records: '$records', folds: $train}], held-out: [{records: '$records', folds: [10]}]}"
$ecg train recipes/tiny/pretrain.yaml "run=$runs/pretrain" "corpus={train: $runs/corpus/sft}"
$ecg train recipes/tiny/sft.yaml "run=$runs/sft" "model=$runs/pretrain" "$sft"
$ecg train recipes/tiny/grpo.yaml "run=$runs/grpo" "model=$runs/sft" \
    "corpus={train: $runs/corpus/rl, evaluate: $runs/corpus/held-out}" \
    trainer.max_completion_length=128 # real records carry several statements
$ecg train recipes/tiny/sft-more.yaml "run=$runs/sft-more" "model=$runs/sft" "$sft"
$ecg compare "$runs/sft" "$runs/sft-more" "$runs/grpo" --out "$runs"
