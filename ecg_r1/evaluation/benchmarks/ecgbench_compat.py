"""ECGBench as its authors score it (AIMedLab/PULSE, evaluation/evaluate_ecgbench.py at a439b6c), faults included.

For comparison with published figures only; `ecgbench_strict` is the honest scorer. What the script does, and this
module repeats:

* Choices: the first of "A." … "H." in alphabetical order that stands anywhere in the text is the answer, so "AF. So B."
  is F. A text without a letter gets a random one, from one generator with seed 42 over mmmu-ecg, csn-test and g12-test
  in this order.
* Labels: each that is a part of the text, in capitals and small letters as written: "NORM" inside "ABNORMAL", "ST"
  inside "STTC", and what the text rules out.
* The area under the curve is that of yes and no. A class that the right answers do not hold is dropped; one that all
  or none of them hold makes the mean NaN.
* ECG-QA: the options are what stands between commas after "Options:"; a right answer that is one string, not a list,
  is compared by its letters.
* A file of choices with another number of answers than published is skipped.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ecg_r1.evaluation.benchmarks.items import Item, answer_of, paired, value_of

SPACES = {
    "ptb-test": ("NORM", "MI", "STTC", "CD", "HYP"),
    "cpsc-test": ("NORM", "AF", "I-AVB", "LBBB", "RBBB", "PAC", "PVC", "STD", "STE"),
    "code15-test": ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF"),
}
CHOICES = {"mmmu-ecg": "ABCD", "csn-test-no-cot": "ABCDEFGH", "g12-test-no-cot": "ABCDEFGH"}
PUBLISHED = {"mmmu-ecg": 200, "csn-test-no-cot": 1611, "g12-test-no-cot": 2026}  # answers; otherwise skipped
ORDER = ("mmmu-ecg", "ptb-test", "cpsc-test", "csn-test-no-cot", "g12-test-no-cot", "ecgqa-test", "code15-test")
SEED = 42
_NO_REASON = "Only answer based on the given Options without any explanation."

Subset = tuple[Sequence[Item], Sequence[Item]]  # the items, and the answers to them


def score(subsets: Mapping[str, Subset]) -> dict[str, dict[str, Any]]:
    """The figures of each subset that is given.

    Args:
        subsets: by their name in `ORDER`, the items and the answers, both in their files' order.

    Returns:
        By subset: `f1`, `auc` and `hamming`, or `accuracy`; `answers`; and `skipped`, the reason, where the script
        would have skipped the file (its figure is given all the same).

    Raises:
        BenchmarkError: items and answers do not fit to each other.
    """
    generator = random.Random(SEED)
    return {name: _score(name, *subsets[name], generator) for name in ORDER if name in subsets}


def _score(name: str, items: Sequence[Item], answers: Sequence[Item], generator: random.Random) -> dict[str, Any]:
    rows = paired(items, answers, "No" if name == "mmmu-ecg" else "id")
    figures: dict[str, Any] = {"answers": len(rows)}
    if name in SPACES:
        gold, said = zip(*(_labels(name, value_of(item), answer_of(row)) for item, row in rows), strict=True)
        return figures | label_figures(gold, said)
    if name == "ecgqa-test":
        return figures | {"accuracy": _options_accuracy(rows)}
    right = 0
    for item, row in rows:
        gold = value_of(item)
        letter = extract(answer_of(row)) or generator.choice(CHOICES[name])
        right += letter == (gold if name == "mmmu-ecg" else gold[0])
    figures["accuracy"] = right / len(rows)
    if len(rows) != PUBLISHED[name]:
        figures["skipped"] = f"{len(rows)} answers, and the script counts a file of {PUBLISHED[name]} only"
    return figures


def extract(text: str) -> str | None:
    """The letter of a choice; None where the script draws one.

    Where nothing stands after "The correct option is " the script ends with an error; here that is None.
    """
    letters = "ABCDEFGH"
    if text and text in list(letters):
        return text
    for letter in letters:
        if f"{letter}." in text:
            return letter
    if "The correct option is " in text:
        after = text.split("The correct option is ")[-1][:1]
        return after if after and after in letters else None
    if "Answer:" in text:
        tail = text.split("Answer:")[-1]
        return next((letter for letter in letters if letter in tail), None)
    return None


def _labels(name: str, gold: str, text: str) -> tuple[list[str], list[str]]:
    """The labels of the right answer and of the given one."""
    space = SPACES[name]
    if name != "code15-test":
        return [label for label in space if label in gold], [label for label in space if label in text]
    text = text.split("Answer:")[-1]
    found = [label for label in space if label in text]
    if "ABNORMAL" in text:
        found.insert(0, "ABNORMAL")
    elif "NORM" in text:
        found.insert(0, "NORM")
    whole = gold in ("NORM", "ABNORMAL")
    return [gold] if whole else [label for label in space if label in gold], found


def label_figures(gold: Sequence[Sequence[str]], said: Sequence[Sequence[str]]) -> dict[str, float]:
    """Macro F1, macro area under the curve of yes and no, and Hamming loss, by scikit-learn as the script calls it."""
    from sklearn.metrics import f1_score, hamming_loss, roc_auc_score
    from sklearn.preprocessing import MultiLabelBinarizer

    binarizer = MultiLabelBinarizer()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of labels that are dropped, and of classes without an area: see above
        truth, answered = binarizer.fit_transform(gold), binarizer.transform(said)
        f1 = f1_score(truth, answered, average=None)[: truth.shape[1]]
        areas = []
        for i in range(truth.shape[1]):
            try:
                areas.append(roc_auc_score(truth[:, i], answered[:, i]))
            except ValueError:  # releases before 1.6; later ones return NaN
                areas.append(np.nan)
        return {
            "f1": float(np.mean(f1)),
            "auc": float(np.mean(areas)),
            "hamming": float(hamming_loss(truth, answered)),
        }


def _options_accuracy(rows: Sequence[tuple[Item, Item]]) -> float:
    right, options = 0, [""]
    for item, row in rows:
        prompt = row.get("prompt")
        prompt = prompt.get("prompt") if isinstance(prompt, Mapping) else prompt
        if isinstance(prompt, str):  # an answer without a prompt is held against the options of the one before
            options = [part.strip() for part in prompt.split("Options:")[-1].replace(_NO_REASON, "").split(",")]
        text = answer_of(row).lower()
        right += {option for option in options if option in text} == set(value_of(item))
    return right / len(rows)
