"""A record's page with its delineation over it: what `measure` saw, for a reader to agree or not."""

from __future__ import annotations

import numpy as np

from ecg_r1.ecg.beats import Unmeasurable
from ecg_r1.ecg.delineate import Delineation, delineate
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.paper import Paper
from ecg_r1.ecg.record import SAMPLING_RATE, ECGRecord
from ecg_r1.ecg.render import render

COLOURS = {"P": (90, 160, 220), "QRS": (240, 190, 60), "T": (120, 190, 120)}
STRENGTH = 0.45
PAPER = Paper("12x1")


def annotate(record: ECGRecord, *, pixels_per_mm: float = 4.0) -> np.ndarray:
    """The 12x1 page, with P, QRS and T of every counted beat tinted in each lead that shows them.

    Returns:
        uint8 (H, W, 3); the bare page where nothing can be measured.
    """
    page = render(record, paper=PAPER, pixels_per_mm=pixels_per_mm)
    try:
        found = delineate(record.signal[:, : record.samples].astype(float), record.lead_mask, record.windows)
    except Unmeasurable:
        return page
    spans = _spans(found)
    for cell in PAPER.cells():
        top, bottom = (round(mm * pixels_per_mm) for mm in (cell.top + 0.2 * PAPER.row, cell.top + 0.9 * PAPER.row))
        row = np.flatnonzero(found.leads == LEADS.index(cell.lead))
        for wave, start, end in spans if len(row) else ():
            if not found.recorded(row, start, end):
                continue
            left, right = (round(cell.x_mm(sample / SAMPLING_RATE) * pixels_per_mm) for sample in (start, end))
            patch = page[top:bottom, max(left, 0) : max(right, left + 1)]
            patch[:] = patch * (1 - STRENGTH) + np.array(COLOURS[wave]) * STRENGTH * (patch / 255)
    return page


def _spans(found: Delineation) -> list[tuple[str, float, float]]:
    """(wave, start, end) in samples of the record, for every beat that the median beat stands for."""
    waves = [("QRS", found.qrs_onset, found.qrs_offset)]
    for name, bounds in (("P", found.p), ("T", found.t)):
        if len(bounds):
            waves.append((name, bounds.onset, bounds.offset))
    shifts = found.beat.peaks - found.beat.r
    return [(wave, shift + start, shift + end) for shift in shifts for wave, start, end in waves]
