"""The 12-lead page as an array: grid, calibration pulses, lead names, header and traces."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from ecg_r1.ecg.glyphs import glyph_rows
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.paper import GRIDS, HEADER_LINE, MARGIN, Paper
from ecg_r1.ecg.pen import Pen
from ecg_r1.ecg.record import SAMPLING_RATE, ECGRecord

WHITE = np.array([255, 253, 250])
INK = np.array([12, 12, 30], np.float32)
FAR = 1e6  # mV: off any page, and far from where float32 ends
PLAIN = Paper()


def render(
    record: ECGRecord, *, paper: Paper = PLAIN, size: int | None = None, pixels_per_mm: float | None = None
) -> np.ndarray:
    """Draws a record.

    Args:
        paper: what it is printed on.
        size: side in pixels of a white square that holds the whole page, nothing cut off; the page alone unless given.
        pixels_per_mm: resolution; 4 unless `size` decides it.

    Returns:
        uint8 (H, W, 3). Missing leads keep their name and have no trace.
    """
    height, width = paper.size_mm
    scale = size / max(height, width) if size else (pixels_per_mm or 4.0)
    shape = (min(round(height * scale), size or 1 << 14), min(round(width * scale), size or 1 << 14))
    unwritten = replace(paper, header=("",) * len(paper.header))  # headers differ from page to page
    image = _blank(unwritten, shape, scale).copy()
    for number, line in enumerate(paper.header):
        letters = _written(line, 0.8 * HEADER_LINE * scale)
        _stamp(image, letters, round((MARGIN + number * HEADER_LINE) * scale), round(MARGIN * scale))
    pixels = image.reshape(-1, 3)
    for place, ink in _pen(replace(unwritten, grid=PLAIN.grid), shape, scale).touched(_y_mm(record, paper) * scale):
        bare = pixels.take(place, axis=0) * (1 - ink[:, None])
        bare += ink[:, None] * INK + np.float32(0.5)
        pixels[place] = bare
    if size is None:
        return image
    square = np.full((size, size, 3), 255, np.uint8)
    y, x = (size - shape[0]) // 2, (size - shape[1]) // 2
    square[y : y + shape[0], x : x + shape[1]] = image
    return square


def _y_mm(record: ECGRecord, paper: Paper) -> np.ndarray:
    """The height of every point of the page's lines, in mm from above; NaN where a lead or its end is missing."""
    signal = record.signal[:, : record.samples]
    # Real recorders centre each trace; the median is close to the isoelectric line, and every eighth sample tells it.
    levels = np.median(signal[:, ::8], axis=1)
    if record.windows is not None:
        signal = np.where(record.recorded(), signal, np.nan)
        levels = np.array([np.nan_to_num(np.nanmedian(row)) if np.isfinite(row).any() else 0 for row in signal])
    lines = []
    for cell in paper.cells():
        lead, samples = LEADS.index(cell.lead), cell.samples
        trace = np.full(samples.stop - samples.start, np.nan, np.float32)
        if record.lead_mask[lead]:
            shown = signal[lead, samples]
            trace[: len(shown)] = shown.clip(-FAR, FAR) - levels[lead].clip(-FAR, FAR)
        mm = np.clip(trace * (cell.sign * paper.gain), -1.4 * paper.row, 1.2 * paper.row)
        lines.append(cell.top + 0.55 * paper.row - (np.concatenate([paper.pulse[1], mm]) if cell.start == 0 else mm))
    return np.concatenate(lines)


@lru_cache(maxsize=64)
def _pen(paper: Paper, shape: tuple[int, int], scale: float) -> Pen:
    """The pen for a page's lines: in the first column of cells, each begins with a calibration pulse."""
    lines = []
    for cell in paper.cells():
        x = cell.x_mm(np.arange(cell.samples.start, cell.samples.stop) / SAMPLING_RATE)
        lines.append((np.concatenate([paper.pulse[0], x]) if cell.start == 0 else x) * scale)
    return Pen(lines, max(0.32 * scale, 0.7), shape)


@lru_cache(maxsize=64)
def _blank(paper: Paper, shape: tuple[int, int], scale: float) -> np.ndarray:
    """The grid and the lead names: fine lines each mm (where they can be told apart), coarse each 5 mm.

    Returns:
        uint8 (H, W, 3).
    """
    blank = np.full((*shape, 3), WHITE, np.float32)
    for spacing, colour in zip((1.0, 5.0), GRIDS[paper.grid], strict=True):
        if spacing * scale < 2.5:
            continue
        width = max(1.0, 0.12 * scale)
        ys, xs = (_line_cover(extent, spacing * scale, width) for extent in shape)
        cover = np.maximum(ys[:, None], xs[None, :])[..., None]
        blank += cover * (np.array(colour) - blank)
    for cell in paper.cells():
        letters = glyph_rows(cell.name, max(5, round(4.0 * scale)))
        y, x = round((cell.top + 0.06 * paper.row) * scale), round((cell.left + 1.0) * scale)
        _stamp(blank, letters, y, x)
    return np.rint(blank).astype(np.uint8)


def _stamp(page: np.ndarray, ink: np.ndarray, y: int, x: int) -> None:
    """Put ink, the covered share of each pixel, on a page; what lies beyond its edge is cut off."""
    spot = page[y : y + ink.shape[0], x : x + ink.shape[1]]
    cover = ink[: spot.shape[0], : spot.shape[1], None]
    spot[:] = spot + cover * (INK - spot) + (0.5 if page.dtype == np.uint8 else 0.0)


def _written(text: str, height: float) -> np.ndarray:
    """A line of text in Pillow's own font: the share of each pixel that ink covers."""
    from PIL import Image, ImageDraw, ImageFont  # most pages have no header

    font = ImageFont.load_default(max(4.0, height))
    _, _, right, bottom = (math.ceil(edge) for edge in font.getbbox(text))
    image = Image.new("L", (max(1, right), max(1, bottom)))
    ImageDraw.Draw(image).text((0, 0), text, font=font, fill=255)
    return np.asarray(image, np.float32) / 255


def _line_cover(extent: int, spacing: float, width: float) -> np.ndarray:
    """How much of each pixel along an axis is covered by lines of `width` every `spacing` pixels."""
    centres = np.arange(0, extent + spacing, spacing)
    pixels = np.arange(extent)[:, None]
    cover = np.minimum(pixels + 1, centres + width / 2) - np.maximum(pixels, centres - width / 2)
    return cover.clip(0, 1).max(axis=1).astype(np.float32)
