"""The true findings of a simulated heart, read from its waves as they were drawn, without noise and between samples.

Nothing here is shared with the measurement but the table of findings, so that a mistake there is seen here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.signal import find_peaks

from ecg_r1.ecg.definitions import definitions
from ecg_r1.ecg.findings import Findings, Key
from ecg_r1.ecg.heart import Population, left_bundle, right_bundle
from ecg_r1.ecg.leads import EINTHOVEN_GOLDBERGER, LEADS
from ecg_r1.ecg.lobes import Beat, Wave
from ecg_r1.ecg.record import SAMPLING_RATE

STEP = 0.5  # ms
SQUARE = 40.0  # ms, a small square of the paper
LONGEST_PR = 400.0  # ms; no P wave begins earlier before its QRS
SEEN, TURN = 0.05, 0.02  # mV: of a wave that is seen, and by which a trace turns back
_OF_QUANTITIES = {
    "qrs_ms": ("qrs_broad", "qrs_narrow"),
    "axis_deg": ("axis_normal", "axis_left", "axis_right", "axis_extreme"),
    "heart_rate_bpm": ("bradycardia", "rate_normal", "tachycardia"),
    "pr_ms": ("pr_prolonged", "pr_short"),
    "qtc_ms": ("qt_prolonged",),
    "p_ms": ("p_mitrale",),
}


@dataclass(frozen=True)
class TrueHeart:
    """What a simulated record is made of.

    waves: each with its (8,) heights in I, II, V1 … V6, mV; dissociated P waves too. onsets: of each QRS, in
    samples of 2 ms. ectopic: which of these come early. quantities: the true intervals, rate and axis. atria: where
    P waves stand that keep a rhythm of their own, in samples; None where there are none.
    """

    beat: Beat
    waves: Sequence[tuple[Wave, np.ndarray]]
    population: Population
    onsets: np.ndarray
    ectopic: set[int]
    quantities: dict[str, float | None]
    atria: np.ndarray | None = None

    def seen(self, start: float, stop: float, *kinds: str) -> dict[str, np.ndarray]:
        """Each lead from `start` to `stop`, ms from the QRS onset; of some kinds of waves, or of all."""
        time = np.arange(start, stop + STEP / 2, STEP)
        parts = [(wave.at(time), heights) for wave, heights in self.waves if not kinds or wave.wave in kinds]
        drawn = sum((np.outer(heights, shape) for shape, heights in parts), np.zeros((8, len(time))))
        leads = dict(zip((lead for lead in LEADS if lead not in EINTHOVEN_GOLDBERGER), drawn, strict=True))
        for lead, (one, two) in EINTHOVEN_GOLDBERGER.items():
            leads[lead] = one * drawn[0] + two * drawn[1]
        return leads

    @cached_property
    def qrs(self) -> dict[str, np.ndarray]:
        """Each lead from the onset to the end of the QRS."""
        return self.seen(0, self.beat.qrs)


def true_findings(heart: TrueHeart, sex: str | None, age: float | None) -> Findings:
    """The findings of a heart, for a patient whose sex and age some thresholds depend on."""
    values = _of_leads(heart) | {(name, None): value for name, value in _of_record(heart).items()}
    return Findings(
        {
            (name, lead): (float(value), definitions()[name].margin(float(value), lead, sex, age))
            for (name, lead), value in values.items()
            if value is not None
        }
    )


def _of_leads(heart: TrueHeart) -> dict[Key, float | None]:
    values: dict[Key, float | None] = {}
    t_start = min(wave.start for wave, _ in heart.waves if wave.wave == "T")
    t_waves = heart.seen(t_start + 0.1 * (heart.beat.qt - t_start), heart.beat.qt)
    after = heart.seen(heart.beat.qrs, heart.beat.qrs + 60)
    st_t = heart.seen(heart.beat.qrs + 60, heart.beat.qt)
    for lead in LEADS:
        qrs, t = heart.qrs[lead], t_waves[lead]
        j, later = after[lead][0], after[lead][-1]
        greatest = t[np.argmax(np.abs(t))]
        rise = later - j if max(abs(j), abs(later)) >= SEEN else None
        q_mv, q_ms = _q(qrs)
        of_lead = {
            "st_elevation": j,
            "st_depression": -later,
            **dict.fromkeys(("st_upsloping", "st_horizontal", "st_downsloping"), rise),
            **dict.fromkeys(("t_inversion", "t_upright", "t_flat", "t_tall"), greatest),
            "t_biphasic": _biphasic(st_t[lead]),
            "q_wave": q_mv,
            "q_pathological": None if lead == "aVR" else min(q_ms, q_mv * 300),
            "qs_complex": _highest(qrs) if qrs.min() <= -SEEN else None,
            "notched_qrs": max(_notch(qrs), _notch(-qrs)),
            "delta_wave": _delta(qrs),
        }
        values |= {(name, lead): value for name, value in of_lead.items()}
    return values


def _of_record(heart: TrueHeart) -> dict[str, float | None]:
    height = {lead: float(np.ptp(row)) for lead, row in heart.qrs.items()}
    r = {lead: _r(row) for lead, row in heart.qrs.items()}
    s = {lead: _s(row) for lead, row in heart.qrs.items()}
    left = max(r["V5"], r["V6"])
    rhythm, beats = heart.population.rhythm, heart.onsets[(heart.onsets >= 0) & (heart.onsets < 5000)]
    intervals = np.diff(beats)
    early = np.isin(beats, heart.onsets[sorted(heart.ectopic)])
    undisturbed = intervals[~early[1:] & ~early[:-1]]
    p_height = {lead: float(np.abs(row).max()) for lead, row in heart.seen(-LONGEST_PR, 0, "P").items()}
    paced, fibrillating = rhythm.atrial == "paced", rhythm.atrial == "fibrillation"
    ventricles, by_chance = heart.population.ventricles, heart.atria is not None and _in_step_by_chance(heart, beats)
    return {
        "low_voltage_limb": np.mean([height[lead] for lead in LEADS[:3]]),
        "low_voltage_precordial": max(height[lead] for lead in LEADS[6:]),
        "lvh_sokolow_lyon": s["V1"] + left,
        "lvh_cornell": r["aVL"] + s["V3"],
        "lvh_voltage": max((s["V1"] + left) / 3.5, left / 2.6, r["aVL"] / 1.1),
        "r_progression_poor": r["V3"],
        "late_r_v1": max(_last_r(heart.qrs[lead]) for lead in ("V1", "V2")),
        "lbbb_morphology": 1.0 if ventricles is left_bundle else -1.0,
        "rbbb_morphology": 1.0 if ventricles is right_bundle else -1.0,
        **dict.fromkeys(("p_present", "p_absent"), None if paced else max(p_height.values())),
        "p_in_step": None if paced or by_chance else 2.0 * (heart.beat.pr is not None),
        "p_dissociated": None if paced or by_chance else 2.0 * (heart.atria is not None),
        "p_pulmonale": None if paced else max(p_height[lead] for lead in ("II", "III", "aVF")),
        "rhythm_irregular": np.ptp(intervals) / intervals.mean(),
        "rhythm_regular": np.ptp(undisturbed) / undisturbed.mean() if len(undisturbed) > 2 else None,
        "ectopic_beats": float(early.sum()),
        "af_pattern": None if paced else np.ptp(intervals) / intervals.mean() * fibrillating,
        "pacing_spikes": 2.0 * paced,
        **{name: heart.quantities[quantity] for quantity, names in _OF_QUANTITIES.items() for name in names},
    }


def _in_step_by_chance(heart: TrueHeart, beats: np.ndarray) -> bool:
    """Whether the atria's own rhythm is so near to a multiple of the ventricles' that P waves seem to keep their place.

    Over the record they move by less than a small square: nobody can tell this from AV block of a fixed ratio.
    """
    assert heart.atria is not None
    cycle = float(np.diff(heart.atria).mean())
    places = np.unwrap(beats - heart.atria[0], period=cycle)
    return bool(np.ptp(places) * 1000 / SAMPLING_RATE < SQUARE)


def _biphasic(row: np.ndarray) -> float:
    """The smaller of the deflections above and below both the line and the ST segment, at whose end the row begins."""
    sizes = []
    for side in (row, -row):
        tops = find_peaks(side, prominence=TURN)[0]
        sizes.append(float(side[tops].max()) - max(0.0, float(side[0])) if len(tops) else 0.0)
    return max(0.0, min(sizes))


def _first_r(qrs: np.ndarray) -> int:
    """Where the first R wave stands; the end of the QRS where there is none."""
    tops = find_peaks(qrs, height=SEEN, prominence=SEEN)[0]
    return int(tops[0]) if len(tops) else len(qrs) - 1


def _q(qrs: np.ndarray) -> tuple[float, float]:
    """Depth and width of what comes before the first R wave; the width is that at a tenth of the depth."""
    before = qrs[: _first_r(qrs) + 1]
    depth = max(0.0, -float(before.min()))
    if depth < TURN:
        return depth, 0.0
    beneath = before < -0.1 * depth
    deepest = int(before.argmin())
    first = deepest - int(np.argmin(beneath[deepest::-1])) if not beneath[: deepest + 1].all() else 0
    last = deepest + int(np.argmin(beneath[deepest:])) if not beneath[deepest:].all() else len(before) - 1
    return depth, (last - first) * STEP


def _r(qrs: np.ndarray) -> float:
    tops = find_peaks(qrs, height=SEEN, prominence=SEEN)[0]
    return float(qrs[tops].max()) if len(tops) else 0.0


def _highest(qrs: np.ndarray) -> float:
    tops = find_peaks(qrs, height=0, prominence=SEEN)[0]
    return float(qrs[tops].max()) if len(tops) else 0.0


def _last_r(qrs: np.ndarray) -> float:
    tops = find_peaks(qrs, height=SEEN, prominence=SEEN)[0]
    return float(tops[-1]) * STEP if len(tops) else 0.0


def _s(qrs: np.ndarray) -> float:
    first = _first_r(qrs)
    return max(0.0, -float(qrs[first if first < len(qrs) - 1 else 0 :].min()))


def _notch(row: np.ndarray) -> float:
    """Depth of the deepest dip between two neighbouring tops that does not reach the line."""
    tops = find_peaks(row, prominence=TURN)[0]
    depths = [0.0]
    for a, b in pairwise(tops):
        dip = row[a:b].min()
        depths.append(float(min(row[a], row[b]) - dip) if dip >= 0 else 0.0)
    return max(depths)


def _delta(qrs: np.ndarray) -> float:
    """Time from 0.05 mV on until the trace is half as steep as it ever is on its way to its highest or lowest point."""
    top = int(np.abs(qrs).argmax())
    rising = qrs[: top + 1] * np.sign(qrs[top])
    if rising[-1] < 0.3 or rising.min() < -SEEN:
        return 0.0
    slope = np.gradient(rising)
    return max(0.0, float(np.argmax(slope >= slope.max() / 2) - np.argmax(rising > SEEN)) * STEP)
