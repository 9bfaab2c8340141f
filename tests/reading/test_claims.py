"""One answer to "is this claimed of this ECG?", for quantities, diagnoses and phrases."""

import re

import pytest
from test_quotes import written

from ecg_r1.reading.claims.stances import claimed_text, stance
from ecg_r1.reading.leads.quoted_leads import leads_named
from ecg_r1.reading.words.languages import languages, sections
from ecg_r1.scoring import Completion

SIGNS = {"asserted": "+", "negated": "-", "uncertain": "?"}


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("LBBB is present.", "LBBB", "claimed"),
        ("There is no LBBB.", "LBBB", "denied"),
        ("LBBB cannot be excluded.", "LBBB", "doubted"),
        ("Her mother has atrial fibrillation with a rate of 130 bpm.", "atrial fibrillation", "of another person"),
        ("Her mother has atrial fibrillation with a rate of 130 bpm.", "130 bpm", "of another person"),
        ("In 2019 the QRS was 150 ms with LBBB.", "150 ms", "of another ECG"),
        ("In 2019 the QRS was 150 ms with LBBB.", "LBBB", "of another ECG"),
        ("Formerly LBBB with QRS 150 ms.", "150 ms", "of another ECG"),
        ("The outside ECG showed LBBB.", "LBBB", "of another ECG"),
        ("~~LBBB~~ RBBB", "LBBB", "struck out"),
        ("The computer reads LBBB, QRS 150 ms, but this is wrong.", "LBBB", "turned back later"),
        ("The computer reads LBBB, QRS 150 ms, but this is wrong.", "150 ms", "turned back later"),
        ("If LBBB is present, stop.", "LBBB", "supposed"),
        ("LBBB is defined by a QRS over 120 ms.", "120 ms", "general"),
        ("First-degree AV block does not cause symptoms.", "First-degree AV block", "general"),
        ("**Step 4: Ischemia, infarction and mimics**\nNo ST changes.", "Ischemia", "heading"),
    ],
)
def test_stance(text: str, words: str, expected: str) -> None:
    start = text.index(words)
    assert stance(text, start, start + len(words)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Her mother has atrial fibrillation with a rate of 130 bpm.",
        "In 2019 the QRS was 150 ms with LBBB.",
        "Formerly LBBB with QRS 150 ms.",
        "The outside ECG showed LBBB.",
        "~~LBBB, QRS 150 ms~~",
        "The computer reads LBBB, QRS 150 ms, but this is wrong.",
    ],
)
def test_quantities_diagnoses_and_phrases_agree(text: str) -> None:
    completion = Completion.parse(text)
    assert {q.kind for q in completion.quantities} <= {"reference"}
    assert "asserted" not in {m.polarity for m in completion.statements}
    assert not {"lbbb", "fibrillation"} & set(claimed_text(text).replace(".", " ").split())


@pytest.mark.parametrize(
    ("text", "leads"),
    [
        ("In Lead II, PR is 210 ms.", ["ii"]),
        ("Lead I has PR intervals of 186 ms.", ["i"]),
        ("In Lead V3 the QT lasts 402 ms; in Lead V6, 398 ms.", ["v3", "v6"]),
        ("In the inferior leads the ST elevation measures 2 mm.", ["inferior leads"]),
        ("| Lead | PR | QRS |\n|---|---|---|\n| II | 160 ms | 90 ms |", ["ii", "ii"]),
    ],
)
def test_a_lead_named_before_the_value(text: str, leads: list[str]) -> None:
    assert [q.lead for q in Completion.parse(text).quantities] == leads


def test_a_territory_is_its_leads() -> None:
    assert leads_named("inferior leads") == ("II", "III", "aVF")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("| Interval | Value |\n|---|---|\n| QT/QTc | 388/434 ms |", {"qt_ms": 388, "qtc_ms": 434}),
        ("| Lead | PR (ms) | QRS (ms) |\n|---|---|---|\n| II | 160 | 90 |", {"pr_ms": 160, "qrs_ms": 90}),
        ("| Parameter | Value | Normal |\n|---|---|---|\n| PR | 160 ms | 120-200 ms |", {"pr_ms": 160}),
        ("<think>| Lead | PR (ms) | QRS (ms) |\n|---|---|---|\n| II | 160 | 90 |", {"pr_ms": 160, "qrs_ms": 90}),
    ],
)
def test_markdown_tables(rows: str, expected: dict[str, float]) -> None:
    assert {q.name: q.value for q in Completion.parse(rows).quantities if q.kind != "reference"} == expected


def examples() -> list[str]:
    """The example of every entry of every language."""
    found = []
    for section in (
        "before",
        "after",
        "names",
        "asides",
        "status",
        "headings",
        "generality",
        "references",
        "cues",
        "predicates",
        "between",
        "clauses",
    ):
        for meanings in sections(section):
            found += [entry["example"] for entries in meanings.values() for entry in entries]
    for section in ("absent", "units", "wrong", "unseen"):
        found += [entry["example"] for entries in sections(section) for entry in entries]
    for part in languages()["zh"]["grammar"].values():
        found += [each["example"] for each in ([part] if "pattern" in part else part.values())]
    return found


def read(text: str) -> set[str]:
    completion = Completion.parse(text)
    said = {f"{m.name}{SIGNS[m.polarity]}" for m in completion.statements}
    return said | {written(q) for q in completion.quantities}


@pytest.mark.parametrize("example", examples())
def test_the_example_of_an_entry_is_read_as_it_says(example: str) -> None:
    text, _, expected = example.partition(" => ")
    assert set(re.split(r"(?<=[-+?~\d]) ", expected)) <= read(text)


@pytest.mark.parametrize("example", [entry["example"] for entries in sections("sought") for entry in entries])
def test_what_is_looked_for_is_not_claimed(example: str) -> None:
    text, _, word = example.partition(" => ")
    assert word in text.lower()
    assert word not in claimed_text(text)


def test_every_wording_of_every_language_is_found() -> None:
    for code, words in languages().items():
        if code == "zh":
            continue
        for name, wordings in words.get("statements", {}).items():
            for wording in wordings:
                plain = wording.replace("~", "").replace("|", "")
                assert name in [m.name for m in Completion.parse(plain).statements], wording
