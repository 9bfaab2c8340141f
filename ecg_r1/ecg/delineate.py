"""The delineation of a record: its median beat and where the waves of that beat begin and end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecg_r1.ecg.atria import (
    ECTOPIC_T,
    hidden_by_ectopic_t,
    irregular,
    is_flutter,
    is_t,
    p_on_t,
    p_wave_missing,
    p_window,
    second_p,
    sinus_arrhythmia,
    t_wave_repeats,
)
from ecg_r1.ecg.beats import Unmeasurable, clean, noisy, r_peaks
from ecg_r1.ecg.dissociation import Dissociated, dissociated_p
from ecg_r1.ecg.measurements import Measured
from ecg_r1.ecg.median_beat import MedianBeat, median_beat
from ecg_r1.ecg.pacing import paced_onset, spikes, without
from ecg_r1.ecg.populations import Populations, of_one_kind, populations
from ecg_r1.ecg.waves import NOWHERE, Bounds, P, T, bound, peaks, qrs_bounds, t_window
from ecg_r1.ecg.windows import held, inside, rhythm

UNEVEN = 0.05  # share of RR by which it may change before the P waves of a page without a rhythm strip are doubted
# Of so few beats, P waves of another rhythm may precede some by chance; those in step are usually more alike.
FEW_BEATS, BY_CHANCE = 9, 1.65
FLAT = 0.03  # mV peak to peak: no beat is seen in such a lead


@dataclass(frozen=True)
class Delineation:
    """A record's median beat and the bounds of its waves, in samples of that beat.

    leads: rows of the record that were used; leads that hold noise only are left out.
    kinds: every R peak, and which beats are of the dominant kind.

    signal: (leads, T) mV, the record without drift, hum and pacemaker spikes.
    raw: (leads, T) mV, the same leads as recorded, without pacemaker spikes: filters lower the QRS.
    p, t: onsets and offsets in each lead that shows the wave.
    no_p: why no P wave can be measured; None where one can.
    p_alike: how alike what precedes each QRS is, as a share of what is wanted of P waves; None where it was not asked.
    dissociated: P waves that are not in step with the QRS; None where none were found.
    blocked_p: onset of the P wave after the QRS that is not conducted, where every second one is not; None elsewhere.
    spike: the sharpest bend before the usual QRS, as a share of what a pacemaker spike has.
    there: bool (leads, T), where each of these leads was recorded; None: everywhere.
    """

    signal: np.ndarray
    raw: np.ndarray
    beat: MedianBeat
    leads: np.ndarray
    kinds: Populations
    qrs_onset: float
    qrs_offset: float
    p: Bounds
    t: Bounds
    no_p: Measured | None
    p_alike: float | None = None
    dissociated: Dissociated | None = None
    blocked_p: float | None = None
    spike: float = 0.0
    there: np.ndarray | None = None

    def recorded(self, rows: Sequence[int] | np.ndarray, start: float, stop: float) -> bool:
        """Whether all of these rows of `leads` were recorded from `start` to `stop`, in samples of the record."""
        return self.there is None or bool(self.there[rows, max(int(start), 0) : int(stop)].all())


def delineate(signal: np.ndarray, mask: np.ndarray, windows: np.ndarray | None = None) -> Delineation:
    """Delineates a record.

    Args:
        signal: (12, T) mV at 500 Hz; mask: (12,) leads that are present.
        windows: int (12, 2), where each lead was recorded; None: everywhere. Beats are found in the leads that were
            recorded from begin to end, and the median beat of each lead is that of the beats within its window.

    Raises:
        Unmeasurable: no signal, too few beats, or nothing that repeats itself.
    """
    if windows is not None:
        signal = held(signal, windows)
    leads = np.flatnonzero(mask & (np.ptp(signal, axis=1) > FLAT))
    if not len(leads):
        raise Unmeasurable("no signal")
    cleaned = clean(signal[leads])
    quiet = ~noisy(cleaned) if windows is None else np.ones(len(leads), bool)
    leads, cleaned = leads[quiet], cleaned[quiet]
    raw, there = signal[leads], None
    if windows is None:
        found = r_peaks(cleaned)
    else:
        there = inside(windows[leads], signal.shape[1])
        found = r_peaks(rhythm(cleaned, there))
    paced, spike = spikes(raw, cleaned, found)
    if len(paced):
        raw = without(raw, paced)
        cleaned = clean(raw)
    kinds = _kinds(cleaned, found, there)
    delineation = _delineate(cleaned, raw, leads, kinds, paced, there)
    if (kinds.premature & ~kinds.reshaped).any():
        without_p = delineation.no_p is not None and delineation.no_p.absent
        # Without P waves no beat is premature: what looked like a regular rhythm was fibrillation.
        if without_p or (there is None and sinus_arrhythmia(cleaned, delineation.beat, kinds, delineation.p)):
            delineation = _delineate(cleaned, raw, leads, kinds.by_shape(), paced, there)
    return replace(delineation, spike=spike)


def _kinds(cleaned: np.ndarray, found: np.ndarray, there: np.ndarray | None) -> Populations:
    """The beats by kind, told apart in the leads that were recorded from begin to end; without any, all are of one."""
    through = np.ones(len(cleaned), bool) if there is None else there.all(axis=1)
    return populations(cleaned[through], found) if through.any() else of_one_kind(found)


def _delineate(
    cleaned: np.ndarray,
    raw: np.ndarray,
    leads: np.ndarray,
    kinds: Populations,
    paced: np.ndarray,
    there: np.ndarray | None,
) -> Delineation:
    beat = median_beat(cleaned, kinds, there)
    recorded = cleaned
    if there is not None:  # leads without a whole beat in their window are left out
        seen = np.isfinite(beat.signal).all(axis=1)
        leads, cleaned, raw, there = leads[seen], cleaned[seen], raw[seen], there[seen]
        beat = replace(beat, signal=beat.signal[seen], weights=beat.weights[seen])
        recorded = np.where(there, cleaned, np.nan)
    onset, offset = qrs_bounds(beat)
    if len(paced):
        onset = paced_onset((onset, offset), beat, paced)
    wave_peaks = peaks(beat)
    after = t_window(beat, (onset, offset))
    t = bound(beat, T, wave_peaks["T"], after)
    after_ectopic = kinds.follow_ectopic(beat.p_peaks)
    window = p_window(beat, onset, beat.r + ECTOPIC_T if after_ectopic else t.offset if len(t) else None)
    p = bound(beat, P, wave_peaks["P"], window)
    no_p: Measured | None
    p_alike = None
    if len(paced):
        no_p = Measured(reason="paced ventricles")
    elif there is not None and not there.all(axis=1).any() and irregular(np.diff(kinds.peaks), UNEVEN):
        # Of the two or three beats that each lead shows, chance alone makes waves that repeat themselves.
        no_p = Measured(reason="an irregular rhythm, and no lead long enough to tell P waves from fibrillation")
    elif after_ectopic and hidden_by_ectopic_t(beat, onset, p):
        no_p = Measured(reason="each beat follows an ectopic one, whose T wave may hide the P wave")
    else:
        no_p, p_alike = p_wave_missing(recorded, beat, kinds, window)
    if no_p is None and not len(p):
        no_p = Measured(reason="no P waves", absent=True)
    second = None if no_p else second_p(beat, p, (onset, offset))
    if second and is_flutter(beat):
        no_p = Measured(reason="no P waves, but flutter waves, two to each QRS", absent=True)
    own = None
    doubtful = p_alike is not None and p_alike < BY_CHANCE and len(kinds.peaks) <= FEW_BEATS
    if there is None and (no_p.absent if no_p else doubtful):
        own = dissociated_p(cleaned, beat, kinds, (onset, offset), t.offset if len(t) else None)
        if own and own.share >= 1:
            no_p, p_alike = Measured(reason="no P waves in step with the QRS", absent=True), 0.0
    if len(t) and not t_wave_repeats(recorded, beat, (after[0], int(t.offset))):
        t = NOWHERE
    blocked = p.onset + second if second and not no_p and not (len(t) and is_t(beat, p, second, t)) else None
    if blocked is None and not no_p and (on_t := p_on_t(beat, p, (onset, offset))):
        blocked = p.onset + on_t
    p = NOWHERE if no_p else p
    return Delineation(cleaned, raw, beat, leads, kinds, onset, offset, p, t, no_p, p_alike, own, blocked, there=there)
