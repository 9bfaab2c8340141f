"""Fit the weights by which the reader tells ECGs in general from this one: python benchmarks/generality.py FILE.jsonl …

Files of labelled passages, as benchmarks/reading.py reads them, and of phrasings ("reading | text" a line, as those of
tests/reading), or of lines in which [[ ]] marks what is none of this ECG, as those of benchmarks/generality/. The
examples of the words themselves (`generality` in data/vocabulary.<language>.yaml) are phrasings too. `--leave-out`
prints, for each file, what the weights fitted to all other files do to it: claims lost, and general readings left as
claims. `--write PATH` writes the weights fitted to all files, data/generality.yaml by default: with passages of your
own among the files, the reader learns how their authors write. `--onto` keeps them near the weights in use, which have
learnt from other passages too.
The fit is a logistic regression with an L2 penalty and a fixed start; the same files give the same weights.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import reading
import yaml
from numpy.typing import NDArray
from scipy.optimize import minimize

from ecg_r1.reading.claims import generality
from ecg_r1.reading.diagnoses.statements import read_statements
from ecg_r1.reading.quantities.quotes import read_quotes
from ecg_r1.reading.quote import Quote
from ecg_r1.reading.text.characters import readable
from ecg_r1.reading.words.languages import sections
from ecg_r1.scoring.completion import Mention

Vector = NDArray[np.float64]
CLAIMS = ("value", "range", "bound")
PENALTY = 1.0  # of a squared weight
FEWEST = 4  # passages in which a sign must stand to have a weight
LEAST = 0.05  # a smaller weight is left out
OF_CLAIMS = 2.0  # how much a claim counts beside a general reading
OF_PHRASINGS = 0.05  # how much a phrasing counts beside a passage, at first
ROUNDS, MARGIN = 12, 0.1  # fits, and how far on the side of a claim a phrasing must lie
HEADER = """\
# How much each sign says that a reading is of ECGs in general, not of this one. The signs are named in
# ecg_r1/reading/claims/generality.py. Fitted by benchmarks/generality.py to labelled passages; where the sum is above
# MARGIN, a quantity is a reference, and a diagnosis is left open. Do not edit by hand: fit again, with your own
# passages among the files.
"""


class Reading(NamedTuple):
    """A claim that was read without weights. general: what its label says of it."""

    file: str
    passage: str
    kind: str
    signs: frozenset[str]
    general: bool
    phrasing: bool = False


def _quantities(record: reading.Label, text: str) -> list[tuple[frozenset[str], bool]]:
    found = tuple(read_quotes(text))
    label_of = {
        j: record["quantities"][i]
        for i, j in reading._pairs(found, record["quantities"], reading._fits_quantity).items()
    }
    rows = []
    for j, quote in enumerate(found):
        label = label_of.get(j)
        names = {want["name"] for want in reading._wants(label)} if label else {quote.name}
        ignored = quote.name in ("p_ms", "q_ms") if label is None else label["optional"]
        if quote.kind not in CLAIMS or ignored or quote.name not in names:
            continue
        general = label is None or all(want["kind"] == "reference" for want in reading._wants(label))
        rows.append((generality.signs(text, *quote.span, quote, generality.near(found, j)), general))
    return rows


def _diagnoses(record: reading.Label, text: str) -> list[tuple[frozenset[str], bool]]:
    labels = record["diagnoses"]
    found = tuple(Mention(name, sense, (a, b), "outside") for name, sense, a, b in read_statements(text))
    label_of = {j: labels[i] for i, j in reading._pairs(found, labels, reading._fits_diagnosis).items()}
    rows = []
    for j, mention in enumerate(found):
        label = label_of.get(j)
        around = [x for x in labels if min(mention.span[1], x["span"][1]) > max(mention.span[0], x["span"][0])]
        wants = reading._wants(label) if label else []
        if (
            mention.polarity != "asserted"
            or record.get("diagnoses_optional")
            or any(x["optional"] for x in around)
            or (label is None and any(reading._fits_diagnosis(mention, x) >= reading.RIGHT for x in around))
            or (wants and mention.name not in {want["name"] for want in wants})
            or any(want["polarity"] == "negated" for want in wants)
        ):
            continue
        general = not any(want["polarity"] == "asserted" for want in wants)
        rows.append((generality.signs(text, *mention.span), general))
    return rows


def _generally(expected: str, quote: Quote) -> bool:
    """Whether a phrasing's reading ("pr=160 pr~") has a quantity that is read as a claim as a reference only."""
    name = {"heart_rate_bpm": "rate", "atrial_rate_bpm": "atrial_rate"}.get(quote.name, quote.name.rsplit("_", 1)[0])
    own = {float(x) for x in (quote.value, quote.low, quote.high) if x is not None}
    said = [each for each in expected.split() if re.fullmatch(rf"{name}[=<>].*", each)]
    return f"{name}~" in expected.split() and not any(
        own == {float(x) for x in each[len(name) + 1 :].split("..")} for each in said
    )


def _examples() -> list[str]:
    """The examples of the words, as phrasings."""
    entries = [entry for meanings in sections("generality") for of in meanings.values() for entry in of]
    rows = [entry["example"].partition(" => ") for entry in entries]
    return [f"{re.sub(r'(?<![+?~-]) ', '_', reading)} | {text}" for text, _, reading in rows]


