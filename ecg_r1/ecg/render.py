"""The 12-lead page as an array: grid, calibration pulses, lead names and traces at 25 mm/s and 10 mm/mV.

Drawn straight into numpy, without a plotting library: a trace is a polyline, rasterised by the vertical extent that
it has in thirds of a pixel's width.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from .glyphs import glyph_rows
from .leads import LEADS
from .record import SAMPLING_RATE, ECGRecord

SPEED = 25.0  # mm a second
GAIN = 10.0  # mm a mV
PAPER = np.array([255, 253, 250])
FINE, COARSE = np.array([250, 222, 220]), np.array([238, 170, 168])
INK = np.array([12, 12, 30], np.float32)
MARGIN = 5.0  # mm around the traces
PULSE = (2.5, 5.0)  # mm before the pulse, and its width of 200 ms
PULSE_X = MARGIN + np.array([0, PULSE[0], PULSE[0], sum(PULSE), sum(PULSE), sum(PULSE) + 2.0])
PULSE_MM = np.array([0, 0, GAIN, GAIN, 0, 0])  # 1 mV


@dataclass(frozen=True)
class Layout:
    """columns: lead names from top to bottom; strip: leads drawn below over the whole width; row: mm a row."""

    columns: tuple[tuple[str, ...], ...]
    strip: tuple[str, ...] = ()
    seconds: float = 10.0
    row: float = 30.0

    @property
    def rows(self) -> int:
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
    ink = np.zeros(shape, np.float32)  # how much of each pixel is inked, 0 to 1
    thickness = max(0.32 * scale, 0.7)
    # Real recorders centre each trace; the median is close to the isoelectric line.
    centred = record.signal[:, : record.samples] - np.median(record.signal[:, : record.samples], axis=1, keepdims=True)
    for cell in cells(page):
        trace = centred[LEADS.index(cell.lead)] if record.lead_mask[LEADS.index(cell.lead)] else centred[0, :0]
        _draw_cell(ink, trace, cell, page.row, scale, thickness)
    _stamp_names(ink, page, scale)
    image, bare = np.empty((*shape, 3), np.uint8), 1 - ink
    for channel, (paper, black) in enumerate(zip(_paper(shape, scale), INK, strict=True)):
        mixed = paper * bare
        mixed += ink * black
        image[..., channel] = mixed
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


def _draw_cell(ink: np.ndarray, trace: np.ndarray, cell: Cell, row: float, scale: float, thickness: float) -> None:
    """trace: mV of the whole record, empty where the lead is missing."""
    x, mm = (PULSE_X, PULSE_MM) if cell.start == 0 else (np.empty(0), np.empty(0))
    a, b = int(cell.start * SAMPLING_RATE), min(int(cell.end * SAMPLING_RATE), len(trace))
    if b > a:
        x = np.concatenate([x, cell.x_mm(np.arange(a, b) / SAMPLING_RATE)])
        mm = np.concatenate([mm, np.clip(trace[a:b] * GAIN, -1.4 * row, 1.2 * row)])
    if len(x):
        _polyline(ink, x * scale, (cell.top + 0.55 * row - mm) * scale, thickness)


def _polyline(ink: np.ndarray, x: np.ndarray, y: np.ndarray, thickness: float, oversampling: int = 3) -> None:
    """Covers what a pen of `thickness` pixels touches while moving along (x, y), in fractions of a pixel.

    Each pixel column is cut into `oversampling` slices; in a slice the line covers one vertical span.
    """
    columns = np.arange(int(np.floor(x[0])), int(np.ceil(x[-1])) + 1)
    edges = np.linspace(columns[0], columns[-1] + 1, (len(columns)) * oversampling + 1)
    # y at the slices' edges, and every vertex within a slice, decide the slice's span
    at_edges = np.interp(edges, x, y)
    low, high = np.minimum(at_edges[:-1], at_edges[1:]), np.maximum(at_edges[:-1], at_edges[1:])
    slices = np.clip(((x - columns[0]) * oversampling).astype(int), 0, len(low) - 1)
    np.minimum.at(low, slices, y)
    np.maximum.at(high, slices, y)
    # a square pen: as wide in a steep stroke as it is high in a level one
    pen = max(1, round(thickness * oversampling))
    low, high = minimum_filter1d(low, pen) - thickness / 2, maximum_filter1d(high, pen) + thickness / 2
    column = np.repeat(columns, oversampling)
    drawn = (edges[1:] > x[0]) & (edges[:-1] < x[-1]) & (column >= 0) & (column < ink.shape[1])
    low, high, column = low[drawn], high[drawn], column[drawn] - columns[0]
    top = int(np.clip(np.floor(low.min()), 0, ink.shape[0] - 1))
    bottom = int(np.clip(np.ceil(high.max()), top + 1, ink.shape[0]))
    # What a span covers of a pixel is a running sum, down the column, of what begins and ends there.
    begin, end = np.clip(low - top, 0, bottom - top), np.clip(high - top, 0, bottom - top)
    border, sign = np.concatenate([begin, end]), np.repeat([1.0, -1.0], len(begin)) / oversampling
    row = border.astype(int)
    place, part = row * len(columns) + np.tile(column, 2), sign * (border - row)
    change = np.bincount(
        np.concatenate([place, place + len(columns)]),
        np.concatenate([sign - part, part]),
        (bottom - top + 2) * len(columns),
    )
    cover = np.cumsum(change.reshape(-1, len(columns)), axis=0)[: bottom - top]
    left, right = max(0, -columns[0]), min(len(columns), ink.shape[1] - columns[0])
    target = ink[top:bottom, columns[0] + left : columns[0] + right]
    np.maximum(target, cover[:, left:right], out=target)


@lru_cache(maxsize=8)
def _paper(shape: tuple[int, int], scale: float) -> np.ndarray:
    """The grid: fine lines each mm (where they can be told apart), coarse ones each 5 mm. float32 (3, H, W)."""
    paper = np.broadcast_to(PAPER, (*shape, 3)).astype(np.float32)
    for spacing, colour in ((1.0, FINE), (5.0, COARSE)):
        if spacing * scale < 2.5:
            continue
        width = max(1.0, 0.12 * scale)
        ys, xs = (_line_cover(extent, spacing * scale, width) for extent in shape)
        cover = np.maximum(ys[:, None], xs[None, :])[..., None]
        paper = paper + cover * (colour - paper)
    return np.ascontiguousarray(paper.transpose(2, 0, 1) + 0.5, np.float32)  # what is cut to a whole number is rounded


def _line_cover(extent: int, spacing: float, width: float) -> np.ndarray:
    """How much of each pixel along an axis is covered by lines of `width` every `spacing` pixels."""
    centres = np.arange(0, extent + spacing, spacing)
    pixels = np.arange(extent)[:, None]
    cover = np.minimum(pixels + 1, centres + width / 2) - np.maximum(pixels, centres - width / 2)
    return cover.clip(0, 1).max(axis=1).astype(np.float32)


def _stamp_names(ink: np.ndarray, page: Layout, scale: float) -> None:
    for cell in cells(page):
        letters = glyph_rows(cell.lead, max(5, round(4.0 * scale)))
        y, x = round((cell.top + 0.06 * page.row) * scale), round((cell.left + 1.0) * scale)
        cut = letters[: max(0, ink.shape[0] - y), : max(0, ink.shape[1] - x)]
        spot = ink[y : y + cut.shape[0], x : x + cut.shape[1]]
        np.maximum(spot, cut, out=spot)
