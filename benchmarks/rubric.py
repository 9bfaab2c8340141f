"""Texts for a reading by rubric: so many of built splits, drawn with a seed, each with what its reader needs.

    python benchmarks/rubric.py SPLIT [SPLIT ...] --out rubric.jsonl [--texts 30] [--seed 0]

A line is one text: the record, its label, the report that the archive has of it, its measurements, the findings that
are present and in which leads, the question, the text, and an empty `scores` with a key for each criterion.
The texts are drawn from all splits together, in equal parts from records with an abnormal diagnosis and without one, as
far as there are such.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from ecg_r1.corpus.store import RecordStore, split_facts
from ecg_r1.corpus.text.label import stated
from ecg_r1.ecg.definitions import definitions
from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.files import write_atomically

# After ECG-R1's grounded benchmark (arXiv 2602.04279): each from 0 to 2, in whole points.
RUBRIC = {
    "complete": "0: parts are missing; 1: a minor part is; 2: rate, rhythm, P, PR, QRS, ST, T and QT are there",
    "relevant": "0: most of it does not bear on the diagnoses; 1: some does not; 2: what is said bears on them",
    "lead_evidence_valid": "0: wrong leads or findings; 1: some cannot be seen; 2: each lead that is named shows it",
    "readable": "0: contradicts itself; 1: clumsy or repeats itself; 2: as a cardiologist dictates it",
}


def line(store: RecordStore, position: int, language: str) -> dict[str, Any]:
    """What a reader is given of one text."""
    example = store.examples[position]
    record, measured = example.records[0], store.case(example.id).measurements
    shown = {name: measured.findings.leads(name) for name, one in definitions().items() if one.per_lead}
    whole = [name for name, one in definitions().items() if not one.per_lead]
    return {
        "record": record,
        "language": language,
        "label": list(store.diagnoses(record)),
        "archive_report": store.row(record)["report"],
        "measurements": {name: QUANTITIES[name].written(value) for name in QUANTITIES
                         if (value := measured.value(name)) is not None},
        "findings_in_leads": {name: list(leads) for name, leads in shown.items() if leads},
        "findings": [name for name in whole if measured.findings[name, None].state == "present"],
        "question": example.question,
        "text": example.response,
        "scores": dict.fromkeys(RUBRIC),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("splits", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    stores = [(RecordStore(split), split_facts(split)["reports"]["language"]) for split in options.splits]
    kinds: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    for place, (store, _) in enumerate(stores):
        for position, example in enumerate(store.examples):
            if len(example.records) == 1 and not example.extra and example.response:
                abnormal = any(one.abnormal for one in stated(store.diagnoses(example.records[0])))
                kinds[abnormal].append((place, position))
    draw = np.random.default_rng(options.seed)
    abnormal, sound = ([places[i] for i in draw.permutation(len(places))] for places in (kinds[True], kinds[False]))
    half = max(options.texts // 2, options.texts - len(sound))
    drawn = [*abnormal[:half], *sound][: options.texts]
    lines = [line(stores[place][0], position, stores[place][1]) for place, position in drawn]
    write_atomically(options.out, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines))
    for name, meaning in RUBRIC.items():
        print(f"{name}: {meaning}")
    print(f"{len(lines)} texts in {options.out}")


if __name__ == "__main__":
    main()