def _lines(name: str, lines: Sequence[str]) -> list[Reading]:
    """What is read as claims of phrasings ("reading | text"), or of texts in which [[ ]] marks what is none."""
    found = []
    for i, line in enumerate(lines):
        expected, bar, phrasing = line.partition("| ")
        first, *parts = (phrasing if bar else line).replace(r"\n", "\n").split("[[" if not bar else "\0")
        written, marks = first, []
        for part in parts:
            number, _, rest = part.partition("]]")
            marks.append((len(written), len(written) + len(number)))
            written += number + rest
        text = readable(written)[0]
        quotes, passage = read_quotes(text), f"{name} {i}"
        for k, quote in enumerate(quotes):
            at = max((place for place in range(*quote.span) if text[place].isdigit()), default=-1)
            general = _generally(expected, quote) if bar else any(start <= at < end for start, end in marks)
            if quote.kind in CLAIMS:
                signs = generality.signs(text, *quote.span, quote, generality.near(quotes, k))
                found.append(Reading(name, passage, "quantities", signs, general, bool(bar)))
        for mention, sense, start, end in read_statements(text) if bar else ():  # the marks are of numbers
            if sense == "asserted":
                general = f"{mention.replace(' ', '_')}?" in expected.split()
                signs = generality.signs(text, start, end)
                found.append(Reading(name, passage, "diagnoses", signs, general, bool(bar)))
    return found


def readings(files: list[Path]) -> list[Reading]:
    """What is read of the passages of some files as claims before it is weighed."""
    found = _lines("examples", _examples())
    for file in files:
        if file.suffix == ".txt":
            found += _lines(f"{file.parent.name}/{file.stem}", file.read_text(encoding="utf-8").splitlines())
            continue
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.strip():
                record = json.loads(line)
                text, places = readable(record["text"])
                at = {place: i for i, place in reversed([*enumerate(places)])}
                for label in (*record["quantities"], *record["diagnoses"]):
                    label["span"] = [at.get(place, len(text)) for place in label["span"]]
                for kind, rows in (("quantities", _quantities(record, text)), ("diagnoses", _diagnoses(record, text))):
                    found += [Reading(file.stem, f"{file.stem} {record['id']}", kind, *row) for row in rows]
    return found


def fit(rows: list[Reading], known: dict[str, float]) -> dict[str, float]:
    """The weight of each sign, and the bias, as near to the known weights as the rows allow.

    Phrasings that a fit loses count twice as much in the next.
    """
    passages = defaultdict(set)
    for row in rows:
        for sign in row.signs:
            passages[sign].add(row.passage)
    names = sorted({sign for sign, where in passages.items() if len(where) >= FEWEST} | known.keys() - {"bias"})
    before = np.array([*(known.get(name, 0.0) for name in names), known.get("bias", 0.0)])
    columns = {sign: i for i, sign in enumerate(names)}
    rows = [row for row in rows if row.signs]
    x = np.zeros((len(rows), len(names) + 1))
    x[:, -1] = 1.0
    for i, row in enumerate(rows):
        x[i, [columns[sign] for sign in row.signs if sign in columns]] = 1.0
    y = np.array([1.0 if row.general else -1.0 for row in rows])
    counts = np.array([OF_PHRASINGS if row.phrasing else 1.0 if row.general else OF_CLAIMS for row in rows])
    phrasing = np.array([row.phrasing for row in rows])

    def loss(w: Vector) -> tuple[float, Vector]:
        margin = y * (x @ w)
        penalised = np.append((w - before)[:-1], 0.0)
        slope = x.T @ (-counts * y / (1.0 + np.exp(margin))) + 2 * PENALTY * penalised
        return float((counts * np.logaddexp(0.0, -margin)).sum() + PENALTY * (penalised**2).sum()), slope

    found = before
    for _ in range(ROUNDS):
        found = minimize(loss, found, jac=True, method="L-BFGS-B", options={"maxiter": 1000}).x
        lost = phrasing & (y * (x @ found - np.where(y > 0, generality.MARGIN, 0.0)) < MARGIN)
        if not lost.any():
            break
        counts[lost] *= 2
    weights = {name: round(float(w), 2) for name, w in zip(names, found, strict=False) if abs(w) >= LEAST}
    return {"bias": round(float(found[-1]), 2), **weights}


def _general(row: Reading, weights: dict[str, float]) -> bool:
    return bool(row.signs) and weights["bias"] + sum(weights.get(sign, 0.0) for sign in row.signs) > generality.MARGIN


def main() -> None:
    """Fit, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--write", type=Path, nargs="?", const=Path("data/generality.yaml"))
    parser.add_argument("--onto", action="store_true", help="keep near the weights in use")
    parser.add_argument("--leave-out", action="store_true", help="judge each file by weights fitted to all others")
    options = parser.parse_args()
    known = generality.weights() if options.onto else {"quantities": {}, "diagnoses": {}}
    generality.weights = lambda: {kind: {"bias": -1.0} for kind in ("quantities", "diagnoses")}  # type: ignore[assignment]
    rows = readings(options.files)
    of_kind = {kind: [row for row in rows if row.kind == kind] for kind in ("quantities", "diagnoses")}
    for kind, of in of_kind.items():
        for file in sorted({row.file for row in of if not row.phrasing}) if options.leave_out else ():
            kept = fit([row for row in of if row.file != file], known[kind])
            held = [row for row in of if row.file == file]
            general = sum(row.general for row in held)
            lost = sum(_general(row, kept) and not row.general for row in held)
            left = sum(not _general(row, kept) and row.general for row in held)
            print(
                f"{kind} of {file}, left out: {len(held) - general} claims, {lost} lost; {general} general, {left} left"
            )
    if options.write:
        made = {kind: fit(of, known[kind]) for kind, of in of_kind.items()}
        options.write.write_text(HEADER + yaml.safe_dump(made, allow_unicode=True), encoding="utf-8")


if __name__ == "__main__":
    main()
