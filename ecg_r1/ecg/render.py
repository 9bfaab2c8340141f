"""The 12-lead page as an array: grid, calibration pulses, lead names and traces at 25 mm/s and 10 mm/mV."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ecg_r1.ecg.glyphs import glyph_rows
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.pen import Pen
from ecg_r1.ecg.record import SAMPLING_RATE, ECGRecord

SPEED = 25.0  # mm a second
GAIN = 10.0  # mm a mV
PAPER = np.array([255, 253, 250])
FINE, COARSE = np.array([250, 222, 220]), np.array([238, 170, 168])
INK = np.array([12, 12, 30], np.float32)
FAR = 1e6  # mV: off any page, and far from where float32 ends
MARGIN = 5.0  # mm around the traces
PULSE = (2.5, 5.0)  # mm before the pulse, and its width of 200 ms
PULSE_X = MARGIN + np.array([0, PULSE[0], PULSE[0], sum(PULSE), sum(PULSE), sum(PULSE) + 2.0])
PULSE_MM = np.array([0, 0, GAIN, GAIN, 0, 0])  # 1 mV


@dataclass(frozen=True)
class Layout:
    """Where the leads stand on a page.

    columns: the leads of each column, from top to bottom.
    strip: leads that are drawn below, over the whole width.
    row: height of a row in mm.
    """

    columns: tuple[tuple[str, ...], ...]
    strip: tuple[str, ...] = ()
    seconds: float = 10.0
    row: float = 30.0

    @property
    def rows(self) -> int:
        """Rows of the page, rhythm strips included."""
        return len(self.columns[0]) + len(self.strip)

    @property
    def size_mm(self) -> tuple[float, float]:
        """Height and width of the page."""
        width = 2 * MARGIN + sum(PULSE) + 2.5 + self.seconds * SPEED
        return 2 * MARGIN + self.rows * self.row, width


@dataclass(frozen=True)
class Cell:
    """Where a lead stands on a page: its first and last second, and the corner of its box in mm."""

    lead: str
    start: float
    end: float
    top: float
    left: float

    @property
    def samples(self) -> slice:
        """Of the record, those that it shows."""
        return slice(int(self.start * SAMPLING_RATE), int(self.end * SAMPLING_RATE))

    def x_mm(self, seconds: Any) -> Any:
        """Where a second, or an array of them, stands."""
        return self.left + (seconds - self.start) * SPEED


LAYOUTS = {
    "3x4": Layout((LEADS[:3], LEADS[3:6], LEADS[6:9], LEADS[9:]), strip=("II",), row=32.5),
    "6x2": Layout((LEADS[:6], LEADS[6:]), row=25.0),
    "12x1": Layout((LEADS,), row=20.0),
}


def render(
    record: ECGRecord, *, layout: str = "3x4", size: int | None = None, pixels_per_mm: float | None = None
) -> np.ndarray:
    """Draws a record.

    Args:
        layout: one of `LAYOUTS`.
        size: side in pixels of a white square that holds the whole page, nothing cut off; the page alone unless given.
        pixels_per_mm: resolution; 4 unless `size` decides it.

    Returns:
        uint8 (H, W, 3). Missing leads keep their name and have no trace.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"unknown layout {layout!r}; there are: {', '.join(LAYOUTS)}")
    page = LAYOUTS[layout]
    height, width = page.size_mm
    scale = size / max(height, width) if size else (pixels_per_mm or 4.0)
    shape = (min(round(height * scale), size or 1 << 14), min(round(width * scale), size or 1 << 14))
    image = _paper(page, shape, scale).copy()
    pixels = image.reshape(-1, 3)
    for place, ink in _pen(page, shape, scale).touched(_y_mm(record, page) * scale):
        bare = pixels.take(place, axis=0) * (1 - ink[:, None])
        bare += ink[:, None] * INK + np.float32(0.5)
        pixels[place] = bare
    if size is None:
        return image
    square = np.full((size, size, 3), 255, np.uint8)
    y, x = (size - shape[0]) // 2, (size - shape[1]) // 2
    square[y : y + shape[0], x : x + shape[1]] = image
    return square


