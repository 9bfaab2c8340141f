"""The findings of a record as a whole: for each such entry of `data/findings.yaml` a function, which gives the
value, or the reason why there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ecg_r1.ecg.beats import MS
from ecg_r1.ecg.delineate import Delineation
from ecg_r1.ecg.lead_beat import SEEN, LeadBeat
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measured

Value = float | str
NO_BOUNDS = "the QRS has no clear bounds"
BIPOLAR, CHEST = LEADS[:3], LEADS[6:]
LATE_R = {"right": 50.0, "left": 60.0}  # ms from the QRS onset to the R peak, from which on a ventricle is late
BROAD, SHORT_PR, WIDTH_STEP = 110.0, 110.0, 50.0  # ms: QRS and PR from which on it may be one, and 1 beyond that
SLURRED_S = 40.0  # ms that S lasts in I and V6 where the right ventricle is late


@dataclass(frozen=True)
class Heart:
    """What the functions look at: the delineated record, the beat of each lead, and the measured quantities.

    beats: by lead; empty where the QRS has no clear bounds.
    """

    found: Delineation
    beats: Mapping[str, LeadBeat]
    values: Mapping[str, Measured]

    def quantity(self, name: str) -> Value:
        """The value of a quantity, or the reason why it has none."""
        measured = self.values[name]
        return measured.reason or "" if measured.value is None else measured.value


RECORD_FINDINGS: dict[str, Callable[[Heart], Value]] = {}


def measures(function: Callable[[Heart], Value]) -> Callable[[Heart], Value]:
    """Marks the function that measures the finding of its name."""
    RECORD_FINDINGS[function.__name__] = function
    return function


def _quantity(quantity: str, *names: str) -> None:
    """Findings whose value is that of a quantity."""
    for name in names:
        RECORD_FINDINGS[name] = lambda heart: heart.quantity(quantity)


_quantity("qrs_ms", "qrs_broad", "qrs_narrow")
_quantity("axis_deg", "axis_normal", "axis_left", "axis_right", "axis_extreme")
_quantity("heart_rate_bpm", "bradycardia", "rate_normal", "tachycardia")
_quantity("pr_ms", "pr_prolonged", "pr_short")
_quantity("qtc_ms", "qt_prolonged")
_quantity("p_ms", "p_mitrale")


@measures
def low_voltage_limb(heart: Heart) -> Value:
    return sum(heart.beats[lead].height for lead in BIPOLAR) / 3


@measures
def low_voltage_precordial(heart: Heart) -> Value:
    return max(heart.beats[lead].height for lead in CHEST)


@measures
def lvh_sokolow_lyon(heart: Heart) -> Value:
    beats = heart.beats
    return beats["V1"].s_mv + max(beats["V5"].r_mv, beats["V6"].r_mv)


@measures
def lvh_voltage(heart: Heart) -> Value:
    """The greatest of Sokolow and Lyon's three voltages, each as a share of its own threshold."""
    beats = heart.beats
    left = max(beats["V5"].r_mv, beats["V6"].r_mv)
    return max((beats["V1"].s_mv + left) / 3.5, left / 2.6, beats["aVL"].r_mv / 1.1)


@measures
def lvh_cornell(heart: Heart) -> Value:
    return heart.beats["aVL"].r_mv + heart.beats["V3"].s_mv


@measures
def r_progression_poor(heart: Heart) -> Value:
    return heart.beats["V3"].r_mv


@measures
def late_r_v1(heart: Heart) -> Value:
    return max(_late_r(heart.beats[lead]) for lead in ("V1", "V2"))


@measures
def rbbb_morphology(heart: Heart) -> Value:
    """A late R wave in V1 or V2, and a slurred S wave in I or V6."""
    late = max(_late_r(heart.beats[lead]) for lead in ("V1", "V2")) / LATE_R["right"] - 1
    slurred = max(heart.beats[lead].s_ms for lead in ("I", "V6")) / SLURRED_S - 1
    return min(late, slurred)


