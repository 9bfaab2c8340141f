"""What a quote is worth beside a measurement, in numbers worked out by hand from docs/rewards.md.

A value is worth exp(-error / tolerance), so 0.368 at the tolerance. The tolerances are written out here once more: a
change of one moves every reward and every metric, and is meant to be made in two places.
"""

import pytest

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.scoring import Case, Completion, Score, load_reward

# quantity, how it is quoted, measured, and the tolerance in its unit
TOLERANCES = [
    ("heart_rate_bpm", "Rate {:g} bpm", 75, 3),
    ("rr_ms", "RR interval {:g} ms", 800, 40),
    ("p_ms", "P wave duration {:g} ms", 110, 25),
    ("pr_ms", "PR interval {:g} ms", 200, 20),
    ("qrs_ms", "QRS duration {:g} ms", 92, 15),
    ("qt_ms", "QT interval {:g} ms", 400, 25),
    ("qtc_ms", "QTc {:g} ms", 430, 30),
    ("axis_deg", "Axis {:g} degrees", 40, 15),
]


def judged(text: str, name: str, measured: dict) -> Score:
    case = Case("r", (), Measurements.from_json(measured))
    return load_reward("intervals", {"quantities": [name]})(Completion.parse(f"<think>{text}.</think>"), case)


@pytest.mark.parametrize(("name", "said", "measured", "tolerance"), TOLERANCES)
def test_a_quote_at_the_tolerance_is_worth_a_third_and_one_beyond_it_is_contradicted(
    name: str, said: str, measured: float, tolerance: float
) -> None:
    for sign in (-1, 1):
        at, beyond = (
            judged(said.format(measured + sign * off), name, {name: measured}) for off in (tolerance, tolerance + 1)
        )
        assert at.value == pytest.approx(0.3679, abs=1e-4)
        assert (at.evidence[0].verdict, beyond.evidence[0].verdict) == ("supported", "contradicted")


@pytest.mark.parametrize(
    ("spread", "tolerance"),
    [(5, 20), (20, 20), (34, 34), (40, 40), (41, 40), (400, 40)],  # ms, over the leads; PR is given 20 without any
)
def test_leads_that_disagree_widen_the_tolerance_to_twice_itself_at_most(spread: float, tolerance: float) -> None:
    measured = {"pr_ms": 200, "spread": {"pr_ms": spread}}
    assert judged(f"PR interval {200 + tolerance} ms", "pr_ms", measured).value == pytest.approx(0.3679, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "verdict", "value"),
    [  # half of exp(-furthest end / 20), PR measured at 200 ms
        ("PR 190-210 ms", "supported", 0.3033),
        ("PR 120-200 ms", "supported", 0.0092),  # 80 ms off is four tolerances
        ("PR 119-200 ms", "unverifiable", 0.0087),  # further says nothing
        ("PR 220-240 ms", "supported", 0.0677),  # 20 ms past its end is inside the tolerance
        ("PR 221-240 ms", "contradicted", 0.0677),
        ("PR > 180 ms", "supported", 0.1839),
        ("PR > 100 ms", "unverifiable", 0.0034),
        ("PR < 180 ms", "supported", 0.1839),
        ("PR < 179 ms", "contradicted", 0.1750),
    ],
)
def test_a_range_or_bound_is_worth_half_a_value_at_its_furthest_end(text: str, verdict: str, value: float) -> None:
    score = judged(text, "pr_ms", {"pr_ms": 200})
    assert score.evidence[0].verdict == verdict
    assert score.value == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "text", "measured", "value"),
    [
        # a mean beside the range of what differs from beat to beat is a value like any other
        ("heart_rate_bpm", "Rate 75 bpm (range 60-90 bpm)", {"heart_rate_bpm": 75}, 1.0),
        ("rr_ms", "RR interval 800 ms (range 700-900 ms)", {"rr_ms": 800}, 1.0),
        # a range beside an interval says how sure it is: no wider than the tolerance to either side, it costs nothing
        ("pr_ms", "PR interval 200 ms (range 180-220 ms)", {"pr_ms": 200}, 1.0),
        ("pr_ms", "PR interval 200 ms (range 179-220 ms)", {"pr_ms": 200}, 0.1750),
    ],
)
def test_a_range_beside_a_value(name: str, text: str, measured: dict, value: float) -> None:
    assert judged(text, name, measured).value == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize(
    ("reason", "number", "absent"),
    [("no P waves", 0.0, 1.0), ("no P waves in step with the QRS", 0.0, 1.0), ("too noisy", None, 1.0)],
)
def test_a_number_for_what_is_not_there_is_wrong_and_for_what_is_too_noisy_it_is_left_out(
    reason: str, number: float | None, absent: float
) -> None:
    measured = {"unmeasurable": {"pr_ms": reason}}
    scored = [judged(text, "pr_ms", measured) for text in ("PR interval 160 ms", "PR interval not measurable")]
    assert [None if score is None else score.value for score in scored] == [number, absent]
