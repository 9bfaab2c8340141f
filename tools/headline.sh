#!/usr/bin/env bash
# The headline experiment: tools/headline.sh "RECORDS ..." FOLDER [SEED ...]
# RECORDS: folders of WFDB records with PTB-XL's table. Folds 1 to 9 train, fold 10 is the test, which no choice is made on.
# For each seed: towers and SFT; from that SFT model, SFT continued and GRPO with string-matched rewards, with measured
# rewards, and with these and claim credit. Then a comparison over all seeds, with baselines. A repeated command resumes.
#   TRAIN="trainer.max_steps=3 …" overrides every training, GRPO those of that stage; CORPUS, EVALUATE and PROBE likewise;
#   PROBE=no leaves the probe out
#   VARIANTS="grpo-kl grpo-ontology grpo-drpo grpo-balanced grpo-rehearsal grpo-alone": also these. Choose among them on a fold of the training alone:
#   LEARN="[1, 2, 3, 4, 5, 6, 7, 8]" TEST="[9]", in another folder
set -euo pipefail
records=$1 runs=$2
shift 2
seeds=("${@:-1 2 3}")
read -ra seeds <<<"${seeds[*]}"
ecg=${BIN:-.venv/bin}/ecg-r1
read -ra train <<<"${TRAIN:-}"
read -ra grpo <<<"${GRPO:-}"
read -ra evaluate <<<"${EVALUATE:-}"
source "$(dirname "$0")/sources.sh"
learn=${LEARN:-"[1, 2, 3, 4, 5, 6, 7, 8, 9]"}
learned=$(sources "$records" "$learn") tested=$(sources "$records" "${TEST:-[10]}")
read -ra folders <<<"$records"
balanced=$(LIMIT_RECORDS=$((400 / ${#folders[@]})) sources "$records" "$learn" "balanced: true")
$ecg corpus recipes/headline/corpus.yaml "out=$runs/corpus" \
    "splits={sft: [{simulate: ${SIMULATED:-1000}}, $learned], rl: [$learned], rl-balanced: [$balanced], held-out: [$tested]}" ${CORPUS:-}
if [ ! -e "$runs/baselines/done" ]; then
    $ecg baseline "$runs/corpus/rl" "$runs/corpus/held-out" --out "$runs/baselines"
    touch "$runs/baselines/done"
fi
models() { local names=(sft sft-more grpo-string grpo grpo-claim ${VARIANTS:-}) list="" name; for name in "${names[@]}"; do list+="${list:+, }$runs/$1/$name"; done; echo "$list"; }
sft="corpus={train: $runs/corpus/sft, evaluate: $runs/corpus/held-out}"
for seed in "${seeds[@]}"; do
    of=$runs/$seed
    run() { # RECIPE MODEL CORPUS [override …]
        $ecg train "recipes/headline/$1.yaml" "run=$of/$1" "model=$2" "$3" "seed=$seed" "${train[@]}" "${@:4}"
    }
    run pretrain tiny "corpus={train: $runs/corpus/sft}"
    run sft "$of/pretrain" "$sft"
    for name in grpo-string grpo grpo-claim ${VARIANTS:-}; do
        [ "$name" = grpo-balanced ] && split=rl-balanced || split=rl
        start=$of/sft
        if [ "$name" = grpo-alone ]; then
            start=$of/sft-first
            run sft-first "$of/sft" "$sft"
        fi
        run "$name" "$start" "corpus={train: $runs/corpus/$split, evaluate: $runs/corpus/held-out}" "${grpo[@]}"
    done
    run sft-more "$of/sft" "$sft"
    $ecg evaluate recipes/headline/evaluate.yaml "models=[$(models "$seed")]" "out=$of" "${evaluate[@]}"
    [ "${PROBE:-}" = no ] || $ecg evaluate recipes/headline/probe.yaml "models=[$(models "$seed")]" "out=$of/probe" ${PROBE:-}
done
others=$(for seed in "${seeds[@]:1}"; do printf '%s, ' "$runs/$seed"; done)
$ecg evaluate recipes/headline/evaluate.yaml "out=$runs" "seeds=[${others%, }]" "${evaluate[@]}" \
    "models=[$(printf '%s, ' "$runs"/baselines/*/)$(models "${seeds[0]}")]"
