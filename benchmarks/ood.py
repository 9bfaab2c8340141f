"""One table of models trained on one data set and tested on several: the share of right answers, in and out of domain.

    python benchmarks/ood.py MODEL … --splits SPLIT … [--trained SPLIT] [--out runs/ood] [--set KEY=VALUE …]

MODEL is a run or checkpoint, SPLIT a corpus split; the first split is the one of the training's data set. Answers are
compared by `ecg-r1 evaluate`, whose report of each split lies under --out. Multiple choice is right where the reward
`choice` pays 1 or 0.5; other questions where the diagnosis is. Prints a Markdown table and, as its last line, JSON.
"""

from __future__ import annotations