def cells(page: Layout) -> list[Cell]:
    """Every trace of a page."""
    start = MARGIN + sum(PULSE) + 2.5
    share = page.seconds / len(page.columns)
    found = [
        Cell(lead, c * share, (c + 1) * share, MARGIN + r * page.row, start + c * share * SPEED)
        for c, column in enumerate(page.columns)
        for r, lead in enumerate(column)
    ]
    below = enumerate(page.strip, len(page.columns[0]))
    return found + [Cell(lead, 0.0, page.seconds, MARGIN + r * page.row, start) for r, lead in below]


def _y_mm(record: ECGRecord, page: Layout) -> np.ndarray:
    """The height of every point of the page's lines, in mm from above; NaN where a lead or its end is missing."""
    signal = record.signal[:, : record.samples]
    # Real recorders centre each trace; the median is close to the isoelectric line, and every eighth sample tells it.
    levels = np.median(signal[:, ::8], axis=1)
    if record.windows is not None:
        signal = np.where(record.recorded(), signal, np.nan)
        levels = np.array([np.nan_to_num(np.nanmedian(row)) if np.isfinite(row).any() else 0 for row in signal])
    lines = []
    for cell in cells(page):
        lead, samples = LEADS.index(cell.lead), cell.samples
        trace = np.full(samples.stop - samples.start, np.nan, np.float32)
        if record.lead_mask[lead]:
            shown = signal[lead, samples]
            trace[: len(shown)] = shown.clip(-FAR, FAR) - levels[lead].clip(-FAR, FAR)
        mm = np.clip(trace * GAIN, -1.4 * page.row, 1.2 * page.row)
        lines.append(cell.top + 0.55 * page.row - (np.concatenate([PULSE_MM, mm]) if cell.start == 0 else mm))
    return np.concatenate(lines)


@lru_cache(maxsize=8)
def _pen(page: Layout, shape: tuple[int, int], scale: float) -> Pen:
    """The pen for a page's lines: in the first column of cells, each begins with a calibration pulse."""
    lines = []
    for cell in cells(page):
        x = cell.x_mm(np.arange(cell.samples.start, cell.samples.stop) / SAMPLING_RATE)
        lines.append((np.concatenate([PULSE_X, x]) if cell.start == 0 else x) * scale)
    return Pen(lines, max(0.32 * scale, 0.7), shape)


@lru_cache(maxsize=8)
def _paper(page: Layout, shape: tuple[int, int], scale: float) -> np.ndarray:
    """The grid and the lead names: fine lines each mm (where they can be told apart), coarse ones each 5 mm.

    Returns:
        uint8 (H, W, 3).
    """
    paper = np.full((*shape, 3), PAPER, np.float32)
    for spacing, colour in ((1.0, FINE), (5.0, COARSE)):
        if spacing * scale < 2.5:
            continue
        width = max(1.0, 0.12 * scale)
        ys, xs = (_line_cover(extent, spacing * scale, width) for extent in shape)
        cover = np.maximum(ys[:, None], xs[None, :])[..., None]
        paper += cover * (colour - paper)
    for cell in cells(page):
        letters = glyph_rows(cell.lead, max(5, round(4.0 * scale)))
        y, x = round((cell.top + 0.06 * page.row) * scale), round((cell.left + 1.0) * scale)
        spot = paper[y : y + letters.shape[0], x : x + letters.shape[1]]
        spot += letters[: spot.shape[0], : spot.shape[1], None] * (INK - spot)
    return np.rint(paper).astype(np.uint8)


def _line_cover(extent: int, spacing: float, width: float) -> np.ndarray:
    """How much of each pixel along an axis is covered by lines of `width` every `spacing` pixels."""
    centres = np.arange(0, extent + spacing, spacing)
    pixels = np.arange(extent)[:, None]
    cover = np.minimum(pixels + 1, centres + width / 2) - np.maximum(pixels, centres - width / 2)
    return cover.clip(0, 1).max(axis=1).astype(np.float32)
