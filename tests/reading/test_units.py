"""Every unit is read in that of its quantity, and every part of a completion as what it is."""

import pytest

from ecg_r1.scoring import Completion


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("PR interval 160 ms", "pr_ms", 160),
        ("PR interval 0.16 s", "pr_ms", 160),
        ("PR interval 0,160 s", "pr_ms", 160),
        ("PR interval 0.16", "pr_ms", 160),  # what is written without a unit is in the one that makes sense
        ("RR interval 1.2", "rr_ms", 1200),
        ("PR interval of 4 small squares", "pr_ms", 160),  # 40 ms each at 25 mm/s
        ("QT interval of 2 large squares", "qt_ms", 400),
        ("R wave 800 µV in V5", "r_mv", 0.8),
        ("R wave 0.8 mV in V5", "r_mv", 0.8),
        ("R wave 8 mm in V5", "r_mv", 0.8),  # at 10 mm/mV
        ("ST elevation of 2 small squares in V2", "st_mv", 0.2),
        ("Rate 75 bpm", "heart_rate_bpm", 75),
        ("Rate 75/min", "heart_rate_bpm", 75),
        ("Axis -30°", "axis_deg", -30),
        ("Axis minus 30 degrees", "axis_deg", -30),
        ("心率75次/分", "heart_rate_bpm", 75),
        ("PR间期0.16秒", "pr_ms", 160),
    ],
)
def test_a_value_is_in_the_unit_of_its_quantity(text: str, name: str, value: float) -> None:
    (quote,) = Completion.parse(text).quantities
    assert (quote.name, quote.value) == (name, pytest.approx(value))


def test_a_number_far_from_its_name_that_no_heart_can_have_is_none_of_it() -> None:
    assert Completion.parse("The rate, seen on chart 1200").quantities == ()
    assert [q.value for q in Completion.parse("The rate, seen on chart 120").quantities] == [120.0]


def test_two_answers_are_both_the_answer() -> None:
    completion = Completion.parse("<think>a</think><answer>AF</answer> or <answer>LBBB</answer>")
    assert completion.answer == "AF\nLBBB"
    assert [(m.name, m.where) for m in completion.statements] == [
        ("atrial fibrillation", "answer"),
        ("left bundle branch block", "answer"),
    ]


def test_a_character_belongs_to_the_block_it_stands_in() -> None:
    text = "<think>ab</think>c<answer>d</answer>"
    places = {"a": "think", "b": "think", "c": "outside", "d": "answer"}
    assert {
        letter: Completion.parse(text).place(text.index(letter + after))
        for letter, after in zip("abcd", "b<<<", strict=True)
    } == places
    assert Completion.parse(text).place(text.index("</think>")) == "outside"


def test_what_a_comment_hides_is_not_said_even_where_it_is_never_closed() -> None:
    for text in ("normal ECG <!-- atrial fibrillation --> here", "normal ECG <!-- atrial fibrillation"):
        polarities = {m.name: m.polarity for m in Completion.parse(text).statements}
        assert polarities == {"normal ECG": "asserted", "atrial fibrillation": "negated"}


@pytest.mark.parametrize(
    "text", ["The PR interval is 160 ms.", "Sinus rhythm ﬁrst; the PR interval is\u2009160\u00a0ms."]
)
def test_a_quote_knows_its_characters(text: str) -> None:
    (quote,) = Completion.parse(text).quantities
    start, end = quote.span
    assert text[start:end].endswith(("160 ms", "160\u00a0ms"))
    assert text[start:end].startswith("PR")
