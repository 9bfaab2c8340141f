"""RawRecord: what a file holds, before leads, units, rate and length are made canonical."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RawRecord:
    """signal: float64 (leads, T) in `units`; NaN where the file marks a sample as invalid.

    seconds: length of the whole recording, of which `signal` may be the beginning.
    """

    signal: np.ndarray
    names: tuple[str, ...]
    units: tuple[str, ...]
    rate: float
    seconds: float
    comments: tuple[str, ...] = ()
    source: str | None = None
    warnings: tuple[str, ...] = ()
