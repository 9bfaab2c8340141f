"""The findings of single leads: for each such entry of `data/findings.yaml` a function, which gives the value, or the
reason why there is none.
"""

from __future__ import annotations

from collections.abc import Callable

from ecg_r1.ecg.beats import MS
from ecg_r1.ecg.lead_beat import SEEN, LeadBeat

Value = float | str
LEAD_FINDINGS: dict[str, Callable[[LeadBeat], Value]] = {}
NO_T = "no T wave found"
DEPTH_OF_Q = 0.1  # mV that a pathological Q wave is deep; see the table
SMALLEST_WITH_DELTA = 0.3  # mV; the begin of a smaller QRS is lost in noise
FAST = 0.5  # share of the steepest slope from which on the QRS rises fast


def measures(function: Callable[[LeadBeat], Value]) -> Callable[[LeadBeat], Value]:
    """Marks the function that measures the finding of its name."""
    LEAD_FINDINGS[function.__name__] = function
    return function


@measures
def st_elevation(beat: LeadBeat) -> Value:
    return beat.j_mv


@measures
def st_depression(beat: LeadBeat) -> Value:
    return -beat.st_mv


def _st_rise(beat: LeadBeat) -> Value:
    if max(abs(beat.j_mv), abs(beat.st_mv)) < SEEN:
        return "the ST segment is level"
    return beat.st_mv - beat.j_mv


def _t(beat: LeadBeat) -> Value:
    return NO_T if beat.t_mv is None else beat.t_mv


# What tells these apart is their threshold alone.
LEAD_FINDINGS |= dict.fromkeys(("st_upsloping", "st_horizontal", "st_downsloping"), _st_rise)
LEAD_FINDINGS |= dict.fromkeys(("t_inversion", "t_upright", "t_flat", "t_tall"), _t)


@measures
def t_biphasic(beat: LeadBeat) -> Value:
    return NO_T if beat.t is None else beat.biphasic_mv


@measures
def q_wave(beat: LeadBeat) -> Value:
    return beat.q_mv


@measures
def q_pathological(beat: LeadBeat) -> Value:
    if beat.lead == "aVR":
        return "not defined in aVR"
    return min(beat.q_ms, 30 * beat.q_mv / DEPTH_OF_Q)


@measures
def qs_complex(beat: LeadBeat) -> Value:
    if min(beat.qrs) > -SEEN:
        return "the QRS does not go below the line"
    return beat.highest_mv


@measures
def notched_qrs(beat: LeadBeat) -> Value:
    return beat.notch_mv


@measures
def delta_wave(beat: LeadBeat) -> Value:
    """Slow begin of a QRS that keeps its direction: from where it leaves the line to where it moves fast."""
    peak = max(range(len(beat.qrs)), key=lambda i: abs(beat.qrs[i]))
    sign = 1.0 if beat.qrs[peak] > 0 else -1.0
    rising = [sign * value for value in beat.qrs[: peak + 1]]
    if peak < 2 or rising[peak] < SMALLEST_WITH_DELTA or min(rising) < -SEEN:
        return 0.0
    slopes = [(b - a) / 2 for a, b in zip(rising, rising[2:], strict=False)]
    fast = 1 + next(i for i, slope in enumerate(slopes) if slope >= FAST * max(slopes))
    return max(0.0, (fast - next(i for i, value in enumerate(rising) if value > SEEN)) * MS)
