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
FLAT_BLOCK = 50  # samples
# mV within a block of 100 ms, and blocks in a row, 1.5 s: no sound record of 2,134 real ones is so flat for so long.
STILL, STILL_BLOCKS = 2e-3, 15
ADD_UP = 0.2  # |I + III - II| over 20 ms, as a share of how much the leads move; 0.02 at most in PTB-XL


def alive(signal: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(12,) bool: leads that are there and not flat."""
    return mask & (np.ptp(signal, axis=1) > FLAT)


def notes(signal: np.ndarray, mask: np.ndarray, windows: np.ndarray | None = None) -> list[str]:
    """Remarks on flat, saturated, duplicated, swapped and implausible leads.

    Args:
        signal: (12, T) mV without padding; mask: (12,) bool, leads that are there.
        windows: int (12, 2), where each was recorded; None: everywhere. Leads that were recorded in part are not
            compared with others.
    """
    whole = mask
    if windows is not None:
        whole = mask & (windows == [0, signal.shape[1]]).all(axis=1)
    rows, height = list(signal), np.ptp(signal, axis=1)
    if windows is not None:
        rows = [
            row[slice(*window)] if there else row[:1] for row, window, there in zip(rows, windows, mask, strict=True)
        ]
        height = np.array([np.ptp(row) for row in rows])
    moving = mask & (height > FLAT)
    remarks = [
        _list("flat leads", mask & ~moving),
        _flat_stretches(rows, moving, windows),
        _list("saturated leads", moving & _saturated(rows, height)),
        _list("implausibly high leads (check the units)", moving & (height > UNLIKELY)),
        *(f"identical leads: {LEADS[a]} {LEADS[b]}" for a, b in _identical(signal, moving & whole)),
    ]
    if (moving & whole)[:6].all():
        moved = signal[:3, 10:] - signal[:3, :-10]
        if np.abs(moved[0] + moved[2] - moved[1]).mean() > ADD_UP * np.abs(moved).mean():
            remarks.append("leads I, II and III do not add up")
        if (moving & whole)[11]:
            remarks.append(_swapped(signal))
    return [remark for remark in remarks if remark]


def _flat_stretches(rows: list[np.ndarray], moving: np.ndarray, windows: np.ndarray | None) -> str:
    """The longest flat stretch of each lead that moves elsewhere: `flat stretches: I II 2-10 s`."""
    by_stretch: dict[tuple[float, float], list[str]] = {}
    for lead in np.flatnonzero(moving):
        blocks = rows[lead][: len(rows[lead]) // FLAT_BLOCK * FLAT_BLOCK].reshape(-1, FLAT_BLOCK)
        # Few leads have a still block at all, and every tenth sample tells so at a tenth of the cost.
        if (np.ptp(blocks[:, ::10], axis=1) < STILL).sum() < STILL_BLOCKS:
            continue
        still = np.ptp(blocks, axis=1) < STILL
        edges = np.flatnonzero(np.diff(np.concatenate([[0], still.astype(int), [0]])))
        first, last = max(zip(edges[::2], edges[1::2], strict=True), key=lambda run: run[1] - run[0])
        if last - first >= STILL_BLOCKS:
            begin = 0 if windows is None else windows[lead, 0]
            stretch = ((first * FLAT_BLOCK + begin) / 500, (last * FLAT_BLOCK + begin) / 500)
            by_stretch.setdefault(stretch, []).append(LEADS[lead])
    parts = [f"{' '.join(leads)} {first:.3g}-{last:.3g} s" for (first, last), leads in by_stretch.items()]
    return f"flat stretches: {', '.join(parts)}" if parts else ""


def _list(what: str, which: np.ndarray) -> str:
    return f"{what}: {' '.join(np.array(LEADS)[which])}" if which.any() else ""


def _saturated(signal: list[np.ndarray], height: np.ndarray) -> np.ndarray:
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
