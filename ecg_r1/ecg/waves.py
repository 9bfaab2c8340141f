"""Where the waves of the median beat begin and end.

neurokit2 (prominence method) finds the P and T peaks lead by lead. It bounds a wave at the neighbouring minimum or at a
fixed distance from its peak, which is not what cardiologists mark: the QRS so found correlates 0.43 with theirs, and a
long T is cut short. The bounds are therefore drawn here: the QRS lasts as long as the heart's vector moves, and a P or
T wave begins and ends where its slope has fallen to a share of the steepest.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ecg_r1.ecg.beats import LIBRARY_ERRORS, MS, RATE, Unmeasurable, spatial_velocity
from ecg_r1.ecg.median_beat import MedianBeat

QRS_LEVEL = 0.05  # share of the greatest spatial velocity below which the heart's vector stands still
RAISED = (QRS_LEVEL, 1.5 * QRS_LEVEL, 2 * QRS_LEVEL)  # where an ST segment is too steep for the first to end a QRS in
WIDE = int(200 / MS)  # samples; 1 of 576 real records is wider, by its ST segment
HOLD = int(12 / MS)  # samples it must stand still for
# Share of the vector's greatest speed in the fall of T, above its speed in the rest after T, at which T ends. Above the
# slowest tenth of the beat, 0.05 was fitted to GE MUSE's QT of 12 records; the rest is faster than that tenth by 0.003
# (simulated) to 0.012 (LUDB).
T_LEVEL, T_SMOOTH = 0.045, 4 / MS
BEYOND = int(8 / MS)  # samples that this end may lie after those of the leads
# Samples after the steepest fall of T in which a rest between T and a U wave has its place (the top of U comes about
# 100 ms after the T end), and how long the vector must be slow to rest.
BEFORE_U, REST = int(200 / MS), int(50 / MS)
HUMP = 0.5  # share of its height above which a P wave has not begun or ended, although it is flat
SECOND = int(60 / MS)  # samples that its other hump adds; what reaches further is another wave
NEAR = int(60 / MS)  # samples by which the leads may differ about a wave's peak


@dataclass(frozen=True)
class WaveKind:
    """How a wave is bounded.

    smooth: ms (sigma); begins, ends: share of the steepest slope at which it does; reach: ms from its peak; smallest:
    mV, below which a lead does not show it.
    """

    smooth: float
    begins: float
    ends: float
    reach: float
    smallest: float


P = WaveKind(smooth=8.0, begins=0.43, ends=0.68, reach=100.0, smallest=0.02)
T = WaveKind(smooth=10.0, begins=0.25, ends=0.25, reach=220.0, smallest=0.03)


@dataclass(frozen=True)
class Bounds:
    """Onset and offset in samples of the beat for each lead that shows the wave, and how far that lead is trusted."""

    onsets: np.ndarray
    offsets: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.onsets)

    @property
    def onset(self) -> float:
        """Onset over all leads: their weighted median."""
        return float(weighted_quantiles(self.onsets, self.weights, 0.5))

    @property
    def offset(self) -> float:
        """Offset over all leads: their weighted median."""
        return float(weighted_quantiles(self.offsets, self.weights, 0.5))


NOWHERE = Bounds(np.array([]), np.array([]), np.array([]))


def weighted_quantiles(values: np.ndarray, weights: np.ndarray, shares: float | tuple[float, ...]) -> np.ndarray:
    """The values below which these shares of the weight lie, each value's own weight counting half to either side."""
    order = np.argsort(values)
    below = np.cumsum(weights[order]) - weights[order] / 2
    return np.interp(np.asarray(shares) * weights.sum(), below, values[order])


def qrs_bounds(beat: MedianBeat) -> tuple[float, float]:
    """QRS onset and offset in samples of the beat: where its spatial velocity sinks into the level around it."""
    velocity = spatial_velocity(beat.weights[:, None] * beat.signal)
    return _qrs_bounds(velocity, float(np.percentile(velocity, 10)), beat.r)


def qrs_widths(beat: MedianBeat) -> np.ndarray:
    """(leads,) the QRS of each lead looked at alone, in samples."""
    velocities = np.abs(np.gradient(beat.signal, axis=1))
    floors = np.percentile(velocities, 10, axis=1)
    bounds = [_qrs_bounds(row, float(floor), beat.r) for row, floor in zip(velocities, floors, strict=True)]
    return np.array([end - start for start, end in bounds])


