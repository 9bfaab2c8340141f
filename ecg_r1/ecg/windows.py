"""Leads that were recorded in part: a page that was digitised shows 2.5 s of each lead, and one lead as a whole."""

from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np

from ecg_r1.ecg.leads import LEADS

PART = 0.5  # seconds missing at one end of a lead; less is a gap, which is bridged
PADDED = 2.0  # seconds for which most leads of a page hold one value at an end, where its file cannot hold gaps


def first_and_last(signal: np.ndarray, rate: float) -> np.ndarray | None:
    """Where each lead was recorded.

    Args:
        signal: (12, T); NaN or infinity where nothing was recorded.
        rate: Hz.

    Returns:
        int (12, 2): the first sample and the one after the last, (0, 0) for a lead without any; None where every lead
        was recorded from begin to end, up to `PART`.
    """
    length = signal.shape[1]
    ends = np.isfinite(signal[:, [0, -1]])
    if ends.all():
        return None
    windows = np.tile([0, length], (len(signal), 1))
    for lead in np.flatnonzero(~ends.all(axis=1)):
        there = np.flatnonzero(np.isfinite(signal[lead]))
        first, last = (int(there[0]), int(there[-1]) + 1) if len(there) else (0, 0)
        near = int(PART * rate)
        windows[lead] = 0 if first <= near else first, length if length - last <= near and len(there) else last
    return None if (windows == [0, length]).all() else windows


def mark_padding(signal: np.ndarray, rate: float) -> None:
    """Marks, in place, what a page holds instead of gaps: zeros, or the last value, before and after each window.

    A page is told by most of its leads, which hold one value for `PADDED` where other leads move. A single lead that
    does so lost its electrode, and a record in which all do so at once is flat there.

    Args:
        signal: (12, T); becomes NaN where a lead was not recorded. Leads of one value throughout stay as they are.
        rate: Hz.
    """
    padded = int(PADDED * rate)
    held = (np.ptp(signal[:, :padded], axis=1) == 0) | (np.ptp(signal[:, -padded:], axis=1) == 0)
    if held.sum() < 2 or not np.isfinite(signal).all():
        return
    moves = np.diff(signal, axis=1) != 0
    moving = moves.any(axis=1)
    if not moving.any():
        return
    before, after = moves.argmax(axis=1), moves[:, ::-1].argmax(axis=1)  # steps from one sample to the same value
    first, last = before + (before > 0), signal.shape[1] - after - (after > 0)
    part = moving & ((first - first[moving].min() > padded) | (last[moving].max() - last > padded))
    if part.sum() * 2 > moving.sum():
        for lead in np.flatnonzero(part):
            signal[lead, : first[lead]] = signal[lead, last[lead] :] = np.nan


def bridged(signal: np.ndarray, windows: np.ndarray | None) -> list[str]:
    """NaN and infinite samples become straight lines between their neighbours, in place; beyond them, level ones.

    Returns:
        A note on the gaps within the windows, if any.
    """
    bad = ~np.isfinite(signal)
    if not bad.any():
        return []
    shares = []
    for row in np.flatnonzero(bad.any(axis=1)):
        good = np.flatnonzero(~bad[row])
        signal[row] = np.interp(np.arange(signal.shape[1]), good, signal[row, good]) if len(good) else 0.0
        within = bad[row] if windows is None else bad[row, slice(*windows[row])]
        if within.any():
            shares.append(f"{LEADS[row]} {100 * within.mean():.0f}%")
    return [f"gaps bridged: {', '.join(shares)}"] if shares else []


def described(windows: np.ndarray, mask: np.ndarray, samples: int, rate: float = 500.0) -> str:
    """The windows in words: `I II III 0-2.5 s, aVR aVL aVF 2.5-5 s`; leads of the whole record are not named."""
    by_window: dict[tuple[int, int], list[str]] = {}
    for lead, (first, last), there in zip(LEADS, windows.tolist(), mask, strict=True):
        if there and (first, last) != (0, samples):
            by_window.setdefault((first, last), []).append(lead)
    return ", ".join(f"{' '.join(leads)} {a / rate:.3g}-{b / rate:.3g} s" for (a, b), leads in by_window.items())


def inside(windows: np.ndarray, samples: int) -> np.ndarray:
    """bool (leads, samples): where each lead was recorded."""
    time = np.arange(samples)
    return (time >= windows[:, :1]) & (time < windows[:, 1:])


def held(signal: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """The signal with each lead's first and last recorded value held beyond its window, so that no filter sees a step.

    Args:
        signal: (leads, T); windows: int (leads, 2).
    """
    out = signal.copy()
    for row, (first, last) in zip(out, windows, strict=True):
        if first < last:
            row[:first], row[last:] = row[first], row[last - 1]
    return out


def rhythm(signal: np.ndarray, there: np.ndarray) -> np.ndarray:
    """The leads that beats are found in: those of the whole record, else leads joined end to end.

    Args:
        signal: (leads, T) mV, without drift.
        there: bool (leads, T), where each lead was recorded.
    """
    if (through := there.all(axis=1)).any():
        return signal[through]
    edges = np.flatnonzero(np.diff(there, axis=1).any(axis=0)) + 1
    bounds = [0, *edges.tolist(), signal.shape[1]]
    parts = [(np.flatnonzero(there[:, a]), slice(a, b)) for a, b in pairwise(bounds)]
    channels = min((len(leads) for leads, _ in parts if len(leads)), default=1)
    joined, level = np.zeros((channels, signal.shape[1])), np.zeros((channels, 1))
    for leads, part in parts:
        if len(leads):
            rows = signal[leads[:channels], part]
            joined[:, part] = rows - rows[:, :1] + level
        else:
            joined[:, part] = level
        level = joined[:, part][:, -1:]
    return joined


def median_of(stack: np.ndarray) -> np.ndarray:
    """The median over the first axis, of what was recorded: NaN was not; NaN where nothing was."""
    if np.isfinite(stack).all():
        return np.median(stack, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a lead that no beat shows
        return np.nanmedian(stack, axis=0)
