"""Real records with one thing moved: the P wave against the QRS, the QT, the times of the beats, amplitude or a lead.

Time is warped between measured fiducials: the waves themselves are shifted as they are, and only what lies between them
(the PR and ST segments, and TP beyond a U wave) is stretched or compressed. Whether an edit did what it says, and
nothing else, is told by measuring again: `check`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, pairwise

import numpy as np

from ecg_r1.ecg.beats import MS, Unmeasurable
from ecg_r1.ecg.delineate import Delineation, delineate
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.ecg.record import ECGRecord
from ecg_r1.ecg.waves import global_t_end, weighted_quantiles

HOLDS = 6.0  # ms (degrees of the axis) by which what was moved may miss, and anything else may move
LEFT = int(16 / MS)  # samples of a compressed segment that must be left
FEWEST = 3  # beats of a record that is re-timed
U_WAVE = int(160 / MS)  # samples after T in which a U wave has its place
EDGE = int(12 / MS)  # samples around a wave that are shifted with it: a filter smears its bounds
ALONG: Mapping[str, tuple[str, ...]] = {"qt_ms": ("qt_lead_ms",)}  # what is another measure of what is moved


class Refused(ValueError):
    """An edit that cannot be made, or does not hold; the message is the reason."""


@dataclass(frozen=True)
class Fiducials:
    """Where the waves of the beats lie, in samples from each R peak; the P wave is None where there is none.

    p: its first onset and last offset over the leads. qrs: onset and offset. t_peak: the first of the leads. t_end: the
    last. peaks: of all beats, in samples of the record. warped: bool (beats,), those of the dominant kind.
    """

    p: tuple[int, int] | None
    qrs: tuple[int, int]
    t_peak: int
    t_end: int
    peaks: np.ndarray
    warped: np.ndarray

    @property
    def begin(self) -> int:
        """Where a beat begins: with its P wave, or with its QRS."""
        return (self.qrs[0] if self.p is None else self.p[0]) - EDGE


def fiducials(record: ECGRecord) -> Fiducials:
    """Measure where the waves of a record lie.

    Raises:
        Refused: nothing can be measured, or there is no T wave.
    """
    if record.windows is not None:
        raise Refused("its leads were recorded one after the other")
    try:
        found = delineate(record.signal[:, : record.samples].astype(float), record.lead_mask, record.windows)
    except Unmeasurable as reason:
        raise Refused(str(reason)) from None
    if not len(found.t):
        raise Refused("no T wave found")
    r, bounds = found.beat.r, (found.qrs_onset, found.qrs_offset)
    p = None
    if len(found.p):
        edges = (found.p.onsets, 0.1), (found.p.offsets, 0.9)
        first, last = (float(weighted_quantiles(at, found.p.weights, share)) - r for at, share in edges)
        p = int(first), int(np.ceil(min(last, bounds[0] - r)))
    ends = global_t_end(found.beat, found.t, bounds), float(weighted_quantiles(found.t.offsets, found.t.weights, 0.9))
    return Fiducials(
        p,
        (int(bounds[0]) - r, int(np.ceil(bounds[1])) - r),
        _t_peak(found) - r,
        int(np.ceil(max(ends))) - r,
        found.kinds.peaks,
        found.kinds.dominant,
    )


def _t_peak(found: Delineation) -> int:
    """Where the heart's vector is largest in the T wave, in samples of the median beat."""
    start, stop = int(found.qrs_offset) + EDGE, int(np.ceil(found.t.offset))
    beat = found.beat.signal
    away = beat[:, start:stop] - beat[:, stop : stop + 10].mean(axis=1, keepdims=True)
    return start + int(np.argmax(np.linalg.norm(found.beat.weights[:, None] * away, axis=0)))


Knots = list[tuple[float, float]]  # (sample of the record, sample of the edited record), both rising