def _qrs_bounds(velocity: np.ndarray, floor: float, r: int) -> tuple[float, float]:
    lo, hi = max(r - int(150 / MS), 0), min(r + int(150 / MS), len(velocity))
    top = lo + int(np.argmax(velocity[lo:hi]))
    quiet = velocity < QRS_LEVEL * velocity[top] + floor
    onset = _last_run(quiet[: top + 1], max(top - int(220 / MS), 0))
    for level in RAISED:
        after = velocity[top:][::-1] < level * velocity[top] + floor
        offset = len(velocity) - 1 - _last_run(after, max(len(after) - int(260 / MS), 0))
        if offset - onset <= WIDE:
            break
    return float(onset), float(offset)


def _last_run(quiet: np.ndarray, limit: int) -> int:
    """Last sample of the last run of `HOLD` quiet samples, or `limit`."""
    run = np.convolve(quiet, np.ones(HOLD, int), "full")[: len(quiet)] == HOLD
    ends = np.flatnonzero(run)
    ends = ends[ends >= limit]
    return int(ends[-1]) if len(ends) else limit


def peaks(beat: MedianBeat) -> dict[str, np.ndarray]:
    """Finds P and T peaks with neurokit2: one a lead, in samples of the beat; NaN where it finds no peak.

    The leads are laid end to end as if they were beats of one signal, with ramps between them: the prominence method
    cuts each beat at half the RR interval and would lose a T wave that ends later.

    Raises:
        Unmeasurable: neurokit2 raises an error.
    """
    # `ecg_delineate` lays what this function finds out over all samples, twice, which takes three times as long.
    from neurokit2.ecg.ecg_delineate import _prominence_ecg_delineator

    # neurokit2 needs two beats, so a lone lead is laid out twice.
    rows = beat.signal if len(beat.signal) > 1 else np.repeat(beat.signal, 2, axis=0)
    leads, length = rows.shape
    half = max(beat.r, length - beat.r) + int(120 / MS)
    laid = np.stack([_ramped(row, half - beat.r, half - (length - beat.r)) for row in rows])
    r_peaks = np.arange(leads) * 2 * half + half
    pace = np.sqrt(beat.after * MS / 800)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a lead without an R wave; its R is not asked for
            waves = _prominence_ecg_delineator(
                laid.ravel(), r_peaks, sampling_rate=RATE, typical_st_segment=float(np.clip(150 * pace, 110, 210))
            )
    except LIBRARY_ERRORS:
        raise Unmeasurable("neurokit2 cannot delineate the median beat") from None
    return {wave: np.asarray(waves[f"ECG_{wave}_Peaks"], float) - (r_peaks - beat.r) for wave in ("P", "T")}


def _ramped(row: np.ndarray, before: int, after: int) -> np.ndarray:
    """A row that starts and ends at zero, by straight ramps."""
    return np.concatenate([np.linspace(0, row[0], before), row, np.linspace(row[-1], 0, after)])


def t_window(beat: MedianBeat, qrs: tuple[float, float]) -> tuple[int, int]:
    """Where a T wave has its place: from shortly after the QRS to before the next P wave or premature beat."""
    end = 0.70 * beat.after if beat.free is None else beat.free
    return int(qrs[1]) + int(30 / MS), min(int(beat.r + end), beat.signal.shape[1])


def global_t_end(beat: MedianBeat, t: Bounds, qrs: tuple[float, float]) -> float:
    """Where the last lead's T wave ends, in samples of the beat: where the heart's vector stands still again.

    ECG machines count QT to this end. A U wave may begin before the vector stands still: then T ends at the kink
    between the two (Lepeschkin and Surawicz, Circulation 1952;6:378), where the vector becomes as slow as it stays for
    a while. One noisy lead can move the vector, too: the end is at most `BEYOND` after that of nine tenths of the
    leads.

    Args:
        t: the T wave's bounds in the leads, at least one.
        qrs: onset and offset of the QRS.
    """
    start, stop = t_window(beat, qrs)
    velocity = spatial_velocity(beat.weights[:, None] * gaussian_filter1d(beat.signal, T_SMOOTH, axis=1))
    limit = float(weighted_quantiles(t.offsets, t.weights, 0.9)) + BEYOND
    middle = int(np.clip(t.offset, start + 1, stop))
    steepest = max(start, middle - NEAR) + int(np.argmax(velocity[max(start, middle - NEAR) : middle + HOLD]))
    floor = _rest_after_t(velocity, steepest, stop)
    for level in (T_LEVEL, 1.5 * T_LEVEL, 2 * T_LEVEL):
        still = np.flatnonzero(velocity[steepest:stop] < level * velocity[steepest] + floor)
        end = steepest + still[0] if len(still) else stop
        if end <= limit:
            return float(end)
    return limit


