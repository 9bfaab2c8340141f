"""The beat of one lead, as the findings look at it: its J point, its Q, R and S waves, and its T wave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from ecg_r1.ecg.beats import MS

SEEN = 0.05  # mV, half a small square: a reader sees no smaller wave
TURN = 0.02  # mV by which a trace must turn back before its highest or lowest point is one
AROUND = int(4 / MS)  # samples to either side that a level is the mean of
AFTER_J = int(60 / MS)  # samples after the QRS end at which the ST level is read
FOOT = 0.1  # share of a wave's height below which it has not begun


@dataclass(frozen=True)
class LeadBeat:
    """One lead of the median beat as recorded, in mV against the level just before the QRS.

    onset, offset: of the QRS over all leads, in samples; t: bounds of the T wave over all leads; None without one.
    t_end: where the T wave has ended in nearly all leads.
    """

    lead: str
    signal: np.ndarray
    onset: int
    offset: int
    t: tuple[int, int] | None
    t_end: int = 0

    @cached_property
    def qrs(self) -> list[float]:
        """The samples of the QRS. Plain numbers: arrays of so few samples are slower."""
        values: list[float] = self.signal[self.onset : self.offset + 1].tolist()
        return values

    def level(self, after_j: int) -> float:
        """The level so many samples after the J point, mV."""
        at = min(self.offset + after_j, len(self.signal) - 1 - AROUND)
        return float(self.signal[at - AROUND : at + AROUND + 1].mean())

    @cached_property
    def j_mv(self) -> float:
        """Level of the J point."""
        return self.level(0)

    @cached_property
    def st_mv(self) -> float:
        """Level 60 ms after the J point."""
        return self.level(AFTER_J)

    @cached_property
    def r_peaks(self) -> list[int]:
        """The R waves (R, R' …), in samples from the QRS onset on."""
        return [top for top in self.tops if self.qrs[top] >= SEEN]

    @cached_property
    def tops(self) -> list[int]:
        """The highest points of the QRS, also those below the line, in samples from its onset on."""
        return turns(self.qrs, SEEN)[0]

    @cached_property
    def highest_mv(self) -> float:
        """Height of the highest wave above the line, also of one too low for an R wave; 0 without one."""
        return max((0.0, *(self.qrs[top] for top in self.tops)))

    @cached_property
    def before_r(self) -> list[float]:
        """The QRS up to the first R wave; the whole of it without one."""
        return self.qrs[: self.r_peaks[0] + 1] if self.r_peaks else self.qrs

    @cached_property
    def height(self) -> float:
        """Of the QRS from peak to peak, mV."""
        return max(self.qrs) - min(self.qrs)

    @cached_property
    def r_mv(self) -> float:
        """Height of the highest R wave; 0 without one."""
        return max((self.qrs[top] for top in self.r_peaks), default=0.0)

    @cached_property
    def q_mv(self) -> float:
        """Depth of what comes before the first R wave; the whole depth of a QS complex, which has none."""
        return max(0.0, -min(self.before_r))

    @cached_property
    def s_mv(self) -> float:
        """Depth of what comes after the first R wave; the whole depth of a QS complex, which has none."""
        return max(0.0, -min(self.qrs[self.r_peaks[0] :] if self.r_peaks else self.qrs))

    @cached_property
    def q_ms(self) -> float:
        """Width of the Q wave at its foot; of a QS complex the width of its deepest deflection."""
        return _width(self.before_r)

    @cached_property
    def s_ms(self) -> float:
        """Width of the last S wave at its foot."""
        return _width(self.qrs[self.r_peaks[-1] :]) if self.r_peaks else self.q_ms

    @cached_property
    def notch_mv(self) -> float:
        """Depth of the deepest notch: a dip within an R wave, or a bump within a deflection downwards."""
        tops, bottoms = turns(self.qrs, TURN)
        depths = [0.0]
        for a, b in pairwise(tops):
            dip = min(self.qrs[a:b])
            depths.append(min(self.qrs[a], self.qrs[b]) - dip if dip >= 0 else 0.0)
        for a, b in pairwise(bottoms):
            bump = max(self.qrs[a:b])
            depths.append(bump - max(self.qrs[a], self.qrs[b]) if bump <= 0 else 0.0)
        return max(depths)

    @cached_property
    def t_wave(self) -> np.ndarray | None:
        """The samples of the T wave; None without one."""
        return None if self.t is None else self.signal[self.t[0] : self.t[1] + 1]

    @cached_property
    def biphasic_mv(self) -> float:
        """The smaller of the T wave's deflections above and below both the line and the ST segment before it."""
        values = self.signal[self.offset + AFTER_J : self.t_end + 1].tolist()
        if not values or min(max(values), -min(values)) < TURN:
            return 0.0
        tops, bottoms = turns(values, TURN)
        up = max((values[i] for i in tops), default=0.0) - max(0.0, self.st_mv)
        down = -min((values[i] for i in bottoms), default=0.0) + min(0.0, self.st_mv)
        return max(0.0, min(up, down))

    @cached_property
    def t_mv(self) -> float | None:
        """Greatest deflection of the T wave, with its sign."""
        return None if self.t_wave is None else float(self.t_wave[np.argmax(np.abs(self.t_wave))])


def turns(values: Sequence[float], least: float) -> tuple[list[int], list[int]]:
    """Where a trace turns: its highest and lowest points, between which it moves by `least` or more.

    The first and the last sample are no turns.

    Returns:
        The positions of the highest points, and those of the lowest.
    """
    tops: list[int] = []
    bottoms: list[int] = []
    high = low = 0
    rising = falling = False  # which way it moves; neither before it has moved by `least`
    for i, value in enumerate(values):
        if value > values[high]:
            high = i
        if value < values[low]:
            low = i
        if not falling and value <= values[high] - least:
            if rising:
                tops.append(high)
            rising, falling, low = False, True, i
        elif not rising and value >= values[low] + least:
            if falling:
                bottoms.append(low)
            rising, falling, high = True, False, i
    return tops, bottoms


def _width(part: Sequence[float]) -> float:
    """How long the deepest deflection below the line lasts, ms, from foot to foot."""
    deepest = min(part)
    if deepest > -TURN:
        return 0.0
    first = last = part.index(deepest)
    while first > 0 and part[first] < FOOT * deepest:
        first -= 1
    while last < len(part) - 1 and part[last] < FOOT * deepest:
        last += 1
    return (last - first) * MS
