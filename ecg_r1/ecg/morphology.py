"""Amplitudes of each lead's waves and the level of its ST segment, on the median of the beats as recorded.

The filter that finds the waves (0.5 to 45 Hz) lowers R by 5% in the median and by 0.1 mV in one lead of ten, so the
amplitudes are taken from the unfiltered beats, each lifted to its own isoelectric line.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy.signal import find_peaks

from ecg_r1.ecg.beats import MS
from ecg_r1.ecg.delineate import Delineation
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.windows import median_of

AFTER_J = int(60 / MS)  # samples after the QRS end at which the ST level is read
AROUND = int(4 / MS)  # samples to either side of it that the level is the mean of
BASELINE = (int(20 / MS), int(4 / MS))  # the isoelectric line: samples before the QRS onset
SEEN = 0.05  # mV, half a small square: a reader sees no lower R wave


@dataclass(frozen=True)
class LeadMorphology:
    """The size of the waves in one lead: mV against the level just before the QRS.

    q_mv, s_mv: depth before and after the first R wave. For a QRS without an R wave (QS) both are its depth.
    r_mv: height of the highest R wave (R or R'), 0 where no R wave is seen.
    st_mv: level 60 ms after the J point.
    t_mv: greatest deflection of the T wave, with its sign; None where there is no T wave.
    """

    q_mv: float
    r_mv: float
    s_mv: float
    st_mv: float
    t_mv: float | None


def morphology(found: Delineation) -> dict[str, LeadMorphology]:
    """The morphology of every lead that was delineated."""
    return dict(zip((LEADS[lead] for lead in found.leads), shapes(found, found.beat.peaks), strict=True))


def amplitudes(found: Delineation) -> dict[str, tuple[float | None, ...]]:
    """The same by quantity, with None for the leads that were not delineated, as `Measurements.by_lead` holds it."""
    by_lead = {lead: asdict(shape) for lead, shape in morphology(found).items()}
    names = next(iter(by_lead.values()))
    return {name: tuple(by_lead[lead][name] if lead in by_lead else None for lead in LEADS) for name in names}


def shapes(found: Delineation, peaks: np.ndarray) -> list[LeadMorphology]:
    """The morphology of each delineated lead, on the median of the beats with these R peaks."""
    onset, offset = int(found.qrs_onset), int(found.qrs_offset)
    level = slice(max(onset - BASELINE[0], 0), max(onset - BASELINE[1], 1))
    start, length = found.beat.r, found.beat.signal.shape[1]
    beats = np.stack([found.raw[:, peak - start : peak - start + length] for peak in peaks])
    if found.there is not None:
        beats[~np.stack([found.there[:, peak - start : peak - start + length].all(axis=1) for peak in peaks])] = np.nan
    median = median_of(beats - beats[:, :, level].mean(axis=2, keepdims=True))
    st = min(offset + AFTER_J, length - 1 - AROUND)
    t_wave = slice(int(found.t.onset), int(found.t.offset) + 1) if len(found.t) else None
    return [
        LeadMorphology(
            *_qrs(row[onset : offset + 1]),
            st_mv=float(row[st - AROUND : st + AROUND + 1].mean()),
            t_mv=_greatest(row[t_wave]) if t_wave else None,
        )
        for row in median
    ]


def _qrs(row: np.ndarray) -> tuple[float, float, float]:
    """Q, R and S of one lead's QRS."""
    tops = find_peaks(row, height=SEEN, prominence=SEEN)[0]
    if not len(tops):
        depth = float(max(0.0, -row.min()))
        return depth, 0.0, depth
    first = tops[0]
    q, s = (float(max(0.0, -part.min())) for part in (row[: first + 1], row[first:]))
    return q, float(row[tops].max()), s


def _greatest(wave: np.ndarray) -> float:
    return float(wave[np.argmax(np.abs(wave))])
