#!/usr/bin/env bash
# SmolLM2-135M on real records: tools/chain-small.sh "RECORDS ..." FOLDER GGUF
# RECORDS: folders of WFDB records with PTB-XL's table. Folds 1 to 9 train, fold 10 is the test. A repeated command resumes.
#   TRAIN="trainer.max_steps=3 …" overrides every training, GRPO that stage; CORPUS and EVALUATE likewise
set -euo pipefail
records=$1 runs=$2 gguf=$3
ecg=${BIN:-.venv/bin}/ecg-r1
read -ra train <<<"${TRAIN:-}"
read -ra grpo <<<"${GRPO:-}"
read -ra evaluate <<<"${EVALUATE:-}"
source "$(dirname "$0")/sources.sh"
learned=$(sources "$records" "[1, 2, 3, 4, 5, 6, 7, 8, 9]") tested=$(sources "$records" "[10]")
$ecg corpus recipes/small/corpus.yaml "out=$runs/corpus" \
    "splits={sft: [{simulate: ${SIMULATED:-1000}}, $learned], rl: [$learned], held-out: [$tested]}" ${CORPUS:-}
$ecg train recipes/small/pretrain.yaml "run=$runs/pretrain" "corpus={train: $runs/corpus/sft}" "${train[@]}"
towers=$runs/pretrain/model
[ -e "$runs/start" ] || $ecg convert "$gguf" "$runs/start" --ecg-tower "$towers" --vision-tower "$towers"
sft="corpus={train: $runs/corpus/sft, evaluate: $runs/corpus/held-out}"
rl="corpus={train: $runs/corpus/rl, evaluate: $runs/corpus/held-out}"
$ecg train recipes/small/sft.yaml "run=$runs/sft" "model=$runs/start" "$sft" "${train[@]}"
$ecg train recipes/small/grpo.yaml "run=$runs/grpo" "model=$runs/sft" "$rl" "${train[@]}" "${grpo[@]}"
$ecg train recipes/small/sft-more.yaml "run=$runs/sft-more" "model=$runs/sft" "$sft" "${train[@]}"
$ecg evaluate recipes/small/evaluate.yaml "models=[$runs/sft, $runs/sft-more, $runs/grpo]" "out=$runs" "${evaluate[@]}"
