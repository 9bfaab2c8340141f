"""Baselines fitted on one split and answering another, each as a run's folder without weights.

Each answers with diagnoses alone; `ecg-r1 compare` takes it beside models.

* majority: the commonest set of labels of the training records.
* rules: the statements whose criterion the measurements meet and whose strongest finding they show; nothing is fitted.
* logistic, forest, xgboost: one classifier for each label on the measurements that the rewards use, every quantity of
  the record and of each lead.
* cnn: a small 1-D CNN on the signal.
* random-tower: logistic regression on what an ECG tower with random weights makes of the signal.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import yaml

from ecg_r1.corpus.store import RecordStore
from ecg_r1.disk import writing
from ecg_r1.errors import did_you_mean
from ecg_r1.evaluation.baselines.classifiers import forest, logistic, measured_values, one_for_each_label, xgboost
from ecg_r1.evaluation.baselines.contract import ECG, Answers, BaselineError, Fit, Labels
from ecg_r1.evaluation.baselines.unfitted import majority, rules
from ecg_r1.evaluation.conditions import SHUFFLED, dealt
from ecg_r1.files import write_labelled
from ecg_r1.locks import FolderLock
from ecg_r1.runs import layout
from ecg_r1.runs.fingerprint import fingerprint
from ecg_r1.runs.predictions import Prediction, write_predictions
from ecg_r1.scoring.labels import truth_of

TABLE: dict[str, Fit] = {
    "majority": majority,
    "rules": rules,
    "logistic": one_for_each_label(logistic, measured_values),
    "forest": one_for_each_label(forest, measured_values),
    "xgboost": one_for_each_label(xgboost, measured_values),
}
SIGNALS = ("cnn", "random-tower")  # they need torch
KINDS = (*TABLE, *SIGNALS)


def write(kinds: Sequence[str], train: Path, corpus: Path, out: Path, seed: int = 0) -> list[Path]:
    """Fit baselines on one split and write their answers to another, with each record's own ECG and with another's.

    Args:
        kinds: of `KINDS`; all where it is empty.
        train: the split whose labels are learned.
        corpus: the split that is answered.
        out: folder of the baselines' folders, `<out>/<kind>`.
        seed: of the random forest, of XGBoost, of the CNN's weights and batches, and of the random tower.

    Returns:
        The folders, in the order of `kinds`.

    Raises:
        UserError: an unknown kind, a package that is not installed, a split that is missing or without labels, or a
            folder that is locked.
    """
    fits = {kind: _fit_of(kind) for kind in kinds or KINDS}
    learned, asked = RecordStore(train), RecordStore(corpus)
    cases = [learned.case(example) for example in learned.example_ids]
    truths: list[Labels] = [frozenset(truth_of(case).asserted) for case in cases]
    if not any(truths):
        raise BaselineError(f"{train}: no example has a diagnosis; a baseline has nothing to learn")
    ecgs = [ECG(learned, case.record_id, case.measurements) for case in cases]
    folders = []
    for kind, fit in fits.items():
        answers = fit(ecgs, truths, seed)
        folder = out / kind
        with FolderLock(folder), writing(folder, "repeat the command"):
            for shuffled in (False, True):
                name = f"{corpus.resolve().name}{f'-{SHUFFLED.name}' if shuffled else ''}.jsonl"
                rows = _answered(asked, answers, dealt(asked, shuffled))
                label = {"corpus": fingerprint(asked.folder), layout.BASELINE: kind}
                write_predictions(folder / layout.PREDICTIONS / name, rows, label)
            _describe(folder, kind, train, corpus, seed)
        folders.append(folder)
    return folders


def _fit_of(kind: str) -> Fit:
    """
    Raises:
        BaselineError: there is no such baseline, or torch is missing for it.
    """
    if kind not in KINDS:
        raise BaselineError(f"no baseline {kind!r}; there are {', '.join(KINDS)}{did_you_mean(kind, KINDS)}")
    if kind in TABLE:
        return TABLE[kind]
    if find_spec("torch") is None:
        raise BaselineError(
            f"the baseline {kind} needs torch: pip install 'ecg-r1-gem[train]', or name the others with --kind"
        )
    from ecg_r1.evaluation.baselines import signals

    return {"cnn": signals.cnn, "random-tower": signals.random_tower}[kind]


def _describe(folder: Path, kind: str, train: Path, corpus: Path, seed: int) -> None:
    """What `runs.read.read_run` reads of a finished run."""
    recipe = {"stage": layout.BASELINE, "run": str(folder), "model": kind, "seed": seed,
              "corpus": {"train": str(train), "evaluate": str(corpus)}}  # fmt: skip
    files = {
        folder / layout.RECIPE: yaml.safe_dump(recipe, sort_keys=False),
        folder / layout.ENVIRONMENT: json.dumps({"folder": os.getcwd()}),
    }
    write_labelled(folder / layout.FINISHED, "{}\n", files)


def _answered(store: RecordStore, answers: Answers, shown: Mapping[str, str]) -> Iterator[Prediction]:
    """The answers to all examples, where for each record that of `shown` is seen."""
    seen = []
    for example in store.examples:
        record = shown[example.records[0]]
        seen.append(ECG(store, record, store.measurements(record)))
    for example, said in zip(store.examples, answers(seen), strict=True):
        text = f"<think>A baseline.</think><answer>{'; '.join(sorted(said.labels))}</answer>"
        yield Prediction(example.id, example.question, text, tokens=0, cut=False, probabilities=said.probabilities)
