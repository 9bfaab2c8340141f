"""Models trained on one data set and tested on several: the share of multiple-choice questions answered right.

    python benchmarks/ood.py MODEL … --splits SPLIT … [--out runs/ood] [--max-tokens 128] [--engine vllm]

MODEL is a run or checkpoint, SPLIT a corpus split whose examples are multiple choice (`reports: {forms: [choice]}`);
name the split of the training's data set first. An answer is right where the only letter in its answer is the right
one, and invalid where there is none or several. Answers that are there are taken. Prints a Markdown table
with intervals over patients (bootstrap, 95%), and as its last line the same as JSON.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from ecg_r1.evaluation.bootstrap import cluster_codes
from ecg_r1.evaluation.predict import missing, predict
from ecg_r1.evaluation.preparation import Plan, make_plan
from ecg_r1.recipe import EvaluateRecipe
from ecg_r1.runs.predictions import read_predictions
from ecg_r1.scoring.completion import Completion

LETTER = re.compile(r"(?<![A-Za-z])[A-J](?![A-Za-z])")
RESAMPLES = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--splits", nargs="+", required=True)
    parser.add_argument("--out", default="runs/ood")
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--engine", choices=["vllm", "hf"], default="vllm")
    given = parser.parse_args()
    rows = []
    for split in given.splits:
        decoding = {"engine": given.engine, "max_tokens": given.max_tokens}
        plan = make_plan(
            EvaluateRecipe.model_validate(
                {"stage": "evaluate", "models": given.models, "corpus": split, "decoding": decoding, "mirage": 0,
                 "out": str(Path(given.out, Path(split).name))}
            )
        )  # fmt: skip
        predict(plan, [task for task in missing(plan) if task.condition.name == "own"])
        rows += tested(plan)
    print(as_markdown(rows))
    print(json.dumps(rows))


def letter(text: str) -> str | None:
    """The only letter of an answer, as in "B", "(B)" or "B) normal ECG"; None where there is none or several."""
    answer = Completion.parse(text).answer
    found = set(LETTER.findall(text if answer is None else answer))
    return found.pop() if len(found) == 1 else None


def tested(plan: Plan) -> list[dict[str, Any]]:
    """A row for each model on the split of a plan."""
    asked = [example for example in plan.store.examples if "answer" in example.extra]
    if not asked:
        raise SystemExit(f"{plan.store.folder}: no example is multiple choice; build it with reports.forms=[choice]")
    codes = cluster_codes([plan.store.cluster(example.id) for example in asked])
    draws = np.random.default_rng(0).integers(codes.max() + 1, size=(RESAMPLES, codes.max() + 1))
    rows = []
    for run in plan.runs:
        answers = read_predictions(plan.path(run))
        said = [letter(answers[example.id][0].completion) for example in asked]
        right = np.array(
            [one == example.extra["answer"] for one, example in zip(said, asked, strict=True)], dtype=float
        )
        of_patient, count = np.bincount(codes, weights=right), np.bincount(codes)
        low, high = np.quantile(of_patient[draws].sum(1) / count[draws].sum(1), [0.025, 0.975]).tolist()
        rows.append(
            {
                "split": plan.store.folder.name, "model": run.name, "questions": len(asked),
                "right": float(right.mean()), "low": low, "high": high, "invalid": said.count(None) / len(said),
            }
        )  # fmt: skip
    return rows


def as_markdown(rows: list[dict[str, Any]]) -> str:
    lines = ["| tested on | questions | model | right, % (95%) | invalid, % |", "|---|---|---|---|---|"]
    for one in rows:
        right = f"{100 * one['right']:.1f} ({100 * one['low']:.1f}, {100 * one['high']:.1f})"
        lines.append(f"| {one['split']} | {one['questions']} | {one['model']} | {right} | {100 * one['invalid']:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