def _rest_after_t(velocity: np.ndarray, steepest: int, stop: int) -> float:
    """How fast the vector moves in the rest between T and the next wave; where it is slowest, if there is no such rest.

    Args:
        steepest: where T falls fastest; stop: where the next wave may begin; samples of the beat.
    """
    slowest = float(np.percentile(velocity, 10))
    after = velocity[steepest : min(stop, steepest + BEFORE_U)]
    if len(after) <= REST:
        return slowest
    speeds = np.convolve(after, np.ones(REST) / REST, "valid")
    rest = int(speeds.argmin())
    cut_short = rest == len(speeds) - 1 and len(after) < BEFORE_U  # T still falls where the next wave may begin
    return slowest if cut_short else max(slowest, float(speeds[rest]))


def bound(beat: MedianBeat, kind: WaveKind, found: np.ndarray, window: tuple[int, int]) -> Bounds:
    """Bounds a wave in every lead that shows it.

    Args:
        found: neurokit2's peak of it in each lead, or NaN.
        window: where it may lie; samples of the beat.
    """
    start, stop = max(0, window[0]), min(window[1], beat.signal.shape[1])
    found_bounds: list[tuple[float, float, float]] = []
    if stop - start >= int(60 / MS):
        rows = gaussian_filter1d(beat.signal[:, start:stop], kind.smooth / MS, axis=1)
        heights = rows - _rest(rows, kind)
        centre = _centre(heights, found - start)
        near = slice(max(0, centre - NEAR), centre + NEAR)
        for row, height, weight in zip(rows, heights, beat.weights, strict=True):
            peak = near.start + int(np.argmax(np.abs(height[near])))
            if abs(height[peak]) >= kind.smallest:
                sign = 1 if height[peak] > 0 else -1
                onset, offset = _slope_bounds(sign * row, sign * height, peak, kind)
                found_bounds.append((start + onset, start + offset, weight))
    return Bounds(*np.array(found_bounds).T) if found_bounds else NOWHERE


def _rest(rows: np.ndarray, kind: WaveKind) -> np.ndarray:
    """The level the wave stands on: a line through the window's ends for P, the level after it for T."""
    if kind is T:
        return np.median(rows[:, -15:], axis=1, keepdims=True)
    fall = np.linspace(0, 1, rows.shape[1])
    return rows[:, :3].mean(axis=1)[:, None] * (1 - fall) + rows[:, -3:].mean(axis=1)[:, None] * fall


def _centre(heights: np.ndarray, found: np.ndarray) -> int:
    """Where all leads have the wave: the median of neurokit2's peaks near the greatest wave that the leads share.

    Alone, those peaks err where the QRS is broad: after a left bundle branch block most of them are on the next P wave.
    """
    shared = np.abs(np.linalg.svd(heights, full_matrices=False)[0][:, 0] @ heights)
    greatest = int(np.argmax(shared[: max(1, int(0.9 * len(shared)))]))
    near = found[np.abs(found - greatest) <= NEAR]
    return int(np.median(near)) if len(near) else greatest


def _slope_bounds(row: np.ndarray, height: np.ndarray, peak: int, kind: WaveKind) -> tuple[int, int]:
    """Around an upright peak, where the slope has fallen to a share of the steepest.

    Args:
        row: the lead; height: the same above the level that the wave stands on.
    """
    slope, reach = np.gradient(row), int(kind.reach / MS)
    onset = _onset(slope, peak, reach, kind.begins)
    offset = len(row) - 1 - _onset(-slope[::-1], len(row) - 1 - peak, reach - 1, kind.ends)
    if kind is P:  # which may have two humps: between them it is flat, but high
        if height[onset] > HUMP * height[peak]:
            first = _onset(slope, onset, reach, kind.begins)
            onset = first if onset - first <= SECOND else onset
        if height[offset] > HUMP * height[peak]:
            last = len(row) - 1 - _onset(-slope[::-1], len(row) - 1 - offset, reach - 1, kind.ends)
            offset = last if last - offset <= SECOND else offset
    return onset, offset


def _onset(slope: np.ndarray, peak: int, reach: int, share: float) -> int:
    """Where a rise to a peak begins: the slope is at most a share of the steepest one within reach."""
    first = max(0, peak - reach)
    up = first + int(np.argmax(slope[first : peak + 1]))
    before = np.flatnonzero(slope[: up + 1] < share * slope[up])
    return int(before[-1]) if len(before) else 0
