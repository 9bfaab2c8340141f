"""Calipers: a quoted interval as a span on the beat and lead where it was measured, beside the measured one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ecg_r1.ecg.beats import Unmeasurable
from ecg_r1.ecg.delineate import Delineation, delineate
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.quantities import LEAD_QUANTITIES, TABLE, Quantity
from ecg_r1.ecg.record import SAMPLING_RATE, ECGRecord
from ecg_r1.reading.leads.quoted_leads import leads_named
from ecg_r1.scoring.judgement import Judgement

MM_S, MM_MV = 50.0, 10.0  # of a strip: twice the speed of the page, so that a PR of 160 ms is 8 mm long
BEFORE, AFTER = 0.35, 0.75  # s of a strip round the QRS onset, where RR is not shown
TOP, BAR = 24.0, 5.0  # mm: height of the trace, and of each pair of bars under it
LETTER = 1.3  # mm, the width of a letter of a title
J_60 = 0.06  # s after the QRS, where the ST level is measured
AFTER_QRS = 0.2  # s after the QRS, where a T amplitude is drawn
INTERVALS = ("pr_ms", "p_ms", "qrs_ms", "qt_ms", "qt_lead_ms", "rr_ms", "heart_rate_bpm")


@dataclass(frozen=True)
class Beat:
    """The beat that is shown of a record.

    Attributes:
        number: from 1, among all beats.
        onset, offset: of its QRS, in seconds of the record.
        following: R peak of the next beat minus its own, in seconds; None for the last.
        peak: its R peak, in seconds.
    """

    number: int
    onset: float
    offset: float
    following: float | None
    peak: float


@dataclass(frozen=True)
class Span:
    """One quoted value on a strip. In millimetres; `y` is of its pair of bars, or None for an amplitude.

    start: of both bars. quoted, measured: their lengths, or the heights of an amplitude (from above); None where there
    is no such value. title: what is quoted, in words.
    """

    verdict: str
    title: str
    start: float
    quoted: float | None
    measured: float | None
    y: float | None


@dataclass(frozen=True)
class Strip:
    """One lead's beat with the values that are quoted for it, in millimetres.

    trace: points "x,y …" of the lead. begin, end: seconds of the record.
    """

    lead: str
    beat: Beat
    begin: float
    end: float
    width: float
    height: float
    trace: str
    spans: tuple[Span, ...]


def shown_beat(record: ECGRecord) -> Beat | None:
    """The beat in the middle of those that the median beat stands for; None where nothing can be measured."""
    try:
        found = delineate(record.signal[:, : record.samples].astype(float), record.lead_mask, record.windows)
    except Unmeasurable:
        return None
    return _beat(found)


def _beat(found: Delineation) -> Beat | None:
    peaks = np.sort(found.beat.peaks)
    if not len(peaks):
        return None
    peak = int(peaks[(len(peaks) - 1) // 2])
    every = np.sort(found.kinds.peaks)
    place = int(np.abs(every - peak).argmin())
    following = every[place + 1] - every[place] if place + 1 < len(every) else None
    at = peak - found.beat.r
    onset, offset = ((at + sample) / SAMPLING_RATE for sample in (found.qrs_onset, found.qrs_offset))
    seconds = None if following is None else float(following) / SAMPLING_RATE
    return Beat(place + 1, float(onset), float(offset), seconds, peak / SAMPLING_RATE)


def strips(
    record: ECGRecord, measurements: Measurements, beat: Beat | None, evidence: Sequence[Judgement]
) -> list[Strip]:
    """The strips of one answer: lead II (or the first lead that was recorded) for intervals, and each quoted lead.

    Args:
        record: what was read.
        measurements: of it.
        beat: that is shown of it; without one there are no strips.
        evidence: the judged quotes.
    """
    if beat is None or not record.lead_mask.any():
        return []
    rhythm = "II" if record.lead_mask[LEADS.index("II")] else LEADS[int(np.flatnonzero(record.lead_mask)[0])]
    by_lead: dict[str, list[Judgement]] = {}
    for row in evidence:
        if row.quoted is None or row.quantity is None:
            continue
        if row.quantity in INTERVALS:
            by_lead.setdefault(rhythm, []).append(row)
        elif row.quantity in LEAD_QUANTITIES and row.lead:
            for lead in leads_named(row.lead):
                if record.lead_mask[LEADS.index(lead)]:
                    by_lead.setdefault(lead, []).append(row)
    return [_strip(record, measurements, beat, lead, rows) for lead, rows in by_lead.items()]


def _strip(record: ECGRecord, measurements: Measurements, beat: Beat, lead: str, rows: Sequence[Judgement]) -> Strip:
    begin = max(beat.onset - BEFORE, 0.0)
    after = AFTER
    if any(row.quantity in ("rr_ms", "heart_rate_bpm") for row in rows) and beat.following is not None:
        after = max(after, beat.peak - beat.onset + beat.following + 0.1)
    end = min(beat.onset + after, record.samples / SAMPLING_RATE)
    trace = record.signal[LEADS.index(lead), int(begin * SAMPLING_RATE) : int(end * SAMPLING_RATE)]
    level = float(record.signal[LEADS.index(lead), min(int(beat.onset * SAMPLING_RATE), record.samples - 1)])
    high, low = float(trace.max()) - level, float(trace.min()) - level
    scale = min(MM_MV, (TOP - 2) / max(high - low, 0.1))
    zero = 1 + high * scale  # mm from above

    def x(seconds: float) -> float:
        return (seconds - begin) * MM_S

    spans: list[Span] = []
    for row in rows:
        intervals = sum(span.y is not None for span in spans)
        spans.append(_span(row, measurements, beat, lead, x, zero, scale, TOP + 1 + BAR * intervals))
    points = " ".join(
        f"{(i + 0.5) / SAMPLING_RATE * MM_S:.1f},{zero - (float(v) - level) * scale:.1f}"
        for i, v in enumerate(trace) if i % 2 == 0
    )  # fmt: skip
    bars = sum(span.y is not None for span in spans)
    reach = [span.start + max(span.quoted or 0, span.measured or 0) + LETTER * (len(span.title) + 1)
             for span in spans if span.y is not None]  # fmt: skip
    width = max((end - begin) * MM_S, *reach, 0.0)
    return Strip(lead, beat, begin, end, width, TOP + 2 + BAR * bars, points, tuple(spans))


def _span(
    row: Judgement,
    measurements: Measurements,
    beat: Beat,
    lead: str,
    x: Callable[[float], float],
    zero: float,
    scale: float,
    y: float,
) -> Span:
    """One quote; `x` gives the place of a second, `zero` and `scale` that of a mV, `y` that of the next bars."""
    name, said = row.quantity or "", row.quoted or 0.0
    quantity = TABLE[name]
    if name in LEAD_QUANTITIES:
        measured = measurements.in_lead(name, lead).value
        sign = -1 if name in ("s_mv", "q_mv") else 1
        at = {"st_mv": beat.offset + J_60, "t_mv": beat.offset + AFTER_QRS}.get(name, beat.peak)
        heights = [None if value is None else zero - sign * value * scale for value in (said, measured)]
        return Span(row.verdict, _title(quantity, said, measured, lead), x(at), heights[0], heights[1], None)
    measured = measurements.value(name)
    lengths = [None if value is None or value <= 0 else _seconds(name, value) for value in (said, measured)]
    start = beat.onset
    if name in ("rr_ms", "heart_rate_bpm"):
        start = beat.peak
    elif name in ("pr_ms", "p_ms"):  # from the P onset, which is the measured PR before the QRS
        before = measurements.value("pr_ms")
        start = beat.onset - (before / 1000 if before is not None else lengths[0] or 0.0)
    quoted, there = (None if seconds is None else seconds * MM_S for seconds in lengths)
    return Span(row.verdict, _title(quantity, said, measured), x(start), quoted, there, y)


def _title(quantity: Quantity, quoted: float, measured: float | None, lead: str = "") -> str:
    """What is quoted, and what was measured: "PR 160 ms, measured 164"."""
    beside = "not measurable" if measured is None else f"measured {quantity.number(measured)}"
    return f"{quantity.short} {quantity.written(quoted)}{f' in {lead}' if lead else ''}, {beside}"


def _seconds(name: str, value: float) -> float:
    return 60 / value if name == "heart_rate_bpm" else value / 1000
