"""Leads that were recorded in part: a page that was digitised shows 2.5 s of each lead, and one lead as a whole."""

from __future__ import annotations

import numpy as np

from ecg_r1.ecg.leads import LEADS

PART = 0.5  # seconds missing at one end of a lead; less is a gap, which is bridged


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


def whole(windows: np.ndarray, samples: int) -> np.ndarray:
    """bool (12,): leads that were recorded from begin to end."""
    return (windows[:, 0] == 0) & (windows[:, 1] == samples)
