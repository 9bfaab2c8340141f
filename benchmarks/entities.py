"""Statements read from PTB-XL's reports, against PTB-XL's own codes: F1 of each statement, and their mean.

    python benchmarks/entities.py PTBXL_DATABASE.csv [MORE.csv ...] [--half open|sealed] [--least 5]

The conventions in data/conventions.yaml were written from the patients of the open half; the other half is for judging.
The half of a patient is drawn from a hash. A statement that the report asserts or doubts counts as given, and a code of
any likelihood as true; statements with fewer than `--least` records that have the code are left out of the mean.
PTB-XL's codes are also of the second reader, who saw the ECG: `where_worded` is the mean without the codes of which the
report has no words, which no reader of reports can find.

Prints a table and, as its last line, JSON.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
from collections import Counter
from pathlib import Path

from labels import has_words_of
from rich.console import Console
from rich.table import Table

from ecg_r1.datasets.card import find_card
from ecg_r1.datasets.entry import Entry
from ecg_r1.datasets.folder import entry_of
from ecg_r1.scoring.entities import entities

HALVES = ("open", "sealed")


def half(patient: str | None) -> str:
    """The half of a patient's records."""
    return HALVES[int(hashlib.sha256(str(patient).encode()).hexdigest(), 16) % 2]


def read_tables(tables: list[Path]) -> list[Entry]:
    """The records of the tables that have a report, each once."""
    found: dict[str, Entry] = {}
    for table in tables:
        with table.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                entry = entry_of(find_card("ptb-xl"), Path(row["ecg_id"]), row["ecg_id"], row, table)
                if entry.report and not entry.fault:
                    found.setdefault(entry.key, entry)
    return list(found.values())


def scores(
    records: list[Entry], archive: str | None, least: int, *, worded: bool = False
) -> dict[str, dict[str, float]]:
    """F1, hits, false and missed records of each statement that has `least` records.

    Args:
        worded: leave out the codes of which the report has no words.
    """
    hits, false, missed = Counter[str](), Counter[str](), Counter[str]()
    for entry in records:
        given = {said.name for said in entities(entry.report or "", archive) if said.certainty != "negated"}
        codes = set(entry.diagnoses or ())
        truth = {name for name in codes if not worded or name in given or has_words_of(name, entry.report or "")}
        hits.update(truth & given)
        false.update(given - truth)
        missed.update(truth - given)
    return {
        name: {
            "f1": 2 * hits[name] / (2 * hits[name] + false[name] + missed[name]),
            "hits": hits[name],
            "false": false[name],
            "missed": missed[name],
        }
        for name in sorted({*hits, *missed})
        if hits[name] + missed[name] >= least
    }


def main() -> None:
    """Score the reports of one half, without and with PTB-XL's conventions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", type=Path)
    parser.add_argument("--half", choices=HALVES, default="open")
    parser.add_argument("--least", type=int, default=5)
    options = parser.parse_args()
    records = [entry for entry in read_tables(options.tables) if half(entry.patient) == options.half]
    stated = scores(records, "ptb-xl", options.least, worded=True)
    plain, followed = (scores(records, archive, options.least) for archive in (None, "ptb-xl"))
    table = Table(title=f"{len(records)} reports of the {options.half} half")
    for column in ("statement", "F1 as worded", "F1 by convention", "hits", "false", "missed"):
        table.add_column(column)
    for name, row in sorted(followed.items(), key=lambda item: item[1]["f1"]):
        counts = (str(row[count]) for count in ("hits", "false", "missed"))
        table.add_row(name, f"{plain[name]['f1']:.3f}", f"{row['f1']:.3f}", *counts)
    Console(width=140).print(table)
    mean = {
        name: sum(row["f1"] for row in found.values()) / len(found)
        for name, found in (("as_worded", plain), ("by_convention", followed), ("where_worded", stated))
    }
    print(
        json.dumps(
            {"half": options.half, "reports": len(records), "statements": len(followed), "of_them_worded": len(stated)}
            | mean
        )
    )


if __name__ == "__main__":
    main()