def shift_p(record: ECGRecord, by_ms: float, at: Fiducials) -> tuple[ECGRecord, float]:
    """The P waves moved away from their QRS.

    Args:
        by_ms: by which PR becomes longer; shorter where it is negative.

    Returns:
        The record, and the change of PR in ms as it was made, in whole samples.

    Raises:
        Refused: there are no P waves, or no room for them.
    """
    if at.p is None:
        raise Refused("no P waves")
    by, (onset, offset), qrs = round(by_ms / MS), at.p, at.qrs[0] - EDGE // 2
    offset = min(offset + EDGE // 2, qrs - 2)
    if by < 0 and qrs - offset + by < 2:
        raise Refused("no room between P wave and QRS")
    knots: Knots = []
    for rest, peak in _beats(at):
        first = peak + onset - EDGE
        if first - by - rest < LEFT:
            raise Refused("no room between T wave and P wave")
        rest += _u_wave(first - max(by, 0) - rest)
        moved = [first, peak + offset]
        knots += [(rest, rest), *((x, x - by) for x in moved), (peak + qrs, peak + qrs)]
    return _warped(record, knots), by * MS


def stretch_qt(record: ECGRecord, by_ms: float, at: Fiducials) -> tuple[ECGRecord, float]:
    """The T waves moved away from their QRS, the segment up to their peak stretched.

    Args:
        by_ms: by which QT becomes longer; shorter where it is negative.

    Returns:
        The record, and the change of QT in ms as it was made, in whole samples.

    Raises:
        Refused: there is no room before the T wave's peak, or after its end.
    """
    by, start = round(by_ms / MS), at.qrs[1] + EDGE
    if at.t_peak - start + min(by, 0) < LEFT:
        raise Refused("no room between QRS and the peak of T")
    knots: Knots = []
    for peak, following in pairwise([*at.peaks[at.warped], np.inf]):
        stop = min(following + at.begin, record.samples - 1) if np.isfinite(following) else record.samples - 1
        t_end = peak + at.t_end + EDGE
        if np.isinf(following) and t_end + max(by, 0) + LEFT > stop:
            break  # the last T wave is cut off by the end of the record: nobody measures it
        if stop - t_end - max(by, 0) < LEFT:
            raise Refused("no room between T wave and the next beat")
        t_end += _u_wave(stop - t_end - max(by, 0))
        knots += [(peak + start, peak + start), (peak + at.t_peak, peak + at.t_peak + by), (t_end, t_end + by)]
        knots.append((stop, stop))
    return _warped(record, knots), by * MS


def retime(record: ECGRecord, by_ms: float, at: Fiducials) -> tuple[ECGRecord, float]:
    """Every beat later or earlier after the one before, the segment between its T and U wave and the next stretched.

    A faster rhythm goes on with the record's own beginning where it ends.

    Args:
        by_ms: by which RR becomes longer; shorter where it is negative.

    Returns:
        The record, and the change of its mean RR in ms as it was made.

    Raises:
        Refused: some beats are premature or of another kind, or there is no room between the beats.
    """
    if not at.warped.all():
        raise Refused("beats of several kinds")
    by, peaks = round(by_ms / MS), at.peaks
    if np.diff(peaks).min() + at.begin - at.t_end - EDGE + min(by, 0) < LEFT:
        raise Refused("no room between T wave and the next beat")
    begins = peaks + at.begin
    inside = begins >= 0
    begins, beats = begins[inside], peaks[inside]
    if len(begins) < 2:
        raise Refused("fewer than two whole beats")
    step = record.signal[:, begins[-1]] - record.signal[:, begins[0]]  # where the record is joined to its beginning
    sources, turns, told, now = list[np.ndarray](), list[np.ndarray](), list[int](), 0
    for cycle in count():
        if now >= record.samples:
            break
        turn, k = divmod(cycle, len(begins) - 1)
        start, stop, t_end = begins[k], begins[k + 1], beats[k] + at.t_end + EDGE
        rest = t_end + _u_wave(stop - t_end + min(by, 0))
        length = stop - start + by
        sources.append(np.interp(np.arange(length), [0, rest - start, length], [start, rest, stop]))
        turns.append(np.full(length, turn))
        told.append(now - at.begin)
        now += length
    at_samples, turned = (np.concatenate(parts)[: record.samples] for parts in (sources, turns))
    signal = np.zeros_like(record.signal)
    signal[:, : record.samples] = _at(record.signal, at_samples) + step[:, None] * turned
    beats_left = [peak for peak in told if peak < record.samples - EDGE]
    if len(beats_left) < FEWEST:
        raise Refused(f"fewer than {FEWEST} beats are left")
    made = float(np.diff(beats_left).mean() - np.diff(peaks).mean()) * MS
    return replace(record, signal=signal), made


def scale(record: ECGRecord, factor: float) -> ECGRecord:
    """All amplitudes times a factor."""
    return replace(record, signal=record.signal * np.float32(factor))


def without_lead(record: ECGRecord, lead: str) -> ECGRecord:
    """The record without one of its leads.

    Raises:
        Refused: it has no such lead.
    """
    if not record.lead_mask[LEADS.index(lead)]:
        raise Refused(f"no lead {lead}")
    return record.showing([other for other in LEADS if other != lead])


def check(before: Measurements, after: Measurements, moved: str, by_ms: float) -> None:
    """Hold the measurements of an edited record against what the edit says.

    Args:
        before: of the record.
        after: of the edited one.
        moved: a quantity, or another name where none is. The rate is looked at as the RR interval, and QTc, a function
            of QT and RR, not at all.
        by_ms: its change; 0 for what is no interval.

    Raises:
        Refused: the quantity moved by something else, or another one moved with it.
    """
    moved = "rr_ms" if moved == "heart_rate_bpm" else moved
    for name, quantity in QUANTITIES.items():
        if name in ("heart_rate_bpm", "qtc_ms") or name in ALONG.get(moved, ()):
            continue
        old, new = before.value(name), after.value(name)
        if old is None and name != moved:
            continue
        if old is None or new is None:
            raise Refused(f"{quantity.title} cannot be measured {'before' if old is None else 'after'} the edit")
        wanted, found = by_ms if name == moved else 0.0, quantity.difference(new, old)
        if abs(found - wanted) > HOLDS:
            raise Refused(f"{quantity.title} moved by {quantity.written(found)}, not {quantity.written(wanted)}")


def _u_wave(rest: float) -> int:
    """How many samples after T are left as they are, since a U wave may lie there: at most half of the rest."""
    return min(U_WAVE, int(rest) // 2)


def _beats(at: Fiducials) -> list[tuple[int, int]]:
    """(where it is quiet after the T wave before, R peak) of each beat whose P wave is inside the record."""
    assert at.p is not None
    rests = [0, *(int(peak) + at.t_end for peak in at.peaks[:-1])]
    beats = zip(rests, map(int, at.peaks), at.warped, strict=True)
    return [(max(rest, 0), peak) for rest, peak, warped in beats if warped and peak + at.begin >= LEFT]


def _warped(record: ECGRecord, knots: Sequence[tuple[float, float]]) -> ECGRecord:
    old, new = np.array([(0.0, 0.0), *knots, (record.samples - 1.0, record.samples - 1.0)]).T
    order = np.append(True, np.diff(new) > 0)
    sources = np.interp(np.arange(record.samples), new[order], old[order])
    signal = np.zeros_like(record.signal)
    signal[:, : record.samples] = _at(record.signal, sources)
    return replace(record, signal=signal)


def _at(signal: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """(12, len(sources)): the signal at these samples, between two of them in proportion."""
    low = np.clip(np.floor(sources).astype(int), 0, signal.shape[1] - 2)
    share = sources - low
    return signal[:, low] * (1 - share) + signal[:, low + 1] * share
