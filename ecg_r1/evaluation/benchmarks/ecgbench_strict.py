"""ECGBench scored strictly: the answer is read as the rewards read it, and what cannot be read is wrong.

A label counts where the answer asserts it: as a word by itself, or as a diagnosis of the vocabulary that it stands for.
What is denied, or only spoken of in the reasoning, does not count. No letter is drawn. `invalid` is the share of
answers of which nothing can be read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.evaluation.benchmarks.ecgbench_compat import CHOICES, ORDER, SPACES, Subset
from ecg_r1.evaluation.benchmarks.items import BenchmarkError, Item, answer_of, paired, value_of
from ecg_r1.evaluation.bootstrap import macro_f1
from ecg_r1.rewards.choice import choice
from ecg_r1.scoring import Case, Completion
from ecg_r1.scoring.answers import read_answer

# What a label stands for, where that is not the vocabulary's own reading of it; superclasses stand for their members.
_STANDS_FOR = {"1dAVb": "first-degree AV block", "ST": "sinus tachycardia", "SB": "sinus bradycardia"}
_ALSO = {"code15-test": ("NORM", "ABNORMAL")}
_SUPERCLASSES = SPACES["ptb-test"]
_DENIED = re.compile(r"(?i)\b(?:no|not|without|absence of|exclud\w+|rul\w+ out)\b[^.;\n]*")
_LETTER = re.compile(r"[A-H]")


def score(subsets: Mapping[str, Subset]) -> dict[str, dict[str, Any]]:
    """The figures of each subset that is given.

    Args:
        subsets: as for `ecgbench_compat.score`.

    Returns:
        By subset: `answers`, `invalid`, and `accuracy`; of labels also `f1`, `auc` (the mean of sensitivity and
        specificity) and `hamming`, over the classes that the right answers hold.

    Raises:
        BenchmarkError: items and answers do not fit to each other, or an item's right answer cannot be read.
    """
    return {name: _score(name, *subsets[name]) for name in ORDER if name in subsets}


def _score(name: str, items: Sequence[Item], answers: Sequence[Item]) -> dict[str, Any]:
    rows = paired(items, answers, "No" if name == "mmmu-ecg" else "id")
    texts = [answer_of(row) for _, row in rows]
    if name in CHOICES:
        said = [letter(text, CHOICES[name]) for text in texts]
        gold = [_gold_letter(item) for item, _ in rows]
        right = sum(one is not None and one == other for one, other in zip(said, gold, strict=True))
        return {"answers": len(rows), "accuracy": right / len(rows), "invalid": said.count(None) / len(rows)}
    if name == "ecgqa-test":
        from ecg_r1.evaluation.benchmarks.ecgqa import figures

        gold_sets = [value_of(item) for item, _ in rows]
        return figures([[one] if isinstance(one, str) else list(one) for one in gold_sets], texts)
    space = (*_ALSO.get(name, ()), *SPACES[name])
    truth = [labels(value_of(item), space, gold=True) for item, _ in rows]
    return label_figures(truth, [labels(text, space) for text in texts])


def letter(text: str, letters: str) -> str | None:
    """The one letter that an answer chooses; None where it chooses none, or several."""
    for one in letters:
        found = choice(Completion.parse(text), Case("", (), Measurements.from_json({}), extra={"answer": one}))
        if found is not None and (found.value or 0) > 0:
            return one
    return None


def _gold_letter(item: Item) -> str:
    found = _LETTER.match(str(value_of(item)).strip())
    if found is None:
        raise BenchmarkError(f"item {item.get('id', item.get('No'))!r}: its right answer begins with no letter A to H")
    return found.group()


@cache
def _members(label: str) -> frozenset[str]:
    """The diagnoses of the vocabulary that a label stands for."""
    if label in _SUPERCLASSES:
        return frozenset(s.name for s in vocabulary() if s.superclass == label)
    statement = vocabulary().find(_STANDS_FOR.get(label, label))
    return frozenset({statement.name} if statement else ())


def labels(text: str, space: Sequence[str], *, gold: bool = False) -> frozenset[str]:
    """The labels of a space that an answer asserts.

    Args:
        text: the answer, or a right answer as the benchmark has it.
        space: the labels.
        gold: the text is a right answer, all of it.
    """
    completion = Completion(text, all_answer=True) if gold else Completion.parse(text)
    answer = completion.answer if completion.answer is not None else text
    plain = _DENIED.sub(" ", answer)
    asserted = set(read_answer(completion).asserted)
    return frozenset(
        label
        for label in space
        if re.search(rf"(?<![\w-]){re.escape(label)}(?![\w-])", plain) or asserted & _members(label)
    )


def label_figures(truth: Sequence[frozenset[str]], said: Sequence[frozenset[str]]) -> dict[str, Any]:
    """The figures of answers that are sets of labels."""
    names = sorted(frozenset().union(*truth))
    if not names:
        raise BenchmarkError("no right answer holds a label of the benchmark; are these the items of this subset?")
    gold, answered = (np.array([[name in row for name in names] for row in rows], bool) for rows in (truth, said))
    counts = [gold & answered, ~gold & answered, gold & ~answered]
    hits, alarms, misses = (count.sum(0) for count in counts)
    rest = len(gold) - hits - alarms - misses
    with np.errstate(invalid="ignore"):
        areas = (hits / (hits + misses) + rest / (rest + alarms)) / 2
    return {
        "answers": len(gold),
        "accuracy": sum(a == b for a, b in zip(truth, said, strict=True)) / len(gold),
        "f1": float(macro_f1(np.concatenate([hits, alarms, misses]).astype(float))),
        "auc": float(np.nanmean(areas)) if np.isfinite(areas).any() else None,
        "hamming": float((gold != answered).mean()),
        "invalid": sum(not row for row in said) / len(gold),
    }
