"""What a careful reader notices about a recording before measuring it."""

from __future__ import annotations

import numpy as np

from ecg_r1.ecg.leads import LEADS

FLAT = 0.01  # mV peak to peak
IDENTICAL = 1e-4  # mV, mean absolute difference
SATURATED = 10  # samples in a row at the same extreme value
UNLIKELY = 20.0  # mV: no surface ECG is this high, the units must be wrong
# Correlation of I or II with V6, of how they move over 20 ms. Four of 576 real records fall below as they are; 520 do
# once the arm electrodes are exchanged in them, 549 with right arm and left leg.
SWAPPED = -0.5
ADD_UP = 0.2  # |I + III - II| over 20 ms, as a share of how much the leads move; 0.02 at most in PTB-XL


def alive(signal: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(12,) bool: leads that are there and not flat."""
    return mask & (np.ptp(signal, axis=1) > FLAT)


def notes(signal: np.ndarray, mask: np.ndarray) -> list[str]:
    """Remarks on flat, saturated, duplicated, swapped and implausible leads.

    Args:
        signal: (12, T) mV without padding; mask: (12,) bool, leads that are there.
    """
    height = np.ptp(signal, axis=1)
    moving = alive(signal, mask)
    remarks = [
        _list("flat leads", mask & ~moving),
        _list("saturated leads", moving & _saturated(signal, height)),
        _list("implausibly high leads (check the units)", moving & (height > UNLIKELY)),
        *(f"identical leads: {LEADS[a]} {LEADS[b]}" for a, b in _identical(signal, moving)),
    ]
    if moving[:6].all():
        moved = signal[:3, 10:] - signal[:3, :-10]
        if np.abs(moved[0] + moved[2] - moved[1]).mean() > ADD_UP * np.abs(moved).mean():
            remarks.append("leads I, II and III do not add up")
        if moving[11]:
            remarks.append(_swapped(signal))
    return [remark for remark in remarks if remark]


def _list(what: str, which: np.ndarray) -> str:
    return f"{what}: {' '.join(np.array(LEADS)[which])}" if which.any() else ""


def _saturated(signal: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Leads that stay at their highest or lowest value for `SATURATED` samples in a row, far from their median."""
    found = np.zeros(len(signal), bool)
    for i, row in enumerate(signal):
        for extreme in (row.max(), row.min()):
            at = np.append((row == extreme).astype(int), 0)
            edges = np.flatnonzero(np.diff(np.concatenate([[0], at])))
            longest = max(edges[1::2] - edges[::2], default=0)
            found[i] |= longest >= SATURATED and abs(extreme - np.median(row)) > 0.2 * height[i]
    return found


def _identical(signal: np.ndarray, moving: np.ndarray) -> list[tuple[int, int]]:
    rows = np.flatnonzero(moving)
    pairs = [(int(a), int(b)) for k, a in enumerate(rows) for b in rows[k + 1 :]]
    # Every tenth sample decides at a tenth of the cost; leads are never identical on those alone.
    thin = signal[:, ::10]
    return [(a, b) for a, b in pairs if np.abs(thin[a] - thin[b]).mean() < IDENTICAL]


def _swapped(signal: np.ndarray) -> str:
    """Exchanged arms turn I upside down, a right arm exchanged for the left leg turns II: it then moves against V6."""
    one, two, v6 = signal[[0, 1, 11], 10:] - signal[[0, 1, 11], :-10]
    i, ii = (limb @ v6 / (np.linalg.norm(limb) * np.linalg.norm(v6) + 1e-12) for limb in (one, two))
    if min(i, ii) > SWAPPED:
        return ""
    if i < ii:
        return "arm electrodes possibly swapped (I moves against V6)"
    return "right arm and leg electrodes possibly swapped (II moves against V6)"
