"""Amplitudes of each lead's waves and the level of its ST segment, on the median beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecg_r1.ecg.beats import MS
from ecg_r1.ecg.delineate import delineate
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.record import ECGRecord

AFTER_J = int(60 / MS)  # samples after the QRS end at which the ST level is read
BASELINE = (int(20 / MS), int(4 / MS))  # the isoelectric line: samples before the QRS onset


@dataclass(frozen=True)
class LeadMorphology:
    """mV against the level just before the QRS. q_mv and s_mv are zero or negative, r_mv zero or positive.

    st_mv: level 60 ms after the J point; t_mv: greatest deflection of the T wave, in its direction, or None.
    """

    q_mv: float
    r_mv: float
    s_mv: float
    st_mv: float
    t_mv: float | None


def morphology(record: ECGRecord) -> dict[str, LeadMorphology]:
    """The morphology of every lead that has a signal.

    Raises:
        Unmeasurable: the record has no beat to look at; the message is the reason.
    """
    found = delineate(record.signal[:, : record.samples].astype(float), record.lead_mask)
    onset, offset = int(found.qrs_onset), int(found.qrs_offset)
    t_end = int(found.t.offset) if len(found.t) else None
    shapes = {}
    for lead, row in zip(found.leads, found.beat.signal, strict=True):
        level = row[max(onset - BASELINE[0], 0) : max(onset - BASELINE[1], 1)].mean()
        beat = row - level
        qrs = beat[onset : offset + 1]
        r = int(np.argmax(qrs))
        st = min(offset + AFTER_J, len(beat) - 1)
        shapes[LEADS[lead]] = LeadMorphology(
            q_mv=float(min(qrs[: r + 1].min(), 0.0)),
            r_mv=float(max(qrs[r], 0.0)),
            s_mv=float(min(qrs[r:].min(), 0.0)),
            st_mv=float(beat[st]),
            t_mv=_greatest(beat[st:t_end]) if t_end is not None and t_end > st else None,
        )
    return shapes


def _greatest(wave: np.ndarray) -> float:
    return float(wave[np.argmax(np.abs(wave))])
