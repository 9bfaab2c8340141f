#!/usr/bin/env bash
# What each token is credited with, compared over seeds: tools/credit.sh SEEDS FOLDER SEED ...     about 15 minutes a seed
# SEEDS holds the runs of `make demo-seeds`: SEEDS/<seed>/sft and SEEDS/<seed>/corpus.
set -euo pipefail
from=$1 out=$2
shift 2
ecg=${BIN:-.venv/bin}/ecg-r1
credits="sequence claim claim_normalised"
for seed in "$@"; do
  [ -f "$from/$seed/sft/finished.json" ] || { echo "$from/$seed/sft: no finished run; run \`make demo-seeds\` first" >&2; exit 2; }
  for credit in $credits; do
    $ecg train recipes/tiny/grpo.yaml "run=$out/$seed/$credit" "model=$from/$seed/sft" "seed=$seed" "credit=$credit" \
      "corpus={train: $from/$seed/corpus/rl, evaluate: $from/$seed/corpus/held-out}"
  done
  $ecg compare $(for credit in $credits; do echo "$out/$seed/$credit"; done) --out "$out/$seed"
done
$ecg compare $(for credit in $credits; do echo "$out/$1/$credit"; done) --out "$out" \
  $(for seed in "$@"; do echo --seeds "$out/$seed"; done)
