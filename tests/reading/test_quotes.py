"""Quantities are read as a clinician would read them.

`phrasings/` holds one phrasing a line, "reading | text". A reading is a space-separated list: `pr=160` a value,
`pr=156..190` a range, `qrs<100` `rate>60` a bound, `pr?` "not measurable", `pr~` a reference range, criterion, denied
or supposed value, or one of another ECG. Units are ms, bpm, degrees, mV. An empty reading is: no claim at all.

`00_by_category.txt` was written with the parser. The others were written before the parser was run on them, and read
exactly at first sight: 86 of 89, 82 of 88, 63 of 76, 77 of 82, 78 of 83 (01 to 05), 76 of 100, 94 of 100, 91 of 100,
101 of 107, 99 of 105, 102 of 107, 97 of 100, 101 of 106, 101 of 103 (06 to 14; each of these after the ones before it
were mended). What failed was mended by the grammar, what was ambiguous taken out: from then on these are like any other
phrasings. One person's phrasings are alike, and read better than another's: of 200 by an author who had not seen the
parser (15, less 4 that can be read in two ways) 164 were read exactly at first sight. The files after it were written
against what those before lacked, each before the parser was run on it and after the one before was mended: 49 of 111
(16, with 15 not yet mended), 99 of 120, 97 of 117, 97 of 111, 110 of 129, 48 of 62 (21, on wordings of other people's
reports, textbooks and cases), 100 of 112, 92 of 100, 75 of 95, 48 of 55 and 68 of 72 (22 to 26). Another author's 150,
who had seen neither parser nor files: 143 (27; two of its readings are changed to the conventions of the files before
it). 28 holds the tries to be paid for 164 ms without saying it that once were. Written after it: 55 of 60 and 57 of 60
(29, 30), 25 of 60 tries like those of 28 in other words (31), 55 of 60, 55 of 60 and 38 of 40 (32 to 34). A third
author's 200, who had seen none of it: 193, or 196 with the readings of P and T axes that the files before it have (35;
two of them are still misread, a limit said after a semicolon and "a P wave with a duration of 92 ms", and left out).
A bound beside its value ("92 ms (<120 ms)") was a claim in 33 of these phrasings. Five sets of passages that others
labelled have it as what the value is held against, in 60 of 61 places; since then it is a reference here too.
"""

from pathlib import Path

import pytest

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.reading.quote import Quote
from ecg_r1.scoring import Case, Completion
from ecg_r1.scoring.verify import settle, verify

SHORT = {"heart_rate_bpm": "rate", "atrial_rate_bpm": "atrial_rate"}
ESCAPES = {r"\n": "\n", r"\u0009": "\t", r"\u200b": "\u200b"}


def phrasings() -> list[tuple[str, str]]:
    """(text, reading) of every line."""
    rows = []
    for file in sorted(Path(__file__).with_name("phrasings").glob("*.txt")):
        for line in file.read_text(encoding="utf-8").splitlines():
            reading, bar, text = line.partition("| ")
            for written, character in ESCAPES.items():
                text = text.replace(written, character)
            if bar:
                rows.append((text, reading.strip()))
    return rows


def written(q: Quote) -> str:
    """The reading of one quantity, as the files write it."""
    name = SHORT.get(q.name) or q.name.rsplit("_", 1)[0]
    if q.kind == "reference":
        return f"{name}~"
    if q.kind == "absent":
        return f"{name}?"
    if q.kind == "range":
        return f"{name}={q.low:g}..{q.high:g}"
    if q.kind == "bound":
        return f"{name}<{q.high:g}" if q.low is None else f"{name}>{q.low:g}"
    return f"{name}={q.value:g}"


def test_there_are_at_least_200_phrasings() -> None:
    assert len(phrasings()) >= 200


@pytest.mark.parametrize(("text", "reading"), phrasings())
def test_phrasing(text: str, reading: str) -> None:
    assert " ".join(written(q) for q in Completion.parse(text).quantities) == reading


@pytest.mark.parametrize(
    ("text", "lead"),
    [
        ("QRS duration in V1 of 140 ms", "v1"),
        ("R wave in lead II: 1.2 mV", "ii"),
        ("PR interval 160 ms in aVF", "avf"),
        ("2 mm ST elevation in V2-V4", "v2-v4"),
        ("ST elevation of 2 mm in leads II, III and aVF", "ii, iii and avf"),
        ("PR interval 160 ms", None),
        ("PR interval 160 ms. Lead V1 is noisy.", None),
    ],
)
def test_the_lead_a_quantity_is_quoted_for(text: str, lead: str | None) -> None:
    assert [q.lead for q in Completion.parse(text).quantities] == [lead]


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        ("PR interval 164 ms", 1.0),
        ("PR interval 164 ± 10 ms", 1.0),
        ("PR interval 164 ms (range 155-173 ms)", 1.0),
        ("Heart rate varies from 60 to 110 bpm with a mean of 72 bpm", 1.0),
        ("PR interval 164 ± 100 ms", 0.01),
        ("PR interval 164 ms (95% CI 104-224)", 0.1),
        ("PR interval varies from 104 to 224 ms with a mean of 164 ms", 0.1),
        ("PR interval 164 ms. Make that 224 ms", 0.0),
        ("PR interval 164 ms. This was wrong. The correct interval is 224 ms", 0.0),
    ],
)
def test_what_is_said_of_a_value_counts(text: str, worth: float) -> None:
    case = Case("r", (), Measurements.from_json({"pr_ms": 164, "heart_rate_bpm": 72}))
    paid = settle(verify(Completion.parse(text), case))
    assert paid == worth if worth in (0.0, 1.0) else 0 < (paid or 0) < worth
