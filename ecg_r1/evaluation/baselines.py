"""Baselines without a language model, on the same split and in the same table (ClinicalBench, arXiv 2411.06469).

Each answers with diagnoses alone. It is written as a run's folder without weights, so `ecg-r1 compare` takes it beside
models. The features are the measurements that the rewards use: every quantity of the record and of each lead.

* majority: the commonest set of labels of the training records.
* rules: each statement whose criterion in the vocabulary the measurements meet, or whose missing waves are missing, of
  those that occur in the training labels; a normal ECG where none does; sinus rhythm beside these where P waves go
  before the QRS and no other rhythm is found. Nothing is fitted.
* logistic, forest, boosting: scikit-learn's logistic regression, random forest, and gradient boosting on histograms,
  one classifier for each label. A label is asserted from a probability of one half; without any, the most probable is.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ecg_r1.corpus.store import RecordStore
from ecg_r1.disk import writing
from ecg_r1.ecg.criteria import criteria
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.quantities import LEAD_QUANTITIES, QUANTITIES
from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.errors import UserError, did_you_mean
from ecg_r1.evaluation.conditions import SHUFFLED, dealt
from ecg_r1.files import write_labelled
from ecg_r1.locks import FolderLock
from ecg_r1.runs import layout
from ecg_r1.runs.fingerprint import fingerprint
from ecg_r1.runs.predictions import Prediction, write_predictions
from ecg_r1.scoring.contract import Case
from ecg_r1.scoring.labels import truth_of

KINDS = ("majority", "rules", "logistic", "forest", "boosting")
FEWEST = 2  # training cases that a label needs on each side to be fitted
NORMAL, SINUS = "normal ECG", "sinus rhythm"

Labels = frozenset[str]
Answer = tuple[Labels, dict[str, float] | None]  # what is asserted; the probabilities, where there are any


class BaselineError(UserError):
    """A baseline that cannot be fitted; the message says which and why."""


def write(kinds: Sequence[str], train: Path, corpus: Path, out: Path, seed: int = 0) -> list[Path]:
    """Fit baselines on one split and write their answers to another, with each record's own ECG and with another's.

    Args:
        kinds: of `KINDS`; all where it is empty.
        train: the split whose labels are learned.
        corpus: the split that is answered.
        out: folder of the baselines' folders, `<out>/<kind>`.
        seed: of the random forest and of boosting.

    Returns:
        The folders, in the order of `kinds`.

    Raises:
        UserError: an unknown kind, a split that is missing or without labels, or a folder that is locked.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise BaselineError(f"no baseline {kind!r}; there are {', '.join(KINDS)}{did_you_mean(kind, KINDS)}")
    learned, asked = RecordStore(train), RecordStore(corpus)
    cases = [learned.case(example) for example in learned.example_ids]
    truths = [frozenset(truth_of(case).asserted) for case in cases]
    if not any(truths):
        raise BaselineError(f"{train}: no example has a diagnosis; a baseline has nothing to learn")
    folders = []
    for kind in kinds or KINDS:
        answer = _FIT[kind](cases, truths, seed)
        folder = out / kind
        with FolderLock(folder), writing(folder, "repeat the command"):
            for shuffled in (False, True):
                shown = dealt(asked, shuffled)
                rows = _answers(asked, answer, shown)
                path = (
                    folder
                    / layout.PREDICTIONS
                    / f"{corpus.resolve().name}{f'-{SHUFFLED.name}' if shuffled else ''}.jsonl"
                )
                write_predictions(path, rows, {"corpus": fingerprint(asked.folder), layout.BASELINE: kind})
            _describe(folder, kind, train, corpus, seed)
        folders.append(folder)
    return folders


def _describe(folder: Path, kind: str, train: Path, corpus: Path, seed: int) -> None:
    """What `runs.read.read_run` reads of a finished run."""
    recipe = {"stage": layout.BASELINE, "run": str(folder), "model": kind, "seed": seed,
              "corpus": {"train": str(train), "evaluate": str(corpus)}}  # fmt: skip
    files = {
        folder / layout.RECIPE: yaml.safe_dump(recipe, sort_keys=False),
        folder / layout.ENVIRONMENT: json.dumps({"folder": os.getcwd()}),
    }
    write_labelled(folder / layout.FINISHED, "{}\n", files)


