"""What a careful reader notices about a recording before measuring it."""

from __future__ import annotations

import numpy as np

from .leads import LEADS

FLAT = 0.01  # mV peak to peak
IDENTICAL = 1e-4  # mV mean absolute difference


def notes(signal: np.ndarray, mask: np.ndarray) -> list[str]:
    """Remarks on flat and duplicated leads.

    Args:
        signal: (12, T) mV without padding; mask: (12,) bool, leads that are there.
    """
    found = []
    flat = mask & (np.ptp(signal, axis=1) < FLAT)
    if flat.any():
        found.append(f"flat leads: {' '.join(np.array(LEADS)[flat])}")
    alive = np.flatnonzero(mask & ~flat)
    for a in range(len(alive)):
        for b in range(a + 1, len(alive)):
            if np.abs(signal[alive[a]] - signal[alive[b]]).mean() < IDENTICAL:
                found.append(f"identical leads: {LEADS[alive[a]]} {LEADS[alive[b]]}")
    return found
