"""Amplitudes of each lead's waves and the level of its ST segment, on the median of the beats as recorded.

The filter that finds the waves (0.5 to 45 Hz) lowers R by 5% in the median and by 0.1 mV in one lead of ten, so the
amplitudes are taken from the unfiltered beats, each lifted to its own isoelectric line.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ecg_r1.ecg.beats import MS
from ecg_r1.ecg.delineate import Delineation
from ecg_r1.ecg.lead_beat import LeadBeat
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.quantities import LEAD_QUANTITIES
from ecg_r1.ecg.waves import weighted_quantiles
from ecg_r1.ecg.windows import median_of

AFTER_T = int(20 / MS)  # samples by which a lead's T wave may outlast that of nine tenths of the leads
BASELINE = (int(20 / MS), int(4 / MS))  # the isoelectric line: samples before the QRS onset


def lead_beats(found: Delineation, peaks: np.ndarray | None = None) -> dict[str, LeadBeat]:
    """The beat of every lead that was delineated: the median of the beats with these R peaks; of all unless given."""
    onset, offset = int(found.qrs_onset), int(found.qrs_offset)
    level = slice(max(onset - BASELINE[0], 0), max(onset - BASELINE[1], 1))
    start, length = found.beat.r, found.beat.signal.shape[1]
    pieces = [slice(peak - start, peak - start + length) for peak in (found.beat.peaks if peaks is None else peaks)]
    beats = np.stack([found.raw[:, piece] for piece in pieces])
    if found.there is not None:
        beats[~np.stack([found.there[:, piece].all(axis=1) for piece in pieces])] = np.nan
    median = median_of(beats - beats[:, :, level].mean(axis=2, keepdims=True))
    t = (int(found.t.onset), int(found.t.offset)) if len(found.t) else None
    t_end = int(weighted_quantiles(found.t.offsets, found.t.weights, 0.9)) + AFTER_T if t else 0
    names = [LEADS[lead] for lead in found.leads]
    return {lead: LeadBeat(lead, row, onset, offset, t, t_end) for lead, row in zip(names, median, strict=True)}


def amplitudes(beats: Mapping[str, LeadBeat]) -> dict[str, tuple[float | None, ...]]:
    """`LEAD_QUANTITIES` in each lead, with None for the leads that were not delineated."""
    return {
        name: tuple(getattr(beats[lead], name) if lead in beats else None for lead in LEADS) for name in LEAD_QUANTITIES
    }
