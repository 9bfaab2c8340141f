"""The 12-lead page as SVG, at 25 mm/s and 10 mm/mV: sharp at every size, in the page's own light or dark colours.

Coordinates are in tenths of a millimetre (10 µV, 4 ms), so that a path is whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.paper import Cell, Paper
from ecg_r1.ecg.record import SAMPLING_RATE, ECGRecord

UNIT = 10  # units a millimetre
BIN = 4  # samples of which one is drawn, the one furthest from the line: 8 ms
BASELINE = 0.55  # of a row's height
LABEL = (9.0, 4.5)  # mm: width and height of the widest lead's name
PAPER = Paper()


@dataclass(frozen=True)
class Trace:
    """One lead of the page, ready to be drawn.

    Attributes:
        lead: its name.
        path: of an SVG path, with the calibration pulse before the first column.
        x, y: where its name stands.
    """

    lead: str
    path: str
    x: int
    y: int


def page_size() -> tuple[int, int]:
    """Width and height of the page, in units."""
    height, width = PAPER.size_mm
    return round(width * UNIT), round(height * UNIT)


def traces(record: ECGRecord) -> list[Trace]:
    """Every lead of the 3x4 page with its rhythm strip."""
    levels = np.median(record.signal[:, : record.samples], axis=1)
    placed = [(cell, *points(record, cell, levels)) for cell in PAPER.cells()]
    lines = [(x, y) for _, x, y in placed]
    found = []
    for cell, x, y in placed:
        pulse = ""
        if cell.start == 0:
            pulse = path(PAPER.pulse[0] * UNIT, (cell.top + BASELINE * PAPER.row - PAPER.pulse[1]) * UNIT)
        found.append(Trace(cell.lead, pulse + path(x, y), *_label(cell, lines)))
    return found


def points(record: ECGRecord, cell: Cell, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points of a lead in a cell, in units; NaN where it was not recorded.

    Args:
        levels: (12,) mV, what is drawn on the baseline.
    """
    lead = LEADS.index(cell.lead)
    shown = record.signal[lead, : record.samples][cell.samples]
    if record.windows is not None:
        shown = np.where(record.recorded()[lead, : record.samples][cell.samples], shown, np.nan)
    if not record.lead_mask[lead] or not len(shown):
        return np.zeros(0), np.zeros(0)
    count = len(shown) // BIN
    rows = shown[: count * BIN].reshape(count, BIN) - levels[lead]
    middle = np.ma.masked_invalid(rows).mean(axis=1, keepdims=True).filled(np.nan) if count else rows
    whole = np.concatenate([middle[:1], middle, middle[-1:]]) if count else middle
    line = (whole[:-2] + whole[2:]) / 2 if count else middle  # what the neighbours would draw here
    best = np.abs(np.nan_to_num(rows - line)).argmax(axis=1)
    values = rows[np.arange(count), best]
    seconds = cell.start + (np.arange(count) * BIN + BIN / 2) / SAMPLING_RATE
    y = cell.top + BASELINE * PAPER.row - np.clip(values * PAPER.gain, -1.4 * PAPER.row, 1.2 * PAPER.row)
    return cell.x_mm(seconds) * UNIT, y * UNIT


def path(x: np.ndarray, y: np.ndarray) -> str:
    """An SVG path through the points, relative from each to the next; a gap where one is NaN."""
    if not len(x):
        return ""
    there = np.isfinite(y)
    xs, ys = np.rint(x).astype(int), np.rint(np.where(there, y, 0)).astype(int)
    straight = np.zeros(len(xs), dtype=bool)  # a point on the line of its neighbours changes nothing
    turns = np.diff(xs)[:-1] * np.diff(ys)[1:] == np.diff(xs)[1:] * np.diff(ys)[:-1]
    straight[1:-1] = turns & there[:-2] & there[1:-1] & there[2:]
    parts, last = [], -1  # the point before, or -1 where the line begins anew
    for i in np.flatnonzero(~straight):
        if not there[i]:
            last = -1
            continue
        parts.append(f"M{xs[i]} {ys[i]}l" if last < 0 else f"{xs[i] - xs[last]} {ys[i] - ys[last]}")
        last = i
    return " ".join(parts).replace(" -", "-").replace("l ", "l").removesuffix("l")


def _label(cell: Cell, lines: list[tuple[np.ndarray, np.ndarray]]) -> tuple[int, int]:
    """Where a lead's name stands: as far to the left of its row as no trace passes, and there at the top."""
    width, height = (size * UNIT for size in LABEL)
    left, top = (cell.left + 1) * UNIT, (cell.top + 1) * UNIT
    lowest = (cell.top + PAPER.row) * UNIT - height
    for x in np.arange(left, (cell.left + (cell.end - cell.start) * PAPER.speed) * UNIT - width, 2 * UNIT):
        passing = [_reach(float(x), width, *line) for line in lines]
        for y in np.arange(top, lowest, UNIT):
            if not any(high <= y + height and low >= y for high, low in passing):
                return round(x), round(y + 0.8 * height)
    return round(left), round(top + 0.8 * height)


def _reach(left: float, width: float, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The highest and the lowest place of a line over a stretch; (inf, -inf) where it has none."""
    inside = y[(x >= left - UNIT) & (x <= left + width + UNIT) & np.isfinite(y)]
    return (float(inside.min()), float(inside.max())) if len(inside) else (np.inf, -np.inf)