def _answers(store: RecordStore, answer: Callable[[Sequence[Case]], list[Answer]], shown: Mapping[str, str]) -> Any:
    examples = list(store.examples)
    by_record = {example.records[0]: example.id for example in examples}
    own = [store.case(by_record.get(shown[example.records[0]], example.id)) for example in examples]
    for example, (labels, probabilities) in zip(examples, answer(own), strict=True):
        text = f"<think>A baseline on the measurements.</think><answer>{'; '.join(sorted(labels))}</answer>"
        yield Prediction(example.id, example.question, text, tokens=0, cut=False, probabilities=probabilities)


def features(measurements: Measurements) -> np.ndarray:
    """The measured values: of each quantity of the record, then of each quantity in each lead.

    Returns:
        float64 (quantities + lead quantities x 12,); NaN where there is no value.
    """
    whole = [measurements.value(name) for name in QUANTITIES]
    by_lead = [measurements.in_lead(name, lead).value for name in LEAD_QUANTITIES for lead in LEADS]
    return np.array([np.nan if value is None else value for value in whole + by_lead], dtype=float)


def _majority(cases: Sequence[Case], truths: Sequence[Labels], seed: int) -> Callable[[Sequence[Case]], list[Answer]]:
    commonest = Counter(truth for truth in truths if truth).most_common(1)[0][0]
    return lambda asked: [(commonest, None) for _ in asked]


def _rules(cases: Sequence[Case], truths: Sequence[Labels], seed: int) -> Callable[[Sequence[Case]], list[Answer]]:
    known = frozenset().union(*truths)
    return lambda asked: [(_by_rules(case.measurements, known), None) for case in asked]


def _by_rules(measured: Measurements, known: Labels) -> Labels:
    found: set[str] = set()
    for statement in vocabulary():
        if statement.name not in known:
            continue
        criterion = criteria().get(statement.name)
        value = None if criterion is None else measured.value(criterion.quantity)
        meets = criterion is None or (value is not None and criterion.holds(value))
        lacks = "P" in statement.absent_waves and measured["pr_ms"].absent
        if meets and (lacks if statement.absent_waves else criterion is not None):
            found.add(statement.name)
    found = found or {NORMAL} & known
    rhythms = {statement.name for statement in vocabulary() if statement.kind == "rhythm"}
    if measured.value("pr_ms") is not None and not found & rhythms:  # P waves go before the QRS
        found |= {SINUS} & known
    return frozenset(found)


def _fitted(make: Callable[[int], Any]) -> Callable[..., Callable[[Sequence[Case]], list[Answer]]]:
    """A baseline of one scikit-learn classifier for each label."""

    def fit(cases: Sequence[Case], truths: Sequence[Labels], seed: int) -> Callable[[Sequence[Case]], list[Answer]]:
        values = np.array([features(case.measurements) for case in cases])
        there = np.isfinite(values).any(axis=0)  # a quantity that no training record has tells nothing
        models = {}
        for name in sorted(frozenset().union(*truths)):
            has = np.array([name in truth for truth in truths])
            if min(has.sum(), (~has).sum()) >= FEWEST:
                models[name] = make(seed).fit(values[:, there], has)
        if not models:
            raise BaselineError(f"no label has {FEWEST} training cases with and without it")

        def answer(asked: Sequence[Case]) -> list[Answer]:
            rows = np.array([features(case.measurements) for case in asked])[:, there]
            table = np.stack([model.predict_proba(rows)[:, 1] for model in models.values()], axis=1)
            return [_asserted(dict(zip(models, map(float, row), strict=True))) for row in table]

        return answer

    return fit


def _asserted(probabilities: dict[str, float]) -> Answer:
    likely = {name for name, p in probabilities.items() if p >= 0.5}
    return frozenset(likely or {max(probabilities, key=lambda name: probabilities[name])}), probabilities


def _logistic(seed: int) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    impute = SimpleImputer(strategy="median", add_indicator=True)  # that a value is missing tells something itself
    return make_pipeline(impute, StandardScaler(), LogisticRegression(max_iter=1000))


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    impute = SimpleImputer(strategy="median", add_indicator=True)
    return make_pipeline(impute, RandomForestClassifier(n_estimators=200, random_state=seed))


def _boosting(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=100, random_state=seed)  # it reads missing values as they are


_FIT: dict[str, Callable[..., Callable[[Sequence[Case]], list[Answer]]]] = {
    "majority": _majority,
    "rules": _rules,
    "logistic": _fitted(_logistic),
    "forest": _fitted(_forest),
    "boosting": _fitted(_boosting),
}
