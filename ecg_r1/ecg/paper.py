"""How a 12-lead page is printed: which leads stand where, paper speed, gain, grid and header.

The layouts, speeds and gains are those of clinical recorders (Kligfield et al., Circulation 2007;115:1306, and the
variants that ecg-image-kit draws: Shivashankara et al., Physiol Meas 2024;45:055019). At 50 mm/s the paper is as wide
as at 25 mm/s, so it shows half of the time.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.record import SAMPLING_RATE
from ecg_r1.errors import UserError

WIDTH = 250.0  # mm of a row's traces
MARGIN = 5.0  # mm around the traces
PULSE = (2.5, 2.5)  # mm before and after the calibration pulse, which lasts 200 ms and is 1 mV high
PULSE_SECONDS = 0.2
HEADER_LINE = 4.5  # mm

SPEEDS = (25.0, 50.0)  # mm a second
GAINS = (5.0, 10.0, 20.0)  # mm a mV
# Fine and coarse lines.
GRIDS = {
    "red": ((250, 222, 220), (238, 170, 168)),
    "orange": ((252, 232, 212), (244, 196, 150)),
    "green": ((220, 240, 222), (160, 208, 168)),
    "blue": ((222, 230, 248), (166, 186, 232)),
    "grey": ((232, 232, 232), (190, 190, 190)),
}
# Cabrera's sequence is the anatomical one; -aVR is aVR turned around.
CABRERA = dict(zip(LEADS[:6], ("aVL", "I", "-aVR", "II", "aVF", "III"), strict=True))
ORDERS = ("standard", "cabrera")


@dataclass(frozen=True)
class Layout:
    """Where the leads stand on a page.

    columns: the leads of each column, from top to bottom.
    strip: leads that are drawn below, over the whole width.
    row: height of a row in mm.
    """

    columns: tuple[tuple[str, ...], ...]
    strip: tuple[str, ...] = ()
    row: float = 30.0


LAYOUTS = {
    "3x4": Layout((LEADS[:3], LEADS[3:6], LEADS[6:9], LEADS[9:]), strip=("II",), row=32.5),
    "3x4+3": Layout((LEADS[:3], LEADS[3:6], LEADS[6:9], LEADS[9:]), strip=("V1", "II", "V5"), row=25.0),
    "4x3": Layout((LEADS[:4], LEADS[4:8], LEADS[8:]), row=30.0),
    "6x2": Layout((LEADS[:6], LEADS[6:]), row=25.0),
    "12x1": Layout((LEADS,), row=20.0),
}


@dataclass(frozen=True)
class Cell:
    """Where a lead stands on a page: its first and last second, and the corner of its box in mm.

    Attributes:
        sign: -1 where the lead is drawn turned around.
        speed: mm a second.
    """

    lead: str
    sign: int
    start: float
    end: float
    top: float
    left: float
    speed: float

    @property
    def name(self) -> str:
        """What is printed beside it."""
        return self.lead if self.sign > 0 else f"-{self.lead}"

    @property
    def samples(self) -> slice:
        """Of the record, those that it shows."""
        return slice(int(self.start * SAMPLING_RATE), int(self.end * SAMPLING_RATE))

    def x_mm(self, seconds: Any) -> Any:
        """Where a second, or an array of them, stands."""
        return self.left + (seconds - self.start) * self.speed


class PaperError(UserError):
    """A paper that no recorder prints on."""


@dataclass(frozen=True)
class Paper:
    """A page before anything is drawn on it.

    Args:
        layout: one of `LAYOUTS`.
        order: of the limb leads, one of `ORDERS`.
        speed: mm a second.
        gain: mm a mV.
        grid: one of `GRIDS`.
        header: lines that are printed above the traces.

    Raises:
        PaperError: an unknown layout, order or grid, or a speed or gain that no recorder has.
    """

    layout: str = "3x4"
    order: str = "standard"
    speed: float = 25.0
    gain: float = 10.0
    grid: str = "red"
    header: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known: dict[str, Collection[Any]] = {
            "layout": LAYOUTS, "order": ORDERS, "speed": SPEEDS, "gain": GAINS, "grid": GRIDS
        }  # fmt: skip
        for what, values in known.items():
            given = getattr(self, what)
            if given not in values:
                names = ", ".join(f"{value:g}" if isinstance(value, float) else value for value in values)
                raise PaperError(f"{what} {given!r} is unknown; there are: {names}")

    def __str__(self) -> str:
        order = "" if self.order == "standard" else f" {self.order}"
        return f"{self.layout}{order}, {self.speed:g} mm/s, {self.gain:g} mm/mV, {self.grid}"

    @property
    def row(self) -> float:
        """Height of a row in mm."""
        return LAYOUTS[self.layout].row

    @property
    def seconds(self) -> float:
        """What fits on the paper."""
        return WIDTH / self.speed

    @property
    def top(self) -> float:
        """Where the first row begins, in mm."""
        return MARGIN + HEADER_LINE * len(self.header)

    @property
    def size_mm(self) -> tuple[float, float]:
        """Height and width of the page."""
        layout = LAYOUTS[self.layout]
        rows = len(layout.columns[0]) + len(layout.strip)
        return self.top + rows * layout.row + MARGIN, self._traces + WIDTH + MARGIN

    @property
    def pulse(self) -> tuple[np.ndarray, np.ndarray]:
        """The calibration pulse before the first column: x from the page's edge, and its height above the line, mm."""
        rise = MARGIN + PULSE[0]
        fall = rise + PULSE_SECONDS * self.speed
        x = np.array([MARGIN, rise, rise, fall, fall, fall + 2.0])
        return x, np.array([0, 0, self.gain, self.gain, 0, 0])

    @property
    def _traces(self) -> float:
        return MARGIN + PULSE[0] + PULSE_SECONDS * self.speed + PULSE[1]

    def cells(self) -> list[Cell]:
        """Every trace of the page."""
        layout, left = LAYOUTS[self.layout], self._traces
        share = self.seconds / len(layout.columns)

        def cell(name: str, row: int, start: float, end: float) -> Cell:
            shown = CABRERA.get(name, name) if self.order == "cabrera" else name
            top, x = self.top + row * layout.row, left + start * self.speed
            return Cell(shown.lstrip("-"), -1 if shown[0] == "-" else 1, start, end, top, x, self.speed)

        found = [
            cell(name, r, c * share, (c + 1) * share)
            for c, column in enumerate(layout.columns)
            for r, name in enumerate(column)
        ]
        below = enumerate(layout.strip, len(layout.columns[0]))
        strips = [Cell(name, 1, 0.0, self.seconds, self.top + r * layout.row, left, self.speed) for r, name in below]
        return found + strips
