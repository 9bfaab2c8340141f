"""Pages as they are in the wild: printed by any recorder, then scanned or photographed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ecg_r1.ecg.paper import GAINS, GRIDS, LAYOUTS, SPEEDS, Paper
from ecg_r1.ecg.record import ECGRecord
from ecg_r1.ecg.render import PLAIN, render

T = TypeVar("T")
USUAL = 0.6  # at least this share has the usual layout, speed, gain and grid
CABRERA_SHARE = 0.2
HEADER_SHARE = 0.5
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
ARTEFACTS = ("stains", "wrinkles", "crease", "rotation", "perspective", "shadow", "blur", "noise", "jpeg")
FILTERS = ("0.05-150 Hz", "0.05-40 Hz", "0.5-40 Hz", "0.15-100 Hz")


@dataclass(frozen=True)
class Look:
    """How a record's page looks.

    Attributes:
        paper: what it is printed on.
        artefacts: the seed of what happened to it since; nothing did unless given.
        kinds: what can have happened. chance: of each.
    """

    paper: Paper = PLAIN
    artefacts: int | None = None
    kinds: tuple[str, ...] = ARTEFACTS
    chance: float = 0.5

    def __str__(self) -> str:
        return f"{self.paper}" + ("" if self.artefacts is None else f", photographed ({self.artefacts})")


STORED = Look()  # as a corpus keeps it


def draw_paper(rng: np.random.Generator) -> Paper:
    """A recorder's paper; its header has invented names, dates and filters, and no measured value."""
    speed, gain = _of(rng, SPEEDS, 25.0), _of(rng, GAINS, 10.0)
    return Paper(
        layout=_of(rng, tuple(LAYOUTS), "3x4"),
        order="cabrera" if rng.random() < CABRERA_SHARE else "standard",
        speed=speed,
        gain=gain,
        grid=_of(rng, tuple(GRIDS), "red"),
        header=_header(rng, speed, gain) if rng.random() < HEADER_SHARE else (),
    )


def draw_page(record: ECGRecord, size: int, look: Look) -> np.ndarray:
    """A record's page with a look.

    Args:
        size: side of the square in pixels.

    Returns:
        uint8 (size, size, 3); the same for the same look.

    Raises:
        ModuleNotFoundError: artefacts are asked for, and OpenCV is not installed.
    """
    page = render(record, paper=look.paper, size=size)
    if look.artefacts is None:
        return page
    from ecg_r1.ecg.artefacts import distort  # needs OpenCV, which pages without artefacts do not

    return distort(page, seed=look.artefacts, kinds=look.kinds, chance=look.chance)


def _of(rng: np.random.Generator, values: tuple[T, ...], usual: T) -> T:
    return usual if rng.random() < USUAL else values[rng.integers(len(values))]


def _header(rng: np.random.Generator, speed: float, gain: float) -> tuple[str, ...]:
    day, month, year = rng.integers(1, 29), MONTHS[rng.integers(12)], rng.integers(1995, 2026)
    hour, minute = rng.integers(24), rng.integers(60)
    lines = (
        f"ID {rng.integers(10**5, 10**8)}   {day:02}-{month}-{year} {hour:02}:{minute:02}",
        f"{speed:g} mm/s   {gain:g} mm/mV   {FILTERS[rng.integers(len(FILTERS))]}",
    )
    return lines[: rng.integers(1, 3)]
