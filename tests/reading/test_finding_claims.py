"""Findings in leads, read from text: the example of each entry of the vocabulary, and how sentences put them."""

import pytest

from ecg_r1.ecg.definitions import definitions
from ecg_r1.reading.finding_words import GROUPS, NOTHING, vocabulary
from ecg_r1.reading.languages import sections
from ecg_r1.scoring.completion import Completion

SIGNS = {"claimed": "+", "denied": "-", "doubted": "?"}


def read(text: str) -> list[str]:
    """Each finding as "st_elevation+V2,V3"."""
    return [f"{c.what}{SIGNS.get(c.stance, '~')}{','.join(c.leads)}" for c in Completion.parse(text).findings]


def examples() -> list[str]:
    found = []
    for subjects in sections("findings"):
        for subject in subjects.values():
            entries = [*subject["called"], *(e for said in subject.get("said", {}).values() for e in said)]
            found += [entry["example"] for entry in entries]
    return found


def test_every_finding_that_is_read_is_measured() -> None:
    words = vocabulary()
    said = {finding.removeprefix("no ") for of in words.said for finding in of.values()} - {NOTHING}
    said |= {name for wave in words.subjects.values() for name in (wave.alone, wave.denied) if name}
    assert said <= {*definitions(), *GROUPS}
    assert {name for names in GROUPS.values() for name in names} <= set(definitions())


@pytest.mark.parametrize("example", examples())
def test_the_example_of_an_entry_is_read_as_it_says(example: str) -> None:
    text, _, expected = example.partition(" => ")
    assert read(text) == expected.split()
