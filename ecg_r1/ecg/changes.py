"""What bends the beat of a simulated heart: its ST segment, T wave, Q waves, voltage or axis, drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from ecg_r1.ecg.lobes import Beat, Dipole, Lobe, Segment, Wave

Change = Callable[[list[Wave], Beat, np.random.Generator], list[Wave]]

# Where a wall of the heart lies in Frank's axes (x left, y inferior, z posterior).
WALLS: tuple[Dipole, ...] = ((-0.15, 1.0, 0.15), (0.2, 0.05, -0.9), (0.9, -0.2, -0.1))  # inferior, anterior, lateral


def _scaled(dipole: Dipole, by: float) -> Dipole:
    x, y, z = dipole
    return x * by, y * by, z * by


def _wall(rng: np.random.Generator) -> Dipole:
    return WALLS[int(rng.integers(len(WALLS)))]


def _scaling(kinds: Iterable[str], low: float, high: float) -> Change:
    """Makes all waves of some kinds higher, lower or, with negative shares, inverted."""

    def change(waves: list[Wave], beat: Beat, rng: np.random.Generator) -> list[Wave]:
        by = rng.uniform(low, high)
        return [replace(w, dipole=_scaled(w.dipole, by)) if w.wave in kinds else w for w in waves]

    return change


def _shifted_st(low: float, high: float) -> Change:
    """An injury current, to or from one wall, that stays level, rises or falls after the J point."""

    def change(waves: list[Wave], beat: Beat, rng: np.random.Generator) -> list[Wave]:
        wall, size = _wall(rng), rng.uniform(low, high)
        slope = rng.choice([-0.6, 0.0, 0.6]) * abs(size)
        return [
            *waves,
            Segment("ST", 0.55 * beat.qrs, beat.qrs, beat.qt - 20, _scaled(wall, size)),
            Lobe("ST", beat.qrs, beat.qt, _scaled(wall, slope), rise=0.35, edge=1.0),
        ]

    return change


def biphasic_t(waves: list[Wave], beat: Beat, rng: np.random.Generator) -> list[Wave]:
    """A T wave that turns its direction in its middle."""
    start = beat.qrs + 0.3 * (beat.qt - beat.qrs)
    middle = start + rng.uniform(0.45, 0.6) * (beat.qt - start)
    first = _scaled(_wall(rng), rng.choice([-1, 1]) * rng.uniform(0.2, 0.35))
    halves = [Lobe("T", start, middle, first, edge=1.5), Lobe("T", middle, beat.qt, _scaled(first, -1.0), edge=1.5)]
    return [w for w in waves if w.wave != "T"] + halves


def infarcted(waves: list[Wave], beat: Beat, rng: np.random.Generator) -> list[Wave]:
    """The first forces turn away from a wall, wide and deep or small and short."""
    size, width = rng.uniform(0.2, 1.0), rng.uniform(0.3, 0.52)
    return [*waves, Lobe("QRS", 0, width * beat.qrs, _scaled(_wall(rng), -size), edge=1.8)]


def preexcited(waves: list[Wave], beat: Beat, rng: np.random.Generator) -> list[Wave]:
    """Slow activation from the base of the ventricles, before the conduction system joins in."""
    slow = rng.uniform(38, 55)
    share = 1 - slow / beat.qrs
    apex = max((w.dipole for w in waves if w.wave == "QRS"), key=np.linalg.norm)
    late = [replace(w, start=slow + share * w.start, end=slow + share * w.end) if w.wave == "QRS" else w for w in waves]
    size = _scaled(apex, rng.uniform(0.3, 0.45))
    return [*late, Lobe("QRS", 0, min(3.2 * slow, 0.97 * beat.qrs), size, rise=0.6, edge=1.2)]


def notched(waves: list[Wave], beat: Beat, rng: np.random.Generator) -> list[Wave]:
    """A dip in the middle of the QRS."""
    apex = max((w.dipole for w in waves if w.wave == "QRS"), key=np.linalg.norm)
    at = rng.uniform(0.36, 0.44) * beat.qrs
    return [*waves, Lobe("QRS", at, at + 0.17 * beat.qrs, _scaled(apex, -rng.uniform(0.35, 0.6)), edge=1.4)]


def _turned(low: float, high: float) -> Change:
    """Turns the QRS in the frontal plane; degrees, positive towards the right."""

    def change(waves: list[Wave], beat: Beat, rng: np.random.Generator) -> list[Wave]:
        by = np.deg2rad(rng.uniform(low, high))

        def turned(dipole: Dipole) -> Dipole:
            x, y, z = dipole
            return float(x * np.cos(by) - y * np.sin(by)), float(x * np.sin(by) + y * np.cos(by)), z

        return [replace(w, dipole=turned(w.dipole)) if w.wave == "QRS" else w for w in waves]

    return change


def without_r(waves: list[Wave], beat: Beat, rng: np.random.Generator) -> list[Wave]:
    """Forces turn backwards, so that the R wave stays small up to V3."""
    back = rng.uniform(0.3, 0.9)
    return [
        replace(w, dipole=(w.dipole[0] * 0.8, w.dipole[1], w.dipole[2] + back)) if w.wave == "QRS" else w for w in waves
    ]


st_elevation, st_depression = _shifted_st(0.12, 0.45), _shifted_st(-0.35, -0.1)
inverted_t, flat_t, tall_t = _scaling("T", -1.3, -0.5), _scaling("T", -0.15, 0.2), _scaling("T", 2.2, 4.0)
low_voltage, high_voltage = _scaling(("QRS",), 0.2, 0.4), _scaling(("QRS",), 1.5, 2.3)
high_p = _scaling("P", 2.0, 3.2)
turned_left, turned_right, turned_far = _turned(-120, -75), _turned(65, 125), _turned(150, 200)
