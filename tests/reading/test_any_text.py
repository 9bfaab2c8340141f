"""Whatever a policy writes: no exception, finite scores in range, linear time."""

import math

import pytest
from counted import MOST, growth
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.scoring import Case, Completion, load_reward
from ecg_r1.scoring.registry import library

CASE = Case(
    "r",
    ("atrial fibrillation",),
    Measurements.from_json(
        {
            "heart_rate_bpm": 80,
            "qrs_ms": 92,
            "qt_ms": 380,
            "unmeasurable": {"pr_ms": "no P waves"},
            "findings": {"p_present": [0.0, -0.04], "rhythm_irregular": [0.4, 0.2], "st_elevation": {"II": [0.2, 0.1]}},
        }
    ),
    expected={"1": ["no P waves", "rate 80 bpm"], "leads": ["II"], "windows": [[1.0, 1.2]]},
    extra={"answer": "B"},
)
RANGES = dict.fromkeys(library(), (0.0, 1.0)) | {
    "abstain": (-1.0, 0.0),
    "length": (-1.0, 0.0),
    "repetition": (-1.0, 0.0),
    "steps": (0.0, 2.1),
}
REWARDS = {name: load_reward(name) for name in RANGES}
PIECES = st.sampled_from(
    [
        "PR",
        "QRS",
        "QT",
        "QTc",
        "rate",
        "axis",
        "P wave",
        "ST elevation",
        "T waves inverted",
        "V1-V4",
        "RR",
        "160",
        "0.16",
        "9999999999999999",
        "1,2,3",
        ".5",
        "-",
        "–",
        "~",
        "/",
        "√",
        "^",
        "(",
        ")",
        "=",
        "<",
        ">",
        "±",
        " ms",
        " s",
        " bpm",
        "°",
        " mV",
        "not measurable",
        "no",
        "normal",
        "between",
        "and",
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
        "<answer",
        "atrial fibrillation",
        "possible",
        "LBBB",
        "Step 1:",
        "\n",
        ".",
        ",",
        ";",
        ":",
        "心率",
        "间期",
        "房颤",
        "次/分",
        "\u200b",
        "\u202e",
        "\x00",
        "𝟏",
        "İ",
        "ſ",
        "�",
        "lead i",
        "V1-V4",
        "from 1.0 to 1.2 s",
        "*",
        "_",
        "`",
        "{",
        "}",
        "%",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=300), st.lists(st.one_of(PIECES, st.just(" "), st.text(max_size=3)), max_size=60).map("".join)
)


def check(text: str) -> None:
    completion = Completion.parse(text)
    for name, reward in REWARDS.items():
        score = reward(completion, CASE)
        if score is not None and score.value is not None:
            low, high = RANGES[name]
            assert math.isfinite(score.value), name
            assert low <= score.value <= high, name
    for part in (*completion.quantities, *completion.statements):
        assert 0 <= part.span[0] < part.span[1] <= len(text)


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(TEXTS)
def test_any_text_scores_in_range(text: str) -> None:
    check(text)


@pytest.mark.slow
@settings(max_examples=10_000, suppress_health_check=list(HealthCheck))
@given(TEXTS)
def test_ten_thousand_texts_score_in_range(text: str) -> None:
    check(text)


@settings(max_examples=200)
@given(
    measured=st.floats(100, 600), near=st.floats(0, 500), further=st.floats(0, 500), side=st.sampled_from([-1, 1]),
    other=st.none() | st.floats(40, 600),
)  # fmt: skip
def test_moving_a_quote_away_never_raises_the_score(
    measured: float, near: float, further: float, side: int, other: float | None
) -> None:
    case = Case("r", (), Measurements.from_json({"qt_ms": measured}))
    also = "" if other is None else f"QT interval {other:.1f} ms. "
    near, further = sorted((near, further))
    paid = [
        REWARDS["intervals"](
            Completion.parse(f"<think>{also}QT interval {measured + side * d:.1f} ms.</think>"), case
        ).value
        for d in (near, further)
        if measured + side * d > 0
    ]
    assert paid == sorted(paid, reverse=True)


HOSTILE = [
    "PR ", "PR/", "1", "1 ", "9", "1,", ". ", "- ", "160 ms ", "not ", "no ", "PR not measurable ",
    "<think>", "<answer>", "</answer><answer>", "(", "((((QTc=", "=", "1=", "√", "a", "qt qtc ", "normal (",
    "PR (normal ", "between 1 and ", "LBBB or ", "no LBBB, ", "first-degree ", "Step 1: ", "\n1. ", "心率",
    "PR间期", "\u200b", "\u200bP", "İ", "*", "**", "* 1", "V1-", "from 1 to ", "corrected for the ", "QTc (",
    "?", "possible ", "it is it is ", "of the ", "ventricular ", "a-", "-1", "1-1", "1 - ", "0.1.1.1",
    ",,,,", "could not be reliably ", "one ", "one hundred ", "hundred point ", "if ", "if pr 1 ", "previous pr 1 ms ",
    "normal range 1 ms ", "criteria ", "4 small boxes ", "PR 4 small boxes ", "compared with 1 ", "left or ",
    "left, right or ", "左、", "左束支、", "cannot exclude ", "AF and ", "AF, ", "AF? ", "no p waves ", "not not ",
    "AF or ", "PR (normal 1-2 ms) <3 ms ", "| 1 ms ", "PR no no > 1 ms ", "百", "百毫秒", "rhythm at 1 ", "SV1 + ",
    "(PR 1-2 ms ", "sinus bradycardia 54 ", "一二三",
    "PR 164 or maybe 1 ", "[11, ", "PR 164 (", "it is 1 ms. ", "\\text{", "PR 1 ± 1 ",
    "房颤", "房颤，", "无房颤 ", "no af ", "af/", "~~af~~", "<!--af-->",
    "previous ecg:\n", "or ", "that value is wrong. ", "PR 20 ms. That value is wrong. ",
]  # fmt: skip


def read(text: str) -> None:
    completion = Completion.parse(text)
    _ = completion.quantities, completion.statements, completion.steps, completion.sections, completion.think


@pytest.mark.parametrize("piece", HOSTILE)
def test_the_time_to_read_a_text_grows_with_its_length_and_no_faster(piece: str) -> None:
    assert growth(read, lambda length: (piece * length)[:length], 20_000) < MOST
