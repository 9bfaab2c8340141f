"""The delineation of a record: its median beat and where the waves of that beat begin and end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecg_r1.ecg.atria import p_wave_missing, p_window, t_wave_repeats, two_to_one_flutter
from ecg_r1.ecg.beats import Unmeasurable, clean, noisy, r_peaks
from ecg_r1.ecg.measurements import Measured
from ecg_r1.ecg.median_beat import MedianBeat, median_beat
from ecg_r1.ecg.pacing import paced_onset, spikes, without
from ecg_r1.ecg.populations import Populations, populations
from ecg_r1.ecg.waves import NOWHERE, Bounds, P, T, bound, peaks, qrs_bounds, t_window

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


def delineate(signal: np.ndarray, mask: np.ndarray) -> Delineation:
    """Delineates a record.

    Args:
        signal: (12, T) mV at 500 Hz; mask: (12,) leads that are present.

    Raises:
        Unmeasurable: no signal, too few beats, or nothing that repeats itself.
    """
    leads = np.flatnonzero(mask & (np.ptp(signal, axis=1) > FLAT))
    if not len(leads):
        raise Unmeasurable("no signal")
    cleaned = clean(signal[leads])
    quiet = ~noisy(cleaned)
    leads, cleaned = leads[quiet], cleaned[quiet]
    raw = signal[leads]
    found = r_peaks(cleaned)
    paced = spikes(raw, cleaned, found)
    if len(paced):
        raw = without(raw, paced)
        cleaned = clean(raw)
    kinds = populations(cleaned, found)
    delineation = _delineate(cleaned, raw, leads, kinds, paced)
    if delineation.no_p is not None and delineation.no_p.absent and (kinds.premature & ~kinds.reshaped).any():
        # Without P waves no beat is premature: what looked like a regular rhythm was fibrillation.
        return _delineate(cleaned, raw, leads, kinds.by_shape(), paced)
    return delineation


def _delineate(
    cleaned: np.ndarray, raw: np.ndarray, leads: np.ndarray, kinds: Populations, paced: np.ndarray
) -> Delineation:
    beat = median_beat(cleaned, kinds)
    onset, offset = qrs_bounds(beat)
    if len(paced):
        onset = paced_onset((onset, offset), beat, paced)
    wave_peaks = peaks(beat)
    after = t_window(beat, (onset, offset))
    t = bound(beat, T, wave_peaks["T"], after)
    window = p_window(beat, onset, t.offset if len(t) else None)
    p = bound(beat, P, wave_peaks["P"], window)
    no_p = Measured(reason="paced ventricles") if len(paced) else p_wave_missing(cleaned, beat, window)
    if no_p is None and not len(p):
        no_p = Measured(reason="no P waves", absent=True)
    elif no_p is None and two_to_one_flutter(beat, p, (onset, offset)):
        no_p = Measured(reason="no P waves, but flutter waves, two to each QRS", absent=True)
    if len(t) and not t_wave_repeats(cleaned, beat, (after[0], int(t.offset))):
        t = NOWHERE
    return Delineation(cleaned, raw, beat, leads, kinds, onset, offset, NOWHERE if no_p else p, t, no_p)
