"""Readings are weighed by signs: the words of each are found, and the weights tell general readings from claims."""

import pytest
from test_quotes import written

from ecg_r1.reading.claims.generality import passage, signs, weights
from ecg_r1.reading.text.characters import readable
from ecg_r1.reading.words.languages import sections
from ecg_r1.scoring import Completion


def examples() -> list[tuple[str, str]]:
    """(kind, example) of each entry of `weighed`."""
    return [(kind, entry["example"]) for kinds in sections("weighed") for kind, [entry] in kinds.items()]


@pytest.mark.parametrize(("kind", "example"), examples())
def test_the_example_of_a_weighed_word_holds_it(kind: str, example: str) -> None:
    text, _, word = example.partition(" => ")
    plain = readable(text)[0]
    assert word in plain
    said = passage(plain).sentences[0]
    assert any(kind == each and plain.startswith(word, at) for each, at in zip(said.cues, said.starts, strict=True))


# Each in words of its own, in none of the passages that the weights are fitted to.
@pytest.mark.parametrize(
    ("reading", "text"),
    [
        ("qtc~ qtc=452", "A QTc of more than 470 ms would be long in a woman. Hers is 452 ms."),
        ("pr=178 pr~", "PR 178 ms. A PR above 200 ms would be first-degree block."),
        ("qrs=132 qrs~", "QRS 132 ms, where a QRS of 120 ms is the limit for bundle branch block."),
        ("rate~ rate=66", "Call if the rate exceeds 130 bpm. Sinus rhythm at 66 bpm."),
        ("qrs>120 rate=81", "The QRS is above 120 ms with a notch in V6, rate 81 bpm."),
        ("pr>200 qrs<110", "PR > 200 ms, QRS < 110 ms."),
        ("pr=160 pr=164", "Lead II: PR 160 ms. Lead V1: PR 164 ms."),
    ],
)
def test_readings(reading: str, text: str) -> None:
    assert " ".join(written(q) for q in Completion.parse(text).quantities) == reading


def test_a_plain_value_is_not_weighed() -> None:
    text = readable("PR 163 ms, QRS 91 ms.")[0]
    quotes = Completion.parse(text).quantities
    assert [signs(text, *q.span, q, quotes) for q in quotes] == [frozenset(), frozenset()]


def test_each_weight_is_one_of_a_sign() -> None:
    for table in weights().values():
        assert table["bias"] < 0
        assert all(0.05 <= abs(weight) < 10 for weight in table.values())
