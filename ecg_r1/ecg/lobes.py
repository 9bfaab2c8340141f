"""The waves that a simulated beat is made of: lobes of the heart's electric dipole, with exact beginnings and ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Dipole = tuple[float, float, float]  # mV in Frank's axes: x left, y inferior, z posterior


@dataclass(frozen=True)
class Lobe:
    """A half-wave of the dipole. start, end: ms from the QRS onset; rise: share of its length before the peak."""

    wave: str
    start: float
    end: float
    dipole: Dipole
    rise: float = 0.5
    edge: float = 1.4

    def at(self, time: np.ndarray) -> np.ndarray:
        """Its height (0 to 1) at `time` ms."""
        x = (time - self.start) / (self.end - self.start)
        phase = np.where(x < self.rise, x / self.rise, 1 + (x - self.rise) / (1 - self.rise)) * (np.pi / 2)
        return np.where((x > 0) & (x < 1), np.sin(np.clip(phase, 0, np.pi)).clip(0) ** self.edge, 0.0)


@dataclass(frozen=True)
class Segment:
    """A shifted ST segment: departs within the QRS, is reached at its end (the J point) and merges into the T wave."""

    wave: str
    start: float
    j_point: float
    end: float
    dipole: Dipole

    def at(self, time: np.ndarray) -> np.ndarray:
        """The segment's size at each time (ms), 0 to 1."""
        up = np.clip((time - self.start) / (self.j_point - self.start), 0, 1)
        down = np.clip(2.2 * (self.end - time) / (self.end - self.j_point), 0, 1)
        return np.sin(up * np.pi / 2) ** 2 * np.sin(down * np.pi / 2) ** 1.6


Wave = Lobe | Segment


@dataclass(frozen=True)
class Beat:
    """What one heart beat is made of; ms. p_start is negative, or None without a P wave."""

    pr: float | None
    p: float | None
    qrs: float
    qt: float
