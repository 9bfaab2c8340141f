"""Grounded texts of built splits, each held against its own record: can a model trust what it learns from?

    ecg-r1 corpus RECIPE && python benchmarks/text.py SPLIT [SPLIT ...] [--texts 1000] [--show 3]

Prints, of the splits' own responses:

- numbers that the record's measurement does not support, and findings that it contradicts, each with its text;
- diagnoses of the label that the answer lacks, and those that text or answer add (read by the reader of the rewards);
- of the records with an abnormal diagnosis, those whose text states something measured of one of them, and of each;
- the commonest sentence, as written and with its numbers left out;
- disagreements of label and signal by kind; milliseconds that writing takes.

The last line is the same as JSON.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ecg_r1.corpus.store import RecordStore, split_facts
from ecg_r1.corpus.text.check import check, sentences
from ecg_r1.corpus.text.conflicts import conflicts
from ecg_r1.corpus.text.report import write_report
from ecg_r1.corpus.text.subject import Subject
from ecg_r1.recipe import Corruption, Reports

_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?")


def texts(split: Path) -> Iterator[tuple[str, Subject, str, Reports]]:
    """(record, what the text may know, the text, how it was written) of each report of a split."""
    store, reports = RecordStore(split), Reports(**split_facts(split)["reports"])
    for row in store.examples:
        if row.response is None or len(row.records) != 1 or row.extra:
            continue
        record, case = row.records[0], store.case(row.id)
        subject = Subject(case.measurements, case.diagnoses, {}, tuple(store.row(record)["quality"]), case.leads)
        yield record, subject, row.response, reports


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("splits", nargs="+", type=Path)
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--show", type=int, default=3, help="texts to print")
    options = parser.parse_args()
    console = Console(width=120, highlight=False, markup=False)
    found = islice((one for split in options.splits for one in texts(split)), options.texts)
    result = measured(found, console, options.show)
    for name, value in result.items():
        console.print(f"{name.replace('_', ' '):>40}  {value}")
    print(json.dumps(result, ensure_ascii=False))


def measured(found: Iterator[tuple[str, Subject, str, Reports]], console: Console, show: int) -> dict[str, Any]:
    """The figures; faults are printed as they are met."""
    count, said, masked, kinds = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    seconds = 0.0
    for record, subject, text, reports in found:
        held = check(text, subject, reports.language)
        count["texts"] += 1
        count["numbers"] += held.numbers
        count["findings"] += held.claims
        count["unsupported numbers"] += len(held.wrong_numbers)
        count["contradicted findings"] += len(held.wrong_claims)
        count["label read back"] += not held.missing and not held.added
        if held.evidence:
            count["abnormal"] += 1
            count["evidence of one"] += any(held.evidence.values())
            count["diagnoses"] += len(held.evidence)
            count["evidence"] += sum(held.evidence.values())
        for fault in held.faults:
            console.print(f"{record}: {fault}")
        if count["texts"] <= show:
            console.print(f"{record}\n{text}\n")
        said.update(set(sentences(text)))
        masked.update({_NUMBER.sub("#", sentence) for sentence in sentences(text)})
        kinds.update(one.kind for one in conflicts(subject))
        began = time.perf_counter()
        write_report(subject, reports, Corruption(), np.random.default_rng(0))
        seconds += time.perf_counter() - began
    total = count["texts"]
    (most, times), (most_masked, times_masked) = said.most_common(1)[0], masked.most_common(1)[0]
    return {
        "texts": total,
        "numbers": count["numbers"],
        "unsupported_numbers": count["unsupported numbers"],
        "findings": count["findings"],
        "contradicted_findings": count["contradicted findings"],
        "label_read_back_%": round(100 * count["label read back"] / total, 2),
        "records_with_an_abnormal_diagnosis": count["abnormal"],
        "evidence_of_one_of_them_%": round(100 * count["evidence of one"] / max(1, count["abnormal"]), 1),
        "evidence_of_each_diagnosis_%": round(100 * count["evidence"] / max(1, count["diagnoses"]), 1),
        "commonest_sentence_%": [round(100 * times / total, 1), most],
        "commonest_without_numbers_%": [round(100 * times_masked / total, 1), most_masked],
        "disagreements": dict(kinds.most_common()),
        "ms_a_text": round(1000 * seconds / total, 1),
    }


if __name__ == "__main__":
    main()