@measures
def lbbb_morphology(heart: Heart) -> Value:
    """A late R wave in V5 or V6 of a broad QRS, without a Q wave in I and V6, and more S than R in V1.

    A short PR interval speaks against it: pre-excited ventricles look alike.
    """
    beats, width, pr = heart.beats, heart.values["qrs_ms"].value, heart.values["pr_ms"].value
    if width is None:
        return NO_BOUNDS
    broad = (width - BROAD) / WIDTH_STEP
    conducted = 1.0 if pr is None else (pr - SHORT_PR) / WIDTH_STEP
    late = max(_late_r(beats[lead]) for lead in ("V5", "V6")) / LATE_R["left"] - 1
    q = 1 - max(beats[lead].q_mv if beats[lead].r_peaks else 0.0 for lead in ("I", "V6")) / SEEN
    v1 = beats["V1"]
    down = (v1.s_mv - v1.r_mv) / (v1.s_mv + v1.r_mv + 1e-9)
    return min(broad, conducted, late, q, down)


def _late_r(beat: LeadBeat) -> float:
    """From the QRS onset to the last R wave of a lead, ms; 0 without an R wave."""
    return beat.r_peaks[-1] * MS if beat.r_peaks else 0.0


def _p_height(heart: Heart, leads: tuple[str, ...]) -> Value:
    """Greatest height of the P wave over a line through its ends, mV; 0 where there is no P wave.

    P waves that are not in step with the QRS have one height, that of the lead which shows them best.
    """
    found = heart.found
    if found.dissociated and found.dissociated.share >= 1:
        return found.dissociated.height
    if found.no_p is not None:
        return 0.0 if found.no_p.absent else found.no_p.reason or ""
    rows = [row for row, lead in enumerate(found.leads) if LEADS[lead] in leads]
    start, stop = int(found.p.onset), int(found.p.offset) + 1
    wave = found.beat.signal[rows, start:stop]
    wave = wave - np.linspace(wave[:, 0], wave[:, -1], wave.shape[1]).T
    return float(np.abs(wave).max())


RECORD_FINDINGS |= dict.fromkeys(("p_present", "p_absent"), lambda heart: _p_height(heart, LEADS))


@measures
def p_in_step(heart: Heart) -> Value:
    no_p, alike = heart.found.no_p, heart.found.p_alike
    if no_p is not None and (not no_p.absent or alike is None):
        return no_p.reason or ""
    return 0.0 if alike is None or (no_p is not None and alike >= 1) else alike  # flutter waves are alike, too


@measures
def p_dissociated(heart: Heart) -> Value:
    found, no_p = heart.found, heart.found.no_p
    if no_p is not None and not no_p.absent:
        return no_p.reason or ""
    return found.dissociated.share if found.dissociated else 0.0


@measures
def p_pulmonale(heart: Heart) -> Value:
    return _p_height(heart, ("II", "III", "aVF"))


def _rr_range(intervals: np.ndarray) -> Value:
    if len(intervals) < 3:
        return "too few beats of one kind in a row"
    return float(np.ptp(intervals) / intervals.mean())


@measures
def rhythm_regular(heart: Heart) -> Value:
    """Of the dominant beats alone: a regular rhythm is called so in spite of a few ectopic beats."""
    kinds = heart.found.kinds
    return _rr_range(np.diff(kinds.peaks)[kinds.dominant[1:] & kinds.dominant[:-1]])


@measures
def rhythm_irregular(heart: Heart) -> Value:
    return _rr_range(np.diff(heart.found.kinds.peaks))


@measures
def ectopic_beats(heart: Heart) -> Value:
    kinds = heart.found.kinds
    return float((kinds.premature | kinds.reshaped).sum())


@measures
def af_pattern(heart: Heart) -> Value:
    no_p = heart.found.no_p
    if no_p is None or not no_p.absent:
        return 0.0 if no_p is None else no_p.reason or ""
    return _rr_range(np.diff(heart.found.kinds.peaks))


@measures
def pacing_spikes(heart: Heart) -> Value:
    return heart.found.spike
